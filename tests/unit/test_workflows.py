"""The workflows: YAML that parses, actions by their major version, every system and Python that is promised."""

import re

import pytest
from ruamel.yaml import YAML

from kpop_rca.study import paths

WORKFLOWS = sorted((paths.project_root() / ".github" / "workflows").glob("*.yml"))


def content(name):
    return YAML(typ="safe").load((paths.project_root() / ".github" / "workflows" / name).read_text(encoding="utf-8"))


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.name)
def test_a_workflow_has_jobs_of_pinned_actions_and_commands(path):
    found = content(path.name)
    assert set(found) >= {"name", "on", "jobs", "permissions"}
    steps = [step for job in found["jobs"].values() for step in job["steps"]]
    assert steps and all(("uses" in step) != ("run" in step) for step in steps)
    assert all(re.fullmatch(r"actions/[\w-]+@v\d+", step["uses"]) for step in steps if "uses" in step)
    assert not re.search(r"https?://|index-url|--registry", path.read_text(encoding="utf-8"))


def test_linux_and_macos_with_every_python_and_windows():
    jobs = content("tests.yml")["jobs"]
    assert jobs["tests"]["strategy"]["matrix"] == {
        "os": ["ubuntu-latest", "macos-latest"],
        "python": ["3.11", "3.12", "3.13"],
    }
    commands = " ".join(step.get("run", "") for step in jobs["windows"]["steps"])
    assert jobs["windows"]["runs-on"].startswith("windows") and "score" in commands and "rate" in commands


def test_the_site_that_is_built_is_the_one_that_is_published():
    jobs = content("site.yml")["jobs"]
    assert "make site" in {step.get("run") for step in jobs["build"]["steps"]}
    (upload,) = (step for step in jobs["build"]["steps"] if "upload" in step.get("uses", ""))
    assert upload["with"]["path"] == "site" and jobs["publish"]["needs"] == "build"
    makefile = (paths.project_root() / "Makefile").read_text(encoding="utf-8")
    assert "told,SITE,site" in makefile


def test_the_make_targets_of_the_workflows_exist():
    makefile = (paths.project_root() / "Makefile").read_text(encoding="utf-8")
    for path in WORKFLOWS:
        for target in re.findall(r"run: make (\w+)", path.read_text(encoding="utf-8")):
            assert re.search(rf"^{target}:", makefile, re.M), target
