"""Generators that show the requested identity with a probability that we choose, played by real images."""

from collections.abc import Sequence

import numpy as np
from scipy.optimize import linear_sum_assignment

from kpop_rca.errors import StudyError
from kpop_rca.faces.splits import FEWEST_TEST_FACES
from kpop_rca.rca.counts import row_fractions

LEAST_FOR_CONFUSION = 0.5  # fraction of a class's images that is left to estimate the oracle's confusion
# A mixture takes at most a third of the rarest class, so that a chance excess still fits.
ONE_IN = FEWEST_TEST_FACES
ATTEMPTS = 1000
FORBIDDEN = 1e6  # cost of a swap that must not be; all swaps together are worth less than FORBIDDEN / 1000
UNWANTED = 1e3


def swap_patterns(real_counts: np.ndarray, groups: Sequence[Sequence[int]]) -> dict[str, np.ndarray]:
    """Who is shown instead of the requested identity, in three ways that differ in how hard they are to see.

    Args:
        real_counts: (K, K), every row with an image.
        groups: look-alike groups, a partition of the classes; empty for none.

    Returns:
        By name, float (K, K), rows requested, columns shown, zero on the diagonal, rows that sum to 1: "anyone" evenly;
        "a look-alike", whom the oracle confuses with it, of the same group where it has others; "someone unlike", whom
        it hardly confuses, of another group. The last two are permutations, of the most and of the least confusion in
        all, so that the identities shown stay equally frequent.
    """
    n_classes = len(real_counts)
    fractions = row_fractions(real_counts)
    confused = fractions + fractions.T
    group_of = np.zeros(n_classes, dtype=int)
    for number, group in enumerate(groups):
        group_of[list(group)] = number
    same = group_of[:, None] == group_of
    oneself = FORBIDDEN * np.eye(n_classes)
    alike = linear_sum_assignment(-confused + UNWANTED * ~same + oneself)[1]
    unlike = linear_sum_assignment(confused + UNWANTED * (same if groups else 0) + oneself)[1]
    evenly = (1 - np.eye(n_classes)) / (n_classes - 1)
    return {"anyone": evenly, "a look-alike": np.eye(n_classes)[alike], "someone unlike": np.eye(n_classes)[unlike]}


def mixture_size(labels: np.ndarray, *, most: int) -> int:
    """Images of each identity in a mixture: `most`, at most a third of what the rarest identity has.

    Raises:
        StudyError: an identity has too few.

    >>> mixture_size(np.repeat([0, 1], [20, 12]), most=10)
    4
    """
    rarest = int(np.bincount(labels).min())
    if rarest < ONE_IN:
        raise StudyError(
            f"an identity has {rarest} test faces; known mixtures need {ONE_IN} or more, see test_fraction of 02"
        )
    return min(most, rarest // ONE_IN)


def draw_mixture(
    labels: np.ndarray,
    truth: float,
    swaps: np.ndarray,
    *,
    n_per_condition: int,
    generator: np.random.Generator,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Real images in the part of a generator that shows the requested identity with a known probability.

    The identity that each image shows is sampled first, then that many images of each identity, without replacement.
    All others estimate the oracle's confusion, so that the two have no image in common.

    Args:
        labels: int (N,), the identity on each real image.
        truth: probability of showing the requested identity.
        swaps: float (K, K), whom else, see `swap_patterns`.
        n_per_condition: images requested, of each identity.

    Returns:
        Indices of the images that play the generator, the requested identities, both (K * n_per_condition,), and the
        indices of the images left.

    Raises:
        StudyError: too few real images for so many of each condition.
    """
    n_classes = len(swaps)
    available = np.bincount(labels, minlength=n_classes)
    whom = truth * np.eye(n_classes) + (1 - truth) * swaps
    for _ in range(ATTEMPTS):
        counts = generator.multinomial(n_per_condition, whom)  # (K, K), requested and shown
        if (counts.sum(axis=0) <= (1 - LEAST_FOR_CONFUSION) * available).all():
            break
    else:
        raise StudyError(
            f"{available.min()} test faces of an identity are too few to mix {n_per_condition} of each; "
            "lower mixture_images of 07"
        )
    shuffled = [generator.permutation(np.flatnonzero(labels == c)) for c in range(n_classes)]
    n_taken = counts.sum(axis=0)
    playing = np.concatenate([of_class[:n] for of_class, n in zip(shuffled, n_taken, strict=True)])
    left = np.concatenate([of_class[n:] for of_class, n in zip(shuffled, n_taken, strict=True)])
    requested = np.concatenate([np.repeat(np.arange(n_classes), of_class) for of_class in counts.T])
    order = np.argsort(requested, kind="stable")
    return playing[order], requested[order], left
