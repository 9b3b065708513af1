"""What a sweep consists of, and how large an effect it can see: what a reader wants to know before any verdict."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
import torch
from scipy import stats
from statsmodels.stats.power import TTestPower
from torch.utils.flop_counter import FlopCounterMode

from kpop_rca import rca
from kpop_rca.claims import flat_loss
from kpop_rca.claims.verdicts import POWER
from kpop_rca.diffusion.unet import NETWORK, build_unet
from kpop_rca.study import flat_yaml, params, paths, sweeps

# Experiments beside the paper's explanations of a low RCA: title, axis and responses of their figures.
FURTHER = {
    "labels": (
        "Wrong images in the training folders",
        "training folders",
        ["confusion_corrected_accuracy", "rca", "recall"],
    ),
    "guidance": ("Classifier-free guidance", "weight w", ["rca", "recall", "frechet"]),
    "sampler": ("Samplers", "sampler and steps", ["rca", "recall", "frechet"]),
    "jitter": (
        "Colour jitter in the oracles' training",
        "spread of the random gains",
        ["confusion_corrected_accuracy", "rca", "accuracy_real"],
    ),
}


def committed_parameters(study: str) -> dict[str, Any]:
    """The parameters that a sweep's committed runs were made with; where they are not committed, its study file's."""
    path = paths.committed_report(study) / "params.yaml"
    return flat_yaml.read(path, where=path.name) if path.is_file() else params.resolve(study)


def configuration(runs: pd.DataFrame, parameters: dict[str, Any]) -> pd.DataFrame:
    """What the runs consist of: quantity and value (text).

    Args:
        runs: from `small_studies.run_all` or `runs.committed_runs`.
        parameters: of the sweep.
    """
    first, batch = runs.drop_duplicates(["study", "oracle"]), parameters["batch_size"]
    seeds = runs.groupby(["experiment", "level"])["seed"].nunique()
    flat = runs["experiment"].isin(sweeps.UNTIL_FLAT)
    steps = f"{_range(runs.loc[~flat, 'n_steps'])} steps of {batch} images"
    if flat.any():
        steps += f"; in the longer arm {_range(runs.loc[flat, 'n_steps'])}"
    own = parameters["image_size"]
    sizes = sorted({own, *parameters["sweep_sizes"], *parameters["sweep_longer"]})
    others = f"; in the experiments on it {', '.join(map(str, sizes))} px" if len(sizes) > 1 else ""
    counted = _range(pd.Series(operations(parameters, sizes)))
    rows = {
        "people": f"{parameters['n_identities']} avatars, others for each seed",
        "image size": f"{own} px{others}",
        "operations of the network": f"{counted} million an image",
        "training of a generator": steps,
        "trainings of a level": f"{_range(seeds)} seeds, one training each",
        "sets of generated images": f"{runs['images'].nunique()}",
        "generated images of a set": _range(first["n_generated"]),
        "real test faces of an oracle": _range(first["n_real"]),
        "oracles of a set": _range(runs.groupby(["experiment", "study"])["oracle"].nunique()),
        "experiments and levels": f"{runs['experiment'].nunique()} and "
        f"{len(runs.drop_duplicates(['experiment', 'level']))}",
    }
    return pd.DataFrame({"quantity": rows.keys(), "value": rows.values()})


def operations(parameters: dict[str, Any], sizes: Sequence[int]) -> list[int]:
    """Millions of floating-point operations of the network for one image, at each size of the experiment on sizes."""
    found = []
    for size in sizes:
        network = parameters | sweeps.EXPERIMENTS["size"][1](str(size), parameters)
        with torch.device("meta"):  # shapes alone are counted
            unet = build_unet(**{name: network[name] for name in NETWORK}, n_classes=parameters["n_identities"])
            inputs = torch.zeros(1, 3, size, size), torch.zeros(1), torch.zeros(1, dtype=torch.long)
        with FlopCounterMode(display=False) as counted:
            unet(inputs[0], inputs[1], class_labels=inputs[2])
        found.append(round(counted.get_total_flops() / 1e6))
    return found


def _range(values: pd.Series) -> str:
    low, high = int(values.min()), int(values.max())
    return f"{low:,}" if low == high else f"{low:,} to {high:,}"


def detectable_effect(sd: float, n_seeds: int, *, power: float = POWER) -> float:
    """The smallest mean difference over the seeds that a two-sided t-test at 5 % finds with this power.

        n = number of seeds; the test of sd * d / (sd / sqrt(n)) has this power at the d that is solved for

    NaN below two seeds.

    Source: Cohen (1988), as statsmodels' `TTestPower`.

    >>> round(detectable_effect(0.1, 3), 2), round(detectable_effect(0.1, 10), 2)
    (0.33, 0.1)
    """
    if n_seeds < 2 or not np.isfinite(sd):
        return np.nan
    alpha = 1 - rca.CONFIDENCE
    return sd * float(TTestPower().solve_power(nobs=n_seeds, alpha=alpha, power=power, alternative="two-sided"))


def with_detectable(found: pd.DataFrame) -> pd.DataFrame:
    """A table of verdicts with sd, of the differences over the seeds, and detectable, the effect seen at POWER.

    The standard deviation is that behind the interval, half of which is t_(n-1) sd / sqrt(n). It is known as roughly as
    few seeds tell it.

    Args:
        found: from `verdicts.verdict_table`.
    """
    n = found["n_seeds"].to_numpy()
    quantile = stats.t.ppf(0.5 + rca.CONFIDENCE / 2, np.maximum(n - 1, 1))
    sd = (found["high"] - found["low"]).to_numpy() / 2 / quantile * np.sqrt(n)
    return found.assign(sd=sd, detectable=[detectable_effect(*row) for row in zip(sd, n, strict=True)])


def about_flat(table: pd.DataFrame, parameters: dict[str, Any]) -> list[str]:
    """When a held-out loss counts as flat, and how many trainings ended so before their steps were used up: sentences.

    Args:
        table: from `verdicts.mean_over_oracles`.
        parameters: of the sweep.
    """
    said, most = [], 0
    for level, part in table[table["experiment"].isin(sweeps.UNTIL_FLAT)].groupby("level", sort=False):
        most = sweeps.EXPERIMENTS[part["experiment"].iloc[0]][1](level, parameters)["train_steps"]
        said.append(f"{level} px: {(part['n_steps'] < most).sum()} of {len(part)}")
    return [
        f"A loss is flat where {flat_loss.PATIENCE} looks, {flat_loss.EVERY} steps apart, lower it by less than "
        f"{flat_loss.GAIN:.0%}.",
        f"Flat before the last of {most:,} steps: {', '.join(said)}.",
        "Where it was not, more steps might still change the effect.",
    ]
