"""How well the scores behind two of the flags tell wrong images from right ones: histograms, precision against recall.

The truth of rendered avatars is used here for evaluation alone. Of photographs nobody knows it; there, labels that were
exchanged on purpose stand in for wrong ones (`flags.mismatch_trial`).
"""

from pathlib import Path

import numpy as np
import pandas as pd
from sklearn.metrics import precision_recall_curve

from kpop_rca.avatars import photograph
from kpop_rca.faces.audit_tables import truth_of, with_truth

SCORES = {"non_facial": "supported_probability", "identity_mismatch": "mismatch_score"}  # low where the flag is raised
EXCHANGED = "exchanged labels"
N_BINS = 25
UNKNOWN, RIGHT, WRONG = "truth not known", "right", "wrong"


def images_by_score(flagged: pd.DataFrame, trial: pd.DataFrame, root: Path) -> pd.DataFrame:
    """The score of every image that has one, and whether the flag would be right about it.

    Args:
        flagged: from `flags.flag_images`.
        trial: from `flags.mismatch_trial`, maybe empty.
        root: the data folder.

    Returns:
        flag (of SCORES, or EXCHANGED), score in [0, 1], truth (RIGHT, WRONG: the image deserves the flag, or UNKNOWN).
    """
    truth = truth_of(root)
    table = flagged if truth is None else with_truth(flagged, truth)
    parts = []
    for flag, column in SCORES.items():
        scored = table[(table["n_faces"] > 0) & table[column].notna()]
        known = UNKNOWN if truth is None else np.where(_deserved(scored, flag), WRONG, RIGHT)
        parts.append(pd.DataFrame({"flag": flag, "score": scored[column].astype(float), "truth": known}))
    if len(trial):
        known = np.where(trial["swapped"], WRONG, RIGHT)
        parts.append(pd.DataFrame({"flag": EXCHANGED, "score": trial["score"].astype(float), "truth": known}))
    return pd.concat(parts, ignore_index=True).dropna(subset="score")


def _deserved(table: pd.DataFrame, flag: str) -> pd.Series:
    if flag == "non_facial":
        return table["kind"].isin(photograph.NONFACE)
    return (table["shown"] != "") & (table["shown"] != table["identity"])


def score_histogram(scores: pd.DataFrame) -> pd.DataFrame:
    """Images by score, for each flag and truth of `images_by_score`: flag, truth, low, high (edges of a bin), images.

    >>> table = pd.DataFrame({"flag": "non_facial", "truth": RIGHT, "score": [0.01, 0.02, 1.0]})
    >>> found = score_histogram(table)
    >>> len(found), found["images"].iloc[[0, -1]].tolist()
    (25, [2, 1])
    """
    rows = []
    for (flag, truth), part in scores.groupby(["flag", "truth"], sort=False):
        counts, edges = np.histogram(part["score"], bins=N_BINS, range=(0, 1))
        rows.append(
            pd.DataFrame({"flag": flag, "truth": truth, "low": edges[:-1], "high": edges[1:], "images": counts})
        )
    return pd.concat(rows, ignore_index=True)


def precision_recall(scores: pd.DataFrame) -> pd.DataFrame:
    """Precision against recall, were an image flagged by its score alone, for each flag whose truth is known.

    Returns:
        flag, threshold (flagged are scores up to it), precision, recall; nothing for a flag that no image deserves.

    Source: scikit-learn's `precision_recall_curve`.

    >>> table = pd.DataFrame({"flag": "f", "truth": [WRONG, RIGHT, WRONG, RIGHT], "score": [0.1, 0.2, 0.3, 0.9]})
    >>> precision_recall(table).round(2)[["threshold", "precision", "recall"]].values.tolist()
    [[0.9, 0.5, 1.0], [0.3, 0.67, 1.0], [0.2, 0.5, 0.5], [0.1, 1.0, 0.5]]
    """
    rows = [pd.DataFrame(columns=["flag", "threshold", "precision", "recall"])]
    for flag, part in scores.groupby("flag", sort=False):
        wrong = (part["truth"] == WRONG).to_numpy()
        if wrong.any():
            precision, recall, thresholds = precision_recall_curve(wrong, -part["score"].to_numpy())
            found = {"threshold": -thresholds, "precision": precision[:-1], "recall": recall[:-1]}
            rows.append(pd.DataFrame({"flag": flag} | found))
    return pd.concat(rows[1:] or rows, ignore_index=True)


def operating_points(accuracy: pd.DataFrame, strength: pd.DataFrame, *, max_mismatch_score: float) -> pd.DataFrame:
    """Precision and recall of the flags themselves: flag, precision, recall.

    A flag asks for more than its score, so that its point may lie off the curve of `precision_recall`.

    Args:
        accuracy: from `audit_tables.flag_accuracy`, empty for photographs.
        strength: from `flags.trial_table`, empty without a trial.
        max_mismatch_score: the study's threshold.
    """
    rows = [{"flag": flag} | accuracy.loc[flag, ["precision", "recall"]].to_dict() for flag in SCORES if len(accuracy)]
    if len(strength):
        own = strength.loc[max_mismatch_score]
        flagged = own["found"] + own["others_flagged"]
        precision = own["found"] / flagged if flagged else np.nan
        rows.append({"flag": EXCHANGED, "precision": precision, "recall": own["recall"]})
    return pd.DataFrame(rows, columns=["flag", "precision", "recall"])
