"""The package as a house: what stands on what, and what a notebook may enter by."""

import ast
import json
import re
import sys
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[2] / "kpop_rca"
NOTEBOOKS = sorted((PACKAGE.parent / "notebooks").glob("*.ipynb"))
FLOORS = (
    "errors",
    "system",
    "rca",
    "study",
    "plots",
    "degradations",
    "avatars",
    "data",
    "faces",
    "diffusion",
    "image_metrics",
    "oracles",
    "preferences",
    "controls",
    "scoring",
    "validity",
    "claims",
    "human_ratings",
    "metric_panel",
    "benchmarks",
    "results",
)  # from the ground up
COMMANDS = {"cli", "launch", "new", "publish", "report", "run", "studies", "verify"}  # above all of them
ESTIMATORS_STAND_ON = {"kpop_rca", "numpy", "scipy", "statsmodels", "pandas"}  # the last comes with statsmodels: tables
MODULES = {".".join(path.relative_to(PACKAGE).with_suffix("").parts): path for path in sorted(PACKAGE.rglob("*.py"))}


def imports(source: str) -> set[str]:
    """Full names of everything that a piece of Python imports, at its top or later."""
    found = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert not node.level, "imports are absolute"
            found |= {f"{node.module}.{alias.name}" for alias in node.names}
    return found


def floor(name: str) -> int:
    """How high a package stands; a command is above all."""
    return FLOORS.index(name) if name in FLOORS else len(FLOORS)


def uphill(module: str, source: str) -> list[str]:
    """What a module imports from a floor above its own."""
    own = floor(module.split(".")[0])
    within = [name.split(".")[1] for name in imports(source) if name.startswith("kpop_rca.")]
    return sorted(name for name in within if floor(name) > own)


@pytest.mark.parametrize("module", MODULES)
def test_imports_point_down(module):
    assert uphill(module, MODULES[module].read_text(encoding="utf-8")) == []


@pytest.mark.parametrize(
    ("module", "source", "found"),
    [
        ("faces.crops", "from kpop_rca.oracles import training", ["oracles"]),
        ("faces.crops", "def late():\n    import kpop_rca.run", ["run"]),
        ("oracles.training", "from kpop_rca.faces import crops", []),
        ("rca.ratio", "from kpop_rca import errors, study", ["study"]),
        ("verify", "from kpop_rca import report, benchmarks", []),
    ],
)
def test_an_import_uphill_is_seen(module, source, found):
    assert uphill(module, source) == found


def test_every_module_is_on_a_floor():
    tops = {module.split(".")[0] for module in MODULES} - {"__init__"}
    assert tops == {*FLOORS, *COMMANDS}
    assert len(tops - {path.name for path in PACKAGE.iterdir() if path.is_dir()}) <= 10


@pytest.mark.parametrize("module", [module for module in MODULES if module.startswith("rca.")])
def test_the_estimators_stand_on_numbers_alone(module):
    roots = {name.split(".")[0] for name in imports(MODULES[module].read_text(encoding="utf-8"))}
    assert roots - sys.stdlib_module_names <= ESTIMATORS_STAND_ON


@pytest.mark.parametrize("notebook", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_imports_packages(notebook):
    cells = json.loads(notebook.read_text(encoding="utf-8"))["cells"]
    source = "\n".join(line for c in cells if c["cell_type"] == "code" for line in "".join(c["source"]).split("\n"))
    found = re.findall(r"^\s*from (kpop_rca[\w.]*) import (.+)$", source, flags=re.M)
    assert {module for module, _ in found} == {"kpop_rca"}
    packages = {name.split()[0] for _, names in found for name in names.split(",")}
    assert packages <= {*FLOORS}


def test_every_package_says_what_lives_there():
    for init in PACKAGE.glob("*/__init__.py"):
        assert ast.get_docstring(ast.parse(init.read_text(encoding="utf-8"))), init


def test_tests_mirror_the_packages():
    folders = {path.name for path in Path(__file__).parent.iterdir() if path.is_dir() and any(path.glob("test_*.py"))}
    assert folders <= {*FLOORS}
    for folder in folders:
        modules = {path.stem for path in (PACKAGE / folder).glob("*.py")}
        assert any(
            path.stem.removeprefix("test_") in modules for path in (Path(__file__).parent / folder).glob("test_*.py")
        )
