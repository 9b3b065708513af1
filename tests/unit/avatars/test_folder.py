"""A dataset whose rendering is killed, whose files are spoilt, or that two processes want at once. Real ones."""

import os
import shutil
import signal
import subprocess
import sys
import time

import pytest
from small_avatars import MANY, N_MANY, SMALL
from spoiling import SPOILT

from kpop_rca.avatars import dataset, folder

RENDER = f"""
import sys
from pathlib import Path
from kpop_rca.avatars import dataset
if __name__ == "__main__":
    dataset.render_dataset(Path(sys.argv[1]), **{MANY}, workers=int(sys.argv[2]))
"""


def rendering(place, *, workers, at_least):
    """A process that renders, and has rendered so many of the images."""
    script = place / "render.py"
    script.write_text(RENDER)
    command = [sys.executable, str(script), str(place / "avatars"), str(workers)]
    process = subprocess.Popen(command, start_new_session=True)
    sums = place / "avatars" / folder.SUMS
    while not sums.is_file() or len(sums.read_text().splitlines()) < at_least:
        assert process.poll() is None, "ended before it could be disturbed"
        time.sleep(0.002)
    return process


def written(root):
    """File to the moment at which it was written."""
    return {path.relative_to(root).as_posix(): path.stat().st_mtime_ns for path in root.rglob("*.*")}


def contents(root):
    return {path.relative_to(root).as_posix(): path.read_bytes() for path in root.rglob("*") if path.is_file()}


@pytest.fixture(scope="module")
def reference(tmp_path_factory):
    """The dataset that nobody disturbed."""
    root = tmp_path_factory.mktemp("reference") / "avatars"
    dataset.render_dataset(root, **MANY, workers=1)
    return contents(root)


@pytest.mark.parametrize("workers", [1, 2])
def test_a_killed_rendering_goes_on_with_what_is_there(tmp_path, reference, workers):
    process = rendering(tmp_path, workers=workers, at_least=40)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    root, counts = tmp_path / "avatars", []
    there, before = folder.whole_files(root), written(root)
    assert 40 <= len(there) < N_MANY
    dataset.render_dataset(root, **MANY, workers=1, progress=lambda done, total: counts.append((done, total)))
    after = written(root)
    again = {name for name in after if name.endswith(".jpg") and after[name] != before.get(name)}
    assert len(again) == N_MANY - len(there)
    assert counts[-1] == (N_MANY, N_MANY)
    assert contents(root) == reference


def test_who_comes_second_waits_and_renders_nothing(tmp_path, reference, capsys):
    process, counts = rendering(tmp_path, workers=1, at_least=20), []
    dataset.render_dataset(tmp_path / "avatars", **MANY, workers=1, progress=lambda *count: counts.append(count))
    assert process.wait() == 0
    assert capsys.readouterr().out == f"{tmp_path / 'avatars'} is being rendered by another process; waiting for it\n"
    assert not counts
    assert contents(tmp_path / "avatars") == reference


@pytest.fixture
def small(tmp_path):
    root = tmp_path / "avatars"
    dataset.render_dataset(root, **SMALL, workers=1)
    return root


@pytest.mark.parametrize("spoil", [*SPOILT, lambda path: path.unlink()])
@pytest.mark.parametrize("name", ["normal_cases/train/0001/3.jpg", folder.TRUTH])
def test_a_damaged_file_of_a_dataset_is_named_and_made_again_alone(small, capsys, name, spoil):
    whole, before = contents(small), written(small)
    spoil(small / name)
    truth = dataset.render_dataset(small, **SMALL, workers=1)
    assert capsys.readouterr().out == f"{small}: {name} damaged or gone; rendered again\n"
    assert {n for n, moment in written(small).items() if moment != before[n] and n.endswith(".jpg")} <= {name}
    assert {n: content for n, content in contents(small).items() if n != folder.SUMS} == {
        n: content for n, content in whole.items() if n != folder.SUMS
    }
    assert truth.equals(dataset.read_truth(small))
    before = written(small)
    dataset.render_dataset(small, **SMALL, workers=1)
    assert written(small) == before


@pytest.mark.parametrize("spoil", [*SPOILT, lambda path: path.write_bytes(b"\xff\n" + path.read_bytes()[:-40])])
def test_damaged_sums_cost_no_more_than_rendering_again(small, spoil):
    """Half a line, as a kill may leave it, is no checksum."""
    whole = contents(small)
    spoil(small / folder.SUMS)
    dataset.render_dataset(small, **SMALL, workers=1)
    assert set(folder.whole_files(small)) == set(whole) - {folder.SUMS, folder.ARGUMENTS}
    assert contents(small)[folder.TRUTH] == whole[folder.TRUTH]


def test_a_whole_dataset_needs_no_permission_to_write(small):
    lock = small.with_name(".avatars.lock")
    lock.unlink()
    before = small.stat().st_mtime_ns
    dataset.render_dataset(small, **SMALL, workers=1)
    assert not lock.exists() and small.stat().st_mtime_ns == before


@pytest.mark.skipif(shutil.which("sha256sum") is None, reason="there is no sha256sum")
def test_the_sums_are_those_that_sha256sum_checks(small):
    done = subprocess.run(["sha256sum", "--check", "--quiet", folder.SUMS], cwd=small, capture_output=True, text=True)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
