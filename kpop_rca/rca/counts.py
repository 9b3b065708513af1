"""Confusion counts of one oracle, and what follows from one table of them alone."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from kpop_rca.errors import StudyError


def confusion_counts(true_labels: ArrayLike, predicted_labels: ArrayLike, n_classes: int) -> np.ndarray:
    """How often images of each class are predicted as each class, int64 (K, K).

    Args:
        true_labels: integers (N,) in [0, K): the identity shown, or the requested one.
        predicted_labels: integers (N,) in [0, K): the predictions.
        n_classes: K; classes that do not occur get rows and columns of zeros.

    Raises:
        ValueError: no labels, lengths that differ, or a label out of range.

    >>> confusion_counts([0, 0, 1, 1, 2], [0, 1, 1, 1, 0], 3)
    array([[1, 1, 0],
           [0, 2, 0],
           [1, 0, 0]])
    """
    true, predicted = np.asarray(true_labels), np.asarray(predicted_labels)
    if true.shape != predicted.shape or true.ndim != 1 or not len(true):
        raise ValueError(f"need two equally long lists of labels, got shapes {true.shape} and {predicted.shape}")
    for name, labels in (("true", true), ("predicted", predicted)):
        if labels.min() < 0 or labels.max() >= n_classes:
            raise ValueError(f"{name} labels reach from {labels.min()} to {labels.max()}, not in [0, {n_classes})")
    cells = np.ravel_multi_index((true, predicted), (n_classes, n_classes))
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
    """The names of the classes as strings, numbers by default; ValueError for another number of them."""
    names = [str(name) for name in (range(len(counts)) if classes is None else classes)]
    if len(names) != len(counts):
        raise ValueError(f"{len(names)} class names for {len(counts)} classes")
    return names


def class_sizes(counts: np.ndarray, *, classes: Sequence[Any] | None = None, kind: str) -> np.ndarray:
    """Images of each class, (K,); StudyError that names a class without any, since its recall has no value."""
    names, sizes = class_titles(counts, classes), counts.sum(axis=1)
    if not sizes.all():
        name = names[int(np.argmin(sizes))]
        raise StudyError(
            f"identity {name!r} has no {kind} image that was classified; add some, or leave the identity out"
        )
    return sizes


def row_fractions(counts: ArrayLike) -> np.ndarray:
    """The predicted-class frequencies of each row, float64 (..., K, K): C of real images, Q of generated ones.

    Rows sum to 1; NaN for a class without images.

    >>> row_fractions([[8, 2], [1, 3]])
    array([[0.8 , 0.2 ],
           [0.25, 0.75]])
    """
    counts = np.asarray(counts, dtype=float)
    with np.errstate(invalid="ignore"):
        return counts / counts.sum(axis=-1, keepdims=True)


def accuracy(counts: ArrayLike) -> float:
    """Micro accuracy, in which a class without images has no weight: sum_c n_cc / sum_ck n_ck.

    Source: paper, section 4.3.

    >>> accuracy([[8, 2], [1, 9]])
    0.85
    """
    counts = checked(counts)
    return float(np.trace(counts) / counts.sum())


def class_recall(counts: ArrayLike, *, classes: Sequence[Any] | None = None, kind: str = "real") -> np.ndarray:
    """Recall of every class, float64 (K,): n_cc / sum_k n_ck.

    Args:
        classes: names for the error message; numbers by default.
        kind: of the images, for the error message.

    Source: paper, section 5.4.

    >>> class_recall([[8, 2], [1, 3]])
    array([0.8 , 0.75])
    """
    counts = checked(counts)
    return np.diag(counts) / class_sizes(counts, classes=classes, kind=kind)


def classwise_report(counts: ArrayLike, *, classes: Sequence[Any] | None = None, kind: str = "real") -> pd.DataFrame:
    """Precision, recall and F1 of every class.

    precision_c = n_cc / sum_k n_kc,  recall_c = n_cc / sum_k n_ck,  F1_c = 2 n_cc / (sum_k n_ck + sum_k n_kc)

    Args:
        classes, kind: see `class_recall`.

    Returns:
        One row per class: class, n (images), n_predicted (images predicted as it), precision, recall, f1. A class that
        is never predicted has a precision of NaN, and an F1 of 0.

    Source: paper, Table 4.

    >>> classwise_report([[8, 2], [1, 3]]).round(2)
      class   n  n_predicted  precision  recall    f1
    0     0  10            9       0.89    0.80  0.84
    1     1   4            5       0.60    0.75  0.67
    """
    counts = checked(counts)
    right, n, n_predicted = np.diag(counts), class_sizes(counts, classes=classes, kind=kind), counts.sum(axis=0)
    precision = np.divide(right, n_predicted, out=np.full(len(n), np.nan), where=n_predicted > 0)
    columns = {"precision": precision, "recall": right / n, "f1": 2 * right / (n + n_predicted)}
    return pd.DataFrame({"class": class_titles(counts, classes), "n": n, "n_predicted": n_predicted, **columns})


def informedness(counts: ArrayLike) -> np.ndarray:
    """Informedness of every class (Youden's J), float64 (K,) in [-1, 1]: what requesting c adds to predictions of c.

    J_c = n_cc / sum_k n_ck  -  sum_{j != c} n_jc / sum_{j != c, k} n_jk

    It is 0 for a generator that ignores the class, however often the oracle predicts one of them.

    Source: Youden (1950); Powers (2011).

    >>> informedness([[8, 2], [2, 8]]), informedness([[90, 10], [90, 10]])
    (array([0.6, 0.6]), array([0., 0.]))
    """
    counts = checked(counts)
    sizes, right = class_sizes(counts, kind="such"), np.diag(counts)
    return right / sizes - (counts.sum(axis=0) - right) / (counts.sum() - sizes)
