"""The Classification Accuracy Score: what a classifier learns from generated faces, tested on real ones.

RCA trains a judge on real faces and tests it on generated ones, so it cannot see what is missing: a generator that
draws one perfect face of each person scores high. The Classification Accuracy Score goes the other way. A judge
that learnt from generated faces alone can recognise real ones only if those are as various as people are.

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

from kpop_rca import candidates, disk, judging, oracle, seeds
from kpop_rca.candidates import Faces
from kpop_rca.rca import CONFIDENCE


def equal_counts(one: Faces, other: Faces, *, generator: np.random.Generator) -> tuple[Faces, Faces]:
    """As many images of every class in both, drawn at random from the one that has more.

    Args:
        one: uint8 (N, H, W, 3) and int64 (N,).
        other: uint8 (M, H, W, 3) and int64 (M,).
        generator: of the draw.
    """
    n_classes = 1 + max(int(labels.max()) for _, labels in (one, other))
    most = np.minimum(*(np.bincount(labels, minlength=n_classes) for _, labels in (one, other)))
    return candidates.capped(one, most, generator=generator), candidates.capped(other, most, generator=generator)


def paired_ratio_interval(both: int, only_first: int, only_second: int) -> tuple[float, float]:
    """95 % interval of the ratio of two accuracies on the same images.

    The two accuracies share their images, so an interval for independent samples, such as that of RCA, would be too
    wide. Wilson intervals of the two are combined, at a level that makes up for their dependence:

        z' = z A / (B + C),   A^2 = (b + c + 2) / ((x_1 + 1) (x_2 + 1)),
        B^2 = (1 - p_1) / (x_1 + 1),   C^2 = (1 - p_2) / (x_2 + 1),   p_i = (x_i + 1) / (m + 2),

    with x_1 = a + b, x_2 = a + c and m = a + b + c. It has a closed form, needs no random numbers and holds where
    few images are right, where a bootstrap over images is too narrow (and of width 0 at none).

    Args:
        both: images that both classifiers get right, a.
        only_first: those that only the first gets right, b.
        only_second: those that only the second gets right, c. Images that neither gets right do not matter.

    Returns:
        Low and high of (a + b) / (a + c).

    Raises:
        ValueError: a negative count, or the second classifier is right on no image, so that there is no ratio.

    Source: Bonett and Price (2006); recommended by Fagerland et al. (2014).

    >>> low, high = paired_ratio_interval(40, 10, 30)
    >>> print(f"{50 / 70:.3f} [{low:.3f}, {high:.3f}]")
    0.714 [0.578, 0.882]
    """
    if min(both, only_first, only_second) < 0 or not both + only_second:
        raise ValueError(f"no ratio of accuracies: both right on {both}, one alone on {only_first} and {only_second}")
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
    judged: np.ndarray,
    like: Path,
    folder: Path,
    device: torch.device,
    bar: Callable,
) -> dict[str, Any]:
    """CAS, its reference on real faces, their ratio, and the other direction beside them.

    Both classifiers are of the architecture, recipe and seed of the selected judge and learn from equally many
    images of each class. Both choose their epoch on the real validation faces, so that they differ only in what
    they learn from. That is lenient to a bad generator, since its pupil may stop before it has learnt what is wrong
    with the images. One training each: the intervals hold these two classifiers fixed.

    Args:
        generated: uint8 (G, H, W, 3) and the identities asked for, int64 (G,).
        real: real faces that the generator has not learnt, where there are such, else those that it has.
        validation: real faces that choose the epoch.
        test: real faces to test on, the same as for RCA.
        judged: int64 (G,), what the selected judge says of `generated`.
        like: folder of the selected judge.
        folder: for the two classifiers; those that an earlier, interrupted run finished are not trained again.
        device: to train on.
        bar: `tqdm` or one of its kind: a bar of the epochs of both.

    Returns:
        train_generated_test_real (CAS), train_real_test_real (its reference) and train_real_test_generated (the other
        direction, GAN-test, by the classifier of the reference), all of equally many images; and judge_test_generated,
        the same by the selected judge, which has learnt from all that it may: RCA's numerator. Each with accuracy, ci95
        (Wilson), n_train, n_test; and ratio, see `compare_on_same_faces`. Plain numbers, ready for JSON.

    Source: Ravuri and Vinyals (2019); GAN-train and GAN-test, Shmelkov et al. (2018).
    """
    about = disk.read_json(like / "about.json")
    recipe = oracle.Recipe(**about["recipe"])
    learnt = equal_counts(generated, real, generator=seeds.generator(seeds.Purpose.CAS_FACES, recipe.seed))
    trainings = {
        name: oracle.Training(
            about["architecture"],
            {"train": faces, "validation": validation, "test": test},
            recipe=recipe,
            folder=folder / f"learnt_{name}",
            notes={"trained_on": name},
        )
        for name, faces in zip(("generated", "real"), learnt, strict=True)
    }
    oracle.train_side_by_side(list(trainings.values()), device=device, bar=bar)
    right, found = {}, {}
    for name, training in trainings.items():
        answers = judging.test_answers(folder, training.folder.name)
        right[name] = (answers["label"] == answers["judged"]).to_numpy()
        found[f"train_{name}_test_real"] = _accuracy(right[name], n_train=len(training.splits["train"][1]))
    reference = oracle.load_judge(trainings["real"].folder, device)
    says = oracle.judge_images(reference, generated[0])[0].argmax(axis=1)
    found["train_real_test_generated"] = _accuracy(says == generated[1], n_train=len(learnt[1][1]))
    found["judge_test_generated"] = _accuracy(np.asarray(judged) == generated[1], n_train=about["n_train"])
    return found | {"ratio": compare_on_same_faces(right["generated"], right["real"])}


def _accuracy(right: np.ndarray, *, n_train: int) -> dict[str, Any]:
    low, high = proportion_confint(right.sum(), len(right), alpha=1 - CONFIDENCE, method="wilson")
    interval = [float(low), float(high)]
    return {"accuracy": float(right.mean()), "ci95": interval, "n_train": n_train, "n_test": len(right)}


def compare_on_same_faces(first: np.ndarray, second: np.ndarray) -> dict[str, Any]:
    """The ratio of two classifiers' accuracies on the same faces, and whether they differ.

    Args:
        first: bool (n,), which faces the first gets right.
        second: bool (n,), which the second does.

    Returns:
        value (accuracy of the first over that of the second), ci95 (Bonett and Price), only_first_right,
        only_second_right (faces), p (McNemar's exact test, two-sided). Where the second is right on no face, value
        and ci95 are None, and `why` says so.
    """
    both, only_first, only_second = (int(part.sum()) for part in (first & second, first & ~second, second & ~first))
    counts = {"only_first_right": only_first, "only_second_right": only_second}
    counts["p"] = float(mcnemar([[both, only_first], [only_second, 0]], exact=True).pvalue)
    if not both + only_second:
        return {"value": None, "ci95": None, "why": "the classifier that learnt real faces is right on none"} | counts
    interval = paired_ratio_interval(both, only_first, only_second)
    return {"value": (both + only_first) / (both + only_second), "ci95": list(interval)} | counts
