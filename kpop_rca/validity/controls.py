"""Trials on controls: the estimators on generators whose truth is known, and on copiers."""

import numpy as np
import pandas as pd
from scipy.stats import norm

from kpop_rca import rca
from kpop_rca.controls import control_conditions
from kpop_rca.image_metrics import memorisation
from kpop_rca.oracles import training
from kpop_rca.oracles.candidates import Faces, capped
from kpop_rca.oracles.resnet import SmallImageResNet
from kpop_rca.rca.estimators import ESTIMATORS, TITLES, estimate, values
from kpop_rca.validity.estimators import Parts, halves, trial_rows
from kpop_rca.validity.mixtures import trial_summary

COPIED = (1.0, 0.12)  # fractions of the images that a copier copies
SCARCE = 49 / 850  # held-out faces for each training face, as the paper's split leaves them


def control_trial(
    labels: np.ndarray,
    predicted: np.ndarray,
    *,
    parts: Parts,
    pair: tuple[int, int],
    n_replicates: int,
    generator: np.random.Generator,
) -> pd.DataFrame:
    """Every estimator on the generators of `control_conditions`.

    Args:
        labels: int (N,), identities on the real test images.
        predicted: int (N,), the oracle's predictions.
        parts: from `halves`.
        pair: the two classes to be swapped.

    Returns:
        One row per control and estimator: control, and the columns of `trial_rows`.
    """
    playing, left = parts
    n_classes = int(labels.max()) + 1
    real = rca.confusion_counts(labels[left], predicted[left], n_classes)
    rows = []
    for name, (shown, requested, truth) in control_conditions(labels[playing], pair, generator=generator).items():
        generated = rca.confusion_counts(requested, predicted[playing][shown], n_classes)
        found = estimate(real, generated, n_replicates=n_replicates, generator=generator)
        rows += trial_rows(found, truth, n_classes, control=name)
    return pd.DataFrame(rows)


def swapped_pair_coverage(
    labels: np.ndarray,
    predicted: np.ndarray,
    *,
    pair: tuple[int, int],
    n_draws: int,
    n_replicates: int,
    generator: np.random.Generator,
) -> pd.DataFrame:
    """How often each interval covers the truth of the generator that swaps two people, over many halvings.

    Args:
        labels: int (N,), identities on the real test images.
        predicted: int (N,), the oracle's predictions.
        pair: the two classes to be swapped.

    Returns:
        `trial_summary` by estimator, and sd_assumed: the standard deviation that the width of the interval would have
        if it were normal. An interval is too wide where that is more than sd.
    """
    n_classes, rows = int(labels.max()) + 1, []
    for draw in range(n_draws):
        playing, left = halves(labels, generator=generator)
        real = rca.confusion_counts(labels[left], predicted[left], n_classes)
        _, requested, truth = control_conditions(labels[playing], pair, generator=generator)["swapped pair"]
        generated = rca.confusion_counts(requested, predicted[playing], n_classes)
        found = estimate(real, generated, n_replicates=n_replicates, generator=generator)
        rows += trial_rows(found, truth, n_classes, draw=draw)
    summary = trial_summary(pd.DataFrame(rows), by=["estimator"])
    return summary.assign(sd_assumed=summary["width"] / (2 * norm.isf((1 - rca.CONFIDENCE) / 2)))


def about_swapped_pair(coverage: pd.DataFrame) -> list[str]:
    """Why each interval covers the truth as often as it does: its bias, and its width beside the scatter of values."""
    said = []
    for row in coverage.itertuples():
        title = TITLES[row.estimator]
        found = (
            f"bias {row.bias:+.3f}, standard deviation {row.sd:.3f}, where the interval assumes {row.sd_assumed:.3f}"
        )
        said.append(
            f"{title[0].upper()}{title[1:]}: the 95 % interval covers the truth in {row.coverage:.0%} of {row.n_draws} "
            f"draws; {found}."
        )
    return said


def class_blind_by_oracle(predictions: pd.DataFrame, *, parts: Parts) -> pd.DataFrame:
    """Every estimator of a generator that ignores the class, under each oracle and without sampling noise.

    Every image is shown for every condition, so all rows of the counts are the same: the estimator's own zero is left.

    Args:
        predictions: of the oracles on the real test images, from `oracles.load_predictions`.
        parts: from `halves`.

    Returns:
        One row per oracle: oracle, trained_on, accuracy_real, and ESTIMATORS; NaN where the oracle can't be inverted.
    """
    rows = []
    for name, part in predictions.groupby("oracle", sort=False):
        labels, predicted = (part.sort_values("image")[column].to_numpy() for column in ("label", "predicted"))
        n_classes = int(labels.max()) + 1
        playing, left = (rca.confusion_counts(labels[half], predicted[half], n_classes) for half in parts)
        found = values(left, np.tile(playing.sum(axis=0), (n_classes, 1)))
        about = {"oracle": name, "trained_on": part["trained_on"].iloc[0], "accuracy_real": rca.accuracy(left)}
        rows.append(about | {estimator: float(found[estimator]) for estimator in ESTIMATORS})
    return pd.DataFrame(rows)


def copy_trial(
    suspects: dict[str, Faces],
    oracle: SmallImageResNet,
    real_counts: np.ndarray,
    *,
    train: Faces,
    held_out: Faces,
    n_replicates: int,
    generator: np.random.Generator,
) -> pd.DataFrame:
    """The estimators, and the search for copies, on generators that output real faces.

    Args:
        suspects: by name, images and the requested identities, all of which they show.
        oracle: in evaluation mode.
        real_counts: (K, K) of the oracle on `held_out`.
        train: faces that the generator was trained on.
        held_out: real faces that it was not trained on, and none of the suspects.

    Returns:
        One row per suspect: suspect, n; rca and confusion_corrected_accuracy, each with _low and _high; and on pixels
        fraction_nearer_train, fraction_by_chance, excess, p_fraction, p_ratio and copies, see `memorisation.copying`.
    """
    rows = []
    for name, (images, labels) in suspects.items():
        predicted = training.predict(oracle, images)[0].argmax(axis=1)
        counts = rca.confusion_counts(labels, predicted, len(real_counts))
        found = estimate(real_counts, counts, n_replicates=n_replicates, generator=generator)
        row = {"suspect": name, "n": len(labels)}
        for estimator in ("rca", "confusion_corrected_accuracy"):
            keys = (estimator, f"{estimator}_low", f"{estimator}_high")
            row |= dict(zip(keys, map(float, found[estimator]), strict=True))
        search = _searched(memorisation.views(images), train, held_out, generator=generator)
        shown = ("fraction_nearer_train", "fraction_by_chance", "excess", "p_fraction", "p_ratio", "copies")
        rows.append(row | {key: search[key] for key in shown})
    return pd.DataFrame(rows)


def _searched(views: np.ndarray, train: Faces, held_out: Faces, *, generator: np.random.Generator) -> dict:
    known = [memorisation.views(images)[0] for images, _ in (train, held_out)]
    return memorisation.copying(
        views,
        *known,
        labels=(train[1], held_out[1]),
        features="pixels",
        features_saw_training=False,
        generator=generator,
    )


def disguise_trial(
    copies: dict[str, np.ndarray], new: np.ndarray, *, train: Faces, held_out: Faces, generator: np.random.Generator
) -> pd.DataFrame:
    """The search for copies on copiers and on an honest generator, with many and with few held-out faces.

    Args:
        copies: from `controls.disguised`, in random order.
        new: real faces that are no training faces: an honest generator's, and those among which a copier that copies a
            part of the time hides its copies.
        train: faces that the generators were trained on.
        held_out: real faces that they were not trained on, and none of `new`.

    Returns:
        One row for each number of held-out faces and generator: n_train, n_held_out, copies, copied (one of COPIED, or
        0), n; excess, contrast, p_fraction, p_ratio and found, see `memorisation.copying`. With few held-out faces
        these are SCARCE of the training faces of each identity, one at least.
    """
    few = np.maximum(1, np.rint(SCARCE * np.bincount(train[1]))).astype(int)
    honest = memorisation.views(new)
    suspects = {("none", 0.0): honest}
    for name, images in copies.items():
        copied_views = memorisation.views(images)
        for copied in COPIED:
            n_new = min(len(new), round(len(images) * (1 - copied) / copied))
            n_copies = round(n_new * copied / (1 - copied)) if n_new else len(images)
            suspects[name, copied] = np.concatenate([copied_views[:, :n_copies], honest[:, :n_new]], axis=1)
    rows = []
    for known in (held_out, capped(held_out, few, generator=generator)):
        for (name, copied), views in suspects.items():
            search = _searched(views, train, known, generator=generator)
            about = {"n_train": search["n_train"], "n_held_out": search["n_held_out"], "copies": name, "copied": copied}
            shown = {key: search[key] for key in ("excess", "contrast", "p_fraction", "p_ratio")}
            rows.append(about | {"n": views.shape[1]} | shown | {"found": search["copies"]})
    return pd.DataFrame(rows)
