"""Small networks that learn to predict MOS from images, tested on people whom they were not trained on.

    python -m kpop_rca.human_ratings.iqa_networks --study quick

A study of its own, `params/ratings.yaml`: splits by identity, of which four fifths are trained on. The MOS are those of
notebook 11 of the study that is named.
"""

import argparse
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from scipy import stats
from torch import Tensor, nn

from kpop_rca.data.tensors import to_model
from kpop_rca.errors import StudyError, said_in_a_line
from kpop_rca.human_ratings import stimuli
from kpop_rca.oracles.resnet import SmallImageResNet
from kpop_rca.study import params, paths
from kpop_rca.system import console, files, seeds
from kpop_rca.system.seeds import Purpose

BY_SPLIT, SUMMARY = "iqa_networks_by_split.csv", "iqa_networks.csv"
NEEDED = (
    "image",
    "identity",
    "dimension",
    "mos",
)  # columns of a table of MOS; raters says who they are, if it is there
CORRELATIONS = ("srcc", "krcc", "plcc")
LEAST_IMAGES = 3  # of a test, to correlate
LARGEST_GRADIENT = 5.0


class CNNIQA(nn.Module):
    """One wide convolution, its largest and smallest response, and two layers on those; a whole small face is a patch.

    Source: Kang et al. (2014), "Convolutional Neural Networks for No-Reference Image Quality Assessment", section 3.
    """

    def __init__(self, *, width: int):
        super().__init__()
        self.convolution = nn.Conv2d(3, 2 * width, kernel_size=7)
        hidden = [
            nn.Linear(4 * width, 8 * width),
            nn.ReLU(),
            nn.Linear(8 * width, 8 * width),
            nn.ReLU(),
            nn.Dropout(0.5),
        ]
        self.head = nn.Sequential(*hidden, nn.Linear(8 * width, 1))

    def forward(self, x: Tensor) -> Tensor:
        """(B, 3, H, W) in [-1, 1] to (B, 1)."""
        found = self.convolution(x).flatten(2)
        return self.head(torch.cat([found.amax(2), found.amin(2)], dim=1))


def vgg(*, width: int) -> nn.Sequential:
    """Four levels of two 3x3 convolutions, halved by max-pooling, as Simonyan and Zisserman (2015) have five."""
    layers: list[nn.Module] = []
    channels = 3
    for level in range(4):
        wider = width * 2**level
        for _ in range(2):
            layers += [nn.Conv2d(channels, wider, 3, padding=1, bias=False), nn.BatchNorm2d(wider), nn.ReLU()]
            channels = wider
        layers.append(nn.MaxPool2d(2))
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(channels, 1))


NETWORKS: dict[str, Callable[[int], nn.Module]] = {
    "CNNIQA": lambda width: CNNIQA(width=width),
    "VGG-like": lambda width: vgg(width=width),
    "ResNet-18": lambda width: SmallImageResNet("resnet18", n_classes=1, width=width),
    "ResNet-34": lambda width: SmallImageResNet("resnet34", n_classes=1, width=width),
}


@dataclass(frozen=True)
class Recipe:
    """How the networks are trained, from random weights."""

    epochs: int = 20
    batch_size: int = 32
    learning_rate: float = 2e-3
    weight_decay: float = 1e-2
    width: int = 8


def splits(identities: np.ndarray, *, n_splits: int, test_fraction: float, seed: int) -> Iterator[np.ndarray]:
    """Which images each split tests on, as masks: those of some identities, all others are trained on.

    Raises:
        StudyError: there are fewer than two identities.
    """
    people = np.unique(identities)
    if len(people) < 2:
        raise StudyError("networks are tested on people whom they were not trained on: two identities are needed")
    n_test = min(max(1, round(test_fraction * len(people))), len(people) - 1)
    for number in range(n_splits):
        chosen = seeds.generator(Purpose.IQA_SPLITS, seed, number).permutation(people)[:n_test]
        yield np.isin(identities, chosen)


def trained(name: str, images: np.ndarray, mos: np.ndarray, recipe: Recipe, *, seed: int, split: int) -> nn.Module:
    """A network that predicts standardised MOS, in evaluation mode.

    Half of the images in each batch are mirrored. The learning rate falls from its value to 0 by a cosine.

    Args:
        name: a key of NETWORKS.
        images: uint8 (N, H, W, 3), N at least 2.
        mos: float (N,), not all the same.
        seed: of the study.
        split: its number.
    """
    with torch.random.fork_rng():
        torch.manual_seed(seeds.number(Purpose.IQA_NETWORK, seed, split))  # weights, dropout, order, mirrored images
        network = NETWORKS[name](recipe.width)
        x, y = to_model(torch.as_tensor(images)), torch.as_tensor(stats.zscore(mos), dtype=torch.float32)
        batches = max(1, len(x) // recipe.batch_size)
        rates = {"lr": recipe.learning_rate, "weight_decay": recipe.weight_decay}
        optimizer = torch.optim.AdamW(network.parameters(), **rates)
        schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, recipe.epochs * batches)
        network.train()
        for _ in range(recipe.epochs):
            for rows in torch.randperm(len(x)).tensor_split(batches):
                mirrored = torch.where(torch.rand(len(rows), 1, 1, 1) < 0.5, x[rows].flip(3), x[rows])
                loss = nn.functional.huber_loss(network(mirrored)[:, 0], y[rows])
                optimizer.zero_grad()
                loss.backward()
                nn.utils.clip_grad_norm_(network.parameters(), LARGEST_GRADIENT)
                optimizer.step()
                schedule.step()
    return network.eval()


@torch.inference_mode()
def predicted(network: nn.Module, images: np.ndarray) -> np.ndarray:
    """What a network says of images, uint8 (N, H, W, 3): float (N,), standardised as the MOS that it was trained on."""
    return network(to_model(torch.as_tensor(images)))[:, 0].double().numpy()


def correlation(found: np.ndarray, mos: np.ndarray) -> dict[str, float | str | None]:
    """SRCC, KRCC and PLCC (unfitted) of predictions with MOS, and the reason where they are null.

    >>> correlation(np.array([1.0, 2.0, 3.0]), np.array([1.0, 2.0, 6.0]))["srcc"]
    1.0
    >>> correlation(np.ones(3), np.array([1.0, 2.0, 6.0]))["reason"]
    'all predictions are the same'
    """
    reason = ""
    if len(found) < LEAST_IMAGES:
        reason = f"{len(found)} test images, {LEAST_IMAGES} needed"
    elif np.ptp(mos) == 0 or np.ptp(found) == 0:
        reason = f"all {'MOS' if np.ptp(mos) == 0 else 'predictions'} are the same"
    if reason:
        return dict.fromkeys(CORRELATIONS) | {"reason": reason}
    values = stats.spearmanr(found, mos), stats.kendalltau(found, mos), stats.pearsonr(found, mos)
    return {name: float(v.statistic) for name, v in zip(CORRELATIONS, values, strict=True)} | {"reason": ""}


def retrained(
    images: np.ndarray,
    mos: np.ndarray,
    identities: np.ndarray,
    *,
    recipe: Recipe,
    n_splits: int = 10,
    test_fraction: float = 0.2,
    seed: int,
    progress: Callable = iter,
) -> pd.DataFrame:
    """Every network, trained and tested on every split.

    Args:
        images: uint8 (N, H, W, 3).
        mos: float (N,).
        identities: (N,).
        test_fraction: of the identities.
        seed: of the study.
        progress: wraps the list of works, `tqdm` for example.

    Returns:
        One row per network and split: network, split, n_train, n_test, srcc, krcc, plcc, reason.

    Source: F-Bench, section 5.1 (80:20; the number of splits is ours).
    """
    tests = enumerate(splits(identities, n_splits=n_splits, test_fraction=test_fraction, seed=seed))
    works = [(name, number, test) for number, test in tests for name in NETWORKS]
    rows = []
    for name, number, test in progress(works):
        network = trained(name, images[~test], mos[~test], recipe, seed=seed, split=number)
        about = {"network": name, "split": number, "n_train": int((~test).sum()), "n_test": int(test.sum())}
        rows.append(about | correlation(predicted(network, images[test]), mos[test]))
    return pd.DataFrame(rows)


def summary(by_split: pd.DataFrame) -> pd.DataFrame:
    """Mean and standard deviation over the splits: dimension, raters, network, splits, and two columns of each."""
    groups = by_split.groupby(["dimension", "raters", "network"], sort=False)
    table = groups.agg(
        splits=("srcc", "count"),
        **{name: (name, "mean") for name in CORRELATIONS},
        **{f"{name}_sd": (name, "std") for name in CORRELATIONS},
    )
    return table.reset_index()


def read_mos(path: Path) -> pd.DataFrame:
    """A table of MOS, one row per image and dimension, without those that have none.

    Raises:
        StudyError: there is no such file, or a column is missing.
    """
    if not path.is_file():
        raise StudyError(f"there is no {path}; run notebook 11_human_ratings, which writes 11_mos.csv, or name another")
    table = pd.read_csv(path, dtype={"image": str, "identity": str})
    if missing := [name for name in NEEDED if name not in table]:
        raise StudyError(f"{path} has no column {missing[0]!r}; a table of MOS has {', '.join(NEEDED)}")
    who = table.get("raters", "not said")
    return table.assign(raters=who).dropna(subset="mos")


def of_table(table: pd.DataFrame, images: dict[str, np.ndarray], **how) -> pd.DataFrame:
    """`retrained` on every dimension of a table of MOS, with columns dimension and raters before the others.

    Raises:
        StudyError: an image of the table is not among `images`, by name.
    """
    if strange := sorted(set(table["image"]) - images.keys()):
        raise StudyError(f"the MOS are of other images, such as {strange[0]}; rated_images of 11 was another")
    found = []
    for (dimension, raters), part in table.groupby(["dimension", "raters"], sort=False):
        pixels = np.stack([images[name] for name in part["image"]])
        rows = retrained(pixels, part["mos"].to_numpy(), part["identity"].to_numpy(), **how)
        rows.insert(0, "dimension", dimension)
        rows.insert(1, "raters", raters)
        found.append(rows)
    return pd.concat(found, ignore_index=True)


def trained_on(
    table: pd.DataFrame,
    shown: Sequence[stimuli.Stimulus],
    *,
    dimensions: Sequence[str],
    n_splits: int,
    epochs: int,
    seed: int,
    progress: Callable = iter,
) -> pd.DataFrame:
    """`summary` of networks that are trained on a table of MOS and the rated images; see `of_table`."""
    part = table[table["dimension"].isin(dimensions)].dropna(subset="mos")
    images = {one.name: one.image for one in shown}
    how = {"n_splits": n_splits, "seed": seed, "progress": progress}
    return summary(of_table(part, images, recipe=Recipe(epochs=epochs), **how))


def committed(study: str) -> pd.DataFrame:
    """The summary that a study of networks left in its report, as `summary` has it.

    Raises:
        StudyError: it left none.
    """
    path = paths.report_folder(study) / "tables" / SUMMARY
    if not path.is_file():
        raise StudyError(f"there is no {path.name} in reports/{study}; python -m kpop_rca.human_ratings.iqa_networks")
    return pd.read_csv(path)


@said_in_a_line
def main(arguments: list[str] | None = None) -> int:
    """Command line; returns the exit status."""
    parser = argparse.ArgumentParser(prog="python -m kpop_rca.human_ratings.iqa_networks", description=__doc__)
    parser.add_argument("--study", default="quick", help="whose images were rated")
    parser.add_argument("--mos", type=Path, help="table of MOS (default: 11_mos.csv of the study's report)")
    parser.add_argument(
        "--recipe", default="ratings", help="study file with iqa_splits and the like (default: ratings)"
    )
    parser.add_argument("--splits", type=int, help="in place of iqa_splits")
    parser.add_argument("--epochs", type=int, help="in place of iqa_epochs")
    parser.add_argument("--out", type=Path, help="folder of the tables (default: reports/<recipe>/tables)")
    options = parser.parse_args(arguments)
    told = params.resolve(options.recipe)
    path = options.mos or paths.report_folder(options.study) / "tables" / "11_mos.csv"
    table = read_mos(path)
    wanted = told["iqa_dimensions"]
    if unknown := sorted(set(wanted) - set(table["dimension"])):
        raise StudyError(f"{path} has no MOS of {unknown[0]}; it has {', '.join(table['dimension'].unique())}")
    shown = stimuli.of_study(options.study, n_images=params.resolve(options.study)["rated_images"])
    by_split = of_table(
        table[table["dimension"].isin(wanted)],
        {s.name: s.image for s in shown},
        recipe=Recipe(epochs=options.epochs or told["iqa_epochs"]),
        n_splits=options.splits or told["iqa_splits"],
        seed=told["seed"],
        progress=console.bar,
    )
    out = options.out or paths.report_folder(options.recipe) / "tables"
    for name, found in ((BY_SPLIT, by_split), (SUMMARY, summary(by_split))):
        with files.atomic(out / name) as temporary:
            found.to_csv(temporary, index=False)
    print(summary(by_split).round(3).to_string(index=False))
    return 0


if __name__ == "__main__":
    sys.exit(main())
