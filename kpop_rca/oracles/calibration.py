"""Whether an oracle is right as often as it is confident: calibration error and reliability.

RCA uses the predicted identities alone, so it does not depend on calibration; figures that show confidences do.
"""

import numpy as np
import pandas as pd
import torch
from statsmodels.stats.proportion import proportion_confint

N_BINS = 15
BELOW_ONE = np.nextafter(np.float32(1), np.float32(0))


def confidences(probabilities: np.ndarray) -> np.ndarray:
    """The probability of the predicted class, float32 (N,) in [1/K, 1): just below 1, so that the last bin is closed.

    torchmetrics gives a confidence of exactly 1, which float32 rounds to, a bin of its own.
    """
    return np.minimum(probabilities.max(axis=1).astype(np.float32), BELOW_ONE)


def expected_calibration_error(probabilities: np.ndarray, labels: np.ndarray) -> float:
    """How far confidence and accuracy are apart, on average over images.

    ECE = sum_b (n_b / N) |accuracy_b - confidence_b|, over 15 bins of confidence of equal width

    It is 0 to 1, of probabilities (N, K), and biased upward on few images: chance alone leaves a gap in every bin.

    Source: Guo et al. (2017), equation 3. Computed by torchmetrics.

    >>> round(expected_calibration_error(np.array([[0.9, 0.1], [0.9, 0.1]]), np.array([0, 1])), 6)  # half right
    0.4
    """
    # Not above: it takes half a second to load, and most of the study needs no confidence.
    from torchmetrics.classification import MulticlassCalibrationError

    metric = MulticlassCalibrationError(num_classes=probabilities.shape[1], n_bins=N_BINS, norm="l1")
    below_one = np.minimum(probabilities.astype(np.float32), BELOW_ONE)
    return metric(torch.as_tensor(below_one), torch.tensor(np.asarray(labels))).item()


def reliability(probabilities: np.ndarray, labels: np.ndarray) -> pd.DataFrame:
    """Accuracy by confidence, for a reliability diagram; the bins are those of `expected_calibration_error`.

    Returns:
        One row per bin that holds images: bin (0 to 14), n, confidence (their mean), accuracy, and low and high, its
        Wilson 95 % interval.

    Source: Guo et al. (2017), figure 1; Wilson (1927).

    >>> reliability(np.array([[0.9, 0.1], [0.9, 0.1], [0.4, 0.6]]), np.array([0, 1, 1])).iloc[:, :4].round(2)
       bin  n  confidence  accuracy
    0    9  1         0.6       1.0
    1   13  2         0.9       0.5
    """
    confident = confidences(probabilities)
    edges = torch.linspace(0, 1, N_BINS + 1).numpy()  # torchmetrics' own, to the last bit
    rows = {
        "bin": np.digitize(confident, edges) - 1,
        "confidence": confident.astype(float),
        "right": probabilities.argmax(axis=1) == np.asarray(labels),
    }
    grouped = pd.DataFrame(rows).groupby("bin")
    table = grouped.agg(n=("right", "size"), confidence=("confidence", "mean"), accuracy=("right", "mean"))
    low, high = proportion_confint(grouped["right"].sum(), table["n"], method="wilson")
    return table.assign(low=low, high=high).reset_index()


def confidence_gap(probabilities: np.ndarray, labels: np.ndarray) -> dict[str, float]:
    """Mean confidence less accuracy: below 0 the oracle is under-confident, above it over-confident.

        gap = mean_i (confidence_i - right_i)

    Returns:
        gap; low and high, its interval (95 %) by the normal approximation over the images; ece.

    >>> found = confidence_gap(np.array([[0.7, 0.3], [0.6, 0.4], [0.2, 0.8]]), np.array([0, 0, 1]))
    >>> {name: round(value, 2) for name, value in found.items()}
    {'gap': -0.3, 'low': -0.41, 'high': -0.19, 'ece': 0.3}
    """
    right = probabilities.argmax(axis=1) == np.asarray(labels)
    gaps = confidences(probabilities).astype(float) - right
    reach = 1.96 * gaps.std(ddof=1) / np.sqrt(len(gaps)) if len(gaps) > 1 else np.nan
    ends = {"low": float(gaps.mean() - reach), "high": float(gaps.mean() + reach)}
    return {"gap": float(gaps.mean())} | ends | {"ece": expected_calibration_error(probabilities, labels)}
