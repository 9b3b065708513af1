"""Training the judges: ResNets that tell the identities apart on real faces, and then judge generated ones.

A judge is a part of the measurement, so it is not taken for granted. Every architecture is trained from several
seeds. Where the study keeps faces from the generator (the split "judge"), the judges learn from those: a judge that
has learnt the same pictures as the generator may recognise a copied picture, not the person. To see how much that
matters, some are also trained on the generator's own faces, and named `-seen`. What the judges say is read in
`kpop_rca.judging`.
"""

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
import torch.nn.functional as F
from safetensors.torch import load_file, save_file
from sklearn.metrics import f1_score, log_loss
from torch import Tensor

from kpop_rca import artifacts, diffusion, weights
from kpop_rca.resnet import FULL_WIDTH, SmallImageResNet

Faces = tuple[np.ndarray, np.ndarray]  # uint8 (N, H, W, 3) and int64 labels (N,)
Steps = tuple[torch.optim.Optimizer, torch.optim.lr_scheduler.LRScheduler]

EVALUATION_BATCH = 500
LARGEST_SHIFT = 1 / 16  # of the image's side, for augmentation


@dataclass(frozen=True)
class Recipe:
    """How to train a judge; see the parameters of `04_oracle_benchmark`."""

    width: int
    warmup_epochs: int
    epochs: int
    batch_size: int
    learning_rate: float
    colour_jitter: float
    pretrained: bool
    seed: int


@dataclass(frozen=True)
class Candidate:
    """A judge to be trained.

    Attributes:
        architecture: a key of `resnet.LEVELS`.
        seed: its number s among the judges of its architecture, from 0.
        trained_on: the split that it learns from, "judge" or "train".
        seen: whether it learns from the generator's faces beside judges that do not.
    """

    architecture: str
    seed: int
    trained_on: str
    seen: bool = False

    @property
    def name(self) -> str:
        """`<architecture>-<s>`, with `-seen` behind it where it learns from the generator's faces beside others."""
        return f"{self.architecture}-{self.seed}{'-seen' if self.seen else ''}"


def candidates(judges: Sequence[str], *, n_seeds: int, seen: Sequence[str], apart: bool) -> list[Candidate]:
    """The judges of a study, in the order in which they are trained.

    Args:
        judges: architectures.
        n_seeds: judges of each architecture.
        seen: architectures that are trained on the generator's faces as well.
        apart: whether the study keeps faces from the generator for the judges. Where it does not, all learn from
            the generator's faces, as in the paper, and there is nothing to compare with: `seen` has no effect.

    >>> [c.name for c in candidates(["resnet10", "resnet18"], n_seeds=2, seen=["resnet10"], apart=True)]
    ['resnet10-0', 'resnet10-1', 'resnet18-0', 'resnet18-1', 'resnet10-0-seen', 'resnet10-1-seen']
    """
    split = "judge" if apart else "train"
    first = [Candidate(architecture, seed, split) for architecture in judges for seed in range(n_seeds)]
    again = [Candidate(architecture, seed, "train", seen=True) for architecture in seen for seed in range(n_seeds)]
    return first + (again if apart else [])


def judge_seed(seed: int, number: int) -> int:
    """The seed of a judge's weights and data order: independent streams, whatever the study's seed and the number.

    Args:
        seed: of the study.
        number: s, from 0; judges of all architectures and both ways of training share it, so that they pair up.

    Source: numpy's `SeedSequence`, as its `spawn` derives them.

    >>> judge_seed(0, 1) != judge_seed(1, 0)
    True
    """
    return int(np.random.SeedSequence(seed, spawn_key=(number,)).generate_state(1)[0])


def capped(faces: Faces, most: np.ndarray, *, generator: np.random.Generator) -> Faces:
    """At most so many faces of every identity, drawn at random, in their former order.

    Args:
        faces: uint8 (N, H, W, 3) and int64 (N,).
        most: integers (K,), the largest number of each.
        generator: of the draw.

    Returns:
        The faces drawn; all of an identity that has no more than its number.
    """
    images, labels = faces
    drawn = np.zeros(len(labels), dtype=bool)
    for label, number in enumerate(most):
        drawn[generator.permutation(np.flatnonzero(labels == label))[:number]] = True
    return images[drawn], labels[drawn]


def learning_faces(splits: dict[str, Faces], *, seed: int) -> dict[str, Faces]:
    """What the judges learn from, by the split that it comes from.

    Where there is a split "judge", the generator's faces are capped to as many of each identity, so that a judge
    which learns from them differs in *which* faces it has seen and not in how many. An identity of which the
    generator has fewer keeps them all, and n_train in `about.json` tells.

    Args:
        splits: "train", and "judge", which may be empty.
        seed: of the study; all judges of a way learn from the same faces.

    Returns:
        "judge" and "train" where the study keeps faces for the judges, "train" alone where it does not.
    """
    labels = splits["judge"][1]
    if not len(labels):
        return {"train": splits["train"]}
    most = np.bincount(labels, minlength=int(splits["train"][1].max()) + 1)
    generator = np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(0, 0)))  # a stream that no judge uses
    return {"judge": splits["judge"], "train": capped(splits["train"], most, generator=generator)}


def build_judge(architecture: str, *, n_classes: int, recipe: Recipe) -> tuple[SmallImageResNet, str | None]:
    """A judge to be trained, with ImageNet weights where they are wanted, fit and can be had.

    The stem and the last layer are new in any case: ours have other shapes.

    Returns:
        The network, and why it starts from scratch (None where it starts from ImageNet weights).
    """
    with torch.random.fork_rng():
        torch.manual_seed(recipe.seed)
        judge = SmallImageResNet(architecture, n_classes=n_classes, width=recipe.width)
    if not recipe.pretrained:
        return judge, "not asked for"
    if recipe.width != FULL_WIDTH or architecture not in weights.REGISTRY:
        return judge, f"there are no ImageNet weights for {architecture} of width {recipe.width}"
    try:
        state = weights.load(architecture)
    except weights.WeightsMissing as missing:
        return judge, str(missing)
    body = {name: value for name, value in state.items() if not name.startswith(("conv1.", "fc."))}
    judge.load_state_dict(body, strict=False)
    return judge, None


def augment(images: Tensor, *, colour_jitter: float, generator: torch.Generator) -> Tensor:
    """Mirror half of the images, shift each by up to a sixteenth of its side (borders reflected), and vary its colours.

    A diffusion model that has trained briefly gets faces right before it gets their colours right: it tints whole
    pictures. A judge that knows photographs alone takes a tint for another person, and what it says then tells of
    colour, not of identity.

    Args:
        images: uint8 (B, H, W, 3).
        colour_jitter: see `vary_colours`; 0 for none.
        generator: on the CPU.

    Returns:
        uint8 (B, H, W, 3).
    """
    batch, side = images.shape[:2]
    reach = max(1, round(side * LARGEST_SHIFT))
    mirrored = torch.rand(batch, generator=generator) < 0.5
    offset = torch.randint(-reach, reach + 1, (2, batch, 1), generator=generator)
    rows, columns = (torch.arange(side) + offset).abs()
    rows, columns = (torch.minimum(i, 2 * (side - 1) - i) for i in (rows, columns))
    columns = torch.where(mirrored[:, None], side - 1 - columns, columns)
    device = images.device
    which = torch.arange(batch, device=device)[:, None, None]
    moved = images[which, rows.to(device)[:, :, None], columns.to(device)[:, None, :]]
    return vary_colours(moved, spread=colour_jitter, generator=generator) if colour_jitter else moved


def vary_colours(images: Tensor, *, spread: float, generator: torch.Generator) -> Tensor:
    """Other light and another white balance for each image: random gains of contrast, of brightness and of each colour.

    x' = g_brightness g_colour (mean + g_contrast (x - mean)),   log g ~ N(0, spread^2)

    torchvision's ColorJitter draws one change for a whole batch, and in turn leaves the balance of the colours alone
    but for a turn of the hue, which makes skin green.

    Args:
        images: uint8 (B, H, W, 3).
        spread: standard deviation of the logarithm of each gain; 0.15 is a change by 15 %.
        generator: on the CPU.

    Returns:
        uint8 (B, H, W, 3).
    """

    def gains(channels: int) -> Tensor:
        return torch.exp(spread * torch.randn(len(images), 1, 1, channels, generator=generator)).to(images.device)

    x = images.float()
    mean = x.mean(dim=(1, 2, 3), keepdim=True)
    varied = gains(1) * gains(3) * (mean + gains(1) * (x - mean))
    return varied.round().clamp(0, 255).to(torch.uint8)


@torch.inference_mode()
def judge_images(judge: SmallImageResNet, images: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Show images to a judge.

    Args:
        judge: in evaluation mode.
        images: uint8 (N, H, W, 3).

    Returns:
        Probabilities, float32 (N, K), and features before the last layer, float32 (N, D).
    """
    device = next(judge.parameters()).device
    probabilities, features = [], []
    for batch in torch.as_tensor(images).split(EVALUATION_BATCH):
        seen = judge.features(diffusion.to_model(batch.to(device)))
        features.append(seen.cpu())
        probabilities.append(judge.fc(seen).softmax(1).cpu())
    return torch.cat(probabilities).numpy(), torch.cat(features).numpy()


def _train_epoch(
    judge: SmallImageResNet,
    images: Tensor,
    labels: Tensor,
    *,
    steps: Steps,
    recipe: Recipe,
    generator: torch.Generator,
) -> float:
    """One pass in random order; returns the mean cross-entropy."""
    optimizer, schedule = steps
    judge.train()
    losses = []
    for chosen in torch.randperm(len(images), generator=generator).to(images.device).split(recipe.batch_size):
        if len(chosen) == 1:
            continue  # batch normalisation needs two
        logits = judge(
            diffusion.to_model(augment(images[chosen], colour_jitter=recipe.colour_jitter, generator=generator))
        )
        loss = F.cross_entropy(logits, labels[chosen])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
        losses.append(loss.detach())
    return torch.stack(losses).mean().item()


def train_judge(
    judge: SmallImageResNet,
    train: Faces,
    validation: Faces,
    *,
    recipe: Recipe,
    frozen_first: bool,
    device: torch.device,
    bar: Callable,
) -> pd.DataFrame:
    """Fine-tune a judge, and leave it with the weights of its best epoch on the validation split.

    The paper's protocol: a warm-up with the backbone frozen, then the whole network. A backbone of random
    weights has nothing worth freezing, so there the warm-up is left out.

    Args:
        judge: from `build_judge`.
        train: uint8 (N, H, W, 3) and int64 (N,).
        validation: the same, for choosing the epoch.
        recipe: how to train.
        frozen_first: whether to warm up with the backbone frozen.
        device: to train on.
        bar: wraps the epochs, `tqdm` for example.

    Returns:
        One row an epoch: epoch, phase, train_loss, validation_loss, validation_accuracy.

    Source: paper section 5.2.
    """
    judge.to(device)
    images, labels = torch.as_tensor(train[0], device=device), torch.as_tensor(train[1], device=device)
    generator = torch.Generator().manual_seed(recipe.seed)
    phases = [("frozen backbone", recipe.warmup_epochs)] if frozen_first and recipe.warmup_epochs else []
    history, best = [], None
    for phase, epochs in [*phases, ("whole network", recipe.epochs)]:
        steps = _steps_of_phase(judge, phase, total=epochs * -(-len(images) // recipe.batch_size), recipe=recipe)
        for _ in bar(range(epochs), desc=phase):
            loss = _train_epoch(judge, images, labels, steps=steps, recipe=recipe, generator=generator)
            measured = evaluate(judge, *validation)
            row = {"epoch": len(history) + 1, "phase": phase, "train_loss": loss}
            row |= {f"validation_{name}": measured[name] for name in ("loss", "accuracy")}
            history.append(row)
            if best is None or measured["loss"] < best[0]:
                best = measured["loss"], {k: v.detach().clone() for k, v in judge.state_dict().items()}
    judge.load_state_dict(best[1])
    judge.eval()
    return pd.DataFrame(history)


def _steps_of_phase(judge: SmallImageResNet, phase: str, *, total: int, recipe: Recipe) -> Steps:
    """Freeze or free the backbone; an optimizer of what is left to train, and its one cycle of learning rates."""
    judge.requires_grad_(phase == "whole network")
    for new in (judge.conv1, judge.fc):  # of other shapes than the pretrained ones
        new.requires_grad_(True)
    trained = [p for p in judge.parameters() if p.requires_grad]
    optimizer = torch.optim.AdamW(trained, lr=recipe.learning_rate, weight_decay=0.05)
    return optimizer, torch.optim.lr_scheduler.OneCycleLR(optimizer, recipe.learning_rate, total_steps=total)


def evaluate(judge: SmallImageResNet, images: np.ndarray, labels: np.ndarray) -> dict[str, float]:
    """Accuracy, mean cross-entropy and macro F1 of a judge on labelled faces.

    Args:
        judge: put into evaluation mode.
        images: uint8 (N, H, W, 3).
        labels: int64 (N,).
    """
    probabilities, _ = judge_images(judge.eval(), images)
    judged = probabilities.argmax(1)
    return {
        "accuracy": float((judged == labels).mean()),
        "loss": float(log_loss(labels, probabilities, labels=range(probabilities.shape[1]))),
        "macro_f1": float(f1_score(labels, judged, average="macro")),
        "n": len(labels),
    }


def train_all(
    wanted: Sequence[Candidate],
    splits: dict[str, Faces],
    *,
    recipe: Recipe,
    folder: Path,
    device: torch.device,
    bar: Callable,
) -> None:
    """Train every judge of the study that an earlier, interrupted run had not finished, each into its own folder.

    Args:
        wanted: from `candidates`.
        splits: "train", "judge" (may be empty), "validation" and "test", each uint8 (N, H, W, 3) and int64 (N,).
        recipe: how to train; its seed is the study's, from which each judge's follows.
        folder: of the judges.
        device: to train on.
        bar: wraps the epochs.
    """
    learning = learning_faces(splits, seed=recipe.seed)
    for candidate in wanted:
        own = {"train": learning[candidate.trained_on], "validation": splits["validation"], "test": splits["test"]}
        train_or_load(
            candidate.architecture,
            own,
            recipe=replace(recipe, seed=judge_seed(recipe.seed, candidate.seed)),
            folder=folder / candidate.name,
            device=device,
            bar=partial(_named, bar, candidate.name),
            notes={"seed": candidate.seed, "trained_on": candidate.trained_on},
        )


def _named(bar: Callable, name: str, epochs: range, *, desc: str) -> Any:
    return bar(epochs, desc=f"{name}, {desc}")


def train_or_load(
    architecture: str,
    splits: dict[str, Faces],
    *,
    recipe: Recipe,
    folder: Path,
    device: torch.device,
    bar: Callable,
    notes: dict[str, Any],
) -> dict[str, Any]:
    """What is known about a judge, after training it unless an earlier, interrupted run already had.

    Writes `judge.safetensors`, `history.csv`, `test_answers.parquet` (label, judged and a probability for each
    class, a row a test face), and `about.json` last, which marks the judge as complete.

    Args:
        architecture: a key of `resnet.LEVELS`.
        splits: "train", "validation" and "test", each uint8 (N, H, W, 3) and int64 (N,).
        recipe: how to train.
        folder: of this judge.
        device: to train on.
        bar: wraps the epochs.
        notes: further entries of `about.json`, for example the judge's number `seed` and what it was `trained_on`.

    Returns:
        architecture, the notes, n_train, width, n_classes, n_weights, starts_from, recipe, validation and test
        (each with accuracy, loss, macro_f1, n), as in `about.json`.
    """
    if (folder / "about.json").is_file():
        return artifacts.read_json(folder / "about.json")
    n_classes = int(splits["train"][1].max()) + 1
    judge, scratch = build_judge(architecture, n_classes=n_classes, recipe=recipe)
    history = train_judge(
        judge, splits["train"], splits["validation"], recipe=recipe, frozen_first=not scratch, device=device, bar=bar
    )
    about = {"architecture": architecture} | notes
    about |= {
        "n_train": len(splits["train"][1]),
        "width": recipe.width,
        "n_classes": n_classes,
        "n_weights": sum(p.numel() for p in judge.parameters()),
        "starts_from": f"random weights ({scratch})" if scratch else "ImageNet weights",
        "recipe": asdict(recipe),
        "validation": evaluate(judge, *splits["validation"]),
        "test": evaluate(judge, *splits["test"]),
    }
    _save_judge(folder, judge, history, answers=_answers(judge, *splits["test"]), about=about)
    return about


def _answers(judge: SmallImageResNet, images: np.ndarray, labels: np.ndarray) -> pd.DataFrame:
    """A row a face: label, judged, and the probability of each class as p_0, p_1, ..."""
    probabilities, _ = judge_images(judge, images)
    table = pd.DataFrame(probabilities, columns=[f"p_{k}" for k in range(probabilities.shape[1])])
    table.insert(0, "label", labels)
    table.insert(1, "judged", probabilities.argmax(1))
    return table


def _save_judge(
    folder: Path, judge: SmallImageResNet, history: pd.DataFrame, *, answers: pd.DataFrame, about: dict
) -> None:
    with artifacts.atomic(folder / "judge.safetensors") as temporary:
        save_file({name: value.cpu().contiguous() for name, value in judge.state_dict().items()}, temporary)
    with artifacts.atomic(folder / "history.csv") as temporary:
        history.to_csv(temporary, index=False)
    with artifacts.atomic(folder / "test_answers.parquet") as temporary:
        answers.to_parquet(temporary, index=False)
    artifacts.write_json(folder / "about.json", about)


def load_judge(folder: Path, device: torch.device) -> SmallImageResNet:
    """A trained judge in evaluation mode."""
    about = artifacts.read_json(folder / "about.json")
    judge = SmallImageResNet(about["architecture"], n_classes=about["n_classes"], width=about["width"])
    judge.load_state_dict(load_file(folder / "judge.safetensors"))
    return judge.to(device).eval()
