"""Who is on an image, by classifiers on embeddings that are tested on photographs that they were not trained on.

A few photographs of a person are taken out at a time, of every person alike, and the classifier that is trained on the
rest predicts both these photographs and all generated images. So the confusion on photographs and the predictions of
generated images are of the same classifiers, each a photograph or so short of what there is.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from kpop_rca.errors import StudyError

FEWEST_PHOTOGRAPHS = 3  # of a person, near-duplicates counted once: one is held out, and two can differ
MOST_FOLDS = 20
POOLED = 32  # photographs: that of everybody together weighs as much in the confusion to be expected of a person
EVENLY = 0.1  # photographs, that may be predicted as anybody
MOST_WAYS = 200
NOBODY = -1  # the prediction of an image without a face

Predict = Callable[[np.ndarray], np.ndarray]  # embeddings (n, D) to persons (n,)
Fit = Callable[[np.ndarray, np.ndarray], Predict]  # embeddings (n, D) and persons (n,) of photographs


@dataclass(frozen=True)
class CrossFitted:
    """Predictions by F classifiers; persons are numbered from 0 to K - 1, NOBODY stands for an image without a face."""

    person: np.ndarray  # int (N,), on the photographs
    unit: np.ndarray  # int (N,), near-duplicates share one
    held_out: np.ndarray  # bool (F, N): the classifier was not trained on this photograph, nor on a near-duplicate
    predicted: np.ndarray  # int (F, N), of the photographs; to be read where they were held out
    generated: np.ndarray  # int (F, M), of the generated images
    # float (F, K, K), rows that sum to 1: who is confused with whom, as far as the training photographs of a classifier
    # tell, which are never those that it is tested on; None where it is not known
    expected: np.ndarray | None = None

    @property
    def n_people(self) -> int:
        return int(self.person.max()) + 1

    def real_counts(self) -> np.ndarray:
        """Photographs of each person by prediction, float (K, K); one that was held out often counts once."""
        n_folds = np.maximum(self.held_out.sum(axis=0), 1)
        counts = np.zeros((self.n_people, self.n_people))
        folds, photographs = np.nonzero(self.held_out)
        cells = self.person[photographs], self.predicted[folds, photographs]
        np.add.at(counts, cells, 1 / n_folds[photographs])
        return counts

    def generated_counts(self, requested: np.ndarray) -> np.ndarray:
        """Generated images of each requested person (M,) by prediction, means over the classifiers, float (K, K).

        A row sums to less than its images where some are without a face.
        """
        counts, found = np.zeros((self.n_people, self.n_people)), self.generated[0] != NOBODY
        for predicted in self.generated:
            np.add.at(counts, (requested[found], predicted[found]), 1 / len(self.generated))
        return counts


def nearest_centroid(embeddings: np.ndarray, person: np.ndarray) -> Predict:
    """The person whose mean embedding has the largest cosine with an image's.

    Whatever the number of photographs: of others of 20 people of LFW, in faces of 32 px, dlib's embeddings name these
    fractions right from 5, 12 and 20 photographs of each person (standard errors of .001, with noise and on avatars of
    .003 to .010).

    | | nearest centroid | shrunk linear discriminant | logistic regression |
    |---|---|---|---|
    | LFW | .990, .992, .991 | .989, .991, .991 | .991, .993, .994 |
    | the same with noise | .775, .883, .921 | .720, .874, .918 | .759, .871, .902 |
    | avatars | .740, .811, .832 | .896, .964, .982 | .729, .846, .890 |

    So the discriminant is better where an embedding is used on what it was not made for. There a centroid's errors are
    corrected, and its ceiling is shown.
    """
    people = np.unique(person)
    centroids = (person == people[:, None]).astype(embeddings.dtype) @ embeddings
    centroids /= np.linalg.norm(centroids, axis=1, keepdims=True)
    return lambda images: people[(images @ centroids.T).argmax(axis=1)]


def _expected(embeddings: np.ndarray, person: np.ndarray, unit: np.ndarray, predict: Predict) -> np.ndarray:
    """Confusion to be expected of a classifier from its n training photographs, float (K, K), rows that sum to 1.

    Each photograph differs from the mean of its person's other ones in some way. Images are made that differ so from
    the mean of anybody. A person's own count as n, those of all together as POOLED, and EVENLY is added.
    """
    n_people = person.max() + 1
    of_person, of_unit = person == np.arange(n_people)[:, None], unit == unit[:, None]
    means = of_person @ embeddings / of_person.sum(axis=1, keepdims=True)
    others = (person == person[:, None]) & ~of_unit
    ways = (embeddings - others @ embeddings / others.sum(axis=1, keepdims=True))[:MOST_WAYS]
    images = means[:, None] + ways
    images /= np.linalg.norm(images, axis=-1, keepdims=True)
    predicted = predict(images.reshape(-1, images.shape[-1])).reshape(n_people, -1)
    answers = np.eye(n_people)[predicted]  # (K, ways, K)
    own = np.einsum("cw,cwk->ck", of_person[:, :MOST_WAYS], answers)
    counts = own + POOLED * answers.mean(axis=1) + EVENLY / n_people
    return counts / counts.sum(axis=1, keepdims=True)


def units(person: np.ndarray, cluster: np.ndarray) -> np.ndarray:
    """A number for each photograph that is no near-duplicate, int (N,); those of a person's cluster share one.

    Args:
        cluster: int (N,); a negative one is alone.

    >>> units(np.array([0, 0, 0, 1]), np.array([5, 5, -1, 5]))
    array([0, 0, 1, 2])
    """
    alone = cluster.max(initial=0) + 1 + np.arange(len(cluster))
    pairs = np.stack([person, np.where(cluster < 0, alone, cluster)])
    return np.unique(pairs, axis=1, return_inverse=True)[1].ravel()


def folds(person: np.ndarray, unit: np.ndarray, *, most: int = MOST_FOLDS) -> np.ndarray:
    """Into which of a person's folds a photograph falls, int (N,), those of one unit into one.

    Every person has as many folds as units, at most `most`; large units are dealt out first.

    >>> folds(np.array([0, 0, 0, 1, 1]), np.array([7, 7, 4, 1, 3]))
    array([0, 0, 1, 0, 1])
    """
    found = np.full(len(person), -1)
    for who in np.unique(person):
        own = np.flatnonzero(person == who)
        own_units, first, which, sizes = np.unique(
            unit[own], return_index=True, return_inverse=True, return_counts=True
        )
        rank = np.argsort(np.lexsort((first, -sizes)))
        found[own] = rank[which] % min(len(own_units), most)
    return found


def held_out(person: np.ndarray, fold: np.ndarray) -> np.ndarray:
    """Which photographs each of the F classifiers is not trained on, bool (F, N); F is the largest number of folds.

    A person with fewer folds goes through them again, so that every classifier lacks some of every person.

    >>> held_out(np.array([0, 0, 1, 1, 1]), np.array([0, 1, 0, 1, 2])).astype(int)
    array([[1, 0, 1, 0, 0],
           [0, 1, 0, 1, 0],
           [1, 0, 0, 0, 1]])
    """
    n_folds = np.array([fold[person == who].max() + 1 for who in range(person.max() + 1)])
    turn = np.arange(n_folds.max())[:, None]
    return turn % n_folds[person] == fold


def require_photographs(
    person: np.ndarray, unit: np.ndarray, usable: np.ndarray, people: Sequence[Any], *, fewest: int, oracle: str
) -> None:
    """StudyError that names everybody with fewer different photographs than an oracle needs.

    Args:
        usable: bool (N,), whether a face was found.
        people: K names.
        oracle: what needs them, for the message.
    """
    n_units = [len(np.unique(unit[usable & (person == who)])) for who in range(len(people))]
    lacking = [f"{name} ({n})" for name, n in zip(people, n_units, strict=True) if n < fewest]
    if lacking:
        raise StudyError(
            f"too few different photographs in which a face was found, {oracle} needs {fewest} or more: "
            f"{', '.join(lacking)}; add some, or leave these people out"
        )


def predict_by_fold(
    photographs: np.ndarray,
    generated: np.ndarray,
    person: np.ndarray,
    unit: np.ndarray,
    *,
    used: np.ndarray,
    found: np.ndarray,
    fit: Fit,
    most_folds: int = MOST_FOLDS,
    expect: Callable[[np.ndarray, Predict], np.ndarray] | None = None,
) -> CrossFitted:
    """Train a classifier without each fold, and let it predict the fold and all generated images.

    Args:
        photographs: (N, ...), what `fit` takes; generated: (M, ...), alike.
        used: int (n,), rows of the photographs with a face, in an order that the order of the files does not change.
        found: bool (M,), the generated images with a face.
        expect: from the rows trained on and the classifier to `CrossFitted.expected` of that fold, (K, K).
    """
    of_used = held_out(person[used], folds(person[used], unit[used], most=most_folds))
    out = np.zeros((len(of_used), len(person)), dtype=bool)
    out[:, used] = of_used
    predicted, of_generated = (np.full((len(out), len(of)), NOBODY) for of in (photographs, generated))
    expected = []
    for number, without in enumerate(out):
        train = used[~without[used]]
        predict = fit(photographs[train], person[train])
        predicted[number, without] = predict(photographs[without])
        if found.any():
            of_generated[number, found] = predict(generated[found])
        if expect:
            expected.append(expect(train, predict))
    return CrossFitted(person, unit, out, predicted, of_generated, np.stack(expected) if expect else None)


def cross_fit(
    embeddings: np.ndarray,
    person: np.ndarray,
    cluster: np.ndarray,
    generated: np.ndarray,
    *,
    fit: Fit = nearest_centroid,
    people: Sequence[Any] | None = None,
) -> CrossFitted:
    """Predictions of photographs by classifiers that saw neither them nor a near-duplicate, and of generated images.

    Args:
        embeddings: float (N, D), of the photographs, of length 1; NaN where no face was found: not used, not counted.
        person: int (N,) in [0, K).
        cluster: int (N,), near-duplicates of a person share one; a negative one is alone.
        generated: float (M, D), of the generated images; NaN where no face was found.
        fit: trains a classifier.
        people: K names for the error message; numbers by default.

    Raises:
        StudyError: names people with too few photographs.

    >>> faces = np.array([[1, 0], [0.9, 0.1], [0.8, 0.2], [0, 1], [0.1, 0.9], [0.2, 0.8]])
    >>> found = cross_fit(faces, np.array([0, 0, 0, 1, 1, 1]), np.full(6, -1), faces[:2])
    >>> found.real_counts().round(2).tolist(), found.generated.tolist()
    ([[3.0, 0.0], [0.0, 3.0]], [[0, 0], [0, 0], [0, 0]])
    """
    person, unit = np.asarray(person), units(np.asarray(person), np.asarray(cluster))
    people = range(person.max() + 1) if people is None else people
    usable, found = (~np.isnan(of).any(axis=1) for of in (embeddings, generated))
    require_photographs(person, unit, usable, people, fewest=FEWEST_PHOTOGRAPHS, oracle="the classifier")
    # At random, but from the order of the embeddings, so that the order of the files changes nothing.
    used = np.random.default_rng(0).permutation(np.flatnonzero(usable)[np.lexsort(embeddings[usable].T)])

    def expect(train: np.ndarray, predict: Predict) -> np.ndarray:
        return _expected(embeddings[train], person[train], unit[train], predict)

    how = {"used": used, "found": found, "fit": fit, "expect": expect}
    return predict_by_fold(embeddings, generated, person, unit, **how)
