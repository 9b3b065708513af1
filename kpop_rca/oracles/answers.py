"""What 04 found of the oracles on real faces, in sentences computed from its tables."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from statsmodels.stats.proportion import proportion_confint


def about_headline(
    name: str, counts: np.ndarray, calibration: dict[str, float], classes: Sequence[str], *, n_oracles: int
) -> list[str]:
    """How good the headline oracle is, whom it confuses, and whether it is as confident as it is right.

    Args:
        name: of the oracle.
        counts: int (K, K) on the real test faces, rows true.
        calibration: from `calibration.confidence_gap`.
        classes: the K identities.
        n_oracles: of the study.

    >>> gap = {"ece": 0.12, "gap": -0.1, "low": -0.12, "high": -0.08}
    >>> print(*about_headline("resnet10-1", np.array([[8, 2], [1, 9]]), gap, ["A", "B"], n_oracles=9), sep=chr(10))
    Headline oracle resnet10-1 (one of 9) recognises 85 % of 20 real test faces (95 % interval 64 % to 95 %).
    Its most frequent error is B for A (20 % of A's faces).
    It is under-confident: confidence less accuracy is -0.10 (-0.12 to -0.08), calibration error 0.12.
    """
    right, n = int(np.trace(counts)), int(counts.sum())
    low, high = proportion_confint(right, n, method="wilson")
    rates = counts / counts.sum(axis=1, keepdims=True)
    np.fill_diagonal(rates, 0)
    true, predicted = np.unravel_index(rates.argmax(), rates.shape)
    said = [
        f"Headline oracle {name} (one of {n_oracles}) recognises {_percent(right / n)} of {n:,} real test faces (95 % "
        f"interval {_percent(low)} to {_percent(high)})."
    ]
    if rates.max() > 0:
        said.append(
            f"Its most frequent error is {classes[predicted]} for {classes[true]} ({_percent(rates.max())} of "
            f"{classes[true]}'s faces)."
        )
    return [*said, about_calibration(calibration)]


def about_calibration(found: dict[str, float]) -> str:
    """Whether an oracle is over- or under-confident, from `calibration.confidence_gap`."""
    kind = "under-confident" if found["high"] < 0 else "over-confident" if found["low"] > 0 else ""
    told = f"It is {kind}" if kind else "It is shown to be neither over- nor under-confident"
    return (
        f"{told}: confidence less accuracy is {found['gap']:+.2f} ({found['low']:+.2f} to {found['high']:+.2f}), "
        f"calibration error {found['ece']:.2f}."
    )


def ceiling(right: dict[str, int], *, n: int) -> tuple[str, float, float, float] | None:
    """Name, accuracy, and its Wilson interval (95 %), of a pretrained face network; None where there is none.

    Args:
        right: name to the faces that it recognises, of n; empty or one network.

    >>> [round(value, 2) for value in ceiling({"dlib": 90}, n=100)[1:]]
    [0.9, 0.83, 0.94]
    """
    for name, count in right.items():
        return name, count / n, *map(float, proportion_confint(count, n, method="wilson"))
    return None


def about_ceiling(found: tuple[str, float, float, float] | None, *, oracle: float, missing: str) -> str:
    """How a pretrained face network does on faces of the same people, or why it was not asked.

    Args:
        found: from `ceiling`.
        oracle: accuracy of the headline oracle on all test faces.
        missing: why the network could not be used.

    >>> about_ceiling(("dlib", 0.9, 0.83, 0.94), oracle=0.8, missing="")
    'Pretrained face network dlib: accuracy 90 % (83 % to 94 %), above the headline oracle.'
    >>> about_ceiling(None, oracle=0.8, missing="dlib-bin is not installed")
    'Pretrained face network: null (dlib-bin is not installed).'
    """
    if found is None:
        return f"Pretrained face network: null ({missing})."
    name, value, low, high = found
    place = "above" if low > oracle else "below" if high < oracle else "not shown to differ from"
    interval = f"{_percent(low)} to {_percent(high)}"
    return f"Pretrained face network {name}: accuracy {_percent(value)} ({interval}), {place} the headline oracle."


def about_size(table: pd.DataFrame) -> str:
    """What more training faces bring, from `learning_curve.accuracy_by_size`.

    >>> rows = [(25, 0.5, 0.4, 0.6), (100, 0.8, 0.7, 0.9)]
    >>> about_size(pd.DataFrame(rows, columns=["n_train", "accuracy", "low", "high"]))
    'From 25 to 100 training faces the accuracy goes from 0.50 to 0.80.'
    """
    first, last = table.iloc[0], table.iloc[-1]
    return (
        f"From {first['n_train']:.0f} to {last['n_train']:.0f} training faces the accuracy goes from "
        f"{first['accuracy']:.2f} to {last['accuracy']:.2f}."
    )


def _percent(fraction: float) -> str:
    return f"{100 * fraction:.0f} %"
