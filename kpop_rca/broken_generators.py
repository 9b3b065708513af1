"""Broken generators: real faces play one whose fault is known, or one that hands out the faces that it learnt."""

import io

import numpy as np
import pandas as pd
import torch
from diffusers import DDPMScheduler, UNet2DModel
from PIL import Image

from kpop_rca import rca, trials
from kpop_rca.data import tensors
from kpop_rca.diffusion.samplers import deterministic_step, predict_noise, sampling_process, set_timesteps
from kpop_rca.image_metrics import memorisation
from kpop_rca.oracles import training
from kpop_rca.oracles.candidates import Faces, capped
from kpop_rca.oracles.resnet import SmallImageResNet
from kpop_rca.rca import fidelity
from kpop_rca.trials import ESTIMATORS, Parts

COPIED = (1.0, 0.12)  # shares of the images that a copier copies
SCARCE = 49 / 850  # held-out faces for each training face, as the paper's split leaves them
JPEG_QUALITY = 50
DIFFUSED_TO = 120  # of 1000 timesteps: noise of about 24 grey levels on the cosine schedule
DENOISING_STEPS = 25  # of the whole reverse process, of which the last few are taken
AT_ONCE = 100  # faces that are diffused in one batch


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
        One row a suspect: suspect, n; rca and fidelity, each with _low and _high; share_nearer_train, share_by_chance,
        excess, p_share, p_ratio and copies, on pixels, see `memorisation.copying`.
    """
    rows = []
    for name, (images, labels) in suspects.items():
        judged = training.judge_images(judge, images)[0].argmax(axis=1)
        counts = rca.confusion_counts(labels, judged, len(real_counts))
        found = trials.estimate(real_counts, counts, n_replicates=n_replicates, generator=generator)
        row = {"suspect": name, "n": len(labels)}
        for estimator in ("rca", "fidelity"):
            keys = (estimator, f"{estimator}_low", f"{estimator}_high")
            row |= dict(zip(keys, map(float, found[estimator]), strict=True))
        search = _searched(memorisation.views(images), train, held_out, generator=generator)
        shown = ("share_nearer_train", "share_by_chance", "excess", "p_share", "p_ratio", "copies")
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


def shifted(images: np.ndarray) -> np.ndarray:
    """Images moved by a pixel to the right and down; the border is repeated.

    >>> shifted(np.arange(4, dtype=np.uint8).reshape(1, 2, 2, 1)).ravel().tolist()
    [0, 0, 0, 0]
    """
    return np.pad(images, ((0, 0), (1, 0), (1, 0), (0, 0)), mode="edge")[:, :-1, :-1]


def compressed(images: np.ndarray, *, quality: int = JPEG_QUALITY) -> np.ndarray:
    """Images as a JPEG of this quality (1 to 95) keeps them; uint8 (N, H, W, 3)."""
    kept = []
    for image in images:
        Image.fromarray(image).save(file := io.BytesIO(), "JPEG", quality=quality)
        kept.append(np.asarray(Image.open(file)))
    return np.stack(kept)


@torch.inference_mode()
def diffused(faces: Faces, unet: UNet2DModel, forward: DDPMScheduler, *, generator: torch.Generator) -> np.ndarray:
    """Faces with the noise of an early timestep, denoised again by the model: the same photographs, drawn anew.

    Args:
        faces: uint8 (N, H, W, 3) and int64 (N,).
        unet: in evaluation mode.
        forward: the forward process that it was trained on.
        generator: of the noise, on the CPU.

    Returns:
        uint8 (N, H, W, 3).

    Source: Meng et al. (2022), SDEdit, algorithm 1; here by DDIM.
    """
    process = sampling_process(forward, "ddim")
    set_timesteps(process, DENOISING_STEPS)
    timesteps = [t for t in process.timesteps if t <= DIFFUSED_TO]
    drawn = []
    for images, labels in zip(*(np.array_split(part, -(-len(part) // AT_ONCE)) for part in faces), strict=True):
        x_0, class_labels = tensors.to_model(torch.from_numpy(images)), torch.from_numpy(labels).to(unet.device)
        x_t = forward.add_noise(x_0, torch.randn(x_0.shape, generator=generator), timesteps[0]).to(unet.device)
        for t in timesteps:
            eps = predict_noise(unet, x_t, t.to(unet.device), class_labels, guidance=0)
            x_t = deterministic_step(process, x_t, eps, t)
        drawn.append(tensors.to_images(x_t))
    return np.concatenate(drawn)


def disguised(
    faces: Faces, unet: UNet2DModel, forward: DDPMScheduler, *, generator: torch.Generator
) -> dict[str, np.ndarray]:
    """Training faces as copiers would hand them out, each a little altered; see `diffused` for the arguments."""
    images, _ = faces
    return {
        "as they are": images,
        "mirrored": np.ascontiguousarray(images[:, :, ::-1]),
        "shifted by a pixel": shifted(images),
        f"JPEG of quality {JPEG_QUALITY}": compressed(images),
        "diffused and denoised": diffused(faces, unet, forward, generator=generator),
    }


def disguise_trial(
    copies: dict[str, np.ndarray], new: np.ndarray, *, train: Faces, held_out: Faces, generator: np.random.Generator
) -> pd.DataFrame:
    """What the search for copies says of copiers and of an honest generator, with many and with few held-out faces.

    Args:
        copies: by name, training faces as a copier hands them out, uint8 (G, H, W, 3), in random order.
        new: uint8 (M, H, W, 3), real faces that are no training faces: an honest generator's, and those among which
            a copier that copies a part of the time hides its copies.
        train: faces that the generators were trained on.
        held_out: real faces that they were not trained on, and none of `new`.
        generator: of the choice of few held-out faces, and of the tests.

    Returns:
        One row for each number of held-out faces and generator: n_train, n_held_out, copies, copied (the share, one
        of COPIED, or 0), n; excess, contrast, p_share, p_ratio and found, see `memorisation.copying`. With few
        held-out faces these are SCARCE of the training faces of each identity, one at least.
    """
    few = np.maximum(1, np.rint(SCARCE * np.bincount(train[1]))).astype(int)
    honest = memorisation.views(new)
    suspects = {("none", 0.0): honest}
    for name, images in copies.items():
        handed_out = memorisation.views(images)
        for share in COPIED:
            n_new = min(len(new), round(len(images) * (1 - share) / share))
            n_copies = round(n_new * share / (1 - share)) if n_new else len(images)
            suspects[name, share] = np.concatenate([handed_out[:, :n_copies], honest[:, :n_new]], axis=1)
    rows = []
    for known in (held_out, capped(held_out, few, generator=generator)):
        for (name, share), views in suspects.items():
            search = _searched(views, train, known, generator=generator)
            about = {"n_train": search["n_train"], "n_held_out": search["n_held_out"], "copies": name, "copied": share}
            shown = {key: search[key] for key in ("excess", "contrast", "p_share", "p_ratio")}
            rows.append(about | {"n": views.shape[1]} | shown | {"found": search["copies"]})
    return pd.DataFrame(rows)
