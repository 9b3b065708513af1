"""A sweep at its smallest size: the small studies run, share what they may, and are compared."""

import pandas as pd
import pytest
from graph import snakemake
from PIL import Image


@pytest.fixture(scope="module")
def sweep(tmp_path_factory):
    output = tmp_path_factory.mktemp("sweep")
    run = snakemake(output, studies="claims-smoke")
    assert run.returncode == 0, run.stderr[-20_000:]
    return output


def test_the_notebook_runs_its_small_studies_and_keeps_their_measures(sweep):
    assert [path.name for path in (sweep / "artifacts").iterdir() if path.is_dir()] == ["claims-smoke"]
    kept = sweep / "artifacts/claims-smoke/small_studies"
    assert sorted(path.name for path in kept.iterdir()) == ["first_images", "rows"]


def test_every_level_was_predicted(sweep):
    runs = pd.read_csv(sweep / "reports/claims-smoke/tables/08_runs.csv", dtype={"level": str})
    assert list(zip(runs["experiment"], runs["level"], strict=True)) == [
        ("longer", "16"),
        ("longer", "32"),
        ("dominance", "equal"),
        ("dominance", "more-pictures"),
        ("guidance", "0"),
        ("guidance", "2"),
        ("sampler", "ddim-2"),
        ("sampler", "ddim-4"),
    ]
    assert runs["n_generated"].eq(4 * 12).all()
    sheet = Image.open(sweep / "reports/claims-smoke/figures/08_first_images.png")
    assert sheet.size == (4 * 64, 6 * 64)  # four people; the base, and five levels that differ from it


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
