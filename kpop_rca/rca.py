"""Relative Classification Accuracy (RCA): how often the judge recognises generated faces, relative to real ones.

Everything starts from two confusion counts of one judge, (K, K) arrays whose rows are the true identity (real
images) or the identity that was asked for (generated images), and whose columns are what the judge says:

    RCA   = accuracy_generated / accuracy_real            (paper, eq. 5)
    RCA_c = recall_generated,c / recall_real,c            (paper, Table 4)

RCA's numerator, a classifier trained on real images and tested on generated ones, is "GAN-test" (Shmelkov et al.
2018). A generator that ignores the class has an RCA of (1/K) / accuracy_real, not of 0, and RCA can exceed 1.
"""

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike
from scipy.optimize import brentq
from scipy.stats import norm
from sklearn.metrics import confusion_matrix
from statsmodels.stats import proportion

from kpop_rca.errors import StudyError

CONFIDENCE = 0.95


def confusion_counts(true_labels: ArrayLike, judged_labels: ArrayLike, n_classes: int) -> np.ndarray:
    """Count how often images of each class are judged as each class.

    Args:
        true_labels: integers (N,) in [0, n_classes): the identity shown, or the one asked for.
        judged_labels: integers (N,) in [0, n_classes): what the judge says.
        n_classes: K; classes that do not occur get rows and columns of zeros.

    Returns:
        int64 (K, K), rows true, columns judged.

    Raises:
        ValueError: no labels, lengths that differ, or a label out of range.

    >>> confusion_counts([0, 0, 1, 1, 2], [0, 1, 1, 1, 0], 3)
    array([[1, 1, 0],
           [0, 2, 0],
           [1, 0, 0]])
    """
    true, judged = np.asarray(true_labels), np.asarray(judged_labels)
    if true.shape != judged.shape or true.ndim != 1 or not len(true):
        raise ValueError(f"need two equally long lists of labels, got shapes {true.shape} and {judged.shape}")
    for name, labels in (("true", true), ("judged", judged)):
        if labels.min() < 0 or labels.max() >= n_classes:
            raise ValueError(f"{name} labels reach from {labels.min()} to {labels.max()}, not in [0, {n_classes})")
    return confusion_matrix(true, judged, labels=np.arange(n_classes)).astype(np.int64)


def _square(counts: ArrayLike) -> np.ndarray:
    counts = np.asarray(counts)
    if counts.ndim != 2 or counts.shape[0] != counts.shape[1] or len(counts) < 2:
        raise ValueError(f"confusion counts must be (K, K) with K of 2 or more, got shape {counts.shape}")
    if (counts < 0).any() or not counts.sum():
        raise ValueError("confusion counts must be 0 or more, and not all 0")
    return counts


def _names(counts: np.ndarray, classes: Sequence[Any] | None) -> list[str]:
    names = [str(name) for name in (range(len(counts)) if classes is None else classes)]
    if len(names) != len(counts):
        raise ValueError(f"{len(names)} class names for {len(counts)} classes")
    return names


def _class_sizes(counts: np.ndarray, names: Sequence[str], *, kind: str) -> np.ndarray:
    """Images of each class; an empty class is an error, since its recall has no value."""
    sizes = counts.sum(axis=1)
    if not sizes.all():
        name = names[int(np.argmin(sizes))]
        raise StudyError(f"identity {name!r} has no {kind} image that was judged; add some, or leave the identity out")
    return sizes


def accuracy(counts: ArrayLike) -> float:
    """Micro accuracy: the share of all images that are judged as their class.

    accuracy = sum_c n_cc / sum_ck n_ck

    Args:
        counts: (K, K), rows true, columns judged.

    Returns:
        In [0, 1].

    >>> accuracy([[8, 2], [1, 9]])
    0.85
    """
    counts = _square(counts)
    return float(np.trace(counts) / counts.sum())


def class_recall(counts: ArrayLike, *, classes: Sequence[Any] | None = None, kind: str = "real") -> np.ndarray:
    """The share of each class's images that are judged as that class.

    recall_c = n_cc / sum_k n_ck

    Args:
        counts: (K, K), rows true, columns judged.
        classes: names for the error message; numbers by default.
        kind: of the images, for the error message.

    Returns:
        float64 (K,) in [0, 1].

    Raises:
        StudyError: a class without images; names it.

    >>> class_recall([[8, 2], [1, 3]])
    array([0.8 , 0.75])
    """
    counts = _square(counts)
    return np.diag(counts) / _class_sizes(counts, _names(counts, classes), kind=kind)


def classwise_report(counts: ArrayLike, *, classes: Sequence[Any] | None = None, kind: str = "real") -> pd.DataFrame:
    """Precision, recall and F1 of every class (paper, Table 4).

    precision_c = n_cc / sum_k n_kc,  recall_c = n_cc / sum_k n_ck,  F1_c = 2 n_cc / (sum_k n_ck + sum_k n_kc)

    Args:
        counts: (K, K), rows true, columns judged.
        classes: K names; numbers by default.
        kind: of the images, for the error message.

    Returns:
        One row a class: class, n (images), n_judged (images judged as it), precision, recall, f1. The precision of
        a class that the judge never names is undefined: NaN. Its F1 is 0, as is its recall.

    Raises:
        StudyError: a class without images; names it.

    >>> classwise_report([[8, 2], [1, 3]]).round(2)
      class   n  n_judged  precision  recall    f1
    0     0  10         9       0.89    0.80  0.84
    1     1   4         5       0.60    0.75  0.67
    """
    counts = _square(counts)
    names = _names(counts, classes)
    right, n, n_judged = np.diag(counts), _class_sizes(counts, names, kind=kind), counts.sum(axis=0)
    precision = np.divide(right, n_judged, out=np.full(len(n), np.nan), where=n_judged > 0)
    columns = {"precision": precision, "recall": right / n, "f1": 2 * right / (n + n_judged)}
    return pd.DataFrame({"class": names, "n": n, "n_judged": n_judged, **columns})


def ratio_interval(
    count_generated: float,
    n_generated: float,
    count_real: float,
    n_real: float,
    *,
    method: str = "score",
) -> tuple[float, float]:
    """95 % interval of a ratio of proportions, RCA's: (count_generated / n_generated) / (count_real / n_real).

    `score` inverts the score test with the small-sample variance of Miettinen and Nurminen. It is the default
    because it holds where a class has few images, or all or none of them right: it starts at 0 when no generated
    image is right. `katz` is the closed form

        ratio * exp(-+ z sqrt(1/count_generated - 1/n_generated + 1/count_real - 1/n_real)),

    undefined (NaN, NaN) when no generated image is right, and of width 0 when all are right on both sides. On
    hundreds of images the two agree. Both take images to be independent: near-duplicates make them too narrow.

    Args:
        count_generated: generated images judged right, in [0, n_generated].
        n_generated: generated images, 1 or more.
        count_real: real images judged right, in [0, n_real].
        n_real: real images, 1 or more.
        method: "score" or "katz".

    Returns:
        Low and high, 0 or more; both NaN where no real image is judged right, since the ratio has no value then.

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


def _score_interval(count_1: float, n_1: float, count_2: float, n_2: float) -> tuple[float, float]:
    """Both ratios at which the score test just rejects.

    statsmodels has a closed form of this interval, but it loses the roots when all of the second sample are right
    (15 of 20 against 20 of 20 gives [0.875, 0.922], which excludes the ratio 0.75 itself). Its test is sound there.
    """
    z = norm.isf((1 - CONFIDENCE) / 2)
    ratio = (count_1 / n_1) / (count_2 / n_2)

    def statistic(value: float) -> float:
        with np.errstate(invalid="ignore", divide="ignore"):
            result = proportion.test_proportions_2indep(
                count_1, n_1, count_2, n_2, value=value, compare="ratio", method="score"
            )
        return float(np.nan_to_num(result.statistic))  # 0/0 where all are right and the ratio tested is 1

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
    """Global RCA, micro: over all images, whatever their class (paper, eq. 5).

    RCA = accuracy_generated / accuracy_real

    Args:
        real_counts: (K, K) of held-out real images, rows true, columns judged.
        generated_counts: (K, K) of generated images by the same judge, rows asked for, columns judged.

    Returns:
        0 or more; can exceed 1.

    Raises:
        StudyError: the judge is right on no real image, so that the ratio has no value.

    >>> global_rca([[8, 2], [2, 8]], [[30, 70], [50, 50]])
    0.5
    """
    accuracy_real = accuracy(real_counts)
    if not accuracy_real:
        raise StudyError("the judge is right on no real image, so RCA has no value; train the judge longer in 04")
    return accuracy(generated_counts) / accuracy_real


def class_rca(
    real_counts: ArrayLike,
    generated_counts: ArrayLike,
    *,
    classes: Sequence[Any] | None = None,
    method: str = "score",
) -> pd.DataFrame:
    """RCA of every class with its 95 % interval (paper, Table 4: "relative recall").

    RCA_c = recall_generated,c / recall_real,c

    Args:
        real_counts: (K, K) of held-out real images, rows true, columns judged.
        generated_counts: (K, K) of generated images by the same judge, rows asked for, columns judged.
        classes: K names; numbers by default.
        method: of the interval, see `ratio_interval`. The intervals are not corrected for there being K of them.

    Returns:
        One row a class: class, n_real, n_generated, recall_real, recall_generated, rca, low, high. The last three
        are NaN where the judge recognises no real image of the class: a class that it can't see can't be judged.

    Raises:
        StudyError: a class without real or without generated images; names it.

    >>> class_rca([[8, 2], [1, 3]], [[20, 80], [10, 90]])[["class", "recall_real", "recall_generated", "rca"]]
      class  recall_real  recall_generated   rca
    0     0         0.80               0.2  0.25
    1     1         0.75               0.9  1.20
    """
    real, generated = _square(real_counts), _square(generated_counts)
    names = _names(real, classes)
    recall_real = class_recall(real, classes=names)
    recall_generated = class_recall(generated, classes=names, kind="generated")
    n_real, n_generated = real.sum(axis=1), generated.sum(axis=1)
    samples = zip(np.diag(generated), n_generated, np.diag(real), n_real, strict=True)
    intervals = np.array([ratio_interval(*sample, method=method) for sample in samples])
    ratio = np.divide(recall_generated, recall_real, out=np.full(len(real), np.nan), where=recall_real > 0)
    sizes = {"class": names, "n_real": n_real, "n_generated": n_generated}
    recalls = {"recall_real": recall_real, "recall_generated": recall_generated}
    return pd.DataFrame({**sizes, **recalls, "rca": ratio, "low": intervals[:, 0], "high": intervals[:, 1]})


def macro_rca(real_counts: ArrayLike, generated_counts: ArrayLike) -> float:
    """Macro RCA: the mean of the class RCAs, every class weighing the same.

    macro RCA = (1/K) sum_c recall_generated,c / recall_real,c

    It differs from the ratio of the two mean recalls: a class on which the judge is poor weighs more here.

    Args:
        real_counts: (K, K) of held-out real images, rows true, columns judged.
        generated_counts: (K, K) of generated images by the same judge, rows asked for, columns judged.

    Returns:
        0 or more; NaN where a class RCA has no value, since a mean over the other classes is another quantity.

    Raises:
        StudyError: a class without real or without generated images; names it.

    >>> macro_rca([[8, 2], [1, 3]], [[20, 80], [10, 90]])
    0.725
    """
    return float(class_rca(real_counts, generated_counts)["rca"].mean(skipna=False))


def chance_rca(real_counts: ArrayLike) -> float:
    """The RCA of a generator that ignores the class it is given, when each class is asked for equally often.

    chance = (1/K) / accuracy_real: whatever the judge says of such images, it agrees with 1/K of the conditions.

    Args:
        real_counts: (K, K) of held-out real images, rows true, columns judged.

    Returns:
        Above 0; 0.13 for the paper's judge.

    Raises:
        StudyError: the judge is right on no real image.

    >>> chance_rca([[8, 2], [2, 8]])
    0.625
    """
    real = _square(real_counts)
    blind = np.ones_like(real)  # every condition judged as every class equally often: an accuracy of 1/K
    return global_rca(real, blind)


def judged_label_shares(generated_counts: ArrayLike, *, classes: Sequence[Any] | None = None) -> pd.DataFrame:
    """What the judge calls the generated images, whatever was asked for; uneven shares show a directional collapse.

    share_k = sum_c n_ck / sum_cj n_cj, with its Wilson 95 % interval

    Args:
        generated_counts: (K, K), rows asked for, columns judged.
        classes: K names; numbers by default.

    Returns:
        One row a class: class, n_judged, share, low, high, and asked_for, the share of images asked to be it.

    Source: paper, sections 5.4 and 6.3; Wilson (1927).

    >>> judged_label_shares([[30, 10], [40, 0]])[["class", "n_judged", "share", "asked_for"]]
      class  n_judged  share  asked_for
    0     0        70  0.875        0.5
    1     1        10  0.125        0.5
    """
    counts = _square(generated_counts)
    total, n_judged = counts.sum(), counts.sum(axis=0)
    low, high = proportion.proportion_confint(n_judged, total, alpha=1 - CONFIDENCE, method="wilson")
    shares = {"n_judged": n_judged, "share": n_judged / total, "low": low, "high": high}
    return pd.DataFrame({"class": _names(counts, classes), **shares, "asked_for": counts.sum(axis=1) / total})


def strongest_confusions(counts: ArrayLike, top: int, *, classes: Sequence[Any] | None = None) -> pd.DataFrame:
    """The most frequent errors with their direction: asked for this, judged as that.

    Args:
        counts: (K, K), rows true or asked for, columns judged.
        top: at most so many rows.
        classes: K names; numbers by default.

    Returns:
        One row a pair that occurs, the largest share first: condition, judged_as, count, share (of the images of
        the condition).

    Source: paper, sections 5.2.3 and 6.2.

    >>> strongest_confusions([[7, 3, 0], [0, 9, 1], [4, 0, 6]], 2)
      condition judged_as  count  share
    0         2         0      4    0.4
    1         0         1      3    0.3
    """
    counts = _square(counts)
    names = np.array(_names(counts, classes), dtype=object)
    condition, judged = np.nonzero(counts * (1 - np.eye(len(counts), dtype=int)))
    count = counts[condition, judged]
    table = pd.DataFrame({"condition": names[condition], "judged_as": names[judged], "count": count})
    table["share"] = count / counts.sum(axis=1)[condition]
    return table.sort_values("share", ascending=False, kind="stable").head(top).reset_index(drop=True)


def group_confusion(counts: ArrayLike, groups: Sequence[Sequence[int]]) -> dict[str, float]:
    """How many of the errors stay within groups of look-alikes, against an even spread over the other classes.

    share_within = errors within a group / all errors
    share_if_even = sum_c errors_c (|group of c| - 1) / (K - 1) / all errors

    That generated faces are confused within a group says something about the generator only where their share
    exceeds that of the judge's errors on real faces.

    Args:
        counts: (K, K), rows true or asked for, columns judged.
        groups: a partition of the class numbers 0 to K-1.

    Returns:
        n_errors, n_within, share_within and share_if_even (both NaN where there are no errors).

    Raises:
        ValueError: a class that is in no group or in two.

    Source: paper, section 6.2 ("intra-gender misclassification").

    >>> group_confusion([[7, 2, 1], [3, 7, 0], [1, 1, 8]], [[0, 1], [2]])
    {'n_errors': 8, 'n_within': 5, 'share_within': 0.625, 'share_if_even': 0.375}
    """
    counts = _square(counts)
    if sorted(c for group in groups for c in group) != list(range(len(counts))):
        raise ValueError(f"groups must hold each of the {len(counts)} classes once, got {groups}")
    same = np.zeros(counts.shape, dtype=bool)
    for group in groups:
        same[np.ix_(group, group)] = True
    np.fill_diagonal(same, False)
    errors = counts - np.diag(np.diag(counts))
    total, within = errors.sum(), errors[same].sum()
    even = (errors.sum(axis=1) * same.sum(axis=1)).sum() / (len(counts) - 1)
    share_within, share_if_even = (float(within / total), float(even / total)) if total else (math.nan, math.nan)
    counted = {"n_errors": int(total), "n_within": int(within)}
    return counted | {"share_within": share_within, "share_if_even": share_if_even}


def _class_entry(row: dict[str, Any]) -> dict[str, Any]:
    """One class as `metrics.json` holds it: null with a reason where RCA has no value."""
    entry = {"class": row["class"], "n_real": int(row["n_real"]), "n_generated": int(row["n_generated"])}
    entry |= {name: float(row[name]) for name in ("recall_real", "recall_generated")}
    if math.isnan(row["rca"]):
        why = f"the judge recognises none of its {row['n_real']} real images"
        return entry | {"rca": None, "ci95": None, "why": why}
    return entry | {"rca": float(row["rca"]), "ci95": [float(row["low"]), float(row["high"])]}


def summary(real_counts: ArrayLike, generated_counts: ArrayLike, classes: Sequence[Any]) -> dict[str, dict[str, Any]]:
    """The parts `real`, `generated` and `rca` of `metrics.json`, with score intervals.

    Args:
        real_counts: (K, K) of held-out real images, rows true, columns judged.
        generated_counts: (K, K) of generated images by the same judge, rows asked for, columns judged.
        classes: K names.

    Returns:
        Plain numbers, lists and None, ready for JSON.

    Raises:
        StudyError: a class without images, or a judge that is right on no real image.

    >>> result = summary([[8, 2], [2, 8]], [[30, 70], [50, 50]], ["Ari", "Bo"])
    >>> result["real"], result["generated"], result["rca"]["global"], result["rca"]["chance"]
    ({'n': 20, 'accuracy': 0.8}, {'n': 200, 'accuracy': 0.4}, 0.5, 0.625)
    >>> [(c["class"], round(c["rca"], 3)) for c in result["rca"]["per_class"]]
    [('Ari', 0.375), ('Bo', 0.625)]
    """
    real, generated = _square(real_counts), _square(generated_counts)
    table = class_rca(real, generated, classes=classes)
    macro = macro_rca(real, generated)
    rca = {
        "global": global_rca(real, generated),
        "ci95": list(ratio_interval(np.trace(generated), generated.sum(), np.trace(real), real.sum())),
        "ci95_method": "score",
        "macro": None if math.isnan(macro) else macro,
        "chance": chance_rca(real),
        "per_class": [_class_entry(row) for row in table.to_dict("records")],
    }
    if rca["macro"] is None:
        rca["macro_why"] = "the RCA of a class has no value, see per_class"
    parts = {"real": real, "generated": generated}
    return {name: {"n": int(part.sum()), "accuracy": accuracy(part)} for name, part in parts.items()} | {"rca": rca}
