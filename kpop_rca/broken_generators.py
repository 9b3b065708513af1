"""Broken generators: real faces play one whose fault is known, or one that hands out the faces that it learnt."""

import numpy as np
import pandas as pd

from kpop_rca import memorisation, oracle, rca, trials
from kpop_rca.candidates import Faces
from kpop_rca.rca import fidelity
from kpop_rca.resnet import SmallImageResNet
from kpop_rca.trials import ESTIMATORS, Parts


def most_confused(real_counts: np.ndarray) -> tuple[int, int]:
    """The two classes that the judge confuses most, both ways together; the first two if it never errs.

    >>> most_confused(np.array([[9, 1, 0], [0, 7, 3], [0, 2, 8]]))
    (1, 2)
    """
    shares = fidelity.label_shares(real_counts)
    confused = np.triu(shares + shares.T + 1, k=1)  # the one keeps pairs without an error above the lower half
    return tuple(int(c) for c in np.unravel_index(confused.argmax(), confused.shape))


def broken_conditions(
    labels: np.ndarray, pair: tuple[int, int], *, generator: np.random.Generator
) -> dict[str, tuple[np.ndarray, np.ndarray, float]]:
    """Generators whose answer is known: which of the real images each shows for which condition.

    Args:
        labels: int (N,), identities on the images that play the generator, equally many of each.
        pair: the two classes to be swapped.
        generator: of the class-blind generator's shuffling.

    Returns:
        By name: indices into the images (M,), identities asked for (M,), and the probability of showing the identity
        asked for, in the mean over these. "perfect": whom it was asked for; "swapped pair": two for each other; "one
        for all": the first class, whoever is asked for, with the same images for each, so that intervals that take
        these for independent are too wide; "class-blind": anyone.
    """
    everyone, n_classes = np.arange(len(labels)), int(labels.max()) + 1
    swapped = labels.copy()
    swapped[labels == pair[0]], swapped[labels == pair[1]] = pair[1], pair[0]
    one = np.flatnonzero(labels == 0)
    return {
        "perfect": (everyone, labels, 1.0),
        "swapped pair": (everyone, swapped, 1 - 2 / n_classes),
        "one for all": (np.tile(one, n_classes), np.repeat(np.arange(n_classes), len(one)), 1 / n_classes),
        "class-blind": (everyone, generator.permutation(labels), 1 / n_classes),
    }


def broken_trial(
    labels: np.ndarray,
    judged: np.ndarray,
    *,
    parts: Parts,
    pair: tuple[int, int],
    n_replicates: int,
    generator: np.random.Generator,
) -> pd.DataFrame:
    """Every estimator on the generators of `broken_conditions`.

    Args:
        labels: int (N,), identities on the real test images.
        judged: int (N,), what the judge says of them.
        parts: from `trials.halves`.
        pair: the two classes to be swapped.
        n_replicates: B.
        generator: of shuffling and bootstrap.

    Returns:
        One row a broken generator and estimator: broken, estimator, truth, target, value, low, high, held (1 or 0).
    """
    playing, left = parts
    n_classes = int(labels.max()) + 1
    real = rca.confusion_counts(labels[left], judged[left], n_classes)
    rows = []
    for name, (shown, asked, truth) in broken_conditions(labels[playing], pair, generator=generator).items():
        generated = rca.confusion_counts(asked, judged[playing][shown], n_classes)
        found = trials.estimate(real, generated, n_replicates=n_replicates, generator=generator)
        rows += trials.rows(found, truth, n_classes, broken=name)
    return pd.DataFrame(rows)


def blind_by_judge(answers: pd.DataFrame, *, parts: Parts) -> pd.DataFrame:
    """What each estimator says under every judge of a generator that ignores the class, without its luck.

    Every image is shown for every condition, so that all rows of the judge's counts are one and the same, and what is
    left is the estimator's own zero.

    Args:
        answers: long table of the judges on the real test images, from `judging.load_answers`.
        parts: from `trials.halves`.

    Returns:
        One row a judge: judge, trained_on, accuracy_real, rca, chance_corrected, fidelity. The last has no value
        where the judge can't be inverted.
    """
    rows = []
    for name, said in answers.groupby("judge", sort=False):
        labels, judged = (said.sort_values("image")[column].to_numpy() for column in ("label", "judged"))
        n_classes = int(labels.max()) + 1
        playing, left = (rca.confusion_counts(labels[part], judged[part], n_classes) for part in parts)
        found = trials.values(left, np.tile(playing.sum(axis=0), (n_classes, 1)))
        about = {"judge": name, "trained_on": said["trained_on"].iloc[0], "accuracy_real": rca.accuracy(left)}
        rows.append(about | {estimator: float(found[estimator]) for estimator in ESTIMATORS})
    return pd.DataFrame(rows)


def copy_trial(
    suspects: dict[str, Faces],
    judge: SmallImageResNet,
    real_counts: np.ndarray,
    *,
    train: Faces,
    held_out: Faces,
    n_replicates: int,
    generator: np.random.Generator,
) -> pd.DataFrame:
    """Generators that hand out real faces: what the estimators say, and what the search for copies says.

    Args:
        suspects: by name, images uint8 (G, H, W, 3) and the identities asked for, all of which they show.
        judge: in evaluation mode.
        real_counts: (K, K) of the judge on `held_out`.
        train: faces that the generator learnt.
        held_out: real faces that it did not, and none of the suspects.
        n_replicates: B.
        generator: of bootstrap and tests.

    Returns:
        One row a suspect: suspect, n; rca and fidelity, each with _low and _high; share_nearer_train, p_share, p_ratio
        and copies, on pixels, see `memorisation.copying`.
    """
    known, rows = [memorisation.views(part[0])[0] for part in (train, held_out)], []
    for name, (images, labels) in suspects.items():
        judged = oracle.judge_images(judge, images)[0].argmax(axis=1)
        counts = rca.confusion_counts(labels, judged, len(real_counts))
        found = trials.estimate(real_counts, counts, n_replicates=n_replicates, generator=generator)
        row = {"suspect": name, "n": len(labels)}
        for estimator in ("rca", "fidelity"):
            keys = (estimator, f"{estimator}_low", f"{estimator}_high")
            row |= dict(zip(keys, map(float, found[estimator]), strict=True))
        search = memorisation.copying(
            memorisation.views(images),
            *known,
            labels=(train[1], held_out[1]),
            features="pixels",
            features_saw_training=False,
            generator=generator,
        )
        rows.append(row | {key: search[key] for key in ("share_nearer_train", "p_share", "p_ratio", "copies")})
    return pd.DataFrame(rows)
