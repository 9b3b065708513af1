"""The Classification Accuracy Score: a classifier trained on generated faces and tested on real ones.

RCA goes the other way and misses a lack of diversity: one perfect face of each person scores high. A classifier that
was trained on generated faces alone recognises real ones only if those are as diverse as real faces.

    CAS       = accuracy on real test faces after training on generated faces
    reference = accuracy on the same faces after training on as many real faces of each identity
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from scipy.stats import norm
from statsmodels.stats.contingency_tables import mcnemar
from statsmodels.stats.proportion import proportion_confint

from kpop_rca.oracles.candidates import Faces, capped
from kpop_rca.oracles.training import (
    OracleRecipe,
    Training,
    load_oracle,
    predict,
    read_about,
    read_test_predictions,
    train_side_by_side,
)
from kpop_rca.rca import CONFIDENCE
from kpop_rca.system import seeds


def equal_counts(one: Faces, other: Faces, *, generator: np.random.Generator) -> tuple[Faces, Faces]:
    """Both, with as many images of every class: random ones of the set that has more."""
    n_classes = 1 + max(int(labels.max()) for _, labels in (one, other))
    most = np.minimum(*(np.bincount(labels, minlength=n_classes) for _, labels in (one, other)))
    return capped(one, most, generator=generator), capped(other, most, generator=generator)


def paired_ratio_interval(both: int, only_first: int, only_second: int) -> tuple[float, float]:
    """95 % interval of the ratio of two accuracies on the same images.

    An interval for independent samples, such as that of RCA, would be too wide. Wilson intervals of the two are
    combined, at a level that makes up for their dependence:

        z' = z A / (B + C),   A^2 = (b + c + 2) / ((x_1 + 1) (x_2 + 1)),
        B^2 = (1 - p_1) / (x_1 + 1),   C^2 = (1 - p_2) / (x_2 + 1),   p_i = (x_i + 1) / (m + 2),

    with x_1 = a + b, x_2 = a + c and m = a + b + c. It covers also where few images are right, where a bootstrap over
    images is too narrow (and of width 0 at none).

    Args:
        both: images that both classifiers get right, a.
        only_first: those that only the first gets right, b.
        only_second: those that only the second gets right, c.

    Returns:
        Low and high of (a + b) / (a + c).

    Raises:
        ValueError: the second classifier is right on no image, so that there is no ratio.

    Source: Bonett and Price (2006); recommended by Fagerland et al. (2014).

    >>> low, high = paired_ratio_interval(40, 10, 30)
    >>> print(f"{50 / 70:.3f} [{low:.3f}, {high:.3f}]")
    0.714 [0.578, 0.882]
    """
    if not both + only_second:
        raise ValueError("no ratio of accuracies: the second is 0")
    right, m = np.array([both + only_first, both + only_second]), both + only_first + only_second
    spread = np.sqrt((1 - (right + 1) / (m + 2)) / (right + 1)).sum()
    dependence = np.sqrt((only_first + only_second + 2) / (right + 1).prod())
    z = norm.isf((1 - CONFIDENCE) / 2) * dependence / spread
    low, high = proportion_confint(right, m, alpha=2 * norm.sf(z), method="wilson")
    return float(low[0] / high[1]), float(high[0] / low[1])


def classification_accuracy_scores(
    generated: Faces,
    real: Faces,
    *,
    validation: Faces,
    test: Faces,
    predicted: np.ndarray,
    like: Path,
    folder: Path,
    device: torch.device,
    bar: Callable,
) -> dict[str, Any]:
    """CAS, its reference on real faces, their ratio, and the other direction beside them.

    Both classifiers have the architecture, recipe and seed of the headline oracle, and equally many training images of
    each class. Both choose their epoch on the real validation faces, so that they differ only in their training images.
    That is lenient to a bad generator: its classifier may stop before it has fitted what is wrong with the images. One
    training each: the intervals hold these two classifiers fixed.

    Args:
        generated: uint8 (G, H, W, 3) and the requested identities, int64 (G,).
        real: real faces that the generator was not trained on, where there are such.
        validation: real faces that choose the epoch.
        test: real faces to test on, the same as for RCA.
        predicted: int64 (G,), the headline oracle's predictions of `generated`.
        like: folder of the headline oracle.
        folder: for the two classifiers; those that an earlier, interrupted run finished are not trained again.
        bar: `tqdm` or one of its kind, over the epochs of both.

    Returns:
        train_generated_test_real (CAS), train_real_test_real (its reference) and train_real_test_generated (the other
        direction, GAN-test, by the classifier of the reference), all of equally many images; and
        headline_oracle_test_generated, the same by the headline oracle: RCA's numerator. Each with accuracy, ci95
        (Wilson), n_train, n_test; and ratio, see `compare_on_same_faces`. Plain numbers, ready for JSON.

    Source: Ravuri and Vinyals (2019); GAN-train and GAN-test, Shmelkov et al. (2018).
    """
    about = read_about(like)
    recipe = OracleRecipe(**about["recipe"])
    train_sets = equal_counts(generated, real, generator=seeds.generator(seeds.Purpose.CAS_FACES, recipe.seed))
    trainings = {
        name: Training(
            about["architecture"],
            {"train": faces, "validation": validation, "test": test},
            recipe=recipe,
            folder=folder / f"trained_on_{name}",
            notes={"trained_on": name},
        )
        for name, faces in zip(("generated", "real"), train_sets, strict=True)
    }
    train_side_by_side(list(trainings.values()), device=device, bar=bar)
    right, found = {}, {}
    for name, training in trainings.items():
        predictions = read_test_predictions(training.folder)
        right[name] = (predictions["label"] == predictions["predicted"]).to_numpy()
        found[f"train_{name}_test_real"] = _accuracy(right[name], n_train=len(training.splits["train"][1]))
    reference = load_oracle(trainings["real"].folder, device)
    by_reference = predict(reference, generated[0])[0].argmax(axis=1)
    found["train_real_test_generated"] = _accuracy(by_reference == generated[1], n_train=len(train_sets[1][1]))
    found["headline_oracle_test_generated"] = _accuracy(predicted == generated[1], n_train=about["n_train"])
    return found | {"ratio": compare_on_same_faces(right["generated"], right["real"])}


def _accuracy(right: np.ndarray, *, n_train: int) -> dict[str, Any]:
    low, high = proportion_confint(right.sum(), len(right), alpha=1 - CONFIDENCE, method="wilson")
    interval = [float(low), float(high)]
    return {"accuracy": float(right.mean()), "ci95": interval, "n_train": n_train, "n_test": len(right)}


def compare_on_same_faces(first: np.ndarray, second: np.ndarray) -> dict[str, Any]:
    """The ratio of two classifiers' accuracies, from which of the same faces each gets right, bool (n,).

    Returns:
        value, ci95 (Bonett and Price), only_first_right, only_second_right (faces), p (McNemar's exact test,
        two-sided). Where the second is right on no face, value and ci95 are None, and `why` says so.
    """
    both, only_first, only_second = (int(part.sum()) for part in (first & second, first & ~second, second & ~first))
    counts = {"only_first_right": only_first, "only_second_right": only_second}
    counts["p"] = float(mcnemar([[both, only_first], [only_second, 0]], exact=True).pvalue)
    if not both + only_second:
        return {"value": None, "ci95": None, "why": "the classifier trained on real faces is right on none"} | counts
    interval = paired_ratio_interval(both, only_first, only_second)
    return {"value": (both + only_first) / (both + only_second), "ci95": list(interval)} | counts
