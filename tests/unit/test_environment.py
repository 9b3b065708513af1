"""environment.yml can be installed: conda hands its `pip` lines to pip as a requirements file."""

import json
import re
import subprocess
import sys

import pytest
from ruamel.yaml import YAML

from kpop_rca.study import paths

# In a process of its own: a process that has imported pip gets the standard library's distutils for ever after
# (setuptools' `spec_for_pip`), and torch's compiler no longer starts in it.
READ = """
import json, sys
from pip._internal.network.session import PipSession
from pip._internal.req.req_file import parse_requirements
read = parse_requirements(sys.argv[1], session=PipSession())
print(json.dumps([[found.requirement, sorted(found.options.get("hashes", {}))] for found in read]))
"""


def pip_lines():
    """The lines below `pip:`, as conda writes them into a file beside environment.yml."""
    content = YAML(typ="safe").load((paths.project_root() / "environment.yml").read_text(encoding="utf-8"))
    (section,) = [entry["pip"] for entry in content["dependencies"] if isinstance(entry, dict)]
    return section


def requirements(folder, lines):
    """What pip reads of such a file in a folder: (requirement, kinds of its hashes), or its words of refusal."""
    file = folder / "condaenv.requirements.txt"
    file.write_text("\n".join(lines), encoding="utf-8")
    done = subprocess.run([sys.executable, "-c", READ, file], capture_output=True, text=True)
    if done.returncode:
        raise ValueError(done.stderr)
    return json.loads(done.stdout)


@pytest.fixture
def folder(tmp_path):
    lock = paths.project_root() / "requirements.lock"
    (tmp_path / lock.name).write_bytes(lock.read_bytes())
    return tmp_path


def test_pip_reads_every_line_and_finds_the_whole_lock(folder):
    lock = (folder / "requirements.lock").read_text(encoding="utf-8")
    pinned = re.findall(r"^([A-Za-z0-9_.\[\]-]+)==", lock, re.M)
    assert [requirement.split("==")[0].strip() for requirement, _ in requirements(folder, pip_lines())] == pinned
    assert len(pinned) > 100


def test_each_line_alone_is_a_line_of_a_requirements_file(folder):
    for line in pip_lines():
        requirements(folder, [line])


def test_options_of_the_command_line_would_be_refused(folder):
    with pytest.raises(ValueError, match="no such option: --no-deps"):
        requirements(folder, ["--require-hashes --no-deps -r requirements.lock"])


def test_every_package_has_a_hash(folder):
    for requirement, hashes in requirements(folder, pip_lines()):
        assert hashes == ["sha256"], requirement
