"""Verdicts on people: is a person shown as in real faces, whoever trains generator and oracles again?

One person's recall on generated images is compared with a fraction of that on real ones, over trainings and oracles:

    d = recall_generated - margin * recall_real

is shown to be above 0 (non-inferior), below 0 (inferior), or neither. More images, trainings or oracles can show more,
but only about the same margin.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike
from scipy.stats import t as student

from kpop_rca.errors import StudyError
from kpop_rca.rca.ratio import (
    CONFIDENCE,
    INCONCLUSIVE,
    INFERIOR,
    NO_EFFECT,
    NO_EFFECT_LIMIT,
    NON_INFERIOR,
    NON_INFERIORITY_LIMIT,
    NOT_MEASURABLE,
    holm,
)
from kpop_rca.rca.recipe import mean_products

ADDED = 2  # images that are right, and as many that are wrong, added for a variance: Agresti and Caffo (2000)
TESTS = ("p_non_inferior", "p_inferior", "p_no_effect")


@dataclass(frozen=True)
class Predicted:
    """Images of one side, as each of O oracles predicts them.

    Attributes:
        labels: int (N,), true or requested identity, in [0, K).
        predicted: int (O, N), in [0, K).
        group: int (N,): of generated images the training that made each, from 0; of real ones their burst, images of
            one number being near-duplicates of each other and -1 alone.

    >>> Predicted(labels=np.array([0, 1]), predicted=np.array([[0, 1], [1, 1]]), group=np.array([-1, -1])).labels.shape
    (2,)
    """

    labels: np.ndarray
    predicted: np.ndarray
    group: np.ndarray


@dataclass(frozen=True)
class _Side:
    """What the tests need of one side, (G, O, K) per training and oracle, and (K,) over all."""

    recall: np.ndarray  # of a person's own images, the fraction predicted as the person
    false_alarms: np.ndarray  # the same of the others' images
    variance: np.ndarray  # (K,) of the mean recall, over images alone
    variance_of_false_alarms: np.ndarray
    spread: np.ndarray  # (K,) p (1 - p) of the recall
    spread_of_false_alarms: np.ndarray  # on the same scale, divided by how many more images of others there are

    @property
    def informedness(self) -> "_Side":
        """The same of recall less false alarms."""
        nothing = np.zeros_like(self.false_alarms)
        variance = self.variance + self.variance_of_false_alarms
        spread = self.spread + self.spread_of_false_alarms
        return _Side(self.recall - self.false_alarms, nothing, variance, 0 * variance, spread, 0 * spread)


@dataclass(frozen=True)
class _Estimate:
    """Of each person, (K,)."""

    value: np.ndarray
    variance: np.ndarray
    df: np.ndarray

    @property
    def p_above(self) -> np.ndarray:
        """One-sided p of the value being above 0."""
        with np.errstate(divide="ignore", invalid="ignore"):
            return student.sf(self.value / np.sqrt(self.variance), self.df)


def person_verdicts(
    real: Predicted, generated: Predicted, architectures: Sequence[str], *, classes: Sequence[Any]
) -> pd.DataFrame:
    """The verdict on every person, by one family of one-sided tests, over trainings and oracles.

        t = d / sqrt(v),  d the mean over trainings and oracles of y_to = recall_generated - margin recall_real

    v is that of `recipe_mean`: the mean square of trainings, of which the images of each are a part, and what that of
    oracle seeds within architectures has above the interaction's, with the variance over real images added. A person's
    own mean squares have four degrees of freedom, so they are pooled over people, in proportion to p (1 - p) of the
    recalls, as the variance of a fraction is; the degrees of freedom are Box's, since people vary together. v is never
    less than over images alone, and no more than that is known of one training. Of one oracle per architecture the
    scatter is not known: they count as given. `over` says what is let vary.

    | verdict, the first that holds | what is shown (Holm, over three tests of everybody who is measurable) |
    |---|---|
    | NOT_MEASURABLE | not tested: on real faces informedness is not shown to be above 0 |
    | NO_EFFECT | informedness is below NO_EFFECT_LIMIT of that on real faces |
    | INFERIOR | recall is below NON_INFERIORITY_LIMIT of that on real faces |
    | NON_INFERIOR | recall is above that |
    | INCONCLUSIVE | none of these |

    Args:
        real, generated: images of both sides under the same O oracles, every class with an image of each training.
        architectures: of the oracles, (O,).
        classes: K names.

    Returns:
        One row per class: class, verdict, rca (ratio of the mean recalls) with low and high (95 %, for one class at a
        time) and df (NaN where v is that over images, by the normal distribution); p_non_inferior, p_inferior and
        p_no_effect (after Holm; NaN where not tested); over; and why somebody is not measurable.

    Raises:
        StudyError: somebody has no image.

    That recall is at most the limit and that it is above exclude each other: two of a person's three null hypotheses
    can be true at once, which Holm's procedure takes into account.

    Source: Wellek (2010), "Testing Statistical Hypotheses of Equivalence and Noninferiority", for one-sided tests at a
    margin; Holm (1979) and Shaffer (1986); Hillis (2007) and Satterthwaite (1946) for v and its degrees of freedom;
    Box (1954) for those of pooled mean squares, by the estimates of Bai and Saranadasa (1996).

    >>> labels = np.repeat([0, 1], 40)
    >>> real = Predicted(labels, np.stack([labels, labels]), np.full(80, -1))
    >>> predicted = np.where(np.arange(80) < 20, 1, labels)  # half of the first person's images show the second
    >>> generated = Predicted(labels, np.stack([predicted, predicted]), np.tile([0, 1], 40))
    >>> found = person_verdicts(real, generated, ["resnet10", "resnet10"], classes=["Ada", "Bo"])
    >>> found[["class", "verdict"]].values.tolist()
    [['Ada', 'inferior to real'], ['Bo', 'non-inferior to real']]
    """
    _, kind = np.unique(architectures, return_inverse=True)
    on_real = _side(real, np.zeros(len(real.labels), int), bursts=real.group, classes=classes)
    on_generated = _side(generated, generated.group, bursts=np.full(len(generated.labels), -1), classes=classes)
    why = _why_not_measurable(on_real, kind, np.bincount(real.labels), len(real.labels))
    recall = _contrast(on_generated, on_real, kind, margin=NON_INFERIORITY_LIMIT)
    rise = _contrast(on_generated.informedness, on_real.informedness, kind, margin=NO_EFFECT_LIMIT)
    p_values = np.stack([recall.p_above, 1 - recall.p_above, 1 - rise.p_above], axis=1)
    p_values = np.where(why[:, None] == "", p_values, np.nan)
    p_values = holm(p_values.ravel(), most_true=2 * int((why == "").sum())).reshape(-1, len(TESTS))
    shown = p_values < 1 - CONFIDENCE
    cases = {NOT_MEASURABLE: why != "", NO_EFFECT: shown[:, 2], INFERIOR: shown[:, 1], NON_INFERIOR: shown[:, 0]}
    table = pd.DataFrame({"class": [str(name) for name in classes]})
    table["verdict"] = np.select(list(cases.values()), list(cases), INCONCLUSIVE)
    table = table.assign(**_ratio(on_generated, on_real, kind), **dict(zip(TESTS, p_values.T, strict=True)))
    return table.assign(over=_what_varies(len(on_generated.recall), np.bincount(kind)), why=why)


def _what_varies(n_trainings: int, n_seeds: np.ndarray) -> str:
    found = [name for name, n in (("trainings", n_trainings), ("oracle seeds", n_seeds.max())) if n > 1]
    return f"{', '.join(found)} and images" if found else "images"


def _side(images: Predicted, group: np.ndarray, *, bursts: np.ndarray, classes: Sequence[Any]) -> _Side:
    """Recall and false alarms of each group under each oracle, and how far images alone let their means vary."""
    n_classes, n_groups = len(classes), int(group.max()) + 1
    cell = (group * n_classes + images.labels) * n_classes + images.predicted  # (O, N)
    counts = np.stack([np.bincount(row, minlength=n_groups * n_classes**2) for row in cell])
    counts = counts.reshape(-1, n_groups, n_classes, n_classes).swapaxes(0, 1)  # (G, O, K, K)
    n_own = counts.sum(axis=3)
    if not n_own.all():
        raise StudyError(f"identity {classes[np.argwhere(n_own == 0)[0, -1]]!r} has no image of one of the trainings")
    own = np.diagonal(counts, axis1=2, axis2=3)
    false_alarms = (counts.sum(axis=2) - own) / (n_own.sum(axis=2, keepdims=True) - n_own)
    recall, n = own / n_own, np.bincount(images.labels)
    p, f = (n * recall.mean(axis=(0, 1)) + ADDED) / (n + 2 * ADDED), false_alarms.mean(axis=(0, 1))
    others, scores = n.sum() - n, (images.predicted == images.labels).mean(axis=0)
    of_classes = [images.labels == c for c in range(n_classes)]
    variance = np.array([_image_variance(scores[of_class], bursts[of_class]) for of_class in of_classes])
    return _Side(recall, false_alarms, variance, f * (1 - f) / others, p * (1 - p), f * (1 - f) * n / others)


def _image_variance(scores: np.ndarray, bursts: np.ndarray) -> float:
    """Variance of the mean of scores in [0, 1], those of a burst together, with ADDED images of either kind."""
    _, burst = np.unique(np.where(bursts < 0, -1 - np.arange(len(bursts)), bursts), return_inverse=True)
    sums = np.append(np.bincount(burst, scores), [0.0, 1.0] * ADDED)
    sizes = np.append(np.bincount(burst), [1, 1] * ADDED)
    deviations = sums - sizes * sums.sum() / sizes.sum()
    return float(len(sums) / (len(sums) - 1) * (deviations**2).sum() / sizes.sum() ** 2)


def _contrast(generated: _Side, real: _Side, kind: np.ndarray, *, margin: ArrayLike) -> _Estimate:
    """Mean over trainings and oracles of the recall on generated images less `margin` times that on real ones."""
    cells = generated.recall - margin * real.recall  # (T, O, K)
    n = cells.shape[0] * cells.shape[1]
    (s_t, df_t), (s_b, df_b), (s_c, df_c) = mean_products(cells, kind)
    of_trainings = generated.spread / generated.spread.sum() * np.trace(s_t) / n
    floor = of_trainings <= generated.variance
    of_trainings = np.where(floor, generated.variance, of_trainings)
    both = generated.spread + np.square(margin) * real.spread
    excess = max(np.trace(s_b) - np.trace(s_c), 0.0)
    part = both / both.sum() / n
    variance = of_trainings + part * excess + np.square(margin) * real.variance
    spent = np.where(floor, 0.0, of_trainings**2 / _box_df(s_t, df_t))
    if excess:
        spent = spent + part**2 * sum(np.trace(s) ** 2 / _box_df(s, df) for s, df in ((s_b, df_b), (s_c, df_c)) if df)
    df = np.divide(variance**2, spent, out=np.full_like(variance, math.inf), where=spent > 0)
    return _Estimate(cells.mean(axis=(0, 1)), variance, df)


def _box_df(products: np.ndarray, df: int) -> float:
    """Degrees of freedom of the trace of mean products (K, K), df (tr S)^2 / tr S^2, from `df` to K `df`.

    S is the covariance of people; that of the sample has too large a tr S^2, which is taken out.

    >>> round(_box_df(np.array([[1.0, 1.0], [1.0, 1.0]]), 4), 3)  # both vary as one
    4.0
    """
    trace, squares = np.trace(products), (products**2).sum()
    if df < 2 or not trace:
        return float(max(df, 1))
    squares = df**2 / ((df - 1) * (df + 2)) * (squares - trace**2 / df)
    if squares <= 0:
        return float(df * len(products))
    return float(df * np.clip((trace**2 - 2 * squares / df) / squares, 1, len(products)))


def _ratio(generated: _Side, real: _Side, kind: np.ndarray) -> dict[str, np.ndarray]:
    """Ratio of the mean recalls, its 95 % interval (by the variance at the ratio) and degrees of freedom."""
    of_real = real.recall.mean(axis=(0, 1))
    none = np.full_like(of_real, math.nan)
    rca = np.divide(generated.recall.mean(axis=(0, 1)), of_real, out=none.copy(), where=of_real > 0)
    found = _contrast(generated, real, kind, margin=np.nan_to_num(rca))
    reach = student.isf((1 - CONFIDENCE) / 2, found.df) * np.sqrt(found.variance)
    half = np.divide(reach, of_real, out=none.copy(), where=of_real > 0)
    df = np.where(np.isfinite(found.df), found.df, math.nan)
    return {"rca": rca, "low": np.maximum(rca - half, 0), "high": rca + half, "df": df}


def _why_not_measurable(real: _Side, kind: np.ndarray, n: np.ndarray, n_all: int) -> np.ndarray:
    """For each person, why the oracles do not recognise them on real images; empty where they do: str (K,)."""
    found = _contrast(real.informedness, real.informedness, kind, margin=0.0)
    recall, false_alarms = (part.mean(axis=(0, 1)) for part in (real.recall, real.false_alarms))

    def why(c: int) -> str:
        recognised = f"the oracles recognise {recall[c] * n[c]:.0f} of {n[c]} real images"
        if not recall[c]:
            return recognised
        others = n_all - n[c]
        return (
            f"{recognised} and predict this person for {false_alarms[c] * others:.0f} of {others} of other people, no "
            "clear difference"
        )

    clear = found.p_above < (1 - CONFIDENCE) / 2
    return np.array(["" if clear[c] else why(c) for c in range(len(n))])


def verdict_entries(verdicts: pd.DataFrame) -> list[dict[str, Any]]:
    """The verdicts for `metrics.json`: of each class verdict, why where there is one, and the part `recipe`.

    >>> row = {"class": "Bo", "verdict": NOT_MEASURABLE, "rca": math.nan, "low": math.nan, "high": math.nan}
    >>> row |= {"df": 4.0, "over": "images", "why": "no clear difference"} | dict.fromkeys(TESTS, math.nan)
    >>> verdict_entries(pd.DataFrame([row]))[0]["recipe"]["ci95"] is None
    True
    """
    entries = []
    for row in verdicts.to_dict("records"):
        numbers = {name: None if math.isnan(row[name]) else float(row[name]) for name in ("rca", "low", *TESTS)}
        df = float(row["df"]) if math.isfinite(row["df"]) else None
        ends = None if numbers.pop("low") is None else [float(row["low"]), float(row["high"])]
        recipe = {"rca": numbers.pop("rca"), "ci95": ends, "df": df} | numbers
        if df is None:
            recipe["df_why"] = "the variance is that over images, by the normal distribution"
        if row["why"]:
            recipe |= {"why": row["why"]}
        entries.append({"verdict": row["verdict"], "recipe": recipe} | ({"why": row["why"]} if row["why"] else {}))
    return entries
