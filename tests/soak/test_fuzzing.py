"""Hostile images, tables, study files for as long as the environment says: SOAK_SECONDS of each, from SOAK_SEED on."""

import signal
import time

import pytest
from fuzzing import check_image, check_study_file, check_table, image_files, study_files, tables
from hypothesis import HealthCheck, Phase, given, seed, settings

from kpop_rca.study import params, sweeps

AT_ONCE = 250  # examples between two looks at the clock
LONGEST = 60  # seconds for one file


@pytest.fixture
def no_hang():
    """A function to call before each file, which must be done with before it is called again."""

    def give_up(*_):
        raise TimeoutError(f"more than {LONGEST} seconds for one file")

    before = signal.signal(signal.SIGALRM, give_up)
    yield lambda: signal.alarm(LONGEST)
    signal.alarm(0)
    signal.signal(signal.SIGALRM, before)


def fuzz(strategy, check, *, seconds, first_seed):
    """Show made-up contents to a check until the time is over, each round from a seed one higher."""
    begun, number = time.monotonic(), first_seed
    while time.monotonic() - begun < seconds:
        # The phases that look for a failure; where one is found, it is made smaller and shown.
        settled = settings(
            max_examples=AT_ONCE,
            deadline=None,
            database=None,
            phases=(Phase.generate, Phase.shrink),
            suppress_health_check=list(HealthCheck),
        )
        settled(seed(number)(given(content=strategy)(check)))()
        number += 1


def test_hostile_images(tmp_path, no_hang, setting, figures):
    counts = {"tried": 0, "read": 0}

    def check(content):
        no_hang()
        counts["tried"] += 1
        counts["read"] += check_image(tmp_path / "image.jpg", content)

    fuzz(image_files(), check, seconds=setting("SOAK_SECONDS", 600), first_seed=setting("SOAK_SEED", 0))
    assert 0 < counts["read"] < counts["tried"]
    figures["hostile images tried, read all the same"] = f"{counts['tried']}, {counts['read']}"


def test_hostile_tables(tmp_path, no_hang, setting, figures):
    counts = {"tried": 0, "read": 0}

    def check(content):
        no_hang()
        counts["tried"] += 1
        counts["read"] += check_table(tmp_path, content)

    fuzz(tables(), check, seconds=setting("SOAK_SECONDS", 600), first_seed=setting("SOAK_SEED", 0))
    assert 0 < counts["read"] < counts["tried"]
    figures["hostile tables tried, read all the same"] = f"{counts['tried']}, {counts['read']}"


def test_hostile_study_files(tmp_path, no_hang, setting, figures, monkeypatch):
    counts = {"tried": 0, "refused": 0}
    path = tmp_path / "mine.yaml"
    monkeypatch.setattr(params.paths, "study_file", lambda study: path)

    def resolve(content):
        path.write_bytes(content)
        found = params.resolve("mine")
        for member in sweeps.members(found):
            params.resolve(member.study)
        return found

    def check(content):
        no_hang()
        counts["tried"] += 1
        counts["refused"] += check_study_file(resolve, content)

    fuzz(study_files(), check, seconds=setting("SOAK_SECONDS", 600), first_seed=setting("SOAK_SEED", 0))
    assert 0 < counts["refused"] < counts["tried"]
    figures["hostile study files tried, refused"] = f"{counts['tried']}, {counts['refused']}"
