"""What the runs over seeds of `experiments` found, as it came with the project in `reports/preferences/`."""

import pandas as pd

from kpop_rca.preferences import benchmark, experiments, trials, tunings
from kpop_rca.study import paths

# Title to the trial that a scorer's fractions are shown of.
TRIALS = {
    "pairs, adaptive": trials.ADAPTIVE_PAIRS,
    "pairs, strength 0.4": trials.HIGH_PAIRS,
    "known ladders, mean": "ladders, mean",
    "those of generators, mean": trials.GENERATORS_MEAN,
}
CHANGE = "change in {words}: "  # a claim
SAME = 1e-9  # an interval of this width is of seeds that all gave one value
SHOWN_SCORERS = (trials.PAPER, trials.FACE_SCORE, trials.MSCN, trials.SHARPNESS)  # where all would not fit


def committed_verdicts() -> pd.DataFrame:
    """Targets and changes with their intervals over seeds; without rows where no run is committed."""
    return _table(experiments.VERDICTS)


def committed_scorers() -> pd.DataFrame:
    """Fractions that each scorer orders right over seeds, the best on the ladders of generators first.

    Returns:
        scorer; the TRIALS, text "mean (low to high)"; seeds, their number. Without rows where no run is committed.
    """
    found = _table(experiments.SCORERS_MEAN)
    if found.empty:
        return pd.DataFrame(columns=["scorer", *TRIALS, "seeds"])
    found[["low", "high"]] = found[["low", "high"]].clip(0, 1)  # of fractions, which t intervals may leave
    found["text"] = [_with_interval(*ends) for ends in zip(found["mean"], found["low"], found["high"], strict=True)]
    order = found[found["name"] == trials.GENERATORS_MEAN].sort_values("mean", ascending=False)
    wide = found.pivot(index="scorer", columns="name", values="text").loc[order["scorer"], list(TRIALS.values())]
    return wide.set_axis(list(TRIALS), axis=1).assign(seeds=order["n_seeds"].to_numpy()).reset_index()


def committed_generators() -> pd.DataFrame:
    """Mean score of each generator's images over seeds, the best by the face score first (FaceScore, Table 5).

    Returns:
        generator; a column of each of SHOWN_SCORERS, text "mean (low to high)", scaled so that its smallest image has 0
        and its largest 1; seeds, their number. Without rows where no run is committed.
    """
    found = _table(experiments.GENERATORS)
    if found.empty:
        return pd.DataFrame(columns=["generator", *SHOWN_SCORERS, "seeds"])
    wide = _wide(found, by="generator", value="normalised")
    order = found[found["scorer"] == trials.FACE_SCORE].groupby("generator")["normalised"].mean()
    return wide.loc[order.sort_values(ascending=False).index].reset_index()


def committed_relations() -> pd.DataFrame:
    """What scores go with, over seeds: Spearman with attributes of faces, Pearson with other scores (Table 6).

    Returns:
        beside; a column of each of SHOWN_SCORERS, text "mean (low to high)"; seeds, their number. Without rows where no
        run is committed.
    """
    attributes, others = _table(experiments.ATTRIBUTES), _table(experiments.PEARSON)
    if attributes.empty or others.empty:
        return pd.DataFrame(columns=["beside", *SHOWN_SCORERS, "seeds"])
    attributes["attribute"] = attributes["attribute"].str.replace("_", " ")
    others = others[others["other"].isin(SHOWN_SCORERS) & (others["other"] != others["scorer"])]
    parts = [
        _wide(attributes.rename(columns={"attribute": "beside"}), by="beside", value="spearman"),
        _wide(others.rename(columns={"other": "beside"}), by="beside", value="pearson"),
    ]
    return pd.concat(parts).fillna("–").reset_index()


def _wide(table: pd.DataFrame, *, by: str, value: str) -> pd.DataFrame:
    """Means over seeds with their intervals as text, a row for each value of a column, a column for each scorer."""
    found = benchmark.over_seeds(table[table["scorer"].isin(SHOWN_SCORERS)], by=["scorer", by], value=value)
    found["text"] = [_with_interval(*ends) for ends in zip(found["mean"], found["low"], found["high"], strict=True)]
    wide = found.pivot(index=by, columns="scorer", values="text")
    wide = wide.loc[found[by].unique(), [name for name in SHOWN_SCORERS if name in wide]]
    return wide.assign(seeds=found.groupby(by)["n_seeds"].min())


def about_targets(found: pd.DataFrame) -> list[str]:
    """What was found beside each target, a line each; without a target, on which side of 0 the interval lies.

    A target that the mean reaches and the interval's lower end does not is met by the mean.

    Args:
        found: from `committed_verdicts`.
    """
    lines = []
    for row in found[~found["claim"].str.startswith("change")].itertuples():
        met = "not met" if str(row.met) != "True" else "met" if row.low >= row.target else "met by the mean alone"
        target = f"the target of {row.target:g} is {met}"
        verdict = f"{row.met} than 0" if row.met in ("higher", "lower") else row.met
        mean = _with_interval(row.mean, row.low, row.high)
        lines.append(f"{row.claim}: {mean}, {row.n_seeds:.0f} seeds; {verdict if pd.isna(row.target) else target}")
    return lines


def about_tunings(found: pd.DataFrame, *, words: str) -> str:
    """What tuning for identity changes, beside what changes most, in a sentence; "" where that was not measured.

    One seed, which has no interval, is not enough to be the largest.

    Args:
        found: from `committed_verdicts`.
        words: of the quantity, as `experiments.EFFECTS` has them.
    """
    start = CHANGE.format(words=words)
    if found.empty:
        return ""
    own = found[found["claim"].str.startswith(start) & found["low"].notna()]
    own = own.set_index(own["claim"].str.removeprefix(start))
    if tunings.HEADLINE not in own.index:
        return ""
    most = own["mean"].idxmax()
    first, largest = (_with_interval(*own.loc[name, ["mean", "low", "high"]]) for name in (tunings.HEADLINE, most))
    said = f"Tuning for identity ({tunings.HEADLINE}) changes {words} by {first}"
    return f"{said}." if most == tunings.HEADLINE else f"{said}; what changes it most is {most}: {largest}."


def _table(name: str) -> pd.DataFrame:
    path = paths.committed_report(experiments.REPORT) / name
    return pd.read_csv(path) if path.is_file() else pd.DataFrame()


def _with_interval(mean: float, low: float, high: float) -> str:
    """With three digits where the change is that small; without an interval where seeds give none, or all the same."""
    digits = 2 if abs(mean) >= 0.1 else 3
    is_known = not pd.isna(low) and high - low > SAME
    return f"{mean:.{digits}f}" + (f" ({low:.{digits}f} to {high:.{digits}f})" if is_known else "")
