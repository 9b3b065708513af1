"""Does a cascade's second stage bring identity back? Faces enlarged every way, and whom oracles see on them."""

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from diffusers import DDPMScheduler, UNet2DModel

from kpop_rca import rca
from kpop_rca.diffusion import cascade, unet
from kpop_rca.errors import StudyError
from kpop_rca.image_metrics.full_reference import cosine_distance, full_reference
from kpop_rca.oracles import centroids, embeddings, own_resnet, training
from kpop_rca.oracles.candidates import Faces, oracle_seed
from kpop_rca.oracles.resnet import SmallImageResNet
from kpop_rca.system import files

Oracles = dict[str, Callable[[np.ndarray], np.ndarray]]  # by name: from uint8 (n, H, W, 3) to identities, int (n,)

TRUTH, BICUBIC, REGRESSION, DIFFUSION = "truth", "bicubic", "regression", "diffusion"
NO_LABEL, SWAPPED = "diffusion, no label", "diffusion, swapped label"
REAL, GENERATED = "real", "generated"
PLAIN = (TRUTH, BICUBIC, REGRESSION, DIFFUSION)  # methods that the slower oracle looks at, at level 0
FACE_NETWORK = "dlib"
DIFFUSION_GAIN, REGRESSION_GAIN = 1.5, 3.0  # dB of PSNR above bicubic's, targets
CPU_MINUTES = 3.0  # of either training, a target
FEATURE_RATIO = 0.65  # of the distance of features to bicubic's, a target
SUMMARY = "cascade.json"


@dataclass(frozen=True)
class Enlarged:
    """Faces of twice the side.

    Attributes:
        faces: REAL or GENERATED.
        method: TRUTH, one of `cascade.FILTERS`, REGRESSION, DIFFUSION, NO_LABEL or SWAPPED.
        level: of conditioning augmentation.
        images: uint8 (N, H, W, 3).
        labels: int64 (N,), the identity shown or requested.
    """

    faces: str
    method: str
    level: float
    images: np.ndarray
    labels: np.ndarray


def oracle_of_large_faces(
    splits: dict[str, Faces],
    architecture: str,
    *,
    epochs: int,
    seed: int,
    folder: Path,
    device: torch.device,
    bar: Callable,
) -> SmallImageResNet:
    """An oracle trained on large faces that the generator has not seen, unless an interrupted run already had.

    Args:
        splits: "train", "oracle" (where empty, the oracle is trained on the generator's faces, as in 04), "validation"
            and "test", each uint8 (N, H, W, 3) and int64 (N,).
        architecture: a key of `resnet.LEVELS`.
        seed: of the study.
    """
    trained_on = "oracle" if len(splits["oracle"][1]) else "train"
    one = training.Training(
        architecture,
        splits | {"train": splits[trained_on]},
        recipe=replace(own_resnet.RECIPE, epochs=epochs, seed=oracle_seed(seed, 0)),
        folder=folder,
        notes={"seed": 0, "trained_on": trained_on},
    )
    training.train_side_by_side([one], device=device, bar=bar)
    return training.load_oracle(folder, device)


def enlarged_every_way(
    small: Faces,
    *,
    faces: str,
    models: dict[str, tuple[UNet2DModel, DDPMScheduler]],
    levels: Sequence[float],
    **how: object,
) -> list[Enlarged]:
    """Small faces, uint8 (N, H, W, 3) and int64 (N,), by every method.

    Args:
        faces: REAL or GENERATED.
        models: DIFFUSION and REGRESSION, each from `load_trained`.
        levels: of conditioning augmentation; 0 in any case.
        how: for `cascade.super_resolve`.
    """
    images, labels = small
    none = unet.no_class(models[DIFFUSION][0])
    by_stage = partial(cascade.super_resolve, *models[DIFFUSION], images, **how)
    made = {(name, 0.0): cascade.enlarged_by(name, images) for name in cascade.FILTERS}
    made[REGRESSION, 0.0] = cascade.regress(models[REGRESSION][0], images, labels)
    made |= {(DIFFUSION, level): by_stage(labels, level=level) for level in dict.fromkeys([0.0, *levels])}
    for level in dict.fromkeys([0.0, max(levels)]):
        made[NO_LABEL, level] = by_stage(np.full_like(labels, none), level=level)
        made[SWAPPED, level] = by_stage(swapped(labels, none), level=level)
    return [Enlarged(faces, *key, found, labels) for key, found in made.items()]


def swapped(labels: np.ndarray, n_classes: int) -> np.ndarray:
    """Everybody's label replaced by that of the next identity, the last one's by the first's."""
    return (labels + 1) % n_classes


def fidelity(made: Iterable[Enlarged], oracle: SmallImageResNet) -> pd.DataFrame:
    """How near real faces are to the true ones, by every method and at every level.

    Args:
        made: of real faces, the truth among them.
        oracle: whose features are compared.

    Returns:
        method, level, n, psnr, ssim, lpips, feature_distance (means over the faces), and feature_ratio, relative to
        bicubic's.
    """
    of_real = [one for one in made if one.faces == REAL]
    truth = next(one.images for one in of_real if one.method == TRUTH)
    of_truth, rows = training.predict(oracle, truth)[1], []
    for one in of_real:
        if one.method != TRUTH:
            distances = cosine_distance(training.predict(oracle, one.images)[1], of_truth)
            row = {"method": one.method, "level": one.level, "n": len(truth)}
            measured = full_reference(one.images, truth).mean()
            rows.append(row | dict(measured) | {"feature_distance": distances.mean()})
    table = pd.DataFrame(rows)
    of_bicubic = table.loc[table["method"] == BICUBIC, "feature_distance"].iloc[0]
    return table.assign(feature_ratio=table["feature_distance"] / of_bicubic)


def fidelity_targets(table: pd.DataFrame, cpu_seconds: Mapping[str, float]) -> pd.DataFrame:
    """What a second stage should reach on real faces at level 0, and in which time: target, value, is, threshold, met.

    Args:
        table: from `fidelity`.
        cpu_seconds: of the training of DIFFUSION and REGRESSION.
    """
    clean = table[table["level"] == 0].set_index("method")
    gain = clean["psnr"] - clean.loc[BICUBIC, "psnr"]
    ratio = clean.loc[DIFFUSION, "feature_ratio"]
    rows = [
        ("PSNR of diffusion above bicubic's, dB", gain[DIFFUSION], "at least", DIFFUSION_GAIN),
        ("PSNR of the regression above bicubic's, dB", gain[REGRESSION], "at least", REGRESSION_GAIN),
        ("feature distance of diffusion, relative to bicubic's", ratio, "at most", FEATURE_RATIO),
        *((f"CPU-minutes to train the {name}", of / 60, "at most", CPU_MINUTES) for name, of in cpu_seconds.items()),
    ]
    found = pd.DataFrame(rows, columns=["target", "value", "is", "threshold"])
    reached = np.where(
        found["is"] == "at least", found["value"] >= found["threshold"], found["value"] <= found["threshold"]
    )
    return found.assign(met=reached)


def classifier(oracle: SmallImageResNet) -> Callable[[np.ndarray], np.ndarray]:
    """What predicts the identity, int (n,), of uint8 (n, H, W, 3)."""
    return lambda images: training.predict(oracle, images)[0].argmax(axis=1)


def face_network(gallery: Faces, *, margin: float) -> tuple[Oracles, str]:
    """The pretrained face network as another oracle, by its name; where it cannot be used, none, and the reason.

    Args:
        gallery: large faces by which it knows the identities.
        margin: of the crops, see `images.crop_square`.
    """
    try:
        embedding = embeddings.open_embedding(FACE_NETWORK)
    except StudyError as error:
        return {}, str(error)
    return {FACE_NETWORK: centroids.nearest_centroid(embedding, *gallery, margin=margin)}, ""


def recognised(oracles: Oracles, made: Sequence[Enlarged], *, slower: Oracles) -> pd.DataFrame:
    """Whom oracles see on enlarged faces: oracle, faces, method, level, image, label, predicted.

    Those that are slower look at the PLAIN methods at level 0 alone.
    """
    plain = [one for one in made if one.method in PLAIN and one.level == 0]
    seen = [(name, predict, made) for name, predict in oracles.items()]
    seen += [(name, predict, plain) for name, predict in slower.items()]
    tables = []
    for name, predict, shown in seen:
        for one in shown:
            key = {"oracle": name, "faces": one.faces, "method": one.method, "level": one.level}
            found = {"image": np.arange(len(one.labels)), "label": one.labels, "predicted": predict(one.images)}
            tables.append(pd.DataFrame(key | found))
    return pd.concat(tables, ignore_index=True)


def identity_changes(
    predictions: pd.DataFrame, *, reference: tuple[str, float], n_replicates: int, generator: np.random.Generator
) -> pd.DataFrame:
    """Accuracy of each oracle on each kind of faces by every method, and its change from a reference.

    Args:
        predictions: from `recognised`.
        reference: method and level that the others are compared with, on the same images.

    Returns:
        oracle, faces, method, level, n, accuracy, low, high, change, change_low, change_high and verdict; accuracies
        are macro.
    """
    how, rows = {"n_replicates": n_replicates, "generator": generator}, []
    for (oracle, faces), own in predictions.groupby(["oracle", "faces"], sort=False):
        right = _right(own)
        before, labels = right[reference].to_numpy(), _labels(own)
        for (method, level), after in right.items():
            found = rca.paired_accuracy(before, after.to_numpy(), labels, **how)
            row = {"oracle": oracle, "faces": faces, "method": method, "level": level, "n": len(labels)}
            row |= {name.removeprefix("after_"): found[name] for name in ("after", "after_low", "after_high")}
            row |= {name: found[name] for name in ("change", "change_low", "change_high")}
            same = (method, level) == reference
            rows.append(row | {"verdict": "" if same else rca.change_verdict(row["change_low"], row["change_high"])})
    return pd.DataFrame(rows).rename(columns={"after": "accuracy"})


def _right(own: pd.DataFrame) -> pd.DataFrame:
    """Whether each image is recognised, one column per method and level in their order."""
    order = list(dict.fromkeys(zip(own["method"], own["level"], strict=True)))
    table = own.assign(right=own["label"] == own["predicted"]).pivot(
        index="image", columns=["method", "level"], values="right"
    )
    return table[order]


def _labels(own: pd.DataFrame) -> np.ndarray:
    return own.groupby("image")["label"].first().to_numpy()


def rca_changes(
    predictions: pd.DataFrame, *, n_replicates: int, generator: np.random.Generator, methods: Sequence[str]
) -> pd.DataFrame:
    """RCA with real and generated faces enlarged alike, and its change from bicubic: the verdict on identity.

    Where a method helps the oracle to see what was there already, it helps it on real faces as well, and RCA stays.

    Returns:
        oracle, method, rca_bicubic, rca, change, change_low, change_high, verdict.
    """
    rows = []
    for oracle, own in predictions[predictions["level"] == 0].groupby("oracle", sort=False):
        sides = {faces: own[own["faces"] == faces] for faces in (REAL, GENERATED)}
        for method in [method for method in methods if method in set(own["method"])]:
            pairs = [
                (_right(side)[[(BICUBIC, 0.0), (method, 0.0)]].to_numpy(), _labels(side)) for side in sides.values()
            ]
            found = rca.paired_rca(*pairs, n_replicates=n_replicates, generator=generator)
            row = {"oracle": oracle, "method": method, "rca_bicubic": found["before"], "rca": found["after"]}
            row |= {name: found[name] for name in ("change", "change_low", "change_high")}
            rows.append(row | {"verdict": rca.change_verdict(row["change_low"], row["change_high"])})
    return pd.DataFrame(rows)


def label_effect(made: Iterable[Enlarged], predictions: pd.DataFrame, oracle: str) -> pd.DataFrame:
    """What the label does: the same small faces and noise with the right label, with none, and with another's.

    Args:
        made: from `enlarged_every_way`.
        predictions: from `recognised`.
        oracle: whose predictions count.

    Returns:
        faces, level, method, n, pixel_change (mean absolute difference from the right label's image, grey levels),
        accuracy (micro), and predicted_as_swapped, the fraction predicted as the identity of the swapped label.
    """
    images = {(one.faces, one.level, one.method): one.images.astype(float) for one in made}
    n_classes, rows = int(predictions["label"].max()) + 1, []
    own = predictions[predictions["oracle"] == oracle]
    for (faces, level, method), seen in own.groupby(["faces", "level", "method"], sort=False):
        if (faces, level, SWAPPED) in images and method in (DIFFUSION, NO_LABEL, SWAPPED):
            change = np.abs(images[faces, level, method] - images[faces, level, DIFFUSION]).mean()
            row = {"faces": faces, "level": level, "method": method, "n": len(seen), "pixel_change": change}
            row["accuracy"] = (seen["predicted"] == seen["label"]).mean()
            row["predicted_as_swapped"] = (seen["predicted"] == swapped(seen["label"], n_classes)).mean()
            rows.append(row)
    return pd.DataFrame(rows).sort_values("level", kind="stable", ignore_index=True)


def cascade_answer(changes: pd.DataFrame, ratios: pd.DataFrame) -> dict[str, object]:
    """The verdict on the hope that resolution brings identity back, and the sentences that say so.

    The verdict is that of every oracle where they agree on RCA, else inconclusive.

    Args:
        changes: from `identity_changes`, relative to bicubic.
        ratios: from `rca_changes`.

    Returns:
        verdict, and sentences: the verdict, then RCA and then accuracy under each oracle.
    """
    of_stage = ratios[ratios["method"] == DIFFUSION]
    verdicts = set(of_stage["verdict"])
    verdict = verdicts.pop() if len(verdicts) == 1 else rca.INCONCLUSIVE
    oracles = f"{len(of_stage)} oracles" if len(of_stage) > 1 else "one oracle"
    sentences = [f"Does resolution bring identity back? RCA under {oracles}: {verdict}."]
    for row in of_stage.itertuples():
        sentences.append(
            f"{row.oracle}: RCA, with real faces enlarged alike, is {row.rca_bicubic:.2f} and {row.rca:.2f}, "
            f"{_interval(row)}: {row.verdict}."
        )
    after = changes[(changes["method"] == DIFFUSION) & (changes["level"] == 0)]
    for row in after[after["faces"] == GENERATED].itertuples():
        before = row.accuracy - row.change
        sentences.append(
            f"{row.oracle}: accuracy on generated faces is {before:.2f} enlarged by a bicubic filter and "
            f"{row.accuracy:.2f} with the second stage, {_interval(row)}: {row.verdict}."
        )
    return {"verdict": verdict, "sentences": sentences}


def _interval(row: object) -> str:
    return f"a change of {row.change:+.2f} [{row.change_low:+.2f}, {row.change_high:+.2f}]"


def level_sentences(levels: pd.DataFrame, used: pd.DataFrame) -> list[str]:
    """What noise on the condition does to identity, and whether the label is used, in sentences.

    Args:
        levels: from `identity_changes` of DIFFUSION, relative to level 0.
        used: from `label_effect`.
    """
    last = levels[levels["level"] == levels["level"].max()]
    sentences = [
        f"{row.faces} faces, level {row.level:g}: accuracy {row.accuracy:.2f}, {_interval(row)} from level 0: "
        f"{row.verdict}."
        for row in last.itertuples()
    ]
    for row in used[used["method"] == SWAPPED].itertuples():
        sentences.append(
            f"{row.faces} faces, level {row.level:g}: a swapped label changes a pixel by {row.pixel_change:.2f} grey "
            f"levels on average, and {row.predicted_as_swapped:.1%} are predicted as its identity."
        )
    return sentences


def write_summary(folder: Path, *, answer: dict[str, object], missing: dict[str, str], **tables: pd.DataFrame) -> None:
    """Write `cascade.json`: the answer, what could not be measured and why, and tables as lists of rows."""
    rows = {name: json.loads(table.to_json(orient="records")) for name, table in tables.items()}
    files.write_json(folder / SUMMARY, answer | {"missing": missing} | rows)
