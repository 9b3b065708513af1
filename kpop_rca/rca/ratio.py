"""RCA itself: accuracy on generated faces relative to accuracy on real ones, with intervals, chance and tests."""

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike
from scipy.optimize import brentq
from scipy.stats import norm
from statsmodels.stats import proportion

from kpop_rca.errors import StudyError
from kpop_rca.rca.counts import accuracy, checked, class_recall, class_sizes, class_titles, informedness

CONFIDENCE = 0.95
NON_INFERIORITY_LIMIT = 0.8  # class RCA above which a person counts as kept
NO_EFFECT_LIMIT = 0.2  # informedness, relative to that on real images, below which there is no effect
# The verdicts on a person.
NO_EFFECT = "no effect of the condition"
NON_INFERIOR = "non-inferior to real"
INFERIOR = "inferior to real"
SUPERIOR = "superior to real"  # of earlier versions alone
INCONCLUSIVE = "inconclusive"
NOT_MEASURABLE = "not measurable"  # the oracle does not recognise the person on real images

Sample = tuple[float, float]  # successes and number


def ratio_interval(
    count_generated: float,
    n_generated: float,
    count_real: float,
    n_real: float,
    *,
    method: str = "score",
) -> tuple[float, float]:
    """95 % interval of a ratio of proportions, RCA's: (count_generated / n_generated) / (count_real / n_real).

    `score` inverts the score test with the small-sample variance of Miettinen and Nurminen. It holds where a class has
    few images, or all or none of them right. `katz` is the closed form

        ratio * exp(-+ z sqrt(1/count_generated - 1/n_generated + 1/count_real - 1/n_real)),

    undefined (NaN, NaN) when no generated image is right, and of width 0 when all are right on both sides. On
    hundreds of images the two agree. Both take images to be independent: near-duplicates make them too narrow.

    Args:
        count_generated, count_real: images predicted right, in [0, n].
        n_generated, n_real: images, 1 or more.
        method: "score" or "katz".

    Returns:
        Low and high, 0 or more; both NaN where no real image is predicted right.

    Raises:
        ValueError: counts out of range, or another method.

    Source: Katz et al. (1978); Koopman (1984); Miettinen and Nurminen (1985); compared by Fagerland et al. (2015).

    >>> low, high = ratio_interval(0.2077 * 50000, 50000, 753, 980, method="katz")  # the paper's numbers
    >>> print(f"[{low:.3f}, {high:.3f}]")
    [0.260, 0.281]
    >>> low, high = ratio_interval(0, 50, 15, 20)
    >>> print(f"[{low:.3f}, {high:.3f}]")
    [0.000, 0.097]
    """
    if not (0 <= count_generated <= n_generated and 0 <= count_real <= n_real and n_generated > 0 and n_real > 0):
        raise ValueError(f"no proportions: {count_generated} of {n_generated} and {count_real} of {n_real}")
    if method not in ("score", "katz"):
        raise ValueError(f"method must be score or katz, not {method!r}")
    samples = (count_generated, n_generated, count_real, n_real)
    if not count_real or (method == "katz" and not count_generated):
        return math.nan, math.nan
    if method == "score":
        return _score_interval(*samples)
    low, high = proportion.confint_proportions_2indep(*samples, compare="ratio", method="log", alpha=1 - CONFIDENCE)
    return float(low), float(high)


def _score_statistic(value: float, count_1: float, n_1: float, count_2: float, n_2: float) -> float:
    """Of the score test that the ratio is `value`, with the variance of Miettinen and Nurminen (1985).

    As statsmodels' `test_proportions_2indep`, which takes 20 times as long for a p-value that is not needed here.
    """
    n, count = n_1 + n_2, count_1 + count_2
    # The second proportion that is most likely if the ratio is `value`, a root of a p^2 + b p + count = 0.
    a, b = n * value, -(n_1 * value + count_1 + n_2 + count_2 * value)
    p_2 = (-b - math.sqrt(max(b * b - 4 * a * count, 0))) / (2 * a)
    p_1 = p_2 * value
    variance = (p_1 * (1 - p_1) / n_1 + value**2 * p_2 * (1 - p_2) / n_2) * n / (n - 1)
    if variance <= 0:  # all are right and the ratio tested is 1
        return 0.0
    return (count_1 / n_1 - value * count_2 / n_2) / math.sqrt(variance)


def _score_interval(count_1: float, n_1: float, count_2: float, n_2: float) -> tuple[float, float]:
    """Both ratios at which the score test just rejects.

    statsmodels has a closed form, but it loses the roots when all of the second sample are right: 15 of 20 against 20
    of 20 gives [0.875, 0.922], which excludes the ratio 0.75 itself.
    """
    z = norm.isf((1 - CONFIDENCE) / 2)
    ratio = (count_1 / n_1) / (count_2 / n_2)

    def statistic(value: float) -> float:
        return _score_statistic(value, count_1, n_1, count_2, n_2)

    low = _crossing(lambda value: statistic(value) - z, ratio, factor=0.5) if count_1 else 0.0
    below_high = ratio or 1e-3 / n_1  # not even a single image can exclude a ratio as small as that
    return low, _crossing(lambda value: statistic(value) + z, below_high, factor=2.0)


def _crossing(function: Callable[[float], float], start: float, *, factor: float) -> float:
    """Where a monotone function changes its sign, looked for from `start` in steps by a factor."""
    end = start * factor
    while (function(end) > 0) == (function(start) > 0):
        start, end = end, end * factor
    return float(brentq(function, start, end, xtol=1e-12))


def global_rca(real_counts: ArrayLike, generated_counts: ArrayLike) -> float:
    """Global RCA, micro, 0 or more: accuracy_generated / accuracy_real.

    A class without images on a side is left out of that side's accuracy.

    Source: paper, eq. 5.

    >>> global_rca([[8, 2], [2, 8]], [[30, 70], [50, 50]])
    0.5
    """
    accuracy_real = accuracy(real_counts)
    if not accuracy_real:
        raise StudyError("the oracle is right on no real image, so RCA has no value; train the oracle longer in 04")
    return accuracy(generated_counts) / accuracy_real


def class_rca(
    real_counts: ArrayLike,
    generated_counts: ArrayLike,
    *,
    classes: Sequence[Any] | None = None,
    method: str = "score",
) -> pd.DataFrame:
    """RCA of every class, recall_generated,c / recall_real,c, with its 95 % interval.

    Args:
        classes: K names; numbers by default.
        method: of the interval, see `ratio_interval`; not corrected for there being K of them.

    Returns:
        One row per class: class, n_real, n_generated, recall_real, recall_generated, rca, low, high, and chance, the
        class RCA of a generator that ignores the class and has the same predicted-class frequencies. The last four are
        NaN where the oracle recognises no real image of the class.

    Source: paper, Table 4 ("relative recall").

    >>> table = class_rca([[8, 2], [1, 3]], [[20, 80], [10, 90]])
    >>> table[["class", "recall_real", "recall_generated", "rca", "chance"]].round(3)
      class  recall_real  recall_generated   rca  chance
    0     0         0.80               0.2  0.25   0.188
    1     1         0.75               0.9  1.20   1.133
    """
    real, generated = checked(real_counts), checked(generated_counts)
    names = class_titles(real, classes)
    recall_real = class_recall(real, classes=names)
    recall_generated = class_recall(generated, classes=names, kind="generated")
    n_real, n_generated = real.sum(axis=1), generated.sum(axis=1)
    samples = zip(np.diag(generated), n_generated, np.diag(real), n_real, strict=True)
    intervals = np.array([ratio_interval(*sample, method=method) for sample in samples])
    recalls = {"recall_real": recall_real, "recall_generated": recall_generated}
    predicted_as_it = (generated / n_generated[:, None]).mean(axis=0)  # with each requested equally often
    ratio, chance = (
        np.divide(part, recall_real, out=np.full(len(real), np.nan), where=recall_real > 0)
        for part in (recall_generated, predicted_as_it)
    )
    columns = {"rca": ratio, "low": intervals[:, 0], "high": intervals[:, 1], "chance": chance}
    return pd.DataFrame({"class": names, "n_real": n_real, "n_generated": n_generated, **recalls, **columns})


def macro_rca(real_counts: ArrayLike, generated_counts: ArrayLike) -> float:
    """Macro RCA, the mean of the class RCAs; NaN where one has no value.

    macro RCA = (1/K) sum_c recall_generated,c / recall_real,c

    It differs from the ratio of the two mean recalls: a class on which the oracle is poor weighs more here.

    Source: the mean of the paper's Table 4, which the paper itself does not take.

    >>> macro_rca([[8, 2], [1, 3]], [[20, 80], [10, 90]])
    0.725
    """
    return float(class_rca(real_counts, generated_counts)["rca"].mean(skipna=False))


def chance_rca(real_counts: ArrayLike) -> float:
    """RCA of a generator that ignores the class, each requested equally often: (1/K) / accuracy_real.

    Source: ours, from the paper's eq. 5.

    >>> chance_rca([[8, 2], [2, 8]])
    0.625
    """
    real = checked(real_counts)
    return global_rca(real, np.ones_like(real))


def perfect_rca(real_counts: ArrayLike, generated_counts: ArrayLike) -> float:
    """Global RCA of a generator whose images are recognised as real ones are, requested as often as this one's.

        sum_c w_c recall_real,c / accuracy_real, with w_c the fraction of the generated images conditioned on c

    1 where the test faces are spread over the classes as the images are; elsewhere RCA is to be read relative to this.

    Raises:
        StudyError: the oracle recognises no real image.

    Source: ours, from the paper's eq. 5.

    >>> round(perfect_rca([[90, 10], [5, 5]], [[10, 0], [0, 10]]), 3)  # (0.9 + 0.5) / 2 over 95 / 110
    0.811
    """
    real, generated = checked(real_counts), checked(generated_counts)
    requested = generated.sum(axis=1) / generated.sum()
    global_rca(real, real)  # which refuses an oracle that recognises nobody
    return float(requested @ class_recall(real)) / accuracy(real)


def chance_corrected(accuracy_generated: float, accuracy_real: float, n_classes: int) -> float:
    """RCA with its zero where a generator that ignores the class is, each requested equally often.

    (accuracy_generated - 1/K) / (accuracy_real - 1/K); can be below 0 and above 1.

    Source: ours; Cohen (1960) moves the zero of an agreement in the same way.

    >>> round(chance_corrected(0.2077, 753 / 980, 10), 3)  # the paper's numbers
    0.161
    """
    chance = 1 / n_classes
    if accuracy_real <= chance:
        raise StudyError(
            f"the oracle is right on {accuracy_real:.2f} of the real images, no more than by chance ({chance:.2f}), so "
            "that the generator can't be measured; train the oracle longer in 04"
        )
    return (accuracy_generated - chance) / (accuracy_real - chance)


def chance_corrected_rca(real_counts: ArrayLike, generated_counts: ArrayLike) -> float:
    """`chance_corrected` of the global RCA, micro.

    >>> round(chance_corrected_rca([[8, 2], [2, 8]], [[35, 65], [15, 85]]), 3)  # (0.6 - 0.5) / (0.8 - 0.5)
    0.333
    """
    real = checked(real_counts)
    return chance_corrected(accuracy(generated_counts), accuracy(real), len(real))


def holm(p_values: ArrayLike, *, most_true: int | None = None) -> np.ndarray:
    """Holm's step-down correction, float64 (n,): p_holm,(i) = max_{j <= i} min(1, (m - j + 1) p_(j)), smallest first.

    A p-value that is NaN stays NaN, and does not count among the m.

    Args:
        most_true: of the m hypotheses, how many can be true at once, where some exclude each other; m - j + 1 is then
            not above it.

    Source: Holm (1979); Shaffer (1986) for hypotheses that exclude each other. Not by statsmodels, whose
    `multipletests` collects garbage, .1 s in each call.

    >>> holm([0.01, np.nan, 0.03])
    array([0.02,  nan, 0.03])
    >>> holm([0.01, 0.99], most_true=1)  # that a mean is 0 or less, or above 0
    array([0.01, 0.99])
    """
    p_values = np.asarray(p_values, dtype=float)
    adjusted, order = np.full(len(p_values), np.nan), np.argsort(p_values)[: np.isfinite(p_values).sum()]
    times = np.minimum(np.arange(len(order), 0, -1), len(order) if most_true is None else most_true)
    adjusted[order] = np.maximum.accumulate(p_values[order] * times).clip(max=1)
    return adjusted


def equal_proportions(sample_1: Sample, sample_2: Sample) -> float:
    """Two-sided p of equal proportions by the score test, z = (p_1 - p_2) / sqrt(p (1 - p) (1/n_1 + 1/n_2)), p pooled.

    Source: as in Fagerland et al. (2015). Computed by statsmodels.

    >>> round(equal_proportions((60, 100), (40, 100)), 4), equal_proportions((5, 5), (9, 9))
    (0.0047, 1.0)
    """
    (count_1, n_1), (count_2, n_2) = sample_1, sample_2
    if count_1 + count_2 in (0, n_1 + n_2):
        return 1.0  # none of both, or all of both: no evidence against their being equal
    return float(proportion.proportions_ztest([count_1, count_2], [n_1, n_2])[1])


def difference_interval(sample_1: Sample, sample_2: Sample) -> tuple[float, float]:
    """95 % interval of the difference of two proportions, from Wilson's intervals of both.

    Source: Newcombe (1998), method 10. Computed by statsmodels.

    >>> low, high = difference_interval((56, 70), (48, 80))  # Newcombe's first example
    >>> print(f"{low:.4f} to {high:.4f}")
    0.0524 to 0.3339
    """
    low, high = proportion.confint_proportions_2indep(
        *sample_1, *sample_2, compare="diff", method="newcomb", alpha=1 - CONFIDENCE
    )
    return float(low), float(high)


def _requested_and_not(counts: np.ndarray, c: int) -> tuple[Sample, Sample]:
    """How many of the images (conditioned on) c are predicted as c, and how many of the others."""
    requested = (counts[c, c], counts[c].sum())
    return requested, (counts[:, c].sum() - requested[0], counts.sum() - requested[1])


def class_tests(
    real_counts: ArrayLike, generated_counts: ArrayLike, *, classes: Sequence[Any] | None = None
) -> pd.DataFrame:
    """Two tests of every class under one oracle, of these images, each with Holm's correction for there being so many.

    p_no_effect: images conditioned on c are predicted as c as often as other images are (informedness of 0).
    p_equal_to_real: generated images of c are recognised as often as real ones (class RCA of 1).

    They are no verdicts: `person_verdicts` has these, over oracles and trainings.

    Args:
        classes: K names; numbers by default.

    Returns:
        One row per class: class, informedness, informedness_real (on real images), p_no_effect, p_equal_to_real
        (two-sided score tests of two proportions; NaN for a class of which the 95 % interval of informedness_real
        reaches down to 0, which is not tested).

    Source: Holm (1979); score test as in Fagerland et al. (2015). Computed by statsmodels.

    >>> class_tests([[80, 20], [20, 80]], [[75, 25], [60, 40]])[["p_no_effect", "p_equal_to_real"]].round(3)
       p_no_effect  p_equal_to_real
    0        0.047            0.397
    1        0.047            0.000
    """
    real, generated = checked(real_counts), checked(generated_counts)
    names = class_titles(real, classes)
    for counts, kind in ((real, "real"), (generated, "generated")):
        class_sizes(counts, classes=names, kind=kind)
    rows = []
    for c in range(len(real)):
        on_real, on_generated = _requested_and_not(real, c), _requested_and_not(generated, c)
        p_values = (equal_proportions(*on_generated), equal_proportions(on_generated[0], on_real[0]))
        recognised = difference_interval(*on_real)[0] > 0
        rows.append(p_values if recognised else (math.nan, math.nan))
    p_values = pd.DataFrame(rows, columns=["p_no_effect", "p_equal_to_real"]).apply(holm)
    raised = {"informedness": informedness(generated), "informedness_real": informedness(real)}
    return pd.DataFrame({"class": names, **raised}).assign(**p_values)
