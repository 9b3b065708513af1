"""No committed notebook, figure or page holds a picture from a study whose data are real people."""

import base64
import io
import json
import re
import shutil
import subprocess
from functools import cache
from pathlib import Path

import nbformat
import pytest
import yaml
from PIL import Image

from kpop_rca import params, paths

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
    found = DRAWN  # a notebook without the parameter is judged by its study
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
            value = yaml.safe_load((folder / name).read_text())
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
        if real and (path.suffix not in NUMBERS or PICTURE.search(_outputs(path))):
            found.append(name.as_posix())
    return found


def _outputs(path: Path) -> str:
    """What a file shows: of tables and numbers everything but the names of photographs."""
    return "" if path.suffix == ".csv" else path.read_text(encoding="utf-8")


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
