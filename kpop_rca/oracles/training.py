"""Training the oracles: ResNets that classify real faces by identity, and their predictions of images."""

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, fields, replace
from functools import partial
from pathlib import Path
from threading import Event, Lock
from typing import Any

import numpy as np
import pandas as pd
import torch
import torch.nn.functional as F
from safetensors.torch import load_file, save_file
from sklearn.metrics import f1_score, log_loss
from torch import Tensor
from tqdm import tqdm

from kpop_rca.data import tensors
from kpop_rca.errors import StudyError
from kpop_rca.image_metrics.pretrained import URLS, WeightsMissing, load
from kpop_rca.oracles import augmentation
from kpop_rca.oracles.candidates import Candidate, Faces, oracle_seed, training_faces
from kpop_rca.oracles.resnet import FULL_WIDTH, SmallImageResNet
from kpop_rca.study import checksums
from kpop_rca.system import devices, files, finite, parallel, seeds

Steps = tuple[torch.optim.Optimizer, torch.optim.lr_scheduler.LRScheduler]

# What a training leaves in the folder of its oracle.
WEIGHTS, HISTORY = "oracle.safetensors", "history.csv"
TEST_PREDICTIONS, ABOUT = "test_predictions.parquet", "about.json"

BUILDING = Lock()
EVALUATION_BATCH = 250
FROZEN, WHOLE = "frozen backbone", "whole network"  # phases of a training
EPSILON, BETA_2 = 1e-8, 0.999  # of AdamW, whose first beta follows the cycle
ONE_CYCLE = {"pct_start": 0.3, "div_factor": 25.0, "final_div_factor": 1e4, "base_momentum": 0.85, "max_momentum": 0.95}


@dataclass(frozen=True)
class OracleRecipe:
    """How to train an oracle; see the parameters of `04_oracle_benchmark`."""

    width: int
    warmup_epochs: int
    epochs: int
    batch_size: int
    learning_rate: float
    weight_decay: float
    colour_jitter: float
    pretrained: bool
    seed: int
    loss: str = "softmax"

    @classmethod
    def of(cls, parameters: dict[str, Any]) -> "OracleRecipe":
        """From the parameters of the notebook, most of which begin with `oracle_`."""
        own = {name.removeprefix("oracle_"): v for name, v in parameters.items() if name.startswith("oracle_")}
        named = parameters | own
        return cls(**{field.name: named[field.name] for field in fields(cls)})

    def table(self) -> pd.DataFrame:
        """What the study sets, and what no study changes: columns setting and value (text)."""
        low, high = ONE_CYCLE["base_momentum"], ONE_CYCLE["max_momentum"]
        rows = asdict(self) | {
            "optimiser": f"AdamW, betas {high:g} and {BETA_2:g}, epsilon {EPSILON:g}",
            "one cycle, rise": f"{ONE_CYCLE['pct_start']:.0%} of the steps, from the learning rate / "
            f"{ONE_CYCLE['div_factor']:g}; the first beta falls to {low:g}",
            "one cycle, fall": f"to the first rate / {ONE_CYCLE['final_div_factor']:g}; the first beta rises to "
            f"{high:g}",
            "loss": "cross-entropy" if self.loss == "softmax" else "cross-entropy with an angular margin (ArcFace)",
            "images": f"half of them mirrored, shifted by up to {augmentation.LARGEST_SHIFT:g} of the side",
            "precision": "bfloat16 where a GPU computes in it, else float32",
            "epoch kept": "the one of the lowest validation loss",
        }
        return pd.DataFrame({"setting": rows.keys(), "value": map(str, rows.values())})


@dataclass(frozen=True)
class Training:
    """One oracle to train."""

    architecture: str  # a key of `resnet.LEVELS`
    splits: dict[str, Faces]  # "train", "validation" and "test", each uint8 (N, H, W, 3) and int64 (N,)
    recipe: OracleRecipe
    folder: Path
    notes: dict[str, Any]  # further entries of its record, such as its number `seed` and what it was `trained_on`


def build_oracle(architecture: str, *, n_classes: int, recipe: OracleRecipe) -> tuple[SmallImageResNet, str | None]:
    """An oracle to be trained, with ImageNet weights where they are requested, fit and can be had.

    The stem and the last layer are new in any case: ours have other shapes.

    Returns:
        The network, and why it starts from scratch (None where it starts from ImageNet weights).
    """
    # The generator that fills new weights is the process's own; oracles are built in several threads.
    with BUILDING, torch.random.fork_rng():
        torch.manual_seed(seeds.number(seeds.Purpose.ORACLE_NETWORK, recipe.seed))
        oracle = SmallImageResNet(architecture, n_classes=n_classes, width=recipe.width, loss=recipe.loss)
    if not recipe.pretrained:
        return oracle, "not requested"
    if recipe.width != FULL_WIDTH or architecture not in URLS:
        return oracle, f"there are no ImageNet weights for {architecture} of width {recipe.width}"
    try:
        state = load(architecture)
    except WeightsMissing as missing:
        return oracle, str(missing)
    body = {name: value for name, value in state.items() if not name.startswith(("conv1.", "fc."))}
    oracle.load_state_dict(body, strict=False)
    return oracle, None


def predict(oracle: SmallImageResNet, images: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Probabilities, float32 (N, K), and features before the last layer, float32 (N, D), of uint8 (N, H, W, 3).

    The oracle is in evaluation mode.

    Raises:
        StudyError: a number is not finite.
    """
    device = next(oracle.parameters()).device

    @torch.inference_mode()
    def classify(batch: Tensor) -> tuple[Tensor, Tensor]:
        features = oracle.features(tensors.to_model(batch.to(device)))
        return oracle.fc(features).softmax(1).cpu(), features.cpu()

    batches = torch.as_tensor(images).split(EVALUATION_BATCH)
    probabilities, features = zip(*parallel.a_core_each(classify, batches, device=device), strict=True)
    found = torch.cat(probabilities), torch.cat(features)
    for what, values in zip(("probabilities", "features"), found, strict=True):
        finite.require(values, what=f"the oracle's {what} of image", remedy="train the oracles again (04)")
    return found[0].numpy(), found[1].numpy()


def _train_epoch(
    oracle: SmallImageResNet,
    images: Tensor,
    labels: Tensor,
    *,
    steps: Steps,
    recipe: OracleRecipe,
    generator: torch.Generator,
) -> float:
    """One pass in random order, which the host waits for once, at its end; returns the mean loss."""
    optimizer, schedule = steps
    oracle.train()
    losses = []
    order = torch.randperm(len(images), generator=generator, device=images.device)
    for chosen in order.split(recipe.batch_size):
        if len(chosen) == 1:
            continue  # batch normalisation needs two
        varied = augmentation.augment(images[chosen], colour_jitter=recipe.colour_jitter, generator=generator)
        with devices.half_on_gpu(images.device):
            loss = _loss(oracle, tensors.to_model(varied), labels[chosen])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
        losses.append(loss.detach())
    return torch.stack(losses).mean().item()


def _loss(oracle: SmallImageResNet, images: Tensor, labels: Tensor) -> Tensor:
    """What is minimised, for images in [-1, 1]: the cross-entropy, or what the last layer has in its place."""
    if isinstance(oracle.fc, torch.nn.Linear):
        return F.cross_entropy(oracle(images).float(), labels)
    return oracle.fc.loss(oracle.features(images).float(), labels)


def train_oracle(
    oracle: SmallImageResNet,
    train: Faces,
    validation: Faces,
    *,
    recipe: OracleRecipe,
    frozen_first: bool,
    device: torch.device,
    bar: Callable,
) -> pd.DataFrame:
    """Fine-tune an oracle, and leave it with the weights of its best epoch on the validation split.

    The paper's protocol: a warm-up with the backbone frozen, then the whole network. A backbone of random weights has
    nothing worth freezing, so there the warm-up is left out.

    All that a step needs is on the device from the start, and its random numbers come from there. The network is not
    compiled: an oracle takes a few thousand steps, and a study trains a dozen of them.

    Returns:
        One row per epoch: epoch, phase, train_loss, validation_loss, validation_accuracy.

    Raises:
        StudyError: a loss or a prediction is not finite.

    Source: paper section 5.2.
    """
    oracle.to(device, memory_format=torch.channels_last)  # convolutions are faster so
    images, labels = torch.as_tensor(train[0], device=device), torch.as_tensor(train[1], device=device)
    generator = torch.Generator(device).manual_seed(seeds.number(seeds.Purpose.ORACLE_TRAINING, recipe.seed))
    phases = [(FROZEN, recipe.warmup_epochs)] if frozen_first and recipe.warmup_epochs else []
    history, best = [], None
    for phase, epochs in [*phases, (WHOLE, recipe.epochs)]:
        steps = _steps_of_phase(oracle, phase, total=epochs * -(-len(images) // recipe.batch_size), recipe=recipe)
        for _ in bar(range(epochs), desc=phase):
            loss = _train_epoch(oracle, images, labels, steps=steps, recipe=recipe, generator=generator)
            if not math.isfinite(loss):
                raise StudyError(f"the loss is {loss} in epoch {len(history) + 1}; lower oracle_learning_rate")
            measured = evaluate(oracle, *validation)
            row = {"epoch": len(history) + 1, "phase": phase, "train_loss": loss}
            history.append(row | {f"validation_{name}": measured[name] for name in ("loss", "accuracy")})
            if best is None or measured["loss"] < best[0]:
                best = measured["loss"], {k: v.detach().clone() for k, v in oracle.state_dict().items()}
    oracle.load_state_dict(best[1])
    oracle.eval()
    return pd.DataFrame(history)


def _steps_of_phase(oracle: SmallImageResNet, phase: str, *, total: int, recipe: OracleRecipe) -> Steps:
    """Freeze or free the backbone; an optimizer of what is left to train, and its one cycle of learning rates."""
    oracle.requires_grad_(phase == WHOLE)
    for new in (oracle.conv1, oracle.fc):  # of other shapes than the pretrained ones
        new.requires_grad_(True)
    last = [] if isinstance(oracle.fc, torch.nn.Linear) else list(oracle.fc.parameters())
    of_last = {id(p) for p in last}
    body = [p for p in oracle.parameters() if p.requires_grad and id(p) not in of_last]
    optimizer = torch.optim.AdamW(
        # Cosines don't depend on how long a class's vector is: nothing there needs to decay.
        [{"params": body}, *([{"params": last, "weight_decay": 0.0}] if last else [])],
        lr=recipe.learning_rate,
        betas=(ONE_CYCLE["max_momentum"], BETA_2),
        eps=EPSILON,
        weight_decay=recipe.weight_decay,
        fused=True,
    )
    return optimizer, torch.optim.lr_scheduler.OneCycleLR(
        optimizer, recipe.learning_rate, total_steps=total, **ONE_CYCLE
    )


def evaluate(oracle: SmallImageResNet, images: np.ndarray, labels: np.ndarray) -> dict[str, float]:
    """Accuracy, mean cross-entropy (loss), macro F1 and n of an oracle, which is put into evaluation mode."""
    return _measured(predict(oracle.eval(), images)[0], labels)


def _measured(probabilities: np.ndarray, labels: np.ndarray) -> dict[str, float]:
    predicted = probabilities.argmax(1)
    return {
        "accuracy": float((predicted == labels).mean()),
        "loss": float(log_loss(labels, probabilities, labels=range(probabilities.shape[1]))),
        "macro_f1": float(f1_score(labels, predicted, average="macro")),
        "n": len(labels),
    }


def train_all(
    planned: Sequence[Candidate],
    splits: dict[str, Faces],
    *,
    recipe: OracleRecipe,
    folder: Path,
    device: torch.device,
    bar: Callable,
) -> None:
    """Train every oracle of a study that an earlier, interrupted run had not finished, each into a folder of its name.

    The splits are "train", "oracle" (may be empty), "validation" and "test". The recipe's seed is the study's, from
    which each oracle's follows.
    """
    faces = training_faces(splits, seed=recipe.seed)
    trainings = [
        Training(
            candidate.architecture,
            splits | {"train": faces[candidate.trained_on]},
            recipe=replace(recipe, seed=oracle_seed(recipe.seed, candidate.seed)),
            folder=folder / candidate.name,
            notes={"seed": candidate.seed, "trained_on": candidate.trained_on},
        )
        for candidate in planned
    ]
    train_side_by_side(trainings, device=device, bar=bar)


def train_side_by_side(trainings: Sequence[Training], *, device: torch.device, bar: Callable) -> None:
    """`train_or_load` of several oracles, each by one thread: on a CPU as many at once as there are cores.

    One oracle alone has one thread, too: the result must not depend on the cores, and with several threads PyTorch 2's
    backward pass of a batch of odd size can write where it must not, and end the process.

    `bar` is `tqdm` or one of its kind: a bar of the epochs of all.
    """
    missing = [training for training in trainings if not checksums.is_whole(training.folder)]
    ended = Event()
    with bar(total=sum(training.recipe.epochs for training in missing), desc="oracles", unit="epoch") as together:
        train = partial(train_or_load, device=device, bar=partial(_counted, together, ended))
        for _ in parallel.a_core_each(train, missing, device=device, ended=ended):
            pass


def _counted(together: tqdm, ended: Event, epochs: range, *, desc: str) -> Iterator[int]:
    """The epochs of one oracle, counted in the bar of all; a warm-up comes on top of the total.

    Raises:
        StudyError: nobody waits for the oracle any more; half trained, it must not pass for a whole one.
    """
    if desc == FROZEN:
        together.total += len(epochs)
    for epoch in epochs:
        if ended.is_set():
            raise StudyError("stopped")
        yield epoch
        together.update()


def train_or_load(training: Training, *, device: torch.device, bar: Callable) -> dict[str, Any]:
    """Train an oracle unless an earlier, interrupted run already had, and write its files.

    These are its weights, history, predictions of the test faces (label, predicted, and p_0 to p_{K-1}) and record, and
    last the checksums that mark it as complete. One whose files don't have them is trained again.

    Returns:
        The record: architecture, the notes, n_train, width, n_classes, n_weights, starts_from, recipe, validation and
        test (each as from `evaluate`).
    """
    folder, splits, recipe = training.folder, training.splits, training.recipe
    if checksums.is_whole(folder):
        return read_about(folder)
    n_classes = int(splits["train"][1].max()) + 1
    oracle, scratch = build_oracle(training.architecture, n_classes=n_classes, recipe=recipe)
    how = {"recipe": recipe, "frozen_first": not scratch, "device": device, "bar": bar}
    try:
        history = train_oracle(oracle, splits["train"], splits["validation"], **how)
    except StudyError as error:
        raise StudyError(f"oracle {folder.name}: {error}") from None
    test_faces, test_labels = splits["test"]
    probabilities, _ = predict(oracle, test_faces)
    about = (
        {"architecture": training.architecture}
        | training.notes
        | {
            "n_train": len(splits["train"][1]),
            "width": recipe.width,
            "n_classes": n_classes,
            "n_weights": sum(p.numel() for p in oracle.parameters()),
            "starts_from": f"random weights ({scratch})" if scratch else "ImageNet weights",
            "recipe": asdict(recipe),
            "validation": evaluate(oracle, *splits["validation"]),
            "test": _measured(probabilities, test_labels),
        }
    )
    predictions = pd.DataFrame(probabilities, columns=[f"p_{k}" for k in range(n_classes)])
    predictions.insert(0, "label", test_labels)
    predictions.insert(1, "predicted", probabilities.argmax(1))
    with files.atomic(folder / WEIGHTS) as temporary:
        save_file({name: value.cpu().contiguous() for name, value in oracle.state_dict().items()}, temporary)
    with files.atomic(folder / HISTORY) as temporary:
        history.to_csv(temporary, index=False)
    with files.atomic(folder / TEST_PREDICTIONS) as temporary:
        predictions.to_parquet(temporary, index=False)
    files.write_json(folder / ABOUT, about)
    checksums.record(folder)
    return about


def read_about(folder: Path) -> dict[str, Any]:
    """The record of a trained oracle, see `train_or_load`."""
    return files.read_json(folder / ABOUT)


def read_history(folder: Path) -> pd.DataFrame:
    """The epochs of a trained oracle, see `train_oracle`."""
    return pd.read_csv(folder / HISTORY)


def read_test_predictions(folder: Path) -> pd.DataFrame:
    """A trained oracle's predictions of the real test faces: label, predicted, p_0 to p_{K-1}."""
    return pd.read_parquet(folder / TEST_PREDICTIONS)


def load_oracle(folder: Path, device: torch.device) -> SmallImageResNet:
    """A trained oracle in evaluation mode."""
    about = read_about(folder)
    shape = {"n_classes": about["n_classes"], "width": about["width"], "loss": about["recipe"]["loss"]}
    oracle = SmallImageResNet(about["architecture"], **shape)
    oracle.load_state_dict(load_file(folder / WEIGHTS))
    return oracle.to(device, memory_format=torch.channels_last).eval()
