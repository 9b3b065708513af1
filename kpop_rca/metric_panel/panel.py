"""The whole panel of one study: every metric of its images, what each metric sees, and the checks beside them."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import torch

from kpop_rca.diffusion.trainer import load_grids, load_trained
from kpop_rca.image_metrics.full_reference import psnr_warning_table
from kpop_rca.metric_panel import known_faces, ladders, metric_of_metrics, tables, tools
from kpop_rca.metric_panel.parity import parity
from kpop_rca.metric_panel.registry import METRICS
from kpop_rca.metric_panel.samples import Sample
from kpop_rca.oracles.candidates import Faces, capped
from kpop_rca.oracles.resnet import SmallImageResNet
from kpop_rca.system import seeds
from kpop_rca.system.seeds import Purpose


@dataclass(frozen=True)
class Panel:
    """Tables, see the functions that make them.

    Attributes:
        metrics: `tables.panel` with the columns of `metric_of_metrics.what_is_seen`.
        climbed: `metric_of_metrics.climb`.
        parity: `parity.parity`.
        warning: `full_reference.psnr_warning_table`.
    """

    metrics: pd.DataFrame
    climbed: pd.DataFrame
    parity: pd.DataFrame
    warning: pd.DataFrame

    def by_name(self) -> dict[str, pd.DataFrame]:
        """Every table by the name of its file."""
        return {
            "metrics": self.metrics,
            "declared": tables.declared(METRICS),
            "ladders": self.climbed,
            "parity": self.parity,
            "psnr_warning": self.warning,
        }


def run(
    oracle: SmallImageResNet,
    splits: Mapping[str, Faces],
    generated: Faces,
    *,
    training: Path,
    known: Mapping[str, float],
    seed: int,
    margin: float,
    device: torch.device,
    bar: Callable,
    n_resamples: int = metric_of_metrics.RESAMPLES,
) -> Panel:
    """Everything, on few images: as many of each identity as a level of a ladder has.

    Args:
        oracle: in evaluation mode.
        splits: "train" and "test", uint8 (N, H, W, 3) and int64 (N,) each.
        generated: images and their requested identities.
        training: folder of the model.
        known: values that were found elsewhere, by metric.
        margin: of the crops, see `images.crop_square`.
        bar: `tqdm` or one of its kind.
        n_resamples: of the images of each level.
    """
    opened = tools.of_study(oracle, splits["train"][0], seed=seed, margin=margin, device=device)
    on_ladders = {name: tool for name, tool in opened.items() if name not in tools.SLOW}
    n_classes = int(splits["test"][1].max()) + 1
    model = load_trained(training, device)
    climbed_on, real = ladders.build(
        splits["test"],
        tools=on_ladders,
        generator=seeds.generator(Purpose.LADDERS, seed),
        generate=ladders.generator_of(*model, n_classes=n_classes, seed=seed),
        grids=load_grids(training),
    )
    taus, replicates = metric_of_metrics.climb(
        climbed_on,
        METRICS,
        real,
        generator=seeds.generator(Purpose.LADDER_HALVES, seed),
        n_resamples=n_resamples,
        progress=bar,
    )
    first = climbed_on[0].samples[0]  # real faces, as they are
    few = capped(generated, np.bincount(first.labels), generator=seeds.generator(Purpose.LADDERS, seed, 1))
    sides = [Sample.of(images, labels, opened) for images, labels in (few, (first.images, first.labels))]
    beside = Sample.of(real.images, real.labels, opened)
    faces = known_faces.known_faces(tools.with_prompts(), seed=seed)
    values = tables.panel(METRICS, *sides, beside, known_faces=faces, known=known)
    seen = metric_of_metrics.what_is_seen(taus, replicates, METRICS)
    metrics = values.merge(seen.drop(columns=["title", "measures", "why"]), on="metric")
    return Panel(metrics, taus, parity(climbed_on[0].samples[1], real), psnr_warning_table(first.images))


def sentences(panel: Panel) -> Iterator[str]:
    """What was found, each computed."""
    able = panel.metrics[panel.metrics["sees"] != ""]
    for sees, said in (
        ("quality", "see quality and not identity"),
        ("identity", "see identity and not quality"),
        ("both", "see both"),
        ("neither", "see neither"),
    ):
        names = able.loc[able["sees"] == sees, "title"]
        yield f"{len(names)} of {len(able)} metrics {said}: {'; '.join(names) or 'none'}."
    control = metric_of_metrics.control(panel.climbed)
    yield (
        f"On a shuffled ladder, where there is nothing to see, the interval of τ holds 0 for {control['holds'].sum()} "
        f"of {len(control)} metrics."
    )
    warned = panel.warning
    better = int((warned["ssim"] > warned["ssim_blur"]).sum())
    yield (
        f"Of {len(warned)} changes of contrast and colour that hardly anybody minds, PSNR takes each for as bad as a "
        f"blur (mean {warned['psnr'].mean():.1f} dB); SSIM prefers {better} of them to that blur."
    )
    same = panel.parity
    yield f"Of {len(same)} comparisons with other programs on the same features, {same['holds'].sum()} hold."
