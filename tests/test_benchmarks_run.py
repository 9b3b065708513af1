"""The benchmarks at their smallest size, as `make bench` runs them, where the baselines may be missing."""

import json

import pandas as pd
import pytest

from kpop_rca import run
from kpop_rca.benchmarks import collection, tasks
from kpop_rca.benchmarks.timing import OURS
from kpop_rca.results import pages
from kpop_rca.study import params, paths

STUDY = "benchmarks-smoke"


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(paths.OUTPUT_VARIABLE, str(tmp_path_factory.mktemp("benchmarks")))
        run.run_notebook("90", STUDY)
        pages.build(STUDY)
        yield paths.report_folder(STUDY)


def test_ours_was_timed_at_everything_and_whoever_was_not_has_a_reason(folder):
    times = pd.read_csv(folder / "tables" / f"{collection.TIMES}.csv")
    assert set(times[times["who"] == OURS]["task"]) == set(tasks.by_name(params.resolve(STUDY)))
    assert times[times["who"] == OURS].groupby("task")["repeat"].count().eq(2).all()
    assert times[times["seconds"].isna()]["why"].str.contains("No module named").all()


def test_every_size_was_measured(folder):
    sizes = pd.read_csv(folder / "tables" / f"{collection.SCALING}.csv")
    assert sizes["why"].isna().all(), sizes["why"].dropna().tolist()
    assert sizes[["seconds", "peak_bytes", "data_bytes"]].gt(0).all(axis=None)


def test_the_result_is_one_for_machines_and_one_for_readers(folder):
    result = json.loads((folder / "metrics.json").read_text())
    assert {"study", "machine", "rates", "ratios", "whole_runs", "memory", "exponents"} <= result.keys()
    page = (folder / "index.html").read_text()
    assert "sampling, DDIM" in page
    assert 'src="http' not in page
