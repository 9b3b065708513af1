"""The judges: ResNets that tell the identities apart on real faces, and then judge generated ones."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path

import numpy as np
import pandas as pd
import torch
import torch.nn.functional as F
from safetensors.torch import load_file, save_file
from sklearn.metrics import f1_score, log_loss
from statsmodels.stats.contingency_tables import mcnemar
from statsmodels.stats.proportion import proportion_confint
from torch import Tensor, nn
from torchvision.models.resnet import BasicBlock, Bottleneck, ResNet

from kpop_rca import artifacts, diffusion, weights
from kpop_rca.errors import StudyError

# Blocks a level. ResNet-10 is the shallower one for small studies; the others are those of He et al. (2016).
LEVELS = {
    "resnet10": (BasicBlock, [1, 1, 1, 1]),
    "resnet18": (BasicBlock, [2, 2, 2, 2]),
    "resnet34": (BasicBlock, [3, 4, 6, 3]),
    "resnet50": (Bottleneck, [3, 4, 6, 3]),
}
FULL_WIDTH = 64
EVALUATION_BATCH = 500
LARGEST_SHIFT = 1 / 16  # of the image's side, for augmentation


class SmallImageResNet(ResNet):
    """A ResNet for small images: 3x3 stem of stride 1, no max-pool (paper section 5.2), and a width to choose."""

    def __init__(self, architecture: str, *, n_classes: int, width: int):
        """Build it with random weights.

        Args:
            architecture: a key of LEVELS.
            n_classes: K.
            width: channels of the first level; 64 is the published network.
        """
        self.width = width  # read by _make_layer while the base class builds itself
        block, levels = LEVELS[architecture]
        super().__init__(block, levels, num_classes=n_classes)
        self.conv1 = nn.Conv2d(3, FULL_WIDTH, kernel_size=3, stride=1, padding=1, bias=False)
        nn.init.kaiming_normal_(self.conv1.weight, mode="fan_out", nonlinearity="relu")
        self.maxpool = nn.Identity()
        self.fc = nn.Linear(8 * width * block.expansion, n_classes)

    def _make_layer(self, block: type, planes: int, *args, **kwargs) -> nn.Sequential:
        return super()._make_layer(block, planes * self.width // FULL_WIDTH, *args, **kwargs)

    def features(self, x: Tensor) -> Tensor:
        """The activations before the last layer: (B, 3, H, W) in [-1, 1] to (B, 8 * width * expansion)."""
        x = self.relu(self.bn1(self.conv1(x)))
        x = self.layer4(self.layer3(self.layer2(self.layer1(x))))
        return self.avgpool(x).flatten(1)

    def forward(self, x: Tensor) -> Tensor:
        """Logits (B, K)."""
        return self.fc(self.features(x))


@dataclass(frozen=True)
class Recipe:
    """How to train a judge; see the parameters of `04_oracle_benchmark`."""

    width: int
    warmup_epochs: int
    epochs: int
    batch_size: int
    learning_rate: float
    pretrained: bool
    seed: int


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


def augment(images: Tensor, *, generator: torch.Generator) -> Tensor:
    """Mirror half of the images and shift each by up to a sixteenth of its side, borders reflected.

    Args:
        images: uint8 (B, H, W, 3).
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
    return images[which, rows.to(device)[:, :, None], columns.to(device)[:, None, :]]


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
    optimizer: torch.optim.Optimizer,
    schedule: torch.optim.lr_scheduler.LRScheduler,
    batch_size: int,
    generator: torch.Generator,
) -> float:
    """One pass in random order; returns the mean cross-entropy."""
    judge.train()
    losses = []
    for chosen in torch.randperm(len(images), generator=generator).to(images.device).split(batch_size):
        if len(chosen) == 1:
            continue  # batch normalisation needs two
        logits = judge(diffusion.to_model(augment(images[chosen], generator=generator)))
        loss = F.cross_entropy(logits, labels[chosen])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
        losses.append(loss.detach())
    return torch.stack(losses).mean().item()


def train_judge(
    judge: SmallImageResNet,
    train: tuple[np.ndarray, np.ndarray],
    validation: tuple[np.ndarray, np.ndarray],
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
        judge.requires_grad_(phase == "whole network")
        for new in (judge.conv1, judge.fc):  # of other shapes than the pretrained ones
            new.requires_grad_(True)
        trained = [p for p in judge.parameters() if p.requires_grad]
        optimizer = torch.optim.AdamW(trained, lr=recipe.learning_rate, weight_decay=0.05)
        total = epochs * -(-len(images) // recipe.batch_size)
        schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, recipe.learning_rate, total_steps=total)
        for _ in bar(range(epochs), desc=phase):
            train_loss = _train_epoch(
                judge,
                images,
                labels,
                optimizer=optimizer,
                schedule=schedule,
                batch_size=recipe.batch_size,
                generator=generator,
            )
            measured = evaluate(judge, *validation)
            history.append(
                {
                    "epoch": len(history) + 1,
                    "phase": phase,
                    "train_loss": train_loss,
                    "validation_loss": measured["loss"],
                    "validation_accuracy": measured["accuracy"],
                }
            )
            if best is None or measured["loss"] < best[0]:
                best = measured["loss"], {k: v.detach().clone() for k, v in judge.state_dict().items()}
    judge.load_state_dict(best[1])
    judge.eval()
    return pd.DataFrame(history)


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


def train_or_load(
    architecture: str,
    splits: dict[str, tuple[np.ndarray, np.ndarray]],
    *,
    recipe: Recipe,
    folder: Path,
    device: torch.device,
    bar: Callable,
) -> dict:
    """What is known about a judge, after training it unless an earlier, interrupted run already had.

    Writes `judge.safetensors`, `history.csv`, `test_answers.parquet` (label, judged and a probability for each
    class, a row a test face), and `about.json` last, which marks the judge as complete.

    Args:
        architecture: a key of LEVELS.
        splits: "train", "validation" and "test", each uint8 (N, H, W, 3) and int64 (N,).
        recipe: how to train.
        folder: of this judge.
        device: to train on.
        bar: wraps the epochs.

    Returns:
        architecture, width, n_classes, n_weights, starts_from, why_from_scratch, validation and test (each with
        accuracy, loss, macro_f1, n), as in `about.json`.
    """
    if (folder / "about.json").is_file():
        return artifacts.read_json(folder / "about.json")
    n_classes = int(splits["train"][1].max()) + 1
    judge, scratch = build_judge(architecture, n_classes=n_classes, recipe=recipe)
    history = train_judge(
        judge, splits["train"], splits["validation"], recipe=recipe, frozen_first=not scratch, device=device, bar=bar
    )
    about = {
        "architecture": architecture,
        "width": recipe.width,
        "n_classes": n_classes,
        "n_weights": sum(p.numel() for p in judge.parameters()),
        "starts_from": f"random weights ({scratch})" if scratch else "ImageNet weights",
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


def test_answers(folder: Path, judge: str) -> pd.DataFrame:
    """What a judge said of each real test face: label, judged, p_0 to p_{K-1}."""
    return pd.read_parquet(folder / judge / "test_answers.parquet")


def select(folder: Path, wanted: str) -> str:
    """Name of the judge to use: `wanted`, or with "best" the one of the highest validation accuracy.

    The test split has no say: choosing by it would raise the denominator of RCA by luck.

    Raises:
        StudyError: the judge wanted was not trained.
    """
    about = {path.parent.name: artifacts.read_json(path) for path in sorted(folder.glob("*/about.json"))}
    if wanted == "best":
        return max(about, key=lambda name: about[name]["validation"]["accuracy"])
    if wanted not in about:
        raise StudyError(f"selected_judge is {wanted!r}, but the judges are {', '.join(about)}; see judges of 04")
    return wanted


def comparison(folder: Path, judges: Sequence[str]) -> pd.DataFrame:
    """Table 1 of the paper: a column a judge; test accuracy with its Wilson interval, loss, F1, validation accuracy."""
    columns = {}
    for name in judges:
        about = artifacts.read_json(folder / name / "about.json")
        answers = test_answers(folder, name)
        by_class = f1_score(answers["label"], answers["judged"], average=None)
        right = int((answers["label"] == answers["judged"]).sum())
        low, high = proportion_confint(right, len(answers), method="wilson")
        columns[name] = {
            "test_accuracy": about["test"]["accuracy"],
            "test_accuracy_low": low,
            "test_accuracy_high": high,
            "test_loss": about["test"]["loss"],
            "macro_f1": about["test"]["macro_f1"],
            "best_class_f1": by_class.max(),
            "worst_class_f1": by_class.min(),
            "n_test": len(answers),
            "validation_accuracy": about["validation"]["accuracy"],
        }
    return pd.DataFrame(columns).rename_axis("metric").reset_index()


def paired_comparisons(folder: Path, judges: Sequence[str]) -> pd.DataFrame:
    """Every two judges on the same test faces, by McNemar's exact test.

    Returns:
        judge, other, only_judge_right, only_other_right (faces), p (two-sided).

    Source: McNemar (1947), as statsmodels' `mcnemar`.
    """
    right = {name: (a := test_answers(folder, name))["label"] == a["judged"] for name in judges}
    rows = []
    for one, other in combinations(judges, 2):
        only_one, only_other = int((right[one] & ~right[other]).sum()), int((~right[one] & right[other]).sum())
        p = mcnemar([[0, only_one], [only_other, 0]], exact=True).pvalue
        row = {"judge": one, "other": other, "only_judge_right": only_one, "only_other_right": only_other, "p": p}
        rows.append(row)
    return pd.DataFrame(rows, columns=["judge", "other", "only_judge_right", "only_other_right", "p"])


def hard_case_accuracy(
    folder: Path, judges: Sequence[str], hard: tuple[np.ndarray, np.ndarray], *, device: torch.device
) -> pd.DataFrame:
    """Accuracy of every judge on the hard cases; empty where the folder brings none.

    Args:
        folder: of the judges.
        judges: their names.
        hard: uint8 (N, H, W, 3) and int64 (N,).
        device: to compute on.

    Returns:
        judge, accuracy_test, accuracy_hard, n_hard.
    """
    rows = []
    for name in judges if len(hard[1]) else []:
        on_hard = evaluate(load_judge(folder / name, device), *hard)
        answers = test_answers(folder, name)
        on_test = (answers["label"] == answers["judged"]).mean()
        row = {"judge": name, "accuracy_test": on_test, "accuracy_hard": on_hard["accuracy"], "n_hard": on_hard["n"]}
        rows.append(row)
    return pd.DataFrame(rows, columns=["judge", "accuracy_test", "accuracy_hard", "n_hard"])
