"""Disks that are full or may not be written, real ones: a small tmpfs where mounting is allowed, and limits of the
operating system that need no privilege. Each test runs in a process of its own, which the limit ends with."""

import errno
import os
import resource
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from small_avatars import MANY, N_MANY

from kpop_rca.errors import StudyError
from kpop_rca.study import checksums, stage_run
from kpop_rca.system import files

AUDIT = {"study": "mine", "seed": 0, "min_face_size": 20, "device": "auto"}
LIMIT = 200_000  # bytes a file may have
MOUNT = "mount -t tmpfs -o size=1m,mode=755 tmpfs"
# What the libraries that write artifacts do with a full disk, each in its own way.
WRITERS = {
    "array.npy": "np.save(t, large)",
    "table.parquet": "pd.DataFrame({'a': large, 'b': large[::-1]}).to_parquet(t)",
    "table.csv": "pd.DataFrame({'a': large}).to_csv(t)",
    "weights.safetensors": "safetensors.torch.save_file({'a': torch.as_tensor(large)}, t)",
    "state.pt": "torch.save({'a': torch.as_tensor(large)}, t)",
    "page.html": "t.write_text('x' * 2_000_000)",
    "figure.png": "plt.imsave(t, np.random.default_rng(0).random((1000, 1000, 3)), format='png')",
}
PRELUDE = """
import sys
from pathlib import Path
import numpy as np
import pandas as pd
import safetensors.torch
import torch
from matplotlib import pyplot as plt
from kpop_rca.errors import StudyError
from kpop_rca.study import stage_run
from kpop_rca.system import files
from kpop_rca.errors import StudyError
large = np.random.default_rng(0).integers(0, 2**60, 200_000)
folder = Path(sys.argv[1])
"""
TRIAL = (
    PRELUDE
    + """
for name, write in {writers}.items():
    path = folder / name
    with files.atomic(path) as t:
        t.write_text("before")
    try:
        with files.atomic(path) as t:
            exec(write)
    except StudyError as error:
        print(name, len(str(error).splitlines()), str(error).replace(chr(10), " "))
    assert path.read_text() == "before", name
    assert sorted(p.name for p in folder.iterdir()) == [name], name
    path.unlink()
"""
)


@pytest.fixture(scope="module")
def mounting() -> list[str]:
    """A command that runs another where it may mount; skipped where there is none."""
    if shutil.which("unshare") is None:
        pytest.skip("no unshare here, so no tmpfs of its own can be mounted")
    command = ["unshare", "-rm", "sh", "-c"]
    tried = subprocess.run([*command, f"{MOUNT} /tmp"], capture_output=True, text=True)
    if tried.returncode:
        pytest.skip(f"no tmpfs can be mounted here: {tried.stderr.strip()}")
    return command


def python(code: str, *arguments: object, **options: object) -> str:
    done = subprocess.run([sys.executable, "-c", code, *map(str, arguments)], capture_output=True, text=True, **options)
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout


def limit_file_size() -> None:
    resource.setrlimit(resource.RLIMIT_FSIZE, (LIMIT, resource.RLIM_INFINITY))


def check_lines(said: str, folder: Path, reason: str) -> None:
    lines = dict(line.split(" ", 1) for line in said.splitlines())
    assert list(lines) == list(WRITERS)
    for name, line in lines.items():
        assert line == f"2 {folder / name} cannot be written ({reason}). To go on, {files.REMEDY}"


def test_a_full_disk_is_one_error_whichever_library_meets_it(mounting: list[str], tmp_path: Path) -> None:
    code = TRIAL.format(writers=WRITERS)
    command = f'{MOUNT} "$0" && exec "{sys.executable}" -c "$1" "$0"'
    done = subprocess.run([*mounting, command, str(tmp_path), code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-3000:]
    check_lines(done.stdout, tmp_path, os.strerror(errno.ENOSPC))


def test_a_limit_on_files_is_one_error_whichever_library_meets_it(tmp_path: Path) -> None:
    said = python(TRIAL.format(writers=WRITERS), tmp_path, preexec_fn=limit_file_size)
    check_lines(said, tmp_path, os.strerror(errno.EFBIG))


STAGE = f"""
import sys
import numpy as np
from kpop_rca.errors import StudyError
from kpop_rca.study import stage_run
from kpop_rca.system import files
from kpop_rca.errors import StudyError
stage = stage_run.begin("01_data_audit", {AUDIT})
for number in range(10):
    if not (stage.folder / f"{{number}}.npy").is_file():
        print("made", number)
        numbers = np.full(25_000, number)
        with files.atomic(stage.folder / f"{{number}}.npy") as temporary:
            np.save(temporary, numbers)
stage.finish()
"""


def test_a_stage_goes_on_where_it_was_once_there_is_room(mounting: list[str], tmp_path: Path) -> None:
    run = f'KPOP_RCA_OUTPUT="$0" "{sys.executable}" -c "$1"'
    command = f'{MOUNT} "$0" && {{ {run}; echo again; mount -o remount,size=4m "$0" && {run}; }}'
    done = subprocess.run([*mounting, command, str(tmp_path), STAGE], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-3000:]
    first, _, then = done.stdout.partition("again\n")
    made = [int(line.split()[1]) for line in first.splitlines()]
    assert 2 <= len(made) < 10
    assert f"artifacts/mine/audit/{made[-1]}.npy cannot be written (No space left on device)" in done.stderr
    assert then.splitlines()[:-1] == [f"made {number}" for number in range(made[-1], 10)]
    assert "complete, 10 files" in then


CORPUS = f"""
import sys
from pathlib import Path
from kpop_rca.avatars import dataset
from kpop_rca.errors import StudyError
try:
    truth = dataset.render_dataset(Path("idols"), **{MANY}, workers=1, progress=lambda *count: None)
except StudyError as error:
    print(error)
else:
    print(len(truth))
drawn = {{path.name + path.parent.name: path.stat().st_mtime_ns for path in Path().rglob("train/*/*.jpg")}}
print(len(list(Path().rglob("*.jpg"))), drawn["0.jpg0000"])
"""


def test_a_corpus_goes_on_where_it_was_once_there_is_room(mounting: list[str], tmp_path: Path) -> None:
    """Some 200 pictures of a block each, on a disk of 400 kB."""
    run = f'"{sys.executable}" -c "$1"'
    mount = 'mount -t tmpfs -o size=400k tmpfs "$0" && cd "$0"'
    command = f'{mount} && {run} && mount -o remount,size=4m "$0" && {run}'
    done = subprocess.run([*mounting, command, str(tmp_path), CORPUS], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-3000:]
    first, remedy, before, number, after = done.stdout.splitlines()
    assert (first, remedy) == ("idols cannot be written (No space left on device).", f"To go on, {files.REMEDY}")
    (few, first_drawn), (many, still) = before.split(), after.split()
    assert 50 < int(few) < int(number) == int(many) == N_MANY
    assert first_drawn == still  # and not drawn again


def test_a_disk_that_is_read_only_is_named(mounting: list[str], tmp_path: Path) -> None:
    code = f"""
from kpop_rca.errors import StudyError
from kpop_rca.study import stage_run
from kpop_rca.system import files
try:
    stage_run.begin("01_data_audit", {AUDIT})
except StudyError as error:
    print(error)
"""
    command = f'{MOUNT} "$0" && mount -o remount,ro "$0" && KPOP_RCA_OUTPUT="$0" exec "{sys.executable}" -c "$1"'
    done = subprocess.run([*mounting, command, str(tmp_path), code], capture_output=True, text=True)
    said = "artifacts/mine/.audit.lock cannot be written (Read-only file system)."
    assert said in done.stdout, done.stdout + done.stderr


def test_a_folder_without_leave_to_write_is_named(tmp_path: Path) -> None:
    folder = tmp_path / "closed"
    folder.mkdir(mode=0o555)
    code = """
import os, sys
from pathlib import Path
from kpop_rca.errors import StudyError
from kpop_rca.study import stage_run
from kpop_rca.system import files
if os.geteuid() == 0:
    os.setuid(65534)  # whom no leave is given by being root
for path in (Path(sys.argv[1], "a.json"), Path(sys.argv[1], "deep", "a.json")):
    try:
        files.write_json(path, {})
    except StudyError as error:
        print(error)
"""
    said = python(code, folder)
    assert said.count(f"{folder}/a.json cannot be written (Permission denied).") == 1
    assert said.count(f"{folder}/deep/a.json cannot be written (Permission denied).") == 1
    assert said.count(files.REMEDY) == 2
    assert list(folder.iterdir()) == []


def test_contents_are_on_the_disk_before_their_name_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """At a power cut, a name without contents would be a file of zeros."""
    synced, fsync = [], os.fsync

    def watched(number: int) -> None:
        synced.append(
            (os.fstat(number).st_size, sorted(path.name for path in tmp_path.iterdir() if path.name[0] != "."))
        )
        fsync(number)

    monkeypatch.setattr(os, "fsync", watched)
    with files.atomic(tmp_path / "a") as temporary:
        temporary.write_bytes(bytes(1000))
    assert synced == [(1000, [])]
    synced.clear()
    checksums.record(tmp_path)
    assert synced[0] == (1000, ["a"]) and len(synced) == 2


def test_errors_that_are_not_of_the_disk_stay_what_they_are(tmp_path: Path) -> None:
    for error in (ValueError("other"), OSError("other"), FileNotFoundError(2, "other"), StudyError("other")):
        with pytest.raises(type(error), match="other"), files.atomic(tmp_path / "a") as temporary:
            temporary.write_text("half")
            raise error
    assert list(tmp_path.iterdir()) == []


def test_what_a_killed_process_was_writing_is_removed_when_its_stage_begins_again(output: Path) -> None:
    stage = stage_run.begin("01_data_audit", AUDIT)
    begun = files.atomic(stage.folder / "a" / "b.npy"), files.atomic(stage.report / "figures" / "01_a.png")
    other = files.atomic(stage.report / "figures" / "02_a.png")  # of another stage, at work perhaps
    for half in (*begun, other):
        half.__enter__().touch()
    assert len(list(output.rglob(f".*{files.HALF}*"))) == 3
    stage_run.begin("01_data_audit", AUDIT)
    assert [p.name.partition(files.HALF)[0] for p in output.rglob(f".*{files.HALF}*")] == [".02_a.png"]
