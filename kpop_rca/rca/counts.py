"""Confusion counts of one judge, and what follows from one table of them alone."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from kpop_rca.errors import StudyError


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
    cells = np.ravel_multi_index((true, judged), (n_classes, n_classes))
    return np.bincount(cells, minlength=n_classes**2).reshape(n_classes, n_classes)


def checked(counts: ArrayLike) -> np.ndarray:
    """Confusion counts as an array, (K, K) with K of 2 or more, none negative and not all zero; else ValueError."""
    counts = np.asarray(counts)
    if counts.ndim != 2 or counts.shape[0] != counts.shape[1] or len(counts) < 2:
        raise ValueError(f"confusion counts must be (K, K) with K of 2 or more, got shape {counts.shape}")
    if not (counts >= 0).all() or not counts.sum() or not np.isfinite(counts).all():
        raise ValueError("confusion counts must be 0 or more and finite, and not all 0")
    return counts


def class_titles(counts: np.ndarray, classes: Sequence[Any] | None) -> list[str]:
    """The names of the classes as strings, numbers by default; as many as there are classes, else ValueError."""
    names = [str(name) for name in (range(len(counts)) if classes is None else classes)]
    if len(names) != len(counts):
        raise ValueError(f"{len(names)} class names for {len(counts)} classes")
    return names


def class_sizes(counts: np.ndarray, names: Sequence[str], *, kind: str) -> np.ndarray:
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
        In [0, 1]; a class without images has no weight.

    Source: paper, section 4.3.

    >>> accuracy([[8, 2], [1, 9]])
    0.85
    """
    counts = checked(counts)
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

    Source: paper, section 5.4.

    >>> class_recall([[8, 2], [1, 3]])
    array([0.8 , 0.75])
    """
    counts = checked(counts)
    return np.diag(counts) / class_sizes(counts, class_titles(counts, classes), kind=kind)


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
    counts = checked(counts)
    names = class_titles(counts, classes)
    right, n, n_judged = np.diag(counts), class_sizes(counts, names, kind=kind), counts.sum(axis=0)
    precision = np.divide(right, n_judged, out=np.full(len(n), np.nan), where=n_judged > 0)
    columns = {"precision": precision, "recall": right / n, "f1": 2 * right / (n + n_judged)}
    return pd.DataFrame({"class": names, "n": n, "n_judged": n_judged, **columns})


def informedness(counts: ArrayLike) -> np.ndarray:
    """Informedness of every class (Youden's J): how much more often it is judged when it is shown than when not.

    J_c = n_cc / sum_k n_ck  -  sum_{j != c} n_jc / sum_{j != c, k} n_jk

    On generated images the rows are the identities asked for: J_c is how much asking for c raises the share that is
    judged as c. A generator that ignores the class has 0 everywhere, however often the judge favours one class, and
    a recall that comes from drawing c whatever is asked for is not rewarded.

    Args:
        counts: (K, K), rows true or asked for, columns judged; every row with an image.

    Returns:
        float64 (K,) in [-1, 1].

    Raises:
        StudyError: a class without images.

    Source: Youden (1950); Powers (2011).

    >>> informedness([[8, 2], [2, 8]])
    array([0.6, 0.6])
    >>> informedness([[90, 10], [90, 10]])  # drawn as the first, whichever is asked for
    array([0., 0.])
    """
    counts = checked(counts)
    sizes = class_sizes(counts, class_titles(counts, None), kind="such")
    right = np.diag(counts)
    return right / sizes - (counts.sum(axis=0) - right) / (counts.sum() - sizes)
