"""What Snakemake runs again when a data folder changes, and when it is only named otherwise; 01 alone."""

import os
import shutil

import pytest
from graph import snakemake

from kpop_rca.avatars import dataset
from kpop_rca.study import flat_yaml, params, paths

STUDY = "odd"
AUDIT = f"artifacts/{STUDY}/audit/manifest.json"
SMALLER = {
    "n_identities": 2,
    "idols_train_per_identity": 4,
    "idols_test_per_identity": 3,
    "idols_hard_per_identity": 1,
    "idols_group_per_identity": 1,
}


@pytest.fixture(scope="module")
def audited(tmp_path_factory):
    """A copy of the project, whose study has been audited; the project, the output and the photographs."""
    root = tmp_path_factory.mktemp("odd")
    project, output, photographs = root / "project", root / "output", root / "project/faces"
    for name in ("kpop_rca", "notebooks", "params"):
        shutil.copytree(paths.project_root() / name, project / name, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(paths.project_root() / "Snakefile", project)
    known = params.resolve("smoke") | SMALLER
    drawn = {name.removeprefix("idols_"): value for name, value in known.items() if name.startswith("idols_")}
    dataset.render_dataset(photographs, **drawn, seed=0, n_identities=2)
    study = flat_yaml.read(paths.study_file("smoke"), where="smoke") | SMALLER
    study |= {"data_source": "folder", "data_root": "faces", "look_alike_groups": ""}
    (project / "params" / f"{STUDY}.yaml").write_text(flat_yaml.dumps(study))
    run = snakemake(output, AUDIT, studies=STUDY, project=project)
    assert run.returncode == 0, run.stdout[-5000:] + run.stderr[-5000:]
    return project, output, photographs


def runs_again(project, output, data_root=None):
    run = snakemake(output, AUDIT, "--dry-run", studies=STUDY, project=project, data_root=data_root)
    assert run.returncode == 0, run.stderr
    return "rule notebook_01_data_audit:" in run.stdout + run.stderr


def test_what_is_not_data_and_what_is_only_named_otherwise_runs_nothing(audited):
    project, output, photographs = audited
    assert not runs_again(project, output)
    thumbnail, *others = (photographs / name for name in ("@eaDir/1.jpg", ".DS_Store", "Thumbs.db", "notes.txt"))
    thumbnail.parent.mkdir()
    for path in (thumbnail, *others):
        path.write_text("x")
    for path in photographs.rglob("*"):
        os.utime(path)
    assert not runs_again(project, output)
    assert not runs_again(project, output, data_root="./faces/")
    assert not runs_again(project, output, data_root=photographs)


def test_another_photograph_runs_it_again(audited):
    project, output, photographs = audited
    found = sorted(photographs.glob("normal_cases/train/*/*.jpg"))
    shutil.copy(found[0], found[0].with_name("another.jpg"))
    assert runs_again(project, output)
    found[0].with_name("another.jpg").unlink()
    assert not runs_again(project, output)
    before = found[0].stat()
    shutil.copy(found[1], found[0])
    os.utime(found[0], ns=(before.st_atime_ns, before.st_mtime_ns))
    assert runs_again(project, output)
