"""No committed notebook, figure or page holds a picture from a study whose data are real people; nor does any report
unless its study asks for it."""

import ast
import base64
import gzip
import io
import json
import re
import shutil
import subprocess
from functools import cache
from pathlib import Path
from types import SimpleNamespace

import matplotlib.pyplot as plt
import nbformat
import numpy as np
import pandas as pd
import pytest
from IPython.core.interactiveshell import InteractiveShell
from PIL import Image

from kpop_rca.plots import charts, contact_sheets
from kpop_rca.study import fingerprint, flat_yaml, params, paths, privacy, stage_run, stages

DRAWN = "idols"
NUMBERS = {".json", ".yaml", ".csv"}  # what a report of real people may hold
PICTURE = re.compile(r"image/(png|jpe?g|gif|webp|svg)|<svg|data:image|\.png|\.jpe?g", re.I)


def committed(root: Path) -> list[Path]:
    """Files that are committed, or would be; without git, those that came with the project."""
    if shutil.which("git") and (root / ".git").exists():
        command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard", "notebooks", "reports"]
        done = subprocess.run(command, cwd=root, capture_output=True, text=True, check=True)
        return [root / name for name in done.stdout.split("\0") if name and (root / name).is_file()]
    return [path for folder in ("notebooks", "reports") for path in (root / folder).rglob("*") if path.is_file()]


def source_of(notebook: nbformat.NotebookNode) -> str:
    """Where a notebook's photographs came from: the last value that it was given, by itself or by the runner."""
    found = DRAWN  # a notebook without the parameter is classified by its study
    for cell in notebook.cells:
        if {"parameters", "injected-parameters"} & set(cell.metadata.get("tags", [])):
            for value in re.findall(r"^data_source(?:: str)? = [\"'](\w+)[\"']", cell.source, re.M):
                found = value
    return found


@cache
def sources_of_study(folder: Path) -> frozenset[str]:
    """Every data source that a report names: in its parameters, its metrics, its notebooks, its study file."""
    found: set[str | None] = set()
    for name, keys in (("params.yaml", ("data_source",)), ("metrics.json", ("data", "source"))):
        if (folder / name).is_file():
            value = flat_yaml.loads((folder / name).read_bytes(), where=name)
            for key in keys:
                value = (value or {}).get(key)
            found.add(value)
    found |= {source_of(nbformat.read(path, as_version=4)) for path in (folder / "notebooks").glob("*.ipynb")}
    if (paths.project_root() / "params" / f"{folder.name}.yaml").is_file():
        found.add(params.resolve(folder.name)["data_source"])
    return frozenset(found - {None})


def pictures_of_real_people(root: Path) -> list[str]:
    """Committed files that show, or may show, real people."""
    found = []
    for path in committed(root):
        name = path.relative_to(root)
        if name.parts[0] == "notebooks":
            real = path.suffix == ".ipynb" and source_of(nbformat.read(path, as_version=4)) != DRAWN
        else:
            real = sources_of_study(root / "reports" / name.parts[1]) != {DRAWN}
        if real and (_kind(path) not in NUMBERS or PICTURE.search(_outputs(path))):
            found.append(name.as_posix())
    return found


def _kind(path: Path) -> str:
    """The ending of a file; of a compressed table, which has to be text, the table's."""
    if path.name.endswith(".csv.gz"):
        try:
            gzip.decompress(path.read_bytes()).decode("ascii")
        except (gzip.BadGzipFile, UnicodeDecodeError):
            return ".gz"
        return ".csv"
    return path.suffix


def _outputs(path: Path) -> str:
    """What a file shows: of tables and numbers everything but the names of photographs."""
    return "" if _kind(path) == ".csv" else path.read_text(encoding="utf-8")


def test_what_is_committed_shows_nobody():
    assert pictures_of_real_people(paths.project_root()) == []
    assert len(committed(paths.project_root())) > 10


@pytest.fixture
def project(tmp_path):
    """A project with a drawn and a real study, each with a notebook that shows a picture."""
    picture = io.BytesIO()
    Image.new("RGB", (4, 4)).save(picture, "PNG")
    shown = {"image/png": base64.b64encode(picture.getvalue()).decode()}
    for study, source in (("quick", DRAWN), ("mine", "folder")):
        folder = tmp_path / "reports" / study
        (folder / "notebooks").mkdir(parents=True)
        (folder / "tables").mkdir()
        (folder / "params.yaml").write_text(f"data_source: {source}\n")
        (folder / "metrics.json").write_text(json.dumps({"data": {"source": source}}))
        (folder / "tables" / "01_left_unread.csv").write_text("path,reason\nA/1.png,empty file\n")
        parameters = nbformat.v4.new_code_cell(f'data_source: str = "{source}"  # x', metadata={"tags": ["parameters"]})
        cell = nbformat.v4.new_code_cell("show", outputs=[nbformat.v4.new_output("display_data", shown)])
        nbformat.write(nbformat.v4.new_notebook(cells=[parameters, cell]), folder / "notebooks" / "01_data_audit.ipynb")
        (folder / "index.html").write_text(f'<img src="data:image/png;base64,{shown["image/png"]}">')
        (folder / "01_fig1.png").write_bytes(picture.getvalue())
    (tmp_path / "notebooks").mkdir()
    shutil.copy(tmp_path / "reports/quick/notebooks/01_data_audit.ipynb", tmp_path / "notebooks/01_data_audit.ipynb")
    return tmp_path


def test_a_compressed_table_is_a_table_and_a_compressed_picture_is_none(project):
    folder = project / "reports" / "mine" / "tables"
    (folder / "06_predictions.csv.gz").write_bytes(gzip.compress(b"label,a-0\n1,2\n"))
    (folder / "faces.csv.gz").write_bytes(gzip.compress((project / "reports/mine/01_fig1.png").read_bytes()))
    (folder / "plain.csv.gz").write_bytes((project / "reports/mine/01_fig1.png").read_bytes())
    found = [name for name in pictures_of_real_people(project) if "/tables/" in name]
    assert sorted(found) == ["reports/mine/tables/faces.csv.gz", "reports/mine/tables/plain.csv.gz"]


def test_pictures_of_real_people_would_be_found(project):
    found = ["reports/mine/01_fig1.png", "reports/mine/index.html", "reports/mine/notebooks/01_data_audit.ipynb"]
    assert sorted(pictures_of_real_people(project)) == found
    shutil.copy(project / "reports/mine/notebooks/01_data_audit.ipynb", project / "notebooks/02.ipynb")
    assert sorted(pictures_of_real_people(project)) == ["notebooks/02.ipynb", *found]


def test_a_study_that_says_two_things_counts_as_real(project):
    sources_of_study.cache_clear()
    (project / "reports/quick/params.yaml").write_text("data_source: lfw\n")
    assert "reports/quick/index.html" in pictures_of_real_people(project)


def test_what_the_runner_hands_to_a_notebook_counts(project):
    path = project / "notebooks/01_data_audit.ipynb"
    notebook = nbformat.read(path, as_version=4)
    handed = nbformat.v4.new_code_cell('data_source = "lfw"', metadata={"tags": ["injected-parameters"]})
    notebook.cells.insert(1, handed)
    nbformat.write(notebook, path)
    assert "notebooks/01_data_audit.ipynb" in pictures_of_real_people(project)


PEOPLE = {"study": "mine", "data_source": "folder", "publish_images": False}
SHEET = np.random.default_rng(0).integers(0, 256, (2, 3, 16, 16, 3), dtype=np.uint8)


def sheet():
    return contact_sheets.face_rows(SHEET, ["Ada", "Bo"], title="Faces")


def files(folder):
    return sorted(path.name for path in folder.rglob("*") if path.is_file())


@pytest.fixture
def shown(monkeypatch):
    """What is sent to the cell's outputs."""
    sent = []
    monkeypatch.setattr(privacy, "display", sent.append)
    return sent


@pytest.mark.parametrize("in_notebook", [True, False])
def test_a_chart_is_shown_with_its_description_in_a_notebook_alone(output, monkeypatch, in_notebook):
    told = []
    monkeypatch.setattr(privacy, "get_ipython", lambda: SimpleNamespace(kernel="kernel") if in_notebook else None)
    monkeypatch.setattr(privacy, "display", lambda figure, metadata: told.append(metadata["image/png"]["alt"]))
    figure, ax = plt.subplots()
    ax.set(title="Loss", xlabel="step", ylabel="MSE")
    stage_run.begin("01_data_audit", PEOPLE).save_figure(figure, "01_loss")
    assert told == (["Loss (MSE, by step)"] if in_notebook else [])
    assert plt.fignum_exists(figure.number) != in_notebook  # closed, so that the cell does not show it again


@pytest.mark.parametrize(("source", "publish"), [("idols", False), ("folder", True), ("lfw", True)])
def test_drawn_people_and_those_who_are_published_are_shown(output, shown, capsys, source, publish):
    stage = stage_run.begin("01_data_audit", PEOPLE | {"data_source": source, "publish_images": publish})
    stage.save_figure(sheet(), "01_faces")
    assert Image.open(io.BytesIO(shown[0].data)).size[0] > 500
    assert files(stage.report) == ["01_faces.png"]
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize("source", ["folder", "lfw"])
def test_real_people_are_counted_and_not_shown(output, shown, capsys, source):
    stage = stage_run.begin("01_data_audit", PEOPLE | {"data_source": source})
    stage.save_figure(sheet(), "01_faces")
    left_out = "are left out here; set publish_images: true to show them\n"
    assert capsys.readouterr().out == f"Faces: 6 faces in 2 rows {left_out}"
    figure, ax = plt.subplots()
    ax.imshow(SHEET[0, 0])  # forgotten to be a sheet
    stage.save_figure(figure, "01_forgotten")
    assert capsys.readouterr().out == f"pictures {left_out}"
    assert not plt.fignum_exists(figure.number)  # or the cell would show it at its end
    assert shown == [] and files(stage.report) == []
    stage.save_figure(
        charts.predicted_class_frequencies(pd.DataFrame({"class": ["a"], "fraction": 1, "low": 0, "high": 1})),
        "01_plot",
    )
    assert files(stage.report) == ["01_plot.png"]
    plt.close("all")


def test_no_cell_shows_a_sheet_by_itself(capsys):
    """Neither at its end, as figures that pyplot knows, nor as its last value."""
    before = plt.get_fignums()
    InteractiveShell.instance().display_formatter.format(sheet())
    assert capsys.readouterr().out == "Faces: 6 faces in 2 rows; shown by stage.save_figure\n"
    assert plt.get_fignums() == before


def of_study(notebook, study="smoke", **other):
    return params.of_notebook(notebook, params.resolve(study) | {"study": "mine", "data_source": "folder"} | other)


def test_later_stages_know_from_the_audit_whose_faces_they_have(output, shown, capsys):
    for source in ("folder", "idols"):
        stage_run.begin("01_data_audit", of_study("01_data_audit", data_source=source)).finish()
        stage = stage_run.begin("02_preprocessing", of_study("02_preprocessing"))
        assert "data_source" not in stage.parameters
        stage.save_figure(sheet(), "02_faces")
        assert files(stage.report) == (["02_faces.png"] if source == "idols" else [])


def test_pictures_of_an_earlier_run_do_not_stay(output, shown):
    """Neither a stage's figures, whatever they were called then, nor pages that may hold them."""
    stage = stage_run.begin("01_data_audit", PEOPLE | {"publish_images": True})
    for name in ("01_faces", "01_called_otherwise", "02_faces"):
        stage.save_figure(sheet(), name)
    (stage.report / "index.html").write_text("page")
    stage_run.begin("01_data_audit", PEOPLE)
    assert files(stage.report) == ["02_faces.png"]


def test_showing_people_or_not_throws_no_work_away(output):
    """Half a training is gone on with, and what was made from a finished stage still fits."""
    kept = []
    for publish in (True, False):
        for notebook in ("01_data_audit", "02_preprocessing", "03_ddpm_training"):
            stage = stage_run.begin(notebook, of_study(notebook, publish_images=publish))
            kept.append((stage.folder / "checkpoint.txt").is_file())
            (stage.folder / "checkpoint.txt").write_text(notebook)
            if notebook != "03_ddpm_training":
                stage.finish()
    assert kept == [False] * 3 + [True] * 3


DRAWS_IMAGES = {"imshow", "figimage", "matshow", "BboxImage", "AxesImage", "FigureImage", "imsave", "savefig"}
SHOWS = {"IPython", "IPython.display", "ipywidgets", "base64"}
IN_NOTEBOOKS = SHOWS | {"matplotlib", "matplotlib.pyplot", "seaborn", "PIL"}
# Who may: sheets are drawn; figures saved, sheets shown; pages embed figures, those of scores no images; the labelling
# page is in no report.
WHERE = {
    "plots/contact_sheets.py": {"imshow"},
    "study/stage_run.py": {"savefig"},
    "study/privacy.py": {"savefig", "IPython.display", "BboxImage", "AxesImage", "FigureImage"},
    "scoring/report.py": {"savefig"},
    "system/html.py": {"base64"},
    "run.py": {"base64"},  # makes the pictures small that a notebook has
    "results/layout.py": {"base64"},  # reads the size of pictures that a checked page already has
    "human_ratings/rating_page.py": {"base64"},  # for raters: the pages stay where git does not look
    "faces/labelling.py": {"ipywidgets"},
}


def ways_to_show(source, known=DRAWS_IMAGES | SHOWS):
    """Names in a piece of Python that draw an image, or put one before a reader."""
    names = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Attribute | ast.Name):
            names.add(node.attr if isinstance(node, ast.Attribute) else node.id)
        elif isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            names |= {node.module or ""} | {alias.name for alias in node.names}
    return names & known


def code_cells(notebook):
    cells = nbformat.read(paths.notebook_source(notebook), as_version=4).cells
    return [re.sub(r"^(\s*)[!%].*$", r"\1pass", cell.source, flags=re.M) for cell in cells if cell.cell_type == "code"]


def test_images_are_drawn_in_one_module_and_shown_by_one_function():
    folder = paths.project_root() / "kpop_rca"
    for path in sorted(folder.rglob("*.py")):
        found = ways_to_show(path.read_text(encoding="utf-8"))
        assert found <= WHERE.get(path.relative_to(folder).as_posix(), set()), path
    assert ways_to_show("import IPython\nax.imshow(a)") == {"IPython", "imshow"}


@pytest.mark.parametrize("notebook", [stage.notebook for stage in stages.EVERY])
def test_notebooks_show_pictures_through_save_figure_alone(notebook):
    cells = code_cells(notebook)
    assert ways_to_show("\n".join(cells), DRAWS_IMAGES | IN_NOTEBOOKS) == set()
    assert not any("labelling" in cell for cell in cells)
    draws = "plots.contact_sheets" in fingerprint.imported_modules("\n".join(cells))
    assert draws == ("publish_images" in params.declared(notebook))
    assert params.declared(notebook).get("publish_images", False) is False


def test_no_study_that_comes_with_the_project_publishes_people():
    for path in (paths.project_root() / "params").glob("*.yaml"):
        assert params.resolve(path.stem)["publish_images"] is False
