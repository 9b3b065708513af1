"""No code comes from data: nothing is unpickled, run or unpacked unseen, and names of people stay names."""

import ast
import re

import nbformat
import numpy as np
import pandas as pd
import pytest
from PIL import Image

from kpop_rca.data import identity_folders, lfw
from kpop_rca.faces import crops, splits
from kpop_rca.image_metrics import pretrained
from kpop_rca.results import pages
from kpop_rca.study import fingerprint, paths
from kpop_rca.system import files

SCRIPT = "<script>alert(1)</script>"
RUNS_WHAT_IT_READS = {"pickle", "cPickle", "_pickle", "dill", "cloudpickle", "joblib", "shelve", "marshal"}
UNPACKS = {"tarfile", "zipfile"}  # nothing here unpacks an archive; who starts to must check paths and sizes
CALLED_BY_NAME = {"eval", "exec", "compile", "__import__"}
NEVER = re.compile(
    r"(^|\.)(read_pickle|to_pickle|unpack_archive|extractall|os\.system|os\.popen|yaml\.(unsafe_|full_)?load)$"
)


def code_of_the_project():
    """Name to source of every module, and of every notebook's code."""
    found = {str(p.relative_to(fingerprint.PACKAGE_FOLDER)): p.read_text() for p in _modules()}
    for path in sorted((paths.project_root() / "notebooks").glob("*.ipynb")):
        cells = nbformat.read(path, as_version=4).cells
        code = "\n".join(cell.source for cell in cells if cell.cell_type == "code")
        found[path.name] = re.sub(r"^(\s*)[!%].*$", r"\1pass", code, flags=re.M)
    return found


def _modules():
    return sorted(fingerprint.PACKAGE_FOLDER.rglob("*.py"))


def dangers(source):
    """What a piece of Python does that could run or unpack what it reads."""
    found = []
    for node in ast.walk(ast.parse(source)):
        names = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            names = [node.module or ""]
        found += [f"imports {name}" for name in names if name.split(".")[0] in RUNS_WHAT_IT_READS | UNPACKS]
        if isinstance(node, ast.Call):
            found += _dangers_of_call(node)
    return found


def _dangers_of_call(node):
    name = ast.unparse(node.func)
    said = {keyword.arg: getattr(keyword.value, "value", None) for keyword in node.keywords}
    if name in CALLED_BY_NAME or NEVER.search(name) or said.get("shell") is True or said.get("allow_pickle") is True:
        return [f"calls {name}"]
    unchecked = name == "torch.load" and said.get("weights_only") is not True
    return ["torch.load without weights_only=True"] if unchecked else []


@pytest.mark.parametrize(("name", "source"), code_of_the_project().items(), ids=code_of_the_project())
def test_nothing_runs_what_it_reads(name, source):
    assert dangers(source) == []


@pytest.mark.parametrize(
    "harmful",
    [
        "import pickle",
        "from pickle import loads",
        "import joblib.numpy_pickle",
        "import tarfile",
        "torch.load(p)",
        "torch.load(p, weights_only=False)",
        "np.load(p, allow_pickle=True)",
        "table.to_pickle(p)",
        "yaml.load(t, Loader=yaml.Loader)",
        "yaml.unsafe_load(t)",
        "eval(t)",
        "subprocess.run(t, shell=True)",
        "os.system(t)",
        "archive.extractall(p)",
    ],
)
def test_what_would_is_found(harmful):
    assert len(dangers(harmful)) == 1


def test_what_would_not_is_let_be():
    assert (
        dangers("oracle.eval()\nre.compile(t)\nnp.load(p)\nast.literal_eval(t)\nyaml.safe_load(t)\njson.load(f)") == []
    )


def test_every_download_is_encrypted_and_known_by_its_whole_hash():
    for name, url in pretrained.URLS.items():
        assert url.startswith("https://") and re.fullmatch(r"[0-9a-f]{64}", pretrained.SHA256[name])


def test_only_the_published_archive_is_unpacked(tmp_path, monkeypatch):
    """scikit-learn checks what it downloads, but not what it finds."""
    from sklearn.datasets._lfw import FUNNELED_ARCHIVE

    assert FUNNELED_ARCHIVE.checksum == lfw.SHA256
    archive = tmp_path / "lfw_home" / FUNNELED_ARCHIVE.filename
    archive.parent.mkdir()
    archive.write_bytes(b"harm")
    monkeypatch.setattr("sklearn.datasets.fetch_lfw_people", lambda **_: seen.append(archive.exists()))
    seen = []
    lfw.download(tmp_path)
    monkeypatch.setattr(lfw, "SHA256", files.sha256(_written(archive, b"published")))
    lfw.download(tmp_path)
    assert seen == [False, True]


def _written(path, content):
    path.write_bytes(content)
    return path


NAMES = [
    SCRIPT.replace("/", "\u2215"),
    "x y",
    "x..",
    "%2e%2e%2f",
    "$(id)",
    "-rf",
    "a b",
    '"><img src=x onerror=alert(1)>',
]


@pytest.fixture
def hostile(tmp_path):
    """A data folder whose identities have hostile names, and what 02 leaves of it."""
    for name in NAMES:
        (tmp_path / "data" / name).mkdir(parents=True)
        Image.new("RGB", (32, 32)).save(tmp_path / "data" / name / "1.png")
    scanned = identity_folders.scan(tmp_path / "data")
    index = splits.make_index(scanned.assign(split="test", duplicate_group=-1))
    crops.save_crops(tmp_path / "faces", {32: np.zeros((len(index), 32, 32, 3), np.uint8)}, index)
    return tmp_path


def test_names_of_people_never_become_paths(hostile):
    assert sorted(crops.class_names(hostile / "faces")) == sorted(NAMES)
    made = [path.name for path in hostile.rglob("*") if "data" not in path.relative_to(hostile).parts[:1]]
    assert sorted(made) == ["faces", "faces_32.npy", "index.parquet"]


def test_names_of_people_in_a_notebooks_output_are_text_in_its_page(output, hostile):
    names = [*crops.class_names(hostile / "faces"), SCRIPT]
    table = pd.DataFrame({"n": 1, "who": names}, index=names)
    outputs = [
        nbformat.v4.new_output("execute_result", {"text/html": table._repr_html_(), "text/plain": repr(table)}),
        nbformat.v4.new_output("stream", text="\n".join(names)),
        nbformat.v4.new_output("execute_result", {"text/plain": repr(names)}),
        nbformat.v4.new_output("error", ename="StudyError", evalue=SCRIPT, traceback=[f"StudyError: {SCRIPT}"]),
    ]
    cell = nbformat.v4.new_code_cell("table", outputs=outputs, execution_count=1)
    path = paths.executed_notebook("mine", "02_preprocessing")
    path.parent.mkdir(parents=True)
    nbformat.write(nbformat.v4.new_notebook(cells=[cell]), path)
    page = pages.notebook_page("mine", "02_preprocessing", pages={"a": SCRIPT}, here="a")
    assert page.count("alert(1)") >= 10
    assert not re.search(r"<script>\s*alert|<img src=x", page)


def test_no_notebook_styles_a_table_that_may_hold_names():
    """A styled table's cells are not escaped, unlike a plain one's."""
    styled = [line for source in code_of_the_project().values() for line in source.splitlines() if ".style." in line]
    assert all("rules" in line for line in styled if "plt.style" not in line), styled
