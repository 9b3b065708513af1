"""Probable identity mismatches: faces that a light classifier, trained without them, classifies as someone else."""

import math
from typing import NamedTuple

import numpy as np
import pandas as pd
from cleanlab.filter import find_label_issues
from cleanlab.rank import get_label_quality_scores
from sklearn.decomposition import PCA
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.ensemble import VotingClassifier
from sklearn.kernel_approximation import Nystroem
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedGroupKFold, cross_val_predict
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from kpop_rca.system import seeds
from kpop_rca.system.seeds import Purpose

COMPONENTS = 120  # of the PCA
LANDMARK_FACES = 400  # of the kernel's approximation
FOLDS = 5
# Of the gradient. At scikit-learn's 1e-4 rounding decides when the solver stops, and moves probabilities by up to 0.02.
TOLERANCE = 1e-6
SWAPPED = 0.05  # of the labels, in a trial of the flag
ENOUGH_SWAPPED = 60  # faces, over all trials: a fraction found is then known to about an eighth
MOST_TRIALS = 6


def identity_features(detections: pd.DataFrame, *, candidates: np.ndarray) -> np.ndarray:
    """Principal components of each image's most prominent face, without its brightness and contrast.

    Args:
        detections: n rows with aligned_face, from `detection.detect_faces`.
        candidates: (n,) bool, images with an aligned face that is worth a look.

    Returns:
        (n, 120) float64, fewer where there are few; NaN for the other images.
    """
    faces = detections[candidates]
    if len(faces) < 2:  # nothing to compare with
        return np.zeros((len(detections), 1))
    pixels = np.stack(list(faces["aligned_face"])).reshape(len(faces), -1).astype(np.float64)
    # In float32 another number of threads turns the smallest components, and a doubted label into one that is not.
    # 8 grey levels keep a flat patch, whose contrast is only noise, from being blown up.
    pixels = (pixels - pixels.mean(axis=1, keepdims=True)) / (pixels.std(axis=1, keepdims=True) + 8)
    components = min(COMPONENTS, len(faces) // 2)
    # Fitted to all faces at once: it sees no labels, and is most of the work.
    found = PCA(components, svd_solver="randomized", iterated_power=2, random_state=0).fit_transform(pixels)
    features = np.full((len(detections), found.shape[1]), np.nan)
    features[candidates] = found
    return features


def _classifier(n_images: int, n_features: int) -> VotingClassifier:
    """The mean of two classifiers' probabilities: each is sure of labels that the other doubts.

    Linear discriminant analysis is the better one on photographs, logistic regression on an approximated
    Gaussian kernel on avatars; their mean ranks wrong labels at least as well as the better one on both.
    """
    kernel = Nystroem(gamma=1 / n_features, n_components=min(LANDMARK_FACES, n_images // 2), random_state=0)
    return VotingClassifier(
        [
            ("linear", LinearDiscriminantAnalysis(solver="lsqr", shrinkage="auto")),
            ("kernel", make_pipeline(StandardScaler(), kernel, LogisticRegression(C=10, tol=TOLERANCE, max_iter=3000))),
        ],
        voting="soft",
    )


def identity_probabilities(
    features: np.ndarray, labels: np.ndarray, groups: np.ndarray, *, train_on: np.ndarray, seed: int
) -> np.ndarray:
    """Probability of each identity for each face, from classifiers that never saw the face.

    Args:
        features: (n, d).
        labels: (n,) int, 0 to K - 1.
        groups: (n,) faces of equal number (near-duplicates) are never on both sides of a split.
        train_on: (n,) bool, faces scored by 5-fold cross-validation; the others are scored by a classifier trained on
            all of these.
        seed: of the split.

    Returns:
        (n, K) float, rows sum to 1.
    """
    classifier = _classifier(int(train_on.sum()), features.shape[1])
    probabilities = np.empty((len(labels), labels.max() + 1))
    x, y = features[train_on], labels[train_on]
    folds = seeds.number(Purpose.MISMATCH_FOLDS, seed) % 2**32  # scikit-learn takes no more
    probabilities[train_on] = cross_val_predict(
        classifier,
        x,
        y,
        groups=groups[train_on],
        cv=StratifiedGroupKFold(FOLDS, shuffle=True, random_state=folds),
        method="predict_proba",
    )
    if not train_on.all():
        probabilities[~train_on] = classifier.fit(x, y).predict_proba(features[~train_on])
    return probabilities


class Mismatches(NamedTuple):
    """What a classifier that never saw a face says of its label; n images."""

    scores: np.ndarray  # (n,) float in [0, 1], self-confidence: the probability of its own label; NaN where not scored
    others: np.ndarray  # (n,) str, the likeliest other identity; "" where not scored
    other_scores: np.ndarray  # (n,) float in [0, 1], that one's probability; NaN where not scored
    issues: np.ndarray  # (n,) bool, confident learning finds the label wrong, however sure the classifier is

    def below(self, max_score: float) -> np.ndarray:
        """(n,) bool: the issues whose self-confidence is below `max_score`."""
        return self.issues & (self.scores < max_score)


def find_mismatches(detections: pd.DataFrame, features: np.ndarray, *, candidates: np.ndarray, seed: int) -> Mismatches:
    """How far each face's identity label is to be doubted.

    A face is an issue where confident learning finds it so (Northcutt, Jiang, Chuang 2021; cleanlab, filter "both").
    Identities with fewer than ten faces in the normal part are not scored.

    Args:
        detections: all images, with duplicate_group.
        features: (n, d), `identity_features` of the candidates; other rows are not looked at.
        candidates: (n,) bool, images whose most prominent face is worth a look.
        seed: of the cross-validation.
    """
    n = len(detections)
    found = Mismatches(np.full(n, np.nan), np.full(n, "", dtype=object), np.full(n, np.nan), np.zeros(n, dtype=bool))
    scored = candidates & _learnable(detections, candidates)
    if detections["identity"][scored].nunique() < 2:
        return found
    faces = detections[scored]
    labels, names = pd.factorize(faces["identity"], sort=True)
    group = faces["duplicate_group"].to_numpy()
    alone = -1 - np.arange(len(faces))
    probabilities = identity_probabilities(
        features[scored],
        labels,
        np.where(group < 0, alone, group),
        train_on=(faces["part"] == "normal").to_numpy(),
        seed=seed,
    )
    found.scores[scored] = get_label_quality_scores(labels, probabilities, method="self_confidence")
    found.issues[scored] = find_label_issues(labels, probabilities, filter_by="both", n_jobs=1)
    of_others = np.where(np.arange(len(names)) == labels[:, None], -1.0, probabilities)
    found.others[scored] = names.to_numpy()[of_others.argmax(axis=1)]
    found.other_scores[scored] = of_others.max(axis=1)
    return found


def swap_trial(
    detections: pd.DataFrame, features: np.ndarray, *, candidates: np.ndarray, eligible: np.ndarray, seed: int
) -> pd.DataFrame:
    """How well wrong labels would be found in this very data set: some are exchanged at random, and searched for.

    One label in twenty is exchanged for another identity's. Small data sets are tried several times, with other faces,
    until about sixty labels were exchanged.

    Args:
        detections, features, candidates: as for `find_mismatches`.
        eligible: (n,) bool, scored faces whose labels may be exchanged.
        seed: of the exchange and of the cross-validation.

    Returns:
        One row per face and trial, of the faces that were scored in the trial: swapped (bool), issue (bool),
        score (float in [0, 1]), rank (float in (0, 1], from the lowest score of the trial). Empty where the
        eligible are of fewer than two identities.
    """
    places = np.flatnonzero(eligible)
    names = np.unique(detections["identity"].to_numpy(dtype=object)[places])
    n_swapped = max(1, round(SWAPPED * len(places))) if len(names) > 1 else 0
    generator, trials = seeds.generator(Purpose.EXCHANGED_LABELS, seed), []
    for _ in range(min(MOST_TRIALS, math.ceil(ENOUGH_SWAPPED / n_swapped)) if n_swapped else 0):
        chosen = generator.choice(places, n_swapped, replace=False)
        identity = detections["identity"].to_numpy(dtype=object, copy=True)
        identity[chosen] = _others_at_random(identity[chosen], names, generator=generator)
        trial = find_mismatches(detections.assign(identity=identity), features, candidates=candidates, seed=seed)
        swapped = np.isin(np.arange(len(detections)), chosen)
        columns = {"swapped": swapped, "issue": trial.issues, "score": trial.scores}
        scored = pd.DataFrame(columns)[~np.isnan(trial.scores)]
        trials.append(scored.assign(rank=scored["score"].rank(pct=True)))
    return pd.concat(trials, ignore_index=True) if trials else pd.DataFrame()


def _others_at_random(labels: np.ndarray, names: np.ndarray, *, generator: np.random.Generator) -> np.ndarray:
    """For each label another of the sorted names, all equally likely."""
    steps = generator.integers(1, len(names), size=len(labels))
    return names[(np.searchsorted(names, labels) + steps) % len(names)]


def _learnable(detections: pd.DataFrame, candidates: np.ndarray) -> np.ndarray:
    """(n,) bool: images of identities with enough distinct normal faces for every fold."""
    normal = detections[candidates & (detections["part"] == "normal").to_numpy()]
    distinct = normal[(normal["duplicate_group"] < 0) | ~normal.duplicated(["identity", "duplicate_group"])]
    counts = distinct["identity"].value_counts()
    return detections["identity"].isin(counts.index[counts >= 2 * FOLDS]).to_numpy()
