"""Tests that take long: `make soak`, whose length and seed the environment sets. They end with a table of figures."""

import os

import pytest

FIGURES = pytest.StashKey[dict[str, str]]()


def pytest_configure(config):
    config.stash[FIGURES] = {}


def pytest_collection_modifyitems(items):
    for item in items:
        item.add_marker(pytest.mark.slow)


@pytest.fixture(scope="session")
def figures(pytestconfig):
    """What was counted, to value; printed once all tests have run."""
    return pytestconfig.stash[FIGURES]


@pytest.fixture(scope="session")
def setting():
    """A function from the name of an environment variable and its default to its value, a whole number."""

    def number(name, default):
        return int(os.environ.get(name, default))

    return number


def pytest_terminal_summary(terminalreporter, config):
    found = config.stash[FIGURES]
    width = max(map(len, found), default=0)
    terminalreporter.section("figures")
    for name, value in found.items():
        terminalreporter.write_line(f"{name:<{width}}  {value}")
