"""Known vulnerabilities of the packages in the lock, by pip-audit; for `make lint`.

Exits with 1 where there is one. Where the database of vulnerabilities can't be reached, one line says so and that is
all: who works without a network is not kept from linting.
"""

import json
import subprocess
import sys
from pathlib import Path

LOCK = Path(__file__).resolve().parents[1] / "requirements.lock"
PATIENCE = 300  # seconds for all packages together
# What pip-audit says when nobody answers, as requests and urllib3 word it.
UNREACHED = ("connection", "timed out", "timeout", "max retries", "resolve", "proxy", "service error", "ssl")


def verdict(status: int, output: str, errors: str) -> tuple[int, str]:
    """What an audit found, as an exit status and a text.

    Args:
        status: pip-audit's own; 1 both for a finding and for a failure.
        output: its JSON, if it came so far.
        errors: its standard error.
    """
    try:
        packages = json.loads(output)["dependencies"]
    except (ValueError, KeyError, TypeError):
        last = (errors.strip().splitlines() or [f"pip-audit ended with {status}"])[-1]
        if any(word in errors.lower() for word in UNREACHED):
            return 0, f"packages not audited, the database of vulnerabilities can't be reached: {last[:160]}"
        return 1, f"pip-audit failed: {errors.strip()[-2000:] or last}"
    audited = [package for package in packages if "skip_reason" not in package]
    found = [
        f"{package['name']} {package['version']}: {flaw['id']}, mended in {', '.join(flaw['fix_versions']) or 'none'}"
        for package in audited
        for flaw in package["vulns"]
    ]
    if found:
        return 1, "\n".join(["known vulnerabilities; raise the versions in requirements.lock:", *found])
    if not audited:
        return 0, f"packages not audited, the database of vulnerabilities knows none of the {len(packages)}"
    skipped = f", {len(packages) - len(audited)} unknown to the database" if len(audited) < len(packages) else ""
    return 0, f"no known vulnerability in {len(audited)} packages{skipped}"


def main() -> int:
    """Audit the lock; returns the exit status."""
    command = [sys.executable, "-m", "pip_audit", "--requirement", str(LOCK), "--disable-pip", "--require-hashes"]
    command += ["--format", "json", "--progress-spinner", "off"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE)
        status, text = verdict(done.returncode, done.stdout, done.stderr)
    except subprocess.TimeoutExpired:
        status, text = verdict(1, "", "timed out")
    print(text)
    return status


if __name__ == "__main__":
    sys.exit(main())
