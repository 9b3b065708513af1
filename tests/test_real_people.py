"""A small study of people who are said to be real, run whole: nobody is seen in its notebooks and its report."""

import base64
import io
import re
import shutil

import nbformat
import numpy as np
import pytest
from graph import snakemake
from PIL import Image

from kpop_rca.avatars import dataset
from kpop_rca.faces import crops
from kpop_rca.plots import contact_sheets
from kpop_rca.study import flat_yaml, params, paths, stages

STUDY = "people"
DATA_URI = re.compile(r"data:image/(?!svg)[a-z]+;base64,([A-Za-z0-9+/=]+)")
# A plot has the colours of its lines and areas and their blends with each other, at most 5000 in those of `quick`;
# the smallest image of faces there has 17000.
MANY_COLOURS = 9000
SMALLER = {
    "idols_train_per_identity": 24,
    "idols_test_per_identity": 8,
    "idols_hard_per_identity": 1,
    "idols_group_per_identity": 1,
    "trainings": 1,
    "train_steps": 4,
    "oracle_seeds": 1,
    "seen_oracles": [],
    "oracle_epochs": 1,
    "images_per_identity": 6,
    "mixture_draws": 1,
    "assumption_draws": 1,
}
NOTE = re.compile(r"(\d+) .* are left out here; set publish_images: true to show them")


def shows_faces(png):
    pixels = np.asarray(Image.open(io.BytesIO(png)).convert("RGB"), dtype=np.uint32)
    return len(np.unique(pixels @ np.array([1 << 16, 1 << 8, 1], dtype=np.uint32))) > MANY_COLOURS


def outputs(notebook):
    return [output for cell in notebook.cells for output in cell.get("outputs", [])]


def images_in(report):
    """Every image of a report: name to bytes."""
    found = {path.relative_to(report).as_posix(): path.read_bytes() for path in report.rglob("*.png")}
    for path in sorted(report.rglob("*.ipynb")):
        for number, output in enumerate(outputs(nbformat.read(path, as_version=4))):
            kinds = [kind for kind in output.get("data", {}) if kind.startswith("image/")]
            found |= {f"{path.name} {number} {kind}": base64.b64decode(output.data[kind]) for kind in kinds}
    for path in sorted(report.glob("*.html")):
        uris = DATA_URI.findall(path.read_text(encoding="utf-8"))
        found |= {f"{path.name} {number}": base64.b64decode(uri) for number, uri in enumerate(uris)}
    return found


@pytest.fixture(scope="module")
def report(tmp_path_factory):
    """The report of `smoke` on a folder of photographs, with an image that an earlier run left there."""
    root = tmp_path_factory.mktemp("people")
    project, output = root / "project", root / "output"
    for name in ("kpop_rca", "notebooks", "params"):
        shutil.copytree(paths.project_root() / name, project / name, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(paths.project_root() / "Snakefile", project)
    study = flat_yaml.read(paths.study_file("smoke"), where="smoke") | SMALLER
    known = params.resolve("smoke") | study
    settings = {name.removeprefix("idols_"): value for name, value in known.items() if name.startswith("idols_")}
    dataset.render_dataset(root / "photographs", **settings, seed=0, n_identities=study["n_identities"])
    study |= {"data_source": "folder", "data_root": str(root / "photographs")}
    (project / "params" / f"{STUDY}.yaml").write_text(flat_yaml.dumps(study))
    earlier = output / "reports" / STUDY / "figures" / "02_earlier.png"
    earlier.parent.mkdir(parents=True)
    Image.new("RGB", (9, 9)).save(earlier)
    run = snakemake(output, studies=STUDY, project=project)
    assert run.returncode == 0, run.stderr[-20_000:]
    return output / "reports" / STUDY


def test_nobody_is_seen(report, tmp_path):
    found = images_in(report)
    assert [name for name, png in found.items() if shows_faces(png)] == []
    assert len([name for name in found if name.startswith("figures/")]) > 10  # plots are there
    assert len([name for name in found if ".html" in name]) > 10
    assert not (report / "figures" / "02_earlier.png").exists()
    made = report.parents[1] / "artifacts" / STUDY / "faces"
    sheet = crops.first_of_each(*crops.load_crops(made, size=32, split="train"), count=3)
    contact_sheets.face_rows(sheet, crops.class_names(made), title="The smallest").savefig(tmp_path / "sheet.png")
    assert shows_faces((tmp_path / "sheet.png").read_bytes())  # so it would have been seen


def test_everybody_is_counted(report):
    for stage in stages.STAGES:
        notebook = nbformat.read(report / "notebooks" / f"{stage.notebook}.ipynb", as_version=4)
        said = NOTE.findall("\n".join(output.get("text", "") for output in outputs(notebook)))
        assert bool(said) == ("publish_images" in params.declared(stage.notebook)), stage.notebook
        assert all(int(number) > 0 for number in said)
    assert "Faces of 4 identities" in (report / "index.html").read_text(encoding="utf-8")
    assert "20 photographs of 4 identities are left out here" in (report / "01_data_audit.html").read_text("utf-8")


def test_showing_them_runs_what_shows_images_again(report):
    """It is a parameter of those notebooks; that none of them trains again for it is for `test_privacy`."""
    output = report.parents[1]
    project = output.parent / "project"
    study = project / "params" / f"{STUDY}.yaml"
    assert "rule notebook_" not in snakemake(output, "--dry-run", studies=STUDY, project=project).stdout
    study.write_text(study.read_text() + "publish_images: true\n")
    run = snakemake(output, "--dry-run", studies=STUDY, project=project)
    for notebook in (stage.notebook for stage in stages.STAGES):
        assert f"rule notebook_{notebook}:" in run.stdout or "publish_images" not in params.declared(notebook)
