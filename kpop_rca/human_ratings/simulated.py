"""Simulated raters, whose truth is known: what is validated with them is the pipeline, never a claim about people."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from kpop_rca.human_ratings import maximum_likelihood, mos, outliers
from kpop_rca.human_ratings.raw_ratings import SCALE
from kpop_rca.system import seeds

NOTE = "simulated raters"
REFERENCE_RATERS = 2_000  # whose mean stands for what infinitely many would say
AT_ONCE = 20  # simulations in one array


@dataclass(frozen=True)
class Panel:
    """Who rates: standard deviations are on the scale of 0 to 5."""

    raters: int = 16
    spammers: int = 0  # the last of the raters: each rating is uniform on the scale
    bias: float = 0.3  # standard deviation over raters
    inconsistency: float = 0.5  # median over raters
    inconsistency_spread: float = 0.2  # standard deviation of its logarithm
    lapses: float = 0.01  # probability that a rating is uniform on the scale
    missing: float = 0.0  # probability that an image is not rated


def rate(quality: np.ndarray, panel: Panel, *, generator: np.random.Generator, again: Sequence[int] = ()) -> np.ndarray:
    """Ratings float (..., J, I) of images of known quality (..., J) on 0 to 5, to two decimals, NaN where missing.

    Args:
        again: numbers of images that the same raters see once more; their ratings come behind the others.
    """
    quality = np.concatenate([quality, quality[..., list(again)]], axis=-1)
    *lead, images = quality.shape
    of_rater, shape = (*lead, 1, panel.raters), (*lead, images, panel.raters)
    bias = panel.bias * generator.standard_normal(of_rater)
    noise = panel.inconsistency * np.exp(panel.inconsistency_spread * generator.standard_normal(of_rater))
    rated = quality[..., None] + bias + noise * generator.standard_normal(shape)
    anything = generator.uniform(*SCALE, size=shape)
    lapsed = generator.random(shape) < panel.lapses
    lapsed[..., panel.raters - panel.spammers :] = True
    rated = np.where(lapsed, anything, rated).clip(*SCALE).round(2)
    return np.where(generator.random(shape) < panel.missing, np.nan, rated) if panel.missing else rated


def qualities(shape: tuple[int, ...], *, generator: np.random.Generator) -> np.ndarray:
    """True qualities, bell-shaped within 0.5 to 4.5 (mean 2.5, standard deviation 0.9)."""
    return 0.5 + 4 * generator.beta(2, 2, size=shape)


def trial(panel: Panel, *, images: int, simulations: int, seed: int) -> pd.DataFrame:
    """One row per simulation: what the pipeline finds of a panel whose truth is known.

    `coverage` is the fraction of images whose t-interval of z-scores, of consistent raters, holds the mean over a panel
    of `REFERENCE_RATERS` without spammers; `plcc_mean` and `plcc_p910` correlate with the true quality with the
    spammers in, `plcc_kept` without the inconsistent.
    """
    found = []
    for first in range(0, simulations, AT_ONCE):
        rng = seeds.generator(seeds.Purpose.SIMULATED_RATERS, seed, panel.spammers, first)
        quality = qualities((min(AT_ONCE, simulations - first), images), generator=rng)
        found.append(_found(quality, panel, rng))
    return pd.concat(found, ignore_index=True)


def _found(quality: np.ndarray, panel: Panel, rng: np.random.Generator) -> pd.DataFrame:
    ratings = rate(quality, panel, generator=rng)
    by_bt500 = outliers.bt500(ratings)[0]
    by_inconsistency = outliers.inconsistent(ratings)[0]
    spammer = np.arange(panel.raters) >= panel.raters - panel.spammers
    kept = np.where(by_inconsistency[:, None, :], np.nan, ratings)
    mean, half, _ = mos.means_over_raters(mos.z_scores(kept))
    columns = {"coverage": (np.abs(mean - expected(quality, panel, generator=rng)) <= half).mean(axis=1)}
    for name, who in {
        "bt500": by_bt500,
        "inconsistent": by_inconsistency,
        "either": by_bt500 | by_inconsistency,
    }.items():
        columns[f"spammers_found_{name}"] = who[:, spammer].mean(axis=1) if panel.spammers else np.nan
        columns[f"good_rejected_{name}"] = who[:, ~spammer].mean(axis=1)
    estimates = {
        "mean": np.nanmean(ratings, axis=2),
        "kept": mean,
        "p910": maximum_likelihood.fit(ratings).quality,
    }
    for name, estimate in estimates.items():
        columns[f"plcc_{name}"] = [np.corrcoef(*pair)[0, 1] for pair in zip(estimate, quality, strict=True)]
    return pd.DataFrame(columns)


def expected(quality: np.ndarray, panel: Panel, *, generator: np.random.Generator) -> np.ndarray:
    """The MOS (..., J), z-scores on 0 to 100, that infinitely many good raters of the same kind would give."""
    many = replace(panel, raters=REFERENCE_RATERS, spammers=0, missing=0.0)
    return np.stack([mos.z_scores(rate(one, many, generator=generator)).mean(axis=-1) for one in quality])


def trial_table(*, images: int, raters: int, simulations: int, seed: int) -> pd.DataFrame:
    """Means over simulations of three panels: no spammers, a quarter of them, and missing ratings too."""
    spammers = raters // 4
    panels = {
        "no spammers": Panel(raters),
        f"{spammers} spammers": Panel(raters, spammers=spammers),
        f"{spammers} spammers, 30 % missing": Panel(raters, spammers=spammers, missing=0.3),
    }
    how = {"images": images, "simulations": simulations, "seed": seed}
    means = {name: trial(panel, **how).mean() for name, panel in panels.items()}
    return pd.DataFrame(means).T.rename_axis("panel").reset_index()


def targets(table: pd.DataFrame) -> pd.DataFrame:
    """What a trial is held to: target, least, most, worst value over the panels, met.

    Args:
        table: from `trial_table`.
    """
    of = table.set_index("panel")
    all_rated, missing = of.iloc[1], of.iloc[2]
    rows = [
        ("coverage of 95 % intervals, lowest", 0.93, 0.97, of["coverage"].min()),
        ("coverage of 95 % intervals, highest", 0.93, 0.97, of["coverage"].max()),
        ("spammers found", 0.85, 1.0, all_rated["spammers_found_inconsistent"]),
        ("spammers found, 30 % missing", 0.65, 1.0, missing["spammers_found_inconsistent"]),
        ("good raters rejected, highest", 0.0, 0.02, of["good_rejected_inconsistent"].max()),
        ("good raters rejected by BT.500, highest", 0.0, 0.02, of["good_rejected_bt500"].max()),
        ("PLCC with the truth beside spammers, P.910", 0.98, 1.0, all_rated["plcc_p910"]),
    ]
    found = pd.DataFrame(rows, columns=["target", "least", "most", "value"])
    return found.assign(met=found["value"].between(found["least"], found["most"]))
