"""Study files that nobody should write: each is refused in one readable line, or means what it looks like."""

import pytest
from fuzzing import LONGEST_ERROR, check_study_file, study_files
from hypothesis import HealthCheck, given, settings

from kpop_rca.errors import StudyError
from kpop_rca.study import flat_yaml, params, sweeps

# A few lines that stand for 9 ** 9 words.
BOMB = "a: &a [x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"{b}: &{b} [{', '.join([f'*{a}'] * 9)}]\n" for a, b in zip("abcdefgh", "bcdefghi", strict=True)
)
WRITTEN = {
    "1:30": "expected integer",
    "1e-3": "expected integer",
    "1.0e+400": "expected integer",
    "9" * 5000: "not readable as YAML",
    "0x" + "f" * 5000: "a number of thousands of digits",
    "1" + "0" * 30: "expected less than",
    "~": "expected integer",
    "2024-01-01": "expected integer",
    "2024-99-99": "not readable as YAML",
    "!!int x": "not readable as YAML",
    "!!binary x": "not readable as YAML",
    "{a: 1}": "expected integer",
    "!!python/name:os.system": "not readable as YAML",
    "&a 1": "anchors",
    "[" * 2000 + "]" * 2000: "brackets within brackets",
    "'\\ud800'": "expected integer",
}
FILES = {
    b"seed: \xff\xfe\n": "not readable as YAML",
    b"seed:\t1\n\tflip: yes\n": "not readable as YAML",
    b"\x00": "not readable as YAML",
    b"seed: 1\n---\nseed: 2\n": "not readable as YAML: line 2",
    b"? [1, 2]\n: 3\n": "name: value",
    b"? {a: 1}\n: 3\n": "not readable as YAML",
    b'seed: 1\n"seed": 2\n': "line 2: found duplicate key",
    b"1: 2\n": "name: value",
    b"seed\n": "name: value",
    b"!!set {seed}\n": "name: value",
    BOMB.encode(): "line 1: anchors",
    b"channels: &a [*a]\n": "anchors",
    b"x" * 900 + b": 1\n": "no notebook declares",
    b'data_root: "a\\0b"\n': "a path without control characters",
    b'data_root: "\\ud800"\n': "data_root",
    b"data_root: " + b"x" * 5000 + b"\n": "data_root is 'xxx",
    b"hand_labels: 1.5\n": "hand_labels is 1.5 (float); expected string",
    b"attention_size: no\n": "attention_size is 'no' (str); expected 0, 4",
    b"channels: [16, 100000]\n": "channels",
    b"channels: [16, [32]]\n": "channels",
    b"train_steps: 1000000000000\n": "train_steps",
    b"blur_sigmas: [0.0, .inf]\n": "blur_sigmas",
    b"guidance: .nan\n": "guidance",
    b"sweep_samplers: [ddim-9999, ddim-20]\nsweep_seeds: 1\n": "sampling_steps",
}


@pytest.fixture(scope="module")
def resolve(tmp_path_factory):
    """A function from the bytes of a study file to what a run of the study would be handed."""
    path = tmp_path_factory.mktemp("params") / "mine.yaml"

    def resolved(content: bytes) -> dict:
        path.write_bytes(content)
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(params.paths, "study_file", lambda study: path)
            found = params.resolve("mine")
            for member in sweeps.members(found):
                params.resolve(member.study)
        return found

    return resolved


def refused(resolve, content: bytes) -> str:
    with pytest.raises(StudyError) as error:
        resolve(content)
    return check_readable(str(error.value))


def check_readable(message: str) -> str:
    """One or two lines that name the file, and can be printed."""
    assert message.startswith("params/mine.yaml"), message
    assert len(message.splitlines()) <= 2 and len(message) <= LONGEST_ERROR, message
    assert message.isprintable() or "\n" in message, message
    message.encode("utf-8")
    return message


@pytest.mark.parametrize(("value", "said"), WRITTEN.items(), ids=lambda v: v[:20])
def test_a_number_is_what_it_looks_like_or_refused(resolve, value, said):
    assert said in refused(resolve, f"train_steps: {value}\n".encode())


@pytest.mark.parametrize(("content", "said"), FILES.items(), ids=range(len(FILES)))
def test_a_bad_file_is_one_readable_error(resolve, content, said):
    assert said in refused(resolve, content)


@pytest.mark.parametrize("name", ["folder", "pipe", "loop"])
def test_what_is_no_file_is_one_readable_error(tmp_path, name):
    path = tmp_path / "mine.yaml"
    {"folder": path.mkdir, "pipe": path.mkdir, "loop": lambda: path.symlink_to(path)}[name]()
    with pytest.raises(StudyError, match=r"params/mine\.yaml: can't be read"):
        params.read_study_file(path)


@pytest.mark.parametrize("name", ["", "a\nb", "a\0b", "../quick", "/etc/passwd", "x" * 5000, "quick\n", "<script>"])
def test_what_is_no_name_of_a_study_is_one_readable_error(name):
    with pytest.raises(StudyError, match="there is no study") as error:
        params.resolve(name)
    assert str(error.value).isprintable() and len(str(error.value)) < LONGEST_ERROR


def test_a_value_means_what_it_looks_like(resolve):
    """YAML 1.1 reads 010 as 8, 1e-3 as a word and no as false."""
    content = b"train_steps: 010\nguidance: 2\nlearning_rate: 1e-3\nmixed_precision: no\ncrop_margin: .5\n"
    found = resolve(content)
    assert [found[name] for name in ("train_steps", "guidance", "learning_rate", "mixed_precision", "crop_margin")] == [
        10, 2.0, 0.001, "no", 0.5,
    ]  # fmt: skip
    assert resolve(b"\xef\xbb\xbfseed: 3\r\n")["seed"] == 3  # as Windows' editor writes it


@settings(max_examples=300, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
@given(content=study_files())
def test_any_file_is_refused_readably_or_means_what_it_looks_like(resolve, content):
    check_study_file(resolve, content)


def test_the_longest_error_is_bounded():
    assert len(flat_yaml.shown("x" * 10_000)) == flat_yaml.LONGEST


@pytest.mark.parametrize("value", ["it's: {x} #1 é김🎤", "no", "12", "", "~", [], ["a", 1], 1e-6, True, 0])
def test_what_is_written_is_read_again(value):
    assert flat_yaml.loads(flat_yaml.dumps({"a": value}).encode(), where="") == {"a": value}
