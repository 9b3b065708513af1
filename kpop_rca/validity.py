"""The metric on trial: real faces play the generator, so that what it "drew" is known.

A share of the images of each condition is swapped for other people, conditions are mixed up, training faces are
handed out again, images are blurred. An estimator of identity fidelity should find the truth, and its 95 % interval
should hold it in 95 % of the draws. The images that play the generator are never those that estimate the judge's
confusion.
"""

from collections.abc import Callable, Sequence
from functools import partial
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from scipy.ndimage import gaussian_filter
from scipy.optimize import linear_sum_assignment
from statsmodels.stats.proportion import proportion_confint

from kpop_rca import artifacts, memorisation, oracle, rca
from kpop_rca.errors import StudyError
from kpop_rca.oracle import Faces
from kpop_rca.rca import fidelity
from kpop_rca.resnet import SmallImageResNet

TRUTHS = (0.0, 0.1, 0.3, 0.7, 0.9, 1.0)
ESTIMATORS = ("rca", "chance_corrected", "fidelity")  # those of one number with an interval
NOISE_SDS = (0.0, 10.0, 20.0, 40.0)  # grey levels
LEAST_FOR_CONFUSION = 0.5  # share of a class's images that is left to estimate the judge's confusion
MIXTURE_SHARE = 3  # a mixture asks for at most a third of the rarest class, so that a chance excess still fits
REDRAWS = 1000
WIDEST, WIDEST_OF_A_CLASS = 0.1, 0.2  # of an interval that is worth having: a global figure known to about 0.05
LARGEST_INVERSE = 1e10  # of an entry of C^(-1); a judge that gives such an inverse has none
FORBIDDEN = 1e6  # cost of a swap that must not be; all swaps together are worth less than FORBIDDEN / 1000
UNWANTED = 1e3

Parts = tuple[np.ndarray, np.ndarray]  # indices of the images that play the generator, and of those for the confusion


# --- known mixtures ---


def swap_patterns(real_counts: np.ndarray, groups: Sequence[Sequence[int]]) -> dict[str, np.ndarray]:
    """Who is shown instead of the identity asked for, in three ways that differ in how hard they are to see.

    Args:
        real_counts: (K, K) of the judge on real images, rows true, every row with an image.
        groups: look-alike groups, a partition of the classes; empty where none are known.

    Returns:
        By name, float (K, K), rows asked for, columns shown, zero on the diagonal, rows that sum to 1:
        "anyone" evenly; "a look-alike", one that the judge confuses with it, of the same group where it has others;
        "someone unlike", one that it hardly confuses, of another group where these are large enough. The last two
        are permutations, those of the most and of the least confusion in all, so that everyone stands in for one
        other and the identities shown stay equally frequent.
    """
    n_classes = len(real_counts)
    shares = fidelity.label_shares(real_counts)
    confused = shares + shares.T
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
    """Images of each identity in a mixture: as many as wanted, at most a third of what the rarest identity has.

    Args:
        labels: int (N,), the identity on each real image.
        most: images wanted.

    Raises:
        StudyError: an identity has too few.

    >>> mixture_size(np.repeat([0, 1], [20, 12]), most=10)
    4
    """
    rarest = int(np.bincount(labels).min())
    if rarest < MIXTURE_SHARE:
        raise StudyError(
            f"an identity has {rarest} test faces; known mixtures need {MIXTURE_SHARE} or more, see test_fraction of 02"
        )
    return min(most, rarest // MIXTURE_SHARE)


def draw_mixture(
    labels: np.ndarray,
    truth: float,
    swaps: np.ndarray,
    *,
    n_per_condition: int,
    generator: np.random.Generator,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Real images in the part of a generator that shows whom it was asked for with a known probability.

    Whom each image shows is drawn first, image by image, as a generator does; then that many images of each identity
    are drawn without replacement. All others estimate the judge's confusion, so that the two never share an image and
    both are drawn anew each time.

    Args:
        labels: int (N,), the identity on each real image.
        truth: probability of showing the identity asked for, in [0, 1].
        swaps: float (K, K), whom else, see `swap_patterns`.
        n_per_condition: images asked for, of each identity.
        generator: of the draws.

    Returns:
        Indices of the images that play the generator (K * n_per_condition,), the identities asked for (the same
        length), and the indices of the images left.

    Raises:
        StudyError: too few real images for so many of each condition.
    """
    n_classes = len(swaps)
    available = np.bincount(labels, minlength=n_classes)
    whom = truth * np.eye(n_classes) + (1 - truth) * swaps
    for _ in range(REDRAWS):
        counts = generator.multinomial(n_per_condition, whom)  # (K, K), asked for and shown
        if (counts.sum(axis=0) <= (1 - LEAST_FOR_CONFUSION) * available).all():
            break
    else:
        raise StudyError(
            f"{available.min()} test faces of an identity are too few to mix {n_per_condition} of each; "
            "lower mixture_images of 07"
        )
    shuffled = [generator.permutation(np.flatnonzero(labels == c)) for c in range(n_classes)]
    taken = [np.split(of_class, np.cumsum(counts[:, c])) for c, of_class in enumerate(shuffled)]
    playing = np.concatenate([taken[shown][asked] for asked in range(n_classes) for shown in range(n_classes)])
    left = np.concatenate([of_class[-1] for of_class in taken])
    return playing, np.repeat(np.arange(n_classes), n_per_condition), left


def _resampled(counts: np.ndarray, n_replicates: int, *, generator: np.random.Generator) -> np.ndarray:
    """float (B, K, K): each row drawn again from its own shares, as `rca.resampled_counts` does for one judge."""
    sizes = counts.sum(axis=1)
    return generator.multinomial(sizes, counts / sizes[:, None], size=(n_replicates, len(counts))).astype(float)


def _inverses(real_shares: np.ndarray) -> np.ndarray:
    """C^(-1) of a stack, NaN where there is none.

    Singular values would tell where, and take most of the time; small inverses show that there is no need to ask.
    """
    try:
        inverse = np.linalg.inv(real_shares)
        if np.abs(inverse).max() < LARGEST_INVERSE:
            return inverse
    except np.linalg.LinAlgError:
        pass
    invertible = (np.linalg.cond(real_shares) < LARGEST_INVERSE)[..., None, None]
    return np.where(invertible, np.linalg.inv(np.where(invertible, real_shares, np.eye(real_shares.shape[-1]))), np.nan)


def _statistics(real_counts: np.ndarray, generated_counts: np.ndarray) -> dict[str, np.ndarray]:
    """`rca.bootstrap.statistics`, but for macro RCA, in half the time: there are millions of tables here."""
    real, generated = fidelity.label_shares(real_counts), fidelity.label_shares(generated_counts)
    chance = 1 / real.shape[-1]
    accuracy_real, accuracy_generated = (
        np.trace(c, axis1=-2, axis2=-1) / c.sum(axis=(-2, -1)) for c in (real_counts, generated_counts)
    )
    recall_real, recall_generated = (np.diagonal(part, axis1=-2, axis2=-1) for part in (real, generated))
    class_fidelity = np.einsum("...cj,...jc->...c", generated, _inverses(real))  # the diagonal of Q C^(-1)
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio, class_ratio = accuracy_generated / accuracy_real, recall_generated / recall_real
        corrected = (accuracy_generated - chance) / (accuracy_real - chance)
    return {
        "rca": np.where(accuracy_real > 0, ratio, np.nan),
        "chance_corrected": np.where(accuracy_real > chance, corrected, np.nan),
        "fidelity": class_fidelity.mean(axis=-1),
        "class_rca": np.where(recall_real > 0, class_ratio, np.nan),
        "class_fidelity": class_fidelity,
    }


def _refusing(found: dict[str, np.ndarray], real_counts: np.ndarray) -> dict[str, np.ndarray]:
    """The same without identity fidelity where `rca.identity_fidelity` would refuse the judge."""
    if rca.condition_number(real_counts) <= fidelity.LARGEST_CONDITION:
        return found
    return found | {name: np.full_like(found[name], np.nan) for name in ("fidelity", "class_fidelity")}


def estimate(
    real_counts: np.ndarray, generated_counts: np.ndarray, *, n_replicates: int, generator: np.random.Generator
) -> dict[str, tuple[np.ndarray, np.ndarray, np.ndarray]]:
    """RCA, the chance-corrected ratio and identity fidelity, each with its percentile bootstrap interval.

    Args:
        real_counts: (K, K), rows true, every row with an image.
        generated_counts: (K, K), rows asked for, every row with an image.
        n_replicates: B of the bootstrap over both.
        generator: of the bootstrap.

    Returns:
        By estimator (ESTIMATORS and "class_fidelity"): value, low, high, numbers, or (K,) for the last. NaN where
        there is no value, for fidelity where the judge is too poor to be inverted (`fidelity.LARGEST_CONDITION`).

    >>> found = estimate(np.array([[80, 20], [20, 80]]), np.array([[50, 50], [50, 50]]), n_replicates=500,
    ...     generator=np.random.default_rng(0))
    >>> {name: round(float(found[name][0]), 3) for name in ESTIMATORS}  # a generator that ignores the class
    {'rca': 0.625, 'chance_corrected': 0.0, 'fidelity': 0.5}
    """
    resampled = [_resampled(c, n_replicates, generator=generator) for c in (real_counts, generated_counts)]
    values = _refusing(_statistics(real_counts, generated_counts), real_counts)
    replicates = _refusing(_statistics(*resampled), real_counts)
    names = (*ESTIMATORS, "class_fidelity")
    limits = rca.intervals(np.column_stack([replicates[name] for name in names]))
    low, high = ({**dict(zip(ESTIMATORS, side[:3], strict=True)), "class_fidelity": side[3:]} for side in limits)
    return {name: (values[name], low[name], high[name]) for name in names}


def target(estimator: str, truth: float, n_classes: int) -> float:
    """What an estimator should say: the truth, for the chance-corrected ratio on its scale, whose 0 is chance.

    >>> target("fidelity", 0.1, 10), target("chance_corrected", 0.1, 10), target("chance_corrected", 1.0, 10)
    (0.1, 0.0, 1.0)
    """
    chance = 1 / n_classes
    return (truth - chance) / (1 - chance) if estimator == "chance_corrected" else truth


def _counts(labels: np.ndarray, judged: np.ndarray, n_classes: int) -> np.ndarray:
    """`rca.confusion_counts` without its checks, which take most of its time, for thousands of draws."""
    return np.bincount(labels * n_classes + judged, minlength=n_classes**2).reshape(n_classes, n_classes)


def _rows(
    found: dict[str, tuple], truth: float, n_classes: int, names: Sequence[str] = ESTIMATORS, **what: Any
) -> list[dict[str, Any]]:
    """What `estimate` found as rows: what, estimator, truth, target, value, low, high, held."""
    rows = []
    for name in names:
        value, low, high = found[name]
        aim = target(name, truth, n_classes)
        held = np.mean((low <= aim) & (aim <= high))  # of the classes, where there is an interval for each
        numbers = {"value": value, "low": low, "high": high} if np.ndim(value) == 0 else {"value": np.mean(value)}
        numbers = {key: float(number) for key, number in numbers.items()}
        rows.append(what | {"estimator": name, "truth": truth, "target": aim} | numbers | {"held": float(held)})
    return rows


def mixture_trial(
    labels: np.ndarray,
    judged: np.ndarray,
    patterns: dict[str, np.ndarray],
    *,
    truths: Sequence[float] = TRUTHS,
    n_draws: int,
    n_per_condition: int,
    n_replicates: int,
    generator: np.random.Generator,
    progress: Callable = iter,
) -> pd.DataFrame:
    """Every estimator on the same draws of known mixtures.

    Args:
        labels: int (N,), identities on the real test images.
        judged: int (N,), what the judge says of them.
        patterns: by name, float (K, K), see `swap_patterns`.
        truths: probabilities of showing the identity asked for.
        n_draws: of mixtures at each truth and pattern.
        n_per_condition: images asked for, of each identity.
        n_replicates: B of the bootstrap in each draw.
        generator: of everything.
        progress: wraps the pairs of a pattern and a truth, `tqdm` for example.

    Returns:
        One row a draw and estimator: pattern, draw, estimator (ESTIMATORS, class_fidelity, simplex), truth, target
        (see `target`), value, low, high, and held, whether the interval holds the target; for class_fidelity, of
        which value is the mean, the share of the classes whose intervals do. "simplex" has no interval: a
        constrained solution for each of the replicates would take hours, for a worse number.
    """
    n_classes, rows = len(next(iter(patterns.values()))), []
    for (pattern, swaps), truth in progress(list(product(patterns.items(), truths))):
        for draw in range(n_draws):
            playing, asked, left = draw_mixture(
                labels, truth, swaps, n_per_condition=n_per_condition, generator=generator
            )
            real, generated = _counts(labels[left], judged[left], n_classes), _counts(asked, judged[playing], n_classes)
            found = estimate(real, generated, n_replicates=n_replicates, generator=generator)
            what = {"pattern": pattern, "draw": draw}
            rows += _rows(found, truth, n_classes, (*ESTIMATORS, "class_fidelity"), **what)
            nearest = fidelity.nearest_on_simplex(*map(fidelity.label_shares, (real, generated)))
            value = float(np.diag(nearest).mean())
            rows.append(what | {"estimator": "simplex", "truth": truth, "target": truth, "value": value})
    return pd.DataFrame(rows)


def trial_summary(trial: pd.DataFrame, by: Sequence[str] = ("truth", "estimator")) -> pd.DataFrame:
    """How each estimator did: bias, spread, and how often its interval held the target.

    Args:
        trial: from `mixture_trial`.
        by: columns to group by.

    Returns:
        One row a group: n_draws, n_undefined (draws without a value, left out of bias and sd), bias (mean of value -
        target), bias_low and bias_high (95 % of the mean over the draws), sd, and coverage with coverage_low and
        coverage_high (Wilson 95 %; for class_fidelity as if the classes of a draw were one, which is too wide); NaN
        for an estimator without an interval.
    """
    groups = trial.assign(error=trial["value"] - trial["target"]).groupby(list(by), sort=False)
    n, half = groups["error"].count(), 1.96 * groups["error"].std() / np.sqrt(groups["error"].count())
    found = pd.DataFrame({"n_draws": groups.size(), "n_undefined": groups.size() - n, "bias": groups["error"].mean()})
    found["bias_low"], found["bias_high"] = found["bias"] - half, found["bias"] + half
    found["sd"], found["coverage"] = groups["error"].std(), groups["held"].mean()
    held, tried = groups["held"].sum(), groups["held"].count()
    low, high = proportion_confint(held, tried.clip(lower=1), method="wilson")
    found["coverage_low"], found["coverage_high"] = low.where(tried > 0), high.where(tried > 0)
    return found.reset_index()


# --- broken generators ---


def most_confused(real_counts: np.ndarray) -> tuple[int, int]:
    """The two classes that the judge confuses most, both ways together; the first two if it never errs.

    >>> most_confused(np.array([[9, 1, 0], [0, 7, 3], [0, 2, 8]]))
    (1, 2)
    """
    shares = fidelity.label_shares(real_counts)
    confused = np.triu(shares + shares.T + 1, k=1)  # the one keeps pairs without an error above the lower half
    return tuple(int(c) for c in np.unravel_index(confused.argmax(), confused.shape))


def halves(labels: np.ndarray, *, generator: np.random.Generator) -> Parts:
    """A random half of the images, equally many of every identity, to play the generator; the rest for the confusion.

    Args:
        labels: int (N,).
        generator: of the draw.

    Returns:
        Indices of either part, each sorted by identity. The first holds half of what the rarest identity has, of
        every identity: a generator is asked for each equally often.

    Raises:
        StudyError: an identity with a single image.
    """
    n_playing = int(np.bincount(labels).min()) // 2
    if not n_playing:
        raise StudyError("an identity has fewer than two test faces, too few to halve; see test_fraction of 02")
    members = [generator.permutation(np.flatnonzero(labels == label)) for label in range(labels.max() + 1)]
    return tuple(np.concatenate(part) for part in zip(*(np.split(m, [n_playing]) for m in members), strict=True))


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
        parts: from `halves`.
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
        found = estimate(real, generated, n_replicates=n_replicates, generator=generator)
        rows += _rows(found, truth, n_classes, broken=name)
    return pd.DataFrame(rows)


def blind_by_judge(answers: pd.DataFrame, *, parts: Parts) -> pd.DataFrame:
    """What each estimator says under every judge of a generator that ignores the class, without its luck.

    Every image is shown for every condition, so that all rows of the judge's counts are one and the same, and what is
    left is the estimator's own zero.

    Args:
        answers: long table of the judges on the real test images, from `judging.load_answers`.
        parts: from `halves`.

    Returns:
        One row a judge: judge, trained_on, accuracy_real, rca, chance_corrected, fidelity. The last has no value
        where the judge can't be inverted.
    """
    rows = []
    for name, said in answers.groupby("judge", sort=False):
        labels, judged = (said.sort_values("image")[column].to_numpy() for column in ("label", "judged"))
        n_classes = int(labels.max()) + 1
        playing, left = (rca.confusion_counts(labels[part], judged[part], n_classes) for part in parts)
        found = _refusing(_statistics(left, np.tile(playing.sum(axis=0), (n_classes, 1))), left)
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
        counts = rca.confusion_counts(labels, _judged(judge, images), len(real_counts))
        found = estimate(real_counts, counts, n_replicates=n_replicates, generator=generator)
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


# --- images that are harder to judge than real faces ---


def blurred(images: np.ndarray, sigma: float) -> np.ndarray:
    """Images blurred by a Gaussian, borders mirrored.

    Args:
        images: uint8 (N, H, W, 3).
        sigma: pixels; 0 leaves them as they are.

    Returns:
        uint8 (N, H, W, 3).
    """
    soft = gaussian_filter(images.astype(np.float32), sigma=(0, sigma, sigma, 0), mode="reflect")
    return np.rint(soft).clip(0, 255).astype(np.uint8)


def noised(images: np.ndarray, sd: float, *, generator: np.random.Generator) -> np.ndarray:
    """Images with independent Gaussian noise on every value.

    Args:
        images: uint8 (N, H, W, 3).
        sd: grey levels; 0 leaves them as they are.
        generator: of the noise.

    Returns:
        uint8 (N, H, W, 3).
    """
    noise = generator.normal(scale=sd, size=images.shape)
    return np.rint(images + noise).clip(0, 255).astype(np.uint8)


def middle(levels: Sequence[float]) -> float:
    """The level at which a judge is trained again: the middle one, the higher of two.

    >>> middle([0.0, 0.5, 1.0, 1.5])
    1.0
    """
    return sorted(levels)[len(levels) // 2]


def retrained_on_blurred(
    splits: dict[str, Faces],
    sigma: float,
    *,
    like: Path,
    seed: int,
    folder: Path,
    device: torch.device,
    bar: Callable,
) -> SmallImageResNet:
    """A judge trained like the selected one, on the same faces blurred, unless an interrupted run already had.

    Args:
        splits: "train", "judge" (may be empty), "validation" and "test", each uint8 (N, H, W, 3) and int64 (N,).
        sigma: of the blur, pixels.
        like: folder of the selected judge.
        seed: of the study, by which the selected judge's faces were drawn.
        folder: for the new one.
        device: to train on.
        bar: wraps the epochs.

    Returns:
        The judge, in evaluation mode.
    """
    about = artifacts.read_json(like / "about.json")
    own = {"train": oracle.learning_faces(splits, seed=seed)[about["trained_on"]]}
    own |= {name: splits[name] for name in ("validation", "test")}
    oracle.train_or_load(
        about["architecture"],
        {name: (blurred(images, sigma), labels) for name, (images, labels) in own.items()},
        recipe=oracle.Recipe(**about["recipe"]),
        folder=folder,
        device=device,
        bar=bar,
        notes={"trained_on": about["trained_on"], "blur": sigma},
    )
    return oracle.load_judge(folder, device)


def _judged(judge: SmallImageResNet, images: np.ndarray) -> np.ndarray:
    return oracle.judge_images(judge, images)[0].argmax(1)


def _part_counts(labels: np.ndarray, judged: np.ndarray, part: np.ndarray, *, n_classes: int) -> np.ndarray:
    return rca.confusion_counts(labels[part], judged[part], n_classes)


def degradation_trial(
    test: Faces,
    judge: SmallImageResNet,
    *,
    parts: Parts,
    blur_sigmas: Sequence[float],
    noise_sds: Sequence[float],
    retrained: tuple[SmallImageResNet, float],
    n_replicates: int,
    generator: np.random.Generator,
) -> pd.DataFrame:
    """A generator that draws the right people (truth 1), but blurred or with noise; and what repairs the estimators.

    The estimators take the judge to err on generated images as on real ones of the same person. Here it does not.

    Args:
        test: real test faces, uint8 (N, H, W, 3) and int64 (N,).
        judge: in evaluation mode.
        parts: from `halves`: the first half plays the generator, the other estimates the judge's confusion.
        blur_sigmas: pixels.
        noise_sds: grey levels.
        retrained: from `retrained_on_blurred`, and its sigma.
        n_replicates: B.
        generator: of noise and bootstrap.

    Returns:
        One row a kind ("blur", "noise"), level, remedy and estimator, with truth, target, value, low, high, held.
        Remedies: "none", confusion from real faces as they are; "confusion", from real faces degraded alike; "judge"
        (blur alone), confusion by the retrained judge from real faces blurred as those it was trained on.
    """
    images, labels = test
    playing, left = parts
    n_classes, rows = int(labels.max()) + 1, []

    confusion = partial(_part_counts, labels, n_classes=n_classes)
    as_they_are = confusion(_judged(judge, images), left)
    at_home = confusion(_judged(retrained[0], blurred(images, retrained[1])), left)
    for kind, level in [*product(["blur"], blur_sigmas), *product(["noise"], noise_sds)]:
        degraded = blurred(images, level) if kind == "blur" else noised(images, level, generator=generator)
        said = _judged(judge, degraded)
        trials = {"none": (as_they_are, said), "confusion": (confusion(said, left), said)}
        if kind == "blur":
            trials["judge"] = (at_home, _judged(retrained[0], degraded))
        for remedy, (real, judged) in trials.items():
            found = estimate(real, confusion(judged, playing), n_replicates=n_replicates, generator=generator)
            rows += _rows(found, 1.0, n_classes, kind=kind, level=level, remedy=remedy)
    return pd.DataFrame(rows)


# --- how many images are enough ---


def interval_widths(
    real_counts: np.ndarray,
    generated_counts: np.ndarray,
    *,
    n_real: Sequence[int],
    n_generated: Sequence[int],
    n_replicates: int,
    generator: np.random.Generator,
) -> pd.DataFrame:
    """How wide the 95 % intervals would be with other numbers of images, were the shares as they were found.

    Args:
        real_counts: (K, K), rows true: the shares to draw from.
        generated_counts: (K, K), rows asked for.
        n_real: numbers of real images of each identity to try.
        n_generated: numbers of generated images of each identity to try.
        n_replicates: B.
        generator: of the parametric bootstrap.

    Returns:
        One row a pair of numbers: n_real, n_generated (of each identity), rca and fidelity (widths of the interval of
        the global figure), class_rca and class_fidelity (median width over the classes that have one). NaN where
        there is none: a judge that can't be inverted, or not from so few real images.
    """
    shares = [fidelity.label_shares(c) for c in (real_counts, generated_counts)]
    rows = []
    for sizes in product(n_real, n_generated):
        drawn = [
            generator.multinomial(n, share, size=(n_replicates, len(share))).astype(float)
            for n, share in zip(sizes, shares, strict=True)
        ]
        found = _refusing(_statistics(*drawn), np.asarray(real_counts))
        row = dict(zip(("n_real", "n_generated"), sizes, strict=True))
        for name in ("rca", "fidelity", "class_rca", "class_fidelity"):
            low, high = rca.intervals(found[name])
            row[name] = float(pd.Series(np.atleast_1d(high - low)).median())  # leaves out NaN
        rows.append(row)
    return pd.DataFrame(rows)


def balanced_generated(real_counts: np.ndarray, generated_counts: np.ndarray) -> dict[str, float]:
    """From how many generated images on the real ones are what limits the interval of the global RCA.

        var(log RCA) = (1 - a_g) / (n_g a_g) + (1 - a_r) / (n_r a_r),    a accuracies, n numbers of images

    At the n_g that makes the two terms equal, the interval is sqrt(2) times as wide as with endless generated images;
    at ten times as many it is 5 % wider. Half an image is added to those judged right and to those judged wrong, so
    that a judge without an error has a variance too.

    Args:
        real_counts: (K, K).
        generated_counts: (K, K).

    Returns:
        n_real and n_generated of the study, n_equal (the terms are equal) and n_enough (ten times that).

    Source: Katz et al. (1978); the added halves, Haldane (1956).

    >>> found = balanced_generated([[8, 2], [2, 8]], [[40, 60], [60, 40]])
    >>> {name: round(n) for name, n in found.items()}  # 20 (120.5 / 80.5) / (4.5 / 16.5)
    {'n_real': 20, 'n_generated': 200, 'n_equal': 110, 'n_enough': 1098}
    """
    sizes, odds_against = {}, {}
    for name, counts in (("n_real", np.asarray(real_counts)), ("n_generated", np.asarray(generated_counts))):
        right = np.trace(counts)
        sizes[name] = int(counts.sum())
        odds_against[name] = (counts.sum() - right + 0.5) / (right + 0.5)
    n_equal = sizes["n_real"] * odds_against["n_generated"] / odds_against["n_real"]
    return sizes | {"n_equal": float(n_equal), "n_enough": float(10 * n_equal)}


def _fewest(widths: pd.DataFrame, names: Sequence[str], widest: float) -> str:
    """The smallest number of generated images tried at which all intervals that there are are narrow enough."""
    narrow = ~(widths[list(names)] > widest).any(axis=1)
    if not narrow.any():
        return f"only with more real faces, since {widths['n_generated'].max()} generated ones do not suffice"
    return f"from {widths.loc[narrow, 'n_generated'].min()} generated ones on"


def recommendation(real_counts: np.ndarray, generated_counts: np.ndarray, widths: pd.DataFrame) -> str:
    """How many images to generate with as many real faces as the study has, and why no more.

    Args:
        real_counts: (K, K) of the study.
        generated_counts: (K, K) of the study.
        widths: from `interval_widths`.

    Returns:
        Two sentences: what WIDEST and WIDEST_OF_A_CLASS need, by the widths, and what limits the interval, by
        `balanced_generated`.
    """
    n_classes, found = len(real_counts), balanced_generated(real_counts, generated_counts)
    real, drawn, equal, enough = (found[k] / n_classes for k in ("n_real", "n_generated", "n_equal", "n_enough"))
    nearest = min(widths["n_real"], key=lambda n: abs(np.log(n / real)))
    tried = widths[widths["n_real"] == nearest]
    whole = _fewest(tried, ("rca", "fidelity"), WIDEST)
    single = _fewest(tried, ("class_rca", "class_fidelity"), WIDEST_OF_A_CLASS)
    return (
        f"Of the numbers tried, with {nearest} real test faces of each identity (the study has {real:.0f}), global RCA "
        f"and fidelity get intervals no wider than {WIDEST:g} {whole}, and those of a class no wider than "
        f"{WIDEST_OF_A_CLASS:g} {single}; the study has {drawn:.0f} of each. Up to "
        f"{equal:.0f} of each the generated images are what limits the interval of RCA, beyond that the real faces; "
        f"from {enough:.0f} on, further ones narrow it by less than 5 %."
    )
