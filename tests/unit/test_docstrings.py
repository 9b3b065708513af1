"""The examples in the docstrings give what they say, in every module that has some."""

import doctest
import importlib
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[2] / "kpop_rca"
WITH_EXAMPLES = sorted(
    ".".join(path.relative_to(PACKAGE.parent).with_suffix("").parts)
    for path in PACKAGE.rglob("*.py")
    if ">>> " in path.read_text(encoding="utf-8")
)


@pytest.mark.parametrize("module", WITH_EXAMPLES)
def test_examples(module):
    found = doctest.testmod(importlib.import_module(module))
    assert found.failed == 0 < found.attempted


def test_every_estimator_has_an_executed_example():
    """Of the public functions of `kpop_rca.rca`, of which each gives a number that somebody quotes."""
    package = importlib.import_module("kpop_rca.rca")
    functions = [getattr(package, name) for name in package.__all__]
    without = [f.__name__ for f in functions if callable(f) and ">>> " not in (f.__doc__ or "")]
    assert without == []
