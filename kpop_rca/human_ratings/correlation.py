"""Which metric agrees with people: correlations with MOS, their intervals, and paired tests between metrics."""

from collections.abc import Sequence
from itertools import combinations

import numpy as np
import pandas as pd
from scipy import optimize, special, stats
from statsmodels.stats.multitest import multipletests

LEAST_IMAGES = 8  # for the logistic's four parameters
LEAST, MOST = np.array([-6.0, -6.0, -4.0, 0.05]), np.array([6.0, 6.0, 4.0, 10.0])  # top, bottom, middle, width
MOST_STEPS, MOST_DAMPING, LEAST_GAIN = 60, 1e6, 1e-7  # of the fits of resamples; the last of the squared error
TEST_DRAWS = 5_000  # of the tests between metrics: the smallest p is to outlast Holm over some sixty pairs
STATISTICS = ("srcc", "krcc", "plcc", "plcc_unfitted", "rmse")
UNFITTED = ("srcc", "krcc", "plcc_unfitted")  # those without the logistic


def logistic(x: np.ndarray, top: float, bottom: float, middle: float, width: float) -> np.ndarray:
    """The 4-parameter logistic of VQEG: from bottom to top about the middle; width > 0."""
    return bottom + (top - bottom) * special.expit((x - middle) / width)


def fitted(metric: np.ndarray, mos: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """MOS as the best logistic of a metric predicts it, (N,), and the four parameters, on standardised x and y.

    Bounded least squares on standardised values; the direction may be either.
    """
    x, y = stats.zscore(metric), stats.zscore(mos)
    sign = 1.0 if np.corrcoef(x, y)[0, 1] >= 0 else -1.0
    first = np.array([1.5 * sign, -1.5 * sign, 0.0, 0.7])
    found = optimize.least_squares(
        lambda p: logistic(x, *p) - y,
        first,
        jac=lambda p: _jacobian(x, p),
        bounds=(LEAST, MOST),
        max_nfev=60,
    )
    return np.mean(mos) + np.std(mos) * logistic(x, *found.x), found.x


def _jacobian(x: np.ndarray, parameters: np.ndarray) -> np.ndarray:
    top, bottom, middle, width = parameters
    cdf = special.expit((x - middle) / width)
    slope = (top - bottom) * cdf * (1 - cdf) / width
    return np.stack([cdf, 1 - cdf, -slope, -slope * (x - middle) / width], axis=-1)


def no_correlation(metric: np.ndarray, mos: np.ndarray) -> str:
    """Why a metric can't be correlated with MOS; "" where it can."""
    if len(metric) < LEAST_IMAGES:
        return f"{len(metric)} images, {LEAST_IMAGES} needed"
    for name, values in {"the metric": metric, "the MOS": mos}.items():
        if np.ptp(values) <= 1e-12 * max(1.0, np.abs(values).max()):
            return f"{name} is the same for all images"
        if np.unique(values).size < 3:
            return f"{name} has two values only"
    return ""


def correlations(metric: np.ndarray, mos: np.ndarray) -> dict[str, float]:
    """SRCC, KRCC (tau-b), PLCC after the logistic and without it, and RMSE of the fit, in the unit of the MOS.

    >>> better = np.arange(10.0)
    >>> {name: round(value, 6) for name, value in correlations(better, 2 * better).items() if name != "rmse"}
    {'srcc': 1.0, 'krcc': 1.0, 'plcc': 0.999976, 'plcc_unfitted': 1.0}
    """
    predicted, _ = fitted(metric, mos)
    return _statistics(metric, mos, predicted)


def _statistics(metric: np.ndarray, mos: np.ndarray, predicted: np.ndarray) -> dict[str, float]:
    sign = np.sign(np.corrcoef(metric, mos)[0, 1]) or 1.0  # the fit takes the direction, so that its PLCC is positive
    flat = np.ptp(predicted) <= 1e-9 * np.ptp(mos)  # no logistic is better than a constant
    return {
        "srcc": float(stats.spearmanr(metric, mos).statistic),
        "krcc": float(stats.kendalltau(metric, mos).statistic),
        "plcc": 0.0 if flat else float(sign * np.corrcoef(predicted, mos)[0, 1]),
        "plcc_unfitted": float(np.corrcoef(metric, mos)[0, 1]),
        "rmse": float(np.sqrt(np.mean((predicted - mos) ** 2))),
    }


def fitted_together(x: np.ndarray, y: np.ndarray, *, start: np.ndarray) -> np.ndarray:
    """The logistic of `fitted` in many resamples at once: predictions of standardised y, float (R, N).

    Levenberg and Marquardt's steps for all resamples side by side, clipped to the bounds; a parameter that the
    gradient presses against its bound is held there. A resample that is not improved any more drops out.

    Args:
        x: standardised metric of each resample, float (R, N).
        y: standardised MOS, float (R, N).
        start: parameters, float (4,), such as those of the whole sample.
    """
    p = np.tile(start.clip(LEAST + 1e-3, MOST - 1e-3), (len(x), 1))
    damping, error = np.full(len(x), 1e-2), _errors(x, y, p)
    for _ in range(MOST_STEPS):
        (moving,) = np.nonzero(damping < MOST_DAMPING)
        if not len(moving):
            break
        x_m, y_m, was = x[moving], y[moving], error[moving]
        tried = (p[moving] + _step(x_m, y_m, p[moving], damping[moving])).clip(LEAST, MOST)
        found = _errors(x_m, y_m, tried)
        better = found < was
        p[moving[better]], error[moving[better]] = tried[better], found[better]
        done = better & (was - found < LEAST_GAIN * was)
        damping[moving] = np.where(done, np.inf, damping[moving] * np.where(better, 0.25, 4.0)).clip(min=1e-9)
    return _predictions(x, p)


def _predictions(x: np.ndarray, p: np.ndarray) -> np.ndarray:
    return logistic(x, *(column[:, None] for column in p.T))


def _errors(x: np.ndarray, y: np.ndarray, p: np.ndarray) -> np.ndarray:
    return ((_predictions(x, p) - y) ** 2).sum(axis=1)


def _step(x: np.ndarray, y: np.ndarray, p: np.ndarray, damping: np.ndarray) -> np.ndarray:
    """A damped step of every resample, (R, 4)."""
    jacobian = _jacobian(x, p.T[..., None])
    gradient = (jacobian * (_predictions(x, p) - y)[..., None]).sum(axis=1)
    held = ((p <= LEAST) & (gradient > 0)) | ((p >= MOST) & (gradient < 0))
    normal = np.swapaxes(jacobian, 1, 2) @ jacobian
    normal[held[:, :, None] | held[:, None, :]] = 0.0
    diagonal = np.einsum("rkk->rk", normal)  # a view
    diagonal += damping[:, None] * diagonal + np.where(held, 1.0, 1e-9)
    return -np.linalg.solve(normal, np.where(held, 0.0, gradient)[..., None])[..., 0]


def replicates(table: pd.DataFrame, metrics: Sequence[str], draws: np.ndarray, *, mos: str = "mos") -> np.ndarray:
    """The statistics of each metric in each resample of the images, float (metrics, resamples, 5).

    The logistic is fitted again in every resample. A resample without variance is NaN. All metrics share the resamples,
    so that their differences are paired.

    Args:
        draws: numbers of the rows drawn, (resamples, N).
    """
    y = table[mos].to_numpy(dtype=float)
    found = np.full((len(metrics), len(draws), len(STATISTICS)), np.nan)
    for m, name in enumerate(metrics):
        x = table[name].to_numpy(dtype=float)
        usable = [not no_correlation(x[drawn], y[drawn]) for drawn in draws]
        if any(usable):
            found[m, usable] = _of_resamples(x, y, draws[usable])
    return found


def _of_resamples(x: np.ndarray, y: np.ndarray, draws: np.ndarray) -> np.ndarray:
    """The five statistics of resamples that have them, float (R, 5); tau-b counts each pair of images by its weight."""
    x_drawn, y_drawn = x[draws], y[draws]
    x_z, y_z = stats.zscore(x_drawn, axis=1), stats.zscore(y_drawn, axis=1)
    predicted = fitted_together(x_z, y_z, start=fitted(x, y)[1])
    srcc, krcc, unfitted = _without_fit(x, y, draws)
    flat = np.ptp(predicted, axis=1) <= 1e-9
    plcc = np.zeros(len(draws))  # where no logistic is better than a constant
    plcc[~flat] = np.where(unfitted < 0, -1.0, 1.0)[~flat] * _row_correlations(predicted[~flat], y_z[~flat])
    rmse = y_drawn.std(axis=1) * np.sqrt(((predicted - y_z) ** 2).mean(axis=1))
    return np.stack([srcc, krcc, plcc, unfitted, rmse], axis=1)


def _without_fit(x: np.ndarray, y: np.ndarray, draws: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The UNFITTED statistics of resamples, (R,) each; NaN without variance."""
    x_drawn, y_drawn = x[draws], y[draws]
    srcc = _row_correlations(stats.rankdata(x_drawn, axis=1), stats.rankdata(y_drawn, axis=1))
    weights = np.stack([np.bincount(drawn, minlength=len(x)) for drawn in draws]).astype(float)
    x_signs, y_signs = np.sign(x[:, None] - x), np.sign(y[:, None] - y)
    agreeing, x_apart, y_apart = (
        ((weights @ signs) * weights).sum(axis=1) for signs in (x_signs * y_signs, np.abs(x_signs), np.abs(y_signs))
    )
    with np.errstate(invalid="ignore"):
        return srcc, agreeing / np.sqrt(x_apart * y_apart), _row_correlations(x_drawn, y_drawn)


def _row_correlations(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Pearson's correlation of each row of a with the same row of b, (R,)."""
    a, b = a - a.mean(axis=1, keepdims=True), b - b.mean(axis=1, keepdims=True)
    with np.errstate(invalid="ignore"):  # NaN without variance
        return (a * b).sum(axis=1) / np.sqrt((a**2).sum(axis=1) * (b**2).sum(axis=1))


def agreement_table(
    table: pd.DataFrame,
    metrics: Sequence[str],
    *,
    n_replicates: int,
    generator: np.random.Generator,
    mos: str = "mos",
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Each metric against MOS, and each pair of metrics against each other.

    Args:
        table: one row per image: `mos` and the metrics; rows without a MOS are left out.

    Returns:
        metric, n, the five statistics with `_low` and `_high` (95 % bootstrap intervals over images), reason; and
        metric, other, difference of |SRCC|, low, high, p (paired bootstrap of TEST_DRAWS resamples), p_holm. A metric
        that can't be correlated has NaN and a reason. Pairs are of metrics that have a value for every image.
    """
    table = table[table[mos].notna()]
    rows = [_row(table, name, mos) for name in metrics]
    usable = [row["metric"] for row in rows if not row["reason"]]
    draws = generator.integers(len(table), size=(n_replicates, max(len(table), 1)))
    whole = [name for name in usable if table[name].notna().all()]
    resampled = dict(zip(whole, replicates(table, whole, draws, mos=mos), strict=True))
    for name in usable:
        if name not in resampled:  # it lacks a value for some images, and is compared with no other metric
            part = table[table[name].notna()]
            own = generator.integers(len(part), size=(n_replicates, len(part)))
            resampled[name] = replicates(part, [name], own, mos=mos)[0]
    for row in rows:
        if row["metric"] in resampled:
            low, high = np.nanpercentile(resampled[row["metric"]], [2.5, 97.5], axis=0)
            row |= {f"{name}_low": value for name, value in zip(STATISTICS, low, strict=True)}
            row |= {f"{name}_high": value for name, value in zip(STATISTICS, high, strict=True)}
    pairs = _pairs(table, [row for row in rows if row["metric"] in whole], mos, generator=generator)
    tested = pd.DataFrame(pairs, columns=["metric", "other", "difference", "low", "high", "p"])
    if len(tested):
        tested["p_holm"] = multipletests(tested["p"], method="holm")[1]
    shown = ["metric", "n", *(f"{name}{end}" for name in STATISTICS for end in ("", "_low", "_high")), "reason"]
    return pd.DataFrame(rows).reindex(columns=shown), tested


def _row(table: pd.DataFrame, name: str, mos: str) -> dict[str, float | str]:
    part = table[table[name].notna()]
    pair = part[name].to_numpy(dtype=float), part[mos].to_numpy(dtype=float)
    reason = no_correlation(*pair)
    return {"metric": name, "n": len(part), "reason": reason} | ({} if reason else correlations(*pair))


def _pairs(table: pd.DataFrame, rows: list[dict], mos: str, *, generator: np.random.Generator) -> list[tuple]:
    """Every two metrics: their names, the difference of |SRCC|, low, high, p, from resamples that they share."""
    if len(rows) < 2:
        return []
    draws = generator.integers(len(table), size=(TEST_DRAWS, len(table)))
    y = stats.rankdata(table[mos].to_numpy(dtype=float)[draws], axis=1)
    drawn = {}
    for row in rows:
        x = stats.rankdata(table[row["metric"]].to_numpy(dtype=float)[draws], axis=1)
        drawn[row["metric"]] = np.abs(_row_correlations(x, y))
    found = []
    for row, other in combinations(rows, 2):
        change = drawn[row["metric"]] - drawn[other["metric"]]
        change = change[~np.isnan(change)]  # of a resample without variance
        low, high = np.percentile(change, [2.5, 97.5])
        p = min(1.0, 2 * (min((change <= 0).sum(), (change >= 0).sum()) + 1) / (len(change) + 1))
        found.append((row["metric"], other["metric"], abs(row["srcc"]) - abs(other["srcc"]), low, high, p))
    return found


def by_group(
    table: pd.DataFrame,
    metrics: Sequence[str],
    group: str,
    *,
    n_replicates: int,
    generator: np.random.Generator,
    mos: str = "mos",
) -> pd.DataFrame:
    """The five statistics of each metric within each group (a generator, a person).

    The UNFITTED ones have `_low` and `_high`, 95 % bootstrap intervals over the images of the group.
    """
    rows, ends = [], [f"{name}{end}" for name in UNFITTED for end in ("_low", "_high")]
    for name, part in table[table[mos].notna()].groupby(group):
        for metric in metrics:
            row = _row(part, metric, mos)
            if not row["reason"]:
                own = part[part[metric].notna()]
                draws = generator.integers(len(own), size=(n_replicates, len(own)))
                found = _without_fit(own[metric].to_numpy(dtype=float), own[mos].to_numpy(dtype=float), draws)
                row |= dict(zip(ends, np.nanpercentile(found, [2.5, 97.5], axis=1).T.ravel(), strict=True))
            rows.append({group: name} | row)
    return pd.DataFrame(rows).reindex(columns=[group, "metric", "n", *STATISTICS, *ends, "reason"])
