"""Probable identity mismatches: faces that a light classifier, trained without them, takes for someone else."""

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

COMPONENTS = 120  # of the PCA
LANDMARK_FACES = 400  # of the kernel's approximation
FOLDS = 5


def identity_features(detections: pd.DataFrame, *, candidates: np.ndarray) -> np.ndarray:
    """Pixels of each image's most prominent face, without its brightness and contrast.

    Args:
        detections: n rows with aligned_face, from `detection.detect_faces`.
        candidates: (n,) bool, images with a face that is worth a look, all of them with an aligned face.

    Returns:
        (n, 120) float32, principal components of 32 x 32 crops, fewer where there are few; NaN for the other images.
    """
    faces = detections[candidates]
    if len(faces) < 2:  # nothing to compare with
        return np.zeros((len(detections), 1), dtype=np.float32)
    pixels = np.stack(list(faces["aligned_face"])).reshape(len(faces), -1).astype(np.float32)
    # 8 grey levels keep a flat patch, whose contrast is only noise, from being blown up.
    pixels = (pixels - pixels.mean(axis=1, keepdims=True)) / (pixels.std(axis=1, keepdims=True) + 8)
    components = min(COMPONENTS, len(faces) // 2)
    # Fitted to all faces at once: it sees no labels, and is most of the work.
    found = PCA(components, svd_solver="randomized", iterated_power=2, random_state=0).fit_transform(pixels)
    features = np.full((len(detections), found.shape[1]), np.nan, dtype=np.float32)
    features[candidates] = found
    return features


def _classifier(n_images: int, n_features: int) -> VotingClassifier:
    """The mean of two classifiers' probabilities: each is sure of labels that the other doubts.

    Linear discriminant analysis is the better one on photographs, logistic regression on an approximated
    Gaussian kernel on drawings; their mean ranks wrong labels at least as well as the better one on both.
    """
    kernel = Nystroem(gamma=1 / n_features, n_components=min(LANDMARK_FACES, n_images // 2), random_state=0)
    return VotingClassifier(
        [
            ("linear", LinearDiscriminantAnalysis(solver="lsqr", shrinkage="auto")),
            ("kernel", make_pipeline(StandardScaler(), kernel, LogisticRegression(C=10, max_iter=300))),
        ],
        voting="soft",
    )


def identity_probabilities(
    features: np.ndarray, labels: np.ndarray, groups: np.ndarray, *, learn_from: np.ndarray, seed: int
) -> np.ndarray:
    """Probability of each identity for each face, from classifiers that never saw the face.

    Args:
        features: (n, d).
        labels: (n,) int, 0 to K - 1.
        groups: (n,) faces of equal number (near-duplicates) are never on both sides of a split.
        learn_from: (n,) bool, faces to train on, scored by 5-fold cross-validation; the others are scored by a
            classifier trained on all of these.
        seed: of the split.

    Returns:
        (n, K) float, rows sum to 1.
    """
    classifier = _classifier(int(learn_from.sum()), features.shape[1])
    probabilities = np.empty((len(labels), labels.max() + 1))
    x, y = features[learn_from], labels[learn_from]
    probabilities[learn_from] = cross_val_predict(
        classifier,
        x,
        y,
        groups=groups[learn_from],
        cv=StratifiedGroupKFold(FOLDS, shuffle=True, random_state=seed),
        method="predict_proba",
    )
    if not learn_from.all():
        probabilities[~learn_from] = classifier.fit(x, y).predict_proba(features[~learn_from])
    return probabilities


def find_mismatches(
    detections: pd.DataFrame, features: np.ndarray, *, candidates: np.ndarray, max_score: float, seed: int
) -> tuple[np.ndarray, np.ndarray]:
    """Faces whose identity label is probably wrong.

    A face is an issue where confident learning finds it so (cleanlab, filter "both") and its self-confidence,
    the probability of its own label, is below `max_score`. Identities with fewer than ten faces in the
    normal part are not scored: nothing can be learnt from so few.

    Args:
        detections: all images, with duplicate_group.
        features: (n, d), `identity_features` of the candidates; other rows are not looked at.
        candidates: (n,) bool, images whose most prominent face is worth a look.
        max_score: self-confidence below which an issue is believed, in [0, 1].
        seed: of the cross-validation.

    Returns:
        Self-confidence (n,) float in [0, 1], NaN where not scored; issue (n,) bool.

    Source:
        Northcutt, Jiang, Chuang 2021, "Confident Learning".
    """
    scores, issues = np.full(len(detections), np.nan), np.zeros(len(detections), dtype=bool)
    scored = candidates & _learnable(detections, candidates)
    if detections["identity"][scored].nunique() < 2:
        return scores, issues
    faces = detections[scored]
    labels = pd.factorize(faces["identity"], sort=True)[0]
    group = faces["duplicate_group"].to_numpy()
    alone = -1 - np.arange(len(faces))
    probabilities = identity_probabilities(
        features[scored],
        labels,
        np.where(group < 0, alone, group),
        learn_from=(faces["part"] == "normal").to_numpy(),
        seed=seed,
    )
    scores[scored] = get_label_quality_scores(labels, probabilities, method="self_confidence")
    issues[scored] = find_label_issues(labels, probabilities, filter_by="both", n_jobs=1)
    return scores, issues & (scores < max_score)


def _learnable(detections: pd.DataFrame, candidates: np.ndarray) -> np.ndarray:
    """(n,) bool: images of identities with enough distinct normal faces for every fold."""
    normal = detections[candidates & (detections["part"] == "normal").to_numpy()]
    distinct = normal[(normal["duplicate_group"] < 0) | ~normal.duplicated(["identity", "duplicate_group"])]
    counts = distinct["identity"].value_counts()
    return detections["identity"].isin(counts.index[counts >= 2 * FOLDS]).to_numpy()
