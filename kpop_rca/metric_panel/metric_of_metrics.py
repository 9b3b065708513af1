"""Which metric sees what: Kendall's tau of every metric with the known order of every ladder."""

from collections.abc import Callable, Mapping, Sequence

import numpy as np
import pandas as pd
from scipy.stats import kendalltau

from kpop_rca.metric_panel.ladders import IDENTITY, NONE, QUALITY, Ladder
from kpop_rca.metric_panel.metric import OF_KNOWN, Measured, Metric, measure
from kpop_rca.metric_panel.samples import Sample
from kpop_rca.rca import CONFIDENCE
from kpop_rca.system import parallel

RESAMPLES = 30
NO_IDENTITY = "no ladder of identity"  # of what cannot be asked whether it sees identity
SEES = 0.5  # tau from which a metric is said to see what falls
ENDS = ((1 - CONFIDENCE) / 2, (1 + CONFIDENCE) / 2)
Replicates = dict[tuple[str, str], np.ndarray]  # by metric and ladder: tau in each resample, (B,)


def climb(
    ladders: Sequence[Ladder],
    metrics: Mapping[str, Metric],
    real: Sample,
    *,
    generator: np.random.Generator,
    n_resamples: int = RESAMPLES,
    progress: Callable = iter,
) -> tuple[pd.DataFrame, Replicates]:
    """Kendall's tau_b of each metric with each ladder: 1 where it puts every two levels in their true order.

    A metric's values are taken in its own direction, so that tau is positive where it says that better is better; those
    of a spread, which has none, as they are.

    Args:
        progress: wraps the ladders, `tqdm` for example.

    Returns:
        One row per metric and ladder: metric, ladder, truth, tau with low and high (mean and 95 % over random halves of
        the images; of the shuffled ladder over deals), best and worst (the metric's values at the ends, of all images),
        and why, where it has no value; and the taus of all resamples.
    """

    def of_ladder(item: tuple[Ladder, np.random.Generator]) -> list[tuple[dict, np.ndarray]]:
        return _climb_one(item[0], metrics, real, n_resamples=n_resamples, generator=item[1])

    items = list(zip(ladders, generator.spawn(len(ladders)), strict=True))
    found = parallel.in_order(of_ladder, items, workers=parallel.cores(), threads=True)
    rows = [row for _, of_one in zip(progress(ladders), found, strict=True) for row in of_one]
    table = pd.DataFrame([row for row, _ in rows])
    return table, {(row["metric"], row["ladder"]): taus for row, taus in rows if len(taus)}


def _climb_one(
    ladder: Ladder, metrics: Mapping[str, Metric], real: Sample, *, n_resamples: int, generator: np.random.Generator
) -> list[tuple[dict, np.ndarray]]:
    known = {name: [measure(metric, sample, real) for sample in ladder.samples] for name, metric in metrics.items()}
    able = [name for name, levels in known.items() if all(level.value is not None for level in levels)]
    taus = {name: [] for name in able}
    for _ in range(n_resamples):
        drawn = ladder.resampled(generator)
        parts = [ladder.samples[number].part(positions) for number, positions in drawn]
        for name in able:
            values = [
                _again(metrics[name], known[name][number], part, positions, real)
                for (number, positions), part in zip(drawn, parts, strict=True)
            ]
            taus[name].append(_tau(metrics[name], values))
    return [_row(ladder, name, metrics[name], known[name], np.array(taus.get(name, []))) for name in metrics]


def _again(metric: Metric, known: Measured, part: Sample, positions: np.ndarray, real: Sample) -> float:
    """A metric's value of a part of a sample, NaN for none."""
    if known.of_images is not None:
        return float(known.of_images[positions].mean())
    value = measure(metric, part, real).value
    return np.nan if value is None else value


def _tau(metric: Metric, values: Sequence[float]) -> float:
    """Of values from the best level to the worst: 0 where all are equal, NaN where one is missing."""
    values = np.array(values)
    if np.isnan(values).any():
        return np.nan
    if (values == values[0]).all():
        return 0.0
    return float(kendalltau((metric.direction or 1) * values, -np.arange(len(values))).statistic)


def _row(ladder: Ladder, name: str, metric: Metric, known: list[Measured], taus: np.ndarray) -> tuple[dict, np.ndarray]:
    row = {"metric": name, "ladder": ladder.name, "truth": ladder.truth, "tau": np.nan, "low": np.nan, "high": np.nan}
    if not len(taus):
        return row | {"best": np.nan, "worst": np.nan, "why": next(level.why for level in known if level.why)}, taus
    if np.isfinite(taus).any():
        row["tau"], (row["low"], row["high"]) = np.nanmean(taus), np.nanquantile(taus, ENDS)
    why = "" if np.isfinite(taus).any() else "half of the images are too few"
    return row | {"best": known[0].value, "worst": known[-1].value, "why": why}, taus


def complete(table: pd.DataFrame, metrics: Mapping[str, Metric]) -> pd.DataFrame:
    """Rows of several `climb`s with one for each metric and ladder, in the order of the metrics; else with a reason."""
    ladders = table.drop_duplicates("ladder")[["ladder", "truth"]]
    every = pd.DataFrame({"metric": list(metrics)}).merge(ladders, how="cross")
    found = every.merge(table, on=["metric", "ladder", "truth"], how="left")
    known = [f"it needs {metrics[name].needs}, which are not known there" for name in found["metric"]]
    slow = ~found["metric"].map(lambda name: metrics[name].needs in OF_KNOWN)
    reasons = pd.Series(known).mask(slow.to_numpy(), "its network is too slow for so many images")
    return found.assign(why=found["why"].fillna(reasons))


def by_ladder(table: pd.DataFrame, titles: Mapping[str, str]) -> pd.DataFrame:
    """Kendall's tau, one row per metric that has any, by its title, and one column per ladder; from `climb`."""
    has = table[table["tau"].notna()]
    wide = has.pivot(index="metric", columns="ladder", values="tau")
    wide = wide.reindex(index=list(dict.fromkeys(has["metric"])), columns=list(dict.fromkeys(table["ladder"])))
    return wide.rename(index=titles)


def what_is_seen(table: pd.DataFrame, replicates: Replicates, metrics: Mapping[str, Metric]) -> pd.DataFrame:
    """The mean tau of each metric over the ladders of quality, and over those of identity.

    Returns:
        One row per metric: metric, title, measures, quality and identity with their _low and _high; sees: quality,
        identity, both or neither, where tau is SEES or more and its interval above 0, NO_IDENTITY where no ladder asks
        it of that; sees_quality, bool; and why it has no value.
    """
    rows = []
    for name, own in table.groupby("metric", sort=False):
        row = {"metric": name, "title": metrics[name].title, "measures": metrics[name].measures}
        seen = []
        for truth in (QUALITY, IDENTITY):
            ladders = own.loc[(own["truth"] == truth) & own["tau"].notna()]
            taus = [replicates[name, ladder] for ladder in ladders["ladder"]]
            means = np.ma.masked_invalid(taus).mean(axis=0).compressed() if taus else []
            value, (low, high) = (
                (np.mean(means), np.quantile(means, ENDS)) if len(means) else (np.nan, (np.nan, np.nan))
            )
            row |= {truth: value, f"{truth}_low": low, f"{truth}_high": high}
            if value >= SEES and low > 0:
                seen.append(truth)
        none = bool(own["tau"].isna().all())
        row["sees"] = "" if none else "both" if len(seen) == 2 else (seen or ["neither"])[0]
        if not none and np.isnan(row[IDENTITY]):
            row["sees"] = NO_IDENTITY
        rows.append(row | {"sees_quality": QUALITY in seen, "why": own["why"].iloc[0] if none else ""})
    return pd.DataFrame(rows)


def control(table: pd.DataFrame) -> pd.DataFrame:
    """Of the shuffled ladder, which metrics say more than chance does: those whose interval leaves out 0."""
    shuffled = table[(table["truth"] == NONE) & table["tau"].notna()]
    return shuffled.assign(holds=(shuffled["low"] <= 0) & (shuffled["high"] >= 0))
