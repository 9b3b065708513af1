"""Generators of known truth, run with every scoring: if one is not scored as its truth, no number is to be used.

| control | images that play it | truth |
|---|---|---|
| `real` | a third of the photographs, held out | an RCA of 1 |
| `shuffled` | the same, after the names of all photographs were permuted | chance, and photographs too |
| `copies` | the photographs themselves | copies |

Each is tested at 99.9 %. The first fails where photographs and generated images are not treated alike, the second where
a classifier knows its answers (a leak of cross-fitting or of the requested names), the third where the threshold for
copies misses even these. They see the numbers after the faces were found, and nothing before.

Source: openproblems.bio for control methods beside the methods.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
from scipy.stats import fisher_exact, t

from kpop_rca.scoring.cross_fitting import CrossFitted, cross_fit, units
from kpop_rca.scoring.similarity import Calibration, measure

CONTROLS = ("real", "shuffled", "copies")
COLUMNS = ["control", "passed", "value", "expected", "p", "reason"]
LEVEL = 0.001  # p below which a control fails
HELD_OUT = 3  # one in so many of a person's photographs
PERMUTATIONS = 9999
SHUFFLES = 10
TOO_FEW = "needs two people with three photographs or more that are no near-duplicates"

CrossFit = Callable[..., CrossFitted]


def run_controls(
    embeddings: np.ndarray,
    person: np.ndarray,
    cluster: np.ndarray,
    *,
    calibration: Calibration,
    fit: CrossFit = cross_fit,
    generator: np.random.Generator,
) -> pd.DataFrame:
    """The three controls on the photographs of one oracle.

    Args:
        embeddings: (N, D) of the photographs, NaN where no face was found.
        person: int (N,) in [0, K).
        cluster: int (N,), see `cross_fit`.
        calibration: of the same photographs.
        fit: the scoring's own cross-fitting.

    Returns:
        One row per control: control, passed (None where it can't be run), value (RCA of the held-out photographs, their
        accuracy, fraction of copies), expected, p, and reason (what is wrong, or why it can't be run; else empty).
    """
    found = np.isfinite(embeddings).all(axis=1)
    embeddings, person, cluster = embeddings[found], np.asarray(person)[found], np.asarray(cluster)[found]
    unit = units(person, cluster)
    rows = [
        _real(embeddings, person, unit, fit, generator),
        _shuffled(embeddings, person, unit, fit, generator),
        _copies(embeddings, person, calibration, generator),
    ]
    rows = [{"control": name} | row for name, row in zip(CONTROLS, rows, strict=True)]
    return pd.DataFrame(rows, columns=COLUMNS)


def not_run(reason: str) -> pd.DataFrame:
    """The table of `run_controls` where there is a reason not to run them."""
    return pd.DataFrame([{"control": name, "passed": None, "reason": reason} for name in CONTROLS], columns=COLUMNS)


def held_out(person: np.ndarray, unit: np.ndarray, *, generator: np.random.Generator) -> np.ndarray:
    """A third of everybody's photographs, at least one unit and near-duplicates together, bool (N,).

    Nobody is left with fewer than two units: of a person with fewer than three, none is held out.

    >>> held_out(np.array([0, 0, 0, 1, 1]), np.arange(5), generator=np.random.default_rng(0)).astype(int)
    array([0, 0, 1, 0, 0])
    """
    chosen = []
    for who in np.unique(person):
        own = generator.permutation(np.unique(unit[person == who]))
        chosen.extend(own[: len(own) // HELD_OUT])
    return np.isin(unit, chosen)


def _right(fitted: CrossFitted, requested: np.ndarray, unit: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Fraction of the classifiers that are right, of the photographs (N,) and of the generated images, each by unit."""
    real = (fitted.held_out * (fitted.predicted == fitted.person)).sum(axis=0) / fitted.held_out.sum(axis=0)
    generated = (fitted.generated == requested).mean(axis=0)
    return real, pd.Series(generated).groupby(unit).mean().to_numpy()


def _scored(
    embeddings: np.ndarray, person: np.ndarray, unit: np.ndarray, fit: CrossFit, generator: np.random.Generator
) -> tuple[CrossFitted, np.ndarray] | None:
    """The held-out photographs scored on the others, and which they are; None if fewer than two people have any."""
    held = held_out(person, unit, generator=generator)
    if len(np.unique(person[held])) < 2:
        return None
    rest = ~held
    return fit(embeddings[rest], person[rest], unit[rest], embeddings[held]), held


def _real(
    embeddings: np.ndarray, person: np.ndarray, unit: np.ndarray, fit: CrossFit, generator: np.random.Generator
) -> dict[str, Any]:
    """Held-out photographs are recognised as often as those of the same people that the classifiers are tested on.

    By Fisher's exact test of the two fractions, of units.
    """
    scored = _scored(embeddings, person, unit, fit, generator)
    if scored is None:
        return {"passed": None, "reason": TOO_FEW}
    fitted, held = scored
    right, generated = _right(fitted, person[held], unit[held])
    of_both = np.isin(person[~held], person[held])
    real = pd.Series(right[of_both]).groupby(unit[~held][of_both]).mean().to_numpy()
    counts = [[round(of.sum()), len(of) - round(of.sum())] for of in (generated, real)]
    p = float(fisher_exact(counts).pvalue)
    value = generated.mean() / real.mean() if real.mean() else np.nan
    wrong = f"held-out photographs have an RCA of {value:.2f}, where 1 is expected"
    return {"passed": p >= LEVEL, "value": value, "expected": 1.0, "p": p, "reason": wrong if p < LEVEL else ""}


def _shuffled(
    embeddings: np.ndarray, person: np.ndarray, unit: np.ndarray, fit: CrossFit, generator: np.random.Generator
) -> dict[str, Any]:
    """With permuted names neither held-out photographs nor those tested by cross-fitting are recognised above chance.

    Held-out ones by a permutation test of their names, two-sided; cross-fitted ones by Student's t over SHUFFLES, and
    above chance alone, since leaving a photograph out of its own name's makes that one a little less likely. Each has
    half of the level.
    """
    first, excess = None, []
    of_units = pd.Series(person).groupby(unit).first().to_numpy()
    for _ in range(SHUFFLES):
        names = generator.permutation(of_units)[unit]
        scored = _scored(embeddings, names, unit, fit, generator)
        if scored is None:
            return {"passed": None, "reason": TOO_FEW}
        fitted, held = scored
        right, _ = _right(fitted, names[held], unit[held])
        shares = np.bincount(names[~held]) / (~held).sum()
        excess.append(right.mean() - shares.max())
        first = first or (fitted, names[held], unit[held])
    value, expected, p = _permuted(*first, generator=generator)
    mean, spread = float(np.mean(excess)), float(np.std(excess, ddof=1))
    leak = float(t.sf(mean / max(spread / np.sqrt(SHUFFLES), 1e-12), SHUFFLES - 1))
    reasons = []
    if p < LEVEL / 2:
        reasons.append(f"with permuted names {value:.0%} are recognised, where {expected:.0%} is expected")
    if leak < LEVEL / 2:
        reasons.append(f"with permuted names photographs are recognised {100 * mean:.0f} points above chance: a leak")
    p = min(1.0, 2 * min(p, leak))
    return {"passed": not reasons, "value": value, "expected": expected, "p": p, "reason": "; ".join(reasons)}


def _permuted(
    fitted: CrossFitted, requested: np.ndarray, unit: np.ndarray, *, generator: np.random.Generator
) -> tuple[float, float, float]:
    """Accuracy of units, its mean over permutations of the requested names, and the p of being as far from it."""
    everyone, index = np.unique(unit, return_inverse=True)
    predicted = (fitted.generated[:, :, None] == np.arange(fitted.n_people)).mean(axis=0)
    of_units = pd.DataFrame(predicted).groupby(index).mean().to_numpy()
    names = pd.Series(requested).groupby(index).first().to_numpy()
    everyone = np.arange(len(everyone))
    accuracy = of_units[everyone, names].mean()
    again = np.array([of_units[everyone, generator.permutation(names)].mean() for _ in range(PERMUTATIONS)])
    expected = of_units[:, names].mean()
    p = (1 + (np.abs(again - expected) >= abs(accuracy - expected) - 1e-12).sum()) / (PERMUTATIONS + 1)
    return float(accuracy), float(expected), float(p)


def _copies(
    embeddings: np.ndarray, person: np.ndarray, calibration: Calibration, generator: np.random.Generator
) -> dict[str, Any]:
    """The photographs as generated images are copies."""
    found = measure(calibration, embeddings, person, by_person=False, generator=generator)
    value = float(found.images["copy_rate"].mean())
    wrong = f"{value:.0%} of the photographs themselves are found to be copies of photographs"
    return {
        "passed": found.copies,
        "value": value,
        "expected": 1.0,
        "p": np.nan,
        "reason": "" if found.copies else wrong,
    }
