"""Generators whose truth is known: always right, two identities swapped, one identity for all, class-blind."""

import numpy as np

from kpop_rca.rca.counts import row_fractions


def most_confused(real_counts: np.ndarray) -> tuple[int, int]:
    """The two classes that the oracle confuses most, both ways together; the first two if it never errs.

    >>> most_confused(np.array([[9, 1, 0], [0, 7, 3], [0, 2, 8]]))
    (1, 2)
    """
    fractions = row_fractions(real_counts)
    confused = np.triu(fractions + fractions.T + 1, k=1)  # the one keeps pairs without an error above the lower half
    return tuple(int(c) for c in np.unravel_index(confused.argmax(), confused.shape))


def control_conditions(
    labels: np.ndarray, pair: tuple[int, int], *, generator: np.random.Generator
) -> dict[str, tuple[np.ndarray, np.ndarray, float]]:
    """Which of the real images each of these generators shows for which condition.

    Args:
        labels: int (N,), identities on the images that play the generator, equally many of each.
        pair: the two classes to be swapped.

    Returns:
        By name: indices into the images (M,), requested identities (M,), and the mean probability of showing the
        requested one. "one for all" has the same images for each class, so that intervals that take these as
        independent are too wide.
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
