from typing import get_args

import pytest

from kpop_rca.errors import StudyError
from kpop_rca.faces import flags, hand_labels
from kpop_rca.study import params, paths, schema
from kpop_rca.system import console


@pytest.fixture
def study_file(tmp_path):
    def write(text):
        path = tmp_path / "mine.yaml"
        path.write_text(text)
        return path

    return write


def refused(path):
    with pytest.raises(StudyError) as error:
        params.read_study_file(path)
    return str(error.value)


def test_a_good_file_gives_what_it_sets(study_file):
    assert params.read_study_file(study_file("guidance: 2\nchannels: [8, 16]\n")) == {
        "guidance": 2.0,
        "channels": [8, 16],
    }


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("guidence: 2.0", ["guidence", "did you mean 'guidance'"]),
        ("study: other", ["named by its file"]),
        ("guidance: strong", ["guidance", "'strong'", "number"]),
        ("guidance: -1.0", ["guidance", "greater than or equal to 0"]),
        ("guidance: .nan", ["guidance", "finite"]),
        ("train_steps: 1e-3", ["train_steps", "0.001 (float)"]),
        ("batch_size: 32.5", ["batch_size", "32.5"]),
        ("batch_size: true", ["batch_size", "True"]),
        ("flip: yes", ["flip is 'yes'", "boolean", "true and false"]),
        ("mixed_precision: false", ["mixed_precision", "False"]),
        ("prediction: x0", ["prediction", "'x0'", "'eps', 'v' or 'flow'"]),
        ("optimizer: sgd", ["optimizer", "'sgd'", "'adamw' or 'muon'"]),
        ("timestep_sampling: normal", ["timestep_sampling", "'normal'", "'uniform' or 'logit_normal'"]),
        ("stem: patches", ["stem", "'patches'", "'pixels' or 'space_to_depth'"]),
        ("image_size: 48", ["image_size", "48", "16, 32 or 64"]),
        ("exclude_flags: [blurred]", ["exclude_flags", "blurred"]),
        ("exclude_hand_labels: [nice]", ["exclude_hand_labels", "nice", "wrong_person"]),
        ("exclude_identities: [12]", ["exclude_identities", "string", "in quotes"]),
        ("max_mismatch_score: 2.0", ["max_mismatch_score", "less than or equal to 1"]),
        ("oracle_fraction: 1.0", ["oracle_fraction", "less than 1"]),
        ("oracle_seeds: 0", ["oracle_seeds", "greater than or equal to 1"]),
        (
            "architectures: [resnet18]\nseen_oracles: [resnet10]",
            ["seen_oracles names resnet10", "not one of architectures"],
        ),
        ("trainings: 5\nimages_per_identity: 4", ["images_per_identity is 4", "fewer than one of each of 5 trainings"]),
        ("guidance_interval: [0.8, 0.2]", ["guidance_interval begins at 0.8", "ends before that, at 0.2"]),
        ("guidance_interval: [0.2]", ["guidance_interval"]),
        ("headline_oracle: vgg", ["headline_oracle", "'vgg'", "an oracle (resnet18-0)"]),
        ("headline_oracle: resnet18-seen", ["headline_oracle", "'resnet18-seen'"]),
        ("seed: 1\nseed: 2", ["line 2", 'duplicate key "seed"']),
        ("- seed", ["name: value"]),
        ("seed: [1", ["not readable as YAML"]),
        ("seed: !!python/object/apply:os.system ['true']", ["not readable as YAML"]),
    ],
)
def test_a_bad_file_is_refused_in_a_line_that_names_file_and_key(study_file, text, expected):
    message = refused(study_file(text))
    assert message.startswith("params/mine.yaml")
    assert all(part in message for part in expected), message
    assert len(message.splitlines()) <= 2


def test_flags_and_labels_are_those_of_the_audit():
    assert {*get_args(schema.Flag), "unreadable"} == set(flags.FLAGS)
    assert get_args(schema.HandLabel) == hand_labels.HAND_LABELS


def test_every_problem_of_a_file_is_named_at_once(study_file):
    message = refused(study_file("guidence: 2.0\nseed: -1\nchannels: [a, b]\nflip: 1\nguidance: 2.0\n"))
    said = ["'guidence'", "seed is -1", "channels", "flip is 1"]
    assert len(message.splitlines()) == 4
    for line, part in zip(message.splitlines(), said, strict=True):
        assert line.startswith("params/mine.yaml: ") and part in line


def test_every_value_that_does_not_fit_another_is_named_at_once(study_file):
    text = "architectures: [resnet18]\nseen_oracles: [resnet10]\nheadline_oracle: resnet34\n"
    text += "image_size: 64\nface_sizes: [16]\n"
    assert [line.split()[1] for line in refused(study_file(text)).splitlines()] == [
        "seen_oracles", "image_size", "headline_oracle",
    ]  # fmt: skip


def test_the_levels_of_a_network_are_those_of_its_stem(study_file):
    """The first level of space_to_depth lies at half the side of the images."""
    shape = "face_sizes: [64]\nimage_size: 64\nchannels: [8, 8, 8]\nattention_size: 8\n"
    assert params.read_study_file(study_file(shape + "stem: space_to_depth\n"))["attention_size"] == 8
    assert "no level of the network; they are 64, 32, 16" in refused(study_file(shape))


@pytest.mark.parametrize("wanted", ["best", "resnet18", "resnet18-0", "resnet34-2-seen"])
def test_a_oracle_is_named_in_each_of_the_ways(study_file, wanted):
    assert params.read_study_file(study_file(f"headline_oracle: {wanted}")) == {"headline_oracle": wanted}


@pytest.fixture
def former(monkeypatch):
    """`steps` as the name that `train_steps` had; nothing was said of it yet."""
    monkeypatch.setitem(params.FORMER_NAMES, "steps", "train_steps")
    console.print_once.cache_clear()


def test_a_former_name_is_read_with_a_note_once_a_file(study_file, former, capsys):
    path = study_file("steps: 7\nguidance: 2.0\n")
    assert params.read_study_file(path) == params.read_study_file(path) == {"train_steps": 7, "guidance": 2.0}
    said = "note: params/mine.yaml: steps is now called train_steps; the old name is read until the next version\n"
    assert capsys.readouterr().out == said


def test_a_file_of_the_version_before_is_read_with_one_note(study_file, capsys):
    console.print_once.cache_clear()
    path = study_file("judges: [resnet10]\njudge_epochs: 3\n")
    assert params.read_study_file(path) == {"architectures": ["resnet10"], "oracle_epochs": 3}
    said = capsys.readouterr().out
    assert said.count("note: ") == 1 and "judges is now called architectures" in said
    assert "judge_epochs is now called oracle_epochs" in said


def test_a_former_name_and_the_name_of_today_are_refused(study_file, former):
    assert "steps is now called train_steps, and both are given" in refused(study_file("steps: 7\ntrain_steps: 8\n"))


def test_every_former_name_leads_to_a_parameter_and_is_none():
    assert set(params.FORMER_NAMES.values()) <= set(schema.Parameters.model_fields)
    assert not params.FORMER_NAMES.keys() & schema.Parameters.model_fields.keys()


def test_oracles_that_leave_out_a_seen_one_are_refused_with_its_default(study_file, monkeypatch):
    path = study_file("architectures: [resnet18]")
    monkeypatch.setattr(params.paths, "study_file", lambda study: path)
    with pytest.raises(StudyError, match=r"params/mine.yaml: seen_oracles names resnet10, .* \(\[\] is for none\)"):
        params.resolve("mine")


def test_a_missing_study_names_those_that_exist():
    with pytest.raises(StudyError, match=r"no study 'qick'.*quick"):
        params.resolve("qick")


@pytest.mark.parametrize("path", sorted((paths.project_root() / "params").glob("*.yaml")), ids=lambda p: p.stem)
def test_every_study_in_the_project_resolves(path):
    resolved = params.resolve(path.stem)
    assert resolved["study"] == path.stem
    assert resolved.keys() == params.defaults().keys()


def test_quick_is_what_the_notebooks_declare():
    assert params.resolve("quick") == params.defaults()


def test_every_parameter_is_declared_by_a_notebook_with_its_type():
    assert set(params.defaults()) == set(schema.Parameters.model_fields)


def test_a_seed_in_the_name_changes_the_seed_alone():
    plain, seeded = params.resolve("smoke"), params.resolve("smoke-seed7")
    assert {k for k in plain if plain[k] != seeded[k]} == {"study", "seed"}
    assert seeded["seed"] == 7


def test_collect_takes_parameters_and_leaves_other_names():
    assert params.collect({"seed": 3, "np": object(), "_": 1}) == {"seed": 3}
    with pytest.raises(StudyError, match="parameters cell: seed"):
        params.collect({"seed": "three"})
