"""What `make lint` says of the packages, for each of the ways in which their audit may end."""

import importlib.util
import json

import pytest

from kpop_rca.study import paths

CLEAN = {"name": "a", "version": "1.0", "vulns": []}
FLAWED = {"name": "b", "version": "2.0", "vulns": [{"id": "CVE-0", "fix_versions": ["2.1"], "aliases": []}]}
UNKNOWN = {"name": "c", "skip_reason": "not found"}


@pytest.fixture(scope="module")
def audit():
    path = paths.project_root() / ".ci" / "audit_packages.py"
    spec = importlib.util.spec_from_file_location("audit_packages", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def ended(*packages):
    return json.dumps({"dependencies": list(packages), "fixes": []})


@pytest.mark.parametrize(
    ("status", "output", "errors", "expected", "said"),
    [
        (0, ended(CLEAN), "", 0, "no known vulnerability in 1 packages"),
        (0, ended(CLEAN, UNKNOWN), "", 0, "no known vulnerability in 1 packages, 1 unknown to the database"),
        (1, ended(CLEAN, FLAWED, UNKNOWN), "", 1, "b 2.0: CVE-0, mended in 2.1"),
        (0, ended(UNKNOWN), "", 0, "packages not audited, the database of vulnerabilities knows none of the 1"),
        (
            1,
            "",
            "ERROR: Connection refused",
            0,
            "packages not audited, the database of vulnerabilities can't be reached",
        ),
        (1, "", "ValueError: a mistake of ours", 1, "pip-audit failed: ValueError: a mistake of ours"),
        (2, "", "", 1, "pip-audit failed: pip-audit ended with 2"),
    ],
)
def test_only_a_finding_or_a_mistake_fails(audit, status, output, errors, expected, said):
    found, text = audit.verdict(status, output, errors)
    assert found == expected and said in text
    assert expected or len(text.splitlines()) == 1
