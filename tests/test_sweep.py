"""A sweep at its smallest size: the small studies run, share what they may, and are compared."""

import pandas as pd
import pytest
from graph import snakemake

BASE = "claims-smoke-seed0"


@pytest.fixture(scope="module")
def sweep(tmp_path_factory):
    output = tmp_path_factory.mktemp("sweep")
    run = snakemake(output, studies="claims-smoke")
    assert run.returncode == 0, run.stderr[-20_000:]
    return output


def test_a_member_made_what_its_level_changes_and_nothing_else(sweep):
    studies = (sweep / "artifacts").iterdir()
    made = {path.name: sorted(p.name for p in path.iterdir() if p.is_dir()) for path in studies}  # beside their locks
    assert made == {
        BASE: ["audit", "ddpm", "faces", "generated", "oracle", "tensorboard"],
        "claims-smoke.guidance=2-seed0": ["generated"],
        "claims-smoke.sampler=ddim-2-seed0": ["generated"],
        "claims-smoke": ["claims"],
    }


def test_every_level_was_predicted(sweep):
    runs = pd.read_csv(sweep / "reports/claims-smoke/tables/08_runs.csv", dtype={"level": str})
    assert list(zip(runs["experiment"], runs["level"], strict=True)) == [
        ("guidance", "0"),
        ("guidance", "2"),
        ("sampler", "ddim-2"),
        ("sampler", "ddim-4"),
    ]
    assert runs["n_generated"].eq(4 * 12).all()
    by_level = runs.set_index("level")
    assert by_level.loc["0", "images"] == by_level.loc["ddim-4", "images"] != by_level.loc["2", "images"]


def test_one_seed_decides_nothing_and_the_report_says_so(sweep):
    verdicts = pd.read_csv(sweep / "reports/claims-smoke/tables/08_verdicts.csv")
    assert set(verdicts["verdict"]) == {"inconclusive"}
    page = (sweep / "reports/claims-smoke/index.html").read_text()
    assert "The paper's claims as experiments" in page
    assert 'src="http' not in page


def test_nothing_changed_runs_nothing(sweep):
    run = snakemake(sweep, "--dry-run", studies="claims-smoke")
    assert run.returncode == 0, run.stderr
    assert "Nothing to be done" in run.stdout + run.stderr
