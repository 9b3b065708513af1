"""Locks between processes: real ones, that end in their own ways."""

import os
import re
import signal
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path

import pytest
from children import hears_interrupts

from kpop_rca import run
from kpop_rca.errors import StudyError
from kpop_rca.study import manifests, paths, stage_run
from kpop_rca.system import locks

AUDIT = {"study": "mine", "seed": 0, "min_face_size": 20, "device": "auto"}
BEGIN = f"""
import time
from kpop_rca.study import stage_run
stage = stage_run.begin("01_data_audit", {AUDIT})
(stage.folder / "half.txt").write_text("half")
print("begun", flush=True)
time.sleep(3600)
"""


@pytest.fixture(autouse=True)
def impatience(monkeypatch):
    """The tests hold their locks for good, so nothing is gained by waiting."""
    monkeypatch.setattr(locks, "PATIENCE", 0.01)


@contextmanager
def begun(folder):
    """Another process that has begun the audit of `mine` in a folder."""
    environment = os.environ | {paths.OUTPUT_VARIABLE: str(folder)}
    command = [sys.executable, "-c", BEGIN]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment, preexec_fn=hears_interrupts)
    assert process.stdout.readline() == "begun\n"
    yield process
    process.kill()
    process.wait()
    process.stdout.close()


@pytest.fixture(scope="module")
def begun_for_all(tmp_path_factory):
    folder = tmp_path_factory.mktemp("held")
    with begun(folder) as process:
        yield process, folder


@pytest.fixture
def other(begun_for_all, monkeypatch):
    """Another process that has begun the audit of `mine`, and that no test ends: starting one takes seconds."""
    process, folder = begun_for_all
    monkeypatch.setenv(paths.OUTPUT_VARIABLE, str(folder))
    return process


def test_the_second_is_told_who_holds_the_stage_and_stops(other):
    since = r"since \d{4}-\d\d-\d\d \d\d:\d\d:\d\d"
    held = rf"artifacts/mine/audit is in use by process {other.pid} on \S+ {since}"
    said = rf"{held}.*; wait for it.* run: notebook 01_data_audit with"
    with pytest.raises(StudyError, match=said):
        stage_run.begin("01_data_audit", AUDIT | {"seed": 1})
    assert (paths.artifacts_folder("mine") / "audit/half.txt").read_text() == "half"


def test_another_study_and_another_stage_are_free(other):
    (stage_run.begin("01_data_audit", AUDIT | {"study": "yours"}).folder / "a.txt").write_text("a")
    stage_run.begin("08_claims", {"study": "mine"})


@pytest.mark.parametrize("end", [signal.SIGKILL, signal.SIGINT, signal.SIGTERM])
def test_the_lock_of_a_dead_process_is_taken_over_with_its_half_done_work(output, end):
    with begun(output) as other:
        other.send_signal(end)
        other.wait()
    assert (stage_run.begin("01_data_audit", AUDIT).folder / "half.txt").is_file()


def test_who_needs_what_is_being_made_is_told_to_wait(other):
    with pytest.raises(StudyError, match=rf"audit is missing: process {other.pid} on .* is making it; wait"):
        stage_run.begin("02_preprocessing", {"study": "mine", "seed": 0})


def test_a_finished_stage_is_free_again_and_one_process_may_begin_twice(output):
    for _ in range(2):
        stage_run.begin("01_data_audit", AUDIT)
    lock = manifests.lock_of("mine", "audit")
    assert re.match(rf"process {os.getpid()} on ", locks.holder(lock))
    stage_run.begin("01_data_audit", AUDIT).finish()
    assert locks.holder(lock) is None


def test_the_lock_is_no_part_of_the_stage_and_outlives_its_emptying(output):
    stage = stage_run.begin("01_data_audit", AUDIT)
    stage_run.begin("01_data_audit", AUDIT | {"seed": 1})
    assert locks.holder(manifests.lock_of("mine", "audit"))
    stage.finish()
    assert manifests.read(stage.folder)["files"] == {}
    assert sorted(p.name for p in stage.folder.iterdir()) == ["manifest.json", "started.json"]


def test_a_forked_worker_does_not_keep_the_lock_of_its_dead_parent(output, tmp_path):
    """As a loader's worker does that has not noticed yet that its process was killed."""
    forking = BEGIN.replace(
        'print("begun"', "import os\nchild = os.fork()\nif child == 0: time.sleep(3600)\nprint(child"
    )
    process = subprocess.Popen([sys.executable, "-c", forking], stdout=subprocess.PIPE, text=True)
    child = int(process.stdout.readline())
    try:
        process.kill()
        process.wait()
        stage_run.begin("01_data_audit", AUDIT)
    finally:
        os.kill(child, signal.SIGKILL)
        process.stdout.close()


def test_a_holder_that_nothing_is_known_of_holds_all_the_same(other):
    record = manifests.lock_of("mine", "audit").with_name(".audit.lock.holder")
    known = record.read_text()
    record.write_text("")
    with pytest.raises(StudyError, match="in use by another process;"):
        stage_run.begin("01_data_audit", AUDIT)
    record.write_text(known)


def test_asking_for_the_holder_makes_nothing(tmp_path):
    assert locks.holder(tmp_path / "none.lock") is None
    assert not list(tmp_path.iterdir())


def test_a_folder_that_cannot_be_written_is_named(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(StudyError, match=r"file/a\.lock cannot be written"):
        locks.take(tmp_path / "file" / "a.lock", what="a", then="go on")


def test_a_notebook_in_use_is_not_run_and_its_executed_copy_stays(output, monkeypatch):
    """Neither beside a kernel that has the stage, nor beside another papermill."""
    monkeypatch.setattr(run.papermill, "execute_notebook", lambda *args, **kwargs: pytest.fail("was run"))
    for name in ("audit", "01_data_audit"):
        lock = manifests.lock_of("smoke", name)
        holding = (
            f"from pathlib import Path; from kpop_rca.system import locks; import time; locks.take(Path({str(lock)!r}),"
        )
        command = [sys.executable, "-c", f"{holding} what='', then=''); print(1, flush=True); time.sleep(3600)"]
        with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
            process.stdout.readline()
            with pytest.raises(StudyError, match=f"in use by process {process.pid} "):
                run.run_notebook("01", "smoke")
            process.kill()
    assert not (output / "reports").exists()


def test_a_run_leaves_the_stage_to_its_kernel_and_both_locks_free(output, monkeypatch):
    def executed(source, partial, **kwargs):
        Path(partial).touch()
        seen.append([locks.holder(manifests.lock_of("smoke", name)) for name in ("audit", "01_data_audit")])

    seen = []
    monkeypatch.setattr(run.papermill, "execute_notebook", executed)
    run.run_notebook("01", "smoke")
    (stage_holder, notebook_holder), *_ = seen
    assert stage_holder is None and f"process {os.getpid()}" in notebook_holder
    assert locks.holder(manifests.lock_of("smoke", "01_data_audit")) is None


def test_a_second_run_of_the_graph_stops_before_it_starts_on_any_stage(output):
    locks.take(paths.artifacts_folder("smoke") / ".lock", what="", then="")
    command = [sys.executable, "-m", "snakemake", "--cores", "1", "--config", "studies=smoke"]
    environment = os.environ | {"PYTHONPATH": str(paths.project_root())}
    done = subprocess.run(command, env=environment, cwd=paths.project_root(), capture_output=True, text=True)
    assert done.returncode == 1
    assert f"the study smoke is in use by process {os.getpid()} on " in done.stdout + done.stderr
    assert not [path for path in (output / "artifacts/smoke").iterdir() if path.is_dir()]


def test_nobody_waits_until_a_lock_is_free(other):
    with pytest.raises(StudyError):
        stage_run.begin("01_data_audit", AUDIT)
    assert other.poll() is None
