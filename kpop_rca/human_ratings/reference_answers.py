"""Answers of real people that come with the package (`reference/README.md`), and F-Bench's and FaceScore's tables."""

from importlib import resources

import numpy as np
import pandas as pd

from kpop_rca.human_ratings import mos

OUTLIERS = (26, 27, 28, 29)  # raters of random answers, planted in the NFLX ratings
PYIQA = "the Python port is part of pyiqa, whose licence (PolyForm Noncommercial) this project can't take on"
RESEARCH_ONLY = "MATLAB code whose notice allows education and research only, and no Python package"
# Rows of F-Bench that are not measured here, and why, as looked up in November 2026.
NOT_MEASURED = {
    "ILNIQE": f"the authors' code is MATLAB; {PYIQA}",
    "HOSA": "no package; its codebook and regression must be trained on a rated data set before it says anything",
    "BPRI": f"{RESEARCH_ONLY}; a support vector model comes with it",
    "BPRI-PSS": f"a part of BPRI (blockiness): {RESEARCH_ONLY}",
    "BPRI-LSSn": f"a part of BPRI (noise): {RESEARCH_ONLY}",
    "BMPRI": f"{RESEARCH_ONLY}; a support vector model comes with it",
    "FISBLIM": "used by name in others' MATLAB benchmarks only; neither package nor a licence was found",
    "DSL-FIQA": "research code without a licence; its weights lie on a file-sharing site, without a hash",
    "HyperIQA": "the code is MIT; its weights lie on file-sharing sites, without a hash; pyiqa's are noncommercial",
    "TReS": "its licence allows noncommercial research only",
    "MANIQA": f"weights by a release page that the study doesn't fetch from; {PYIQA}",
    "MINTIQA": "research code without a licence; its weights lie on a file-sharing site; a vision-language model",
}


def _read(name: str) -> pd.DataFrame:
    with resources.as_file(resources.files("kpop_rca.human_ratings").joinpath("reference", name)) as path:
        return pd.read_csv(path)


def nflx(*, outliers: bool) -> pd.DataFrame:
    """Raw ratings, 1 to 5, of 79 clips by 26 raters, or by 30 of whom the last four answer at random.

    >>> nflx(outliers=False).shape, nflx(outliers=True).shape
    ((79, 26), (79, 30))
    """
    table = _read("nflx_public_raw.csv").set_index("item").rename(columns=int).astype(float)
    return table if outliers else table.drop(columns=list(OUTLIERS))


def human_error_rates() -> pd.DataFrame:
    """One row per participant: dataset, participant, model, error (real and generated), error_generated, error_real."""
    return _read("human_error_rates.csv")


def agiqa3k() -> pd.DataFrame:
    """One row per image: model, setting (normal, lowstep …), quality (MOS), sd (over raters), alignment (MOS)."""
    return _read("agiqa3k_mos.csv.gz")


def fbench_tables() -> pd.DataFrame:
    """F-Bench's Tables 2 to 4: table, task, dimension, model, srcc, krcc, plcc."""
    return _read("fbench_tables.csv")


def fbench_not_measured() -> pd.DataFrame:
    """F-Bench's rows without a measurement here: model, the paper's SRCC on quality by task, reason."""
    table = fbench_tables()
    part = table[(table["dimension"] == "quality") & table["model"].isin(list(NOT_MEASURED))]
    wide = part.pivot(index="model", columns="task", values="srcc").reindex(list(NOT_MEASURED))
    return wide.assign(reason=list(NOT_MEASURED.values())).rename_axis(columns=None).reset_index()


def facescore_table1() -> pd.DataFrame:
    """FaceScore's Table 1: model, fractions of images with score 1, 2 and 3, average score."""
    return _read("facescore_table1.csv")


def model_ranking(
    table: pd.DataFrame, value: str, *, units: str | None, n_replicates: int, generator: np.random.Generator
) -> pd.DataFrame:
    """Means of a value by model with intervals and ranks, from a bootstrap over units (None: over rows)."""
    table = table.reset_index(drop=True).rename_axis("row").reset_index()
    unit = units or "row"
    table = table.assign(unit=table["model"].astype(str) + "/" + table[unit].astype(str))
    how = {"clusters": ["unit"], "n_replicates": n_replicates, "generator": generator}
    return mos.group_means(table, "model", value, mos.group_replicates(table, "model", value, **how))
