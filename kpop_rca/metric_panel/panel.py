"""The whole panel of one study: every metric of its images, what each metric sees, and the checks beside them."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path

import numpy as np
import pandas as pd
import torch

from kpop_rca.degradations import pipelines
from kpop_rca.diffusion import restoration
from kpop_rca.diffusion.trainer import load_grids, load_trained
from kpop_rca.human_ratings.stimuli import RESTORATION_STRENGTH, small_factors
from kpop_rca.image_metrics.feature_panel import measures_by_class
from kpop_rca.image_metrics.full_reference import psnr_warning_table
from kpop_rca.image_metrics.pretrained import WeightsMissing
from kpop_rca.metric_panel import known_faces, ladders, metric_of_metrics, tables, tools
from kpop_rca.metric_panel.ladders import Ladder
from kpop_rca.metric_panel.metric import OF_KNOWN, Needs
from kpop_rca.metric_panel.parity import FROZEN, parity
from kpop_rca.metric_panel.registry import METRICS
from kpop_rca.metric_panel.samples import Sample, Seen, Tool
from kpop_rca.oracles.candidates import Faces, capped
from kpop_rca.oracles.resnet import SmallImageResNet
from kpop_rca.study import paths
from kpop_rca.system import seeds
from kpop_rca.system.seeds import Purpose

REPORT, PREFIX = "panel", "09_panel_"  # folder of the committed tables, and what their names begin with
BY_CLASS = ("oracle_features", "inception", "dinov2")  # tools whose features are measured identity by identity
OF_FACES = ("embedding_similarity", "true_accepts")  # metrics on the face network, which climb small ladders


@dataclass(frozen=True)
class Panel:
    """Tables, see the functions that make them.

    Attributes:
        metrics: `tables.panel` with the columns of `metric_of_metrics.what_is_seen`, and the study.
        ladders: `metric_of_metrics.climb`, of all ladders.
        parity: `parity.parity`.
        psnr_warning: `full_reference.psnr_warning_table`.
        by_class: `of_each_identity`.
    """

    metrics: pd.DataFrame
    ladders: pd.DataFrame
    parity: pd.DataFrame
    psnr_warning: pd.DataFrame
    by_class: pd.DataFrame

    def by_file(self) -> dict[str, pd.DataFrame]:
        """Every table by the name of its file, and what is declared of the metrics."""
        own = {field.name: getattr(self, field.name) for field in fields(self)}
        return {PREFIX + name: table for name, table in {**own, "declared": tables.declared(METRICS)}.items()}


def committed() -> Panel | None:
    """The panel that came with the project in `reports/panel/tables/`; None where none did.

    A notebook 09 that ran with `panel = "full"` leaves these tables in the report of its study; they are adopted by
    copying `reports/<study>/tables/09_panel_*.csv` there.
    """
    folder, text = paths.committed_report(REPORT) / "tables", ("why", "sees", "measured_on", "class", "measure")
    found = {}
    for field in fields(Panel):
        path = folder / f"{PREFIX}{field.name}.csv"
        if not path.is_file():
            return None
        table = pd.read_csv(path, dtype={"class": str, "study": str})
        texts = [name for name in text if name in table]
        found[field.name] = table.assign(**{name: table[name].astype(object).fillna("") for name in texts})
    return Panel(**found)


def run(
    oracle: SmallImageResNet,
    splits: Mapping[str, Faces],
    generated: Faces,
    *,
    features: Mapping[str, np.ndarray],
    classes: Sequence[str],
    training: Path,
    known: Mapping[str, float],
    study: str,
    seed: int,
    margin: float,
    device: torch.device,
    bar: Callable,
    n_resamples: int = metric_of_metrics.RESAMPLES,
) -> Panel:
    """Everything, on few images: as many of each identity as a level of a ladder has.

    Args:
        oracle: in evaluation mode.
        splits: "train", "test" and "validation", uint8 (N, H, W, 3) and int64 (N,) each.
        generated: images and their requested identities.
        features: of the oracle, of the images "test", "other" (validation) and "generated".
        classes: names of the identities.
        training: folder of the model.
        known: values that were found elsewhere, by metric.
        study: its name.
        margin: of the crops, see `images.crop_square`.
        bar: `tqdm` or one of its kind.
        n_resamples: of the images of each level.
    """
    opened = tools.of_study(oracle, splits["train"][0], seed=seed, margin=margin, device=device)
    model = load_trained(training, device)
    climbed_on, real = ladders.build(
        splits["test"],
        tools=tools.but_slow(opened),
        generator=seeds.generator(Purpose.LADDERS, seed),
        generate=ladders.generator_of(*model, n_classes=len(classes), seed=seed),
        grids=load_grids(training),
    )
    few_on, few_real = ladders.build(
        splits["test"],
        tools=opened,
        generator=seeds.generator(Purpose.LADDERS, seed),
        degradations=ladders.DEGRADED_FOR_SLOW,
        sizes=ladders.FEW,
    )
    faces = known_faces.known_faces(tools.with_prompts(), seed=seed)
    avatars = known_faces.ladders_of(
        faces, tools=tools.but_slow(faces.seen.tools), generator=seeds.generator(Purpose.LADDERS, seed, 3)
    )
    taus, replicates = _climb_all(
        (climbed_on, real),
        (few_on, few_real),
        avatars,
        seed=seed,
        n_resamples=n_resamples,
        bar=bar,
    )
    first = climbed_on[0].samples[0]  # real faces, as they are
    few = capped(generated, np.bincount(first.labels), generator=seeds.generator(Purpose.LADDERS, seed, 1))
    sides = [Sample.of(images, labels, opened) for images, labels in (few, (first.images, first.labels))]
    beside = Sample.of(real.images, real.labels, opened)
    restored = _restored(model, first, seed=seed)
    values = tables.panel(METRICS, *sides, beside, known_faces=faces, restored=restored, known=known)
    seen = metric_of_metrics.what_is_seen(taus, replicates, METRICS)
    metrics = values.merge(seen.drop(columns=["title", "measures", "why"]), on="metric")
    sets = {"test": splits["test"], "other": splits["validation"], "generated": generated}
    return Panel(
        metrics.assign(study=study),
        taus,
        parity(climbed_on[0].samples[1], real),
        psnr_warning_table(first.images),
        of_each_identity(sets, features, tools=opened, classes=classes, seed=seed),
    )


def _climb_all(
    everything: tuple[list[Ladder], Sample],
    few: tuple[list[Ladder], Sample],
    avatars: list[Ladder],
    *,
    seed: int,
    n_resamples: int,
    bar: Callable,
) -> tuple[pd.DataFrame, metric_of_metrics.Replicates]:
    """`metric_of_metrics.climb` of every metric on the ladders where it can be measured, one row for each ladder."""
    of_known = {name: metric for name, metric in METRICS.items() if metric.needs in OF_KNOWN}
    of_prompts = {name: metric for name, metric in of_known.items() if metric.needs is Needs.PROMPT}
    of_faces = {name: METRICS[name] for name in OF_FACES}
    others = {name: metric for name, metric in METRICS.items() if name not in of_known | of_faces}
    of_outlines = {name: metric for name, metric in of_known.items() if name not in of_prompts}
    people = known_faces.ladders_with_prompts(avatars)
    found, replicates = [], {}
    for number, (on, metrics, real) in enumerate(
        (
            (everything[0], others, everything[1]),
            (few[0], of_faces, few[1]),
            (avatars, of_outlines, everything[1]),
            (people, of_prompts, everything[1]),
        )
    ):
        how = {"generator": seeds.generator(Purpose.LADDER_HALVES, seed, number), "n_resamples": n_resamples}
        table, own = metric_of_metrics.climb(on, metrics, real, progress=bar, **how)
        found.append(table)
        replicates |= own
    return metric_of_metrics.complete(pd.concat(found), METRICS), replicates


def _restored(model: tuple, real: Sample, *, seed: int) -> tuple[Sample, Sample]:
    """Real faces degraded, and restored by the model (in few steps, conditioned on nobody) and by bicubic enlarging."""
    low, _ = pipelines.degraded(real.images, seed=seed, factors=small_factors(real.size))
    enlarged = pipelines.bicubic(low, real.images.shape[1:3])
    how = {"strength": RESTORATION_STRENGTH, "sampler": "dpmpp", "steps": ladders.STEPS[0], "seed": seed}
    rows, n = np.arange(len(enlarged)), len(enlarged)
    return tuple(
        Sample(Seen(np.concatenate([images, real.images]), {}), rows, real.labels, truth=n + rows)
        for images in (restoration.restore(*model, enlarged, **how), enlarged)
    )


def of_each_identity(
    sets: Mapping[str, Faces],
    features: Mapping[str, np.ndarray],
    *,
    tools: Mapping[str, Tool],
    classes: Sequence[str],
    seed: int,
) -> pd.DataFrame:
    """`feature_panel.measures_by_class` on the oracle's features, and on those of BY_CLASS whose weights are there.

    Args:
        sets: "test", "other" and "generated", images and identities.
        features: of the oracle, of the same.

    Returns:
        features (the name of the tool) and the columns of `measures_by_class`; of a tool without weights a single row,
        which says why.
    """
    labels, found = tuple(of for _, of in sets.values()), []
    for number, name in enumerate(BY_CLASS):
        generator = seeds.generator(Purpose.FEATURE_MEASURES, seed, number)
        try:
            seen = [features[part] if not number else tools[name](images) for part, (images, _) in sets.items()]
        except WeightsMissing as missing:
            found.append(pd.DataFrame([{"class": "", "measure": "", "why": " ".join(str(missing).split())}]))
        else:
            found.append(measures_by_class(*seen, labels=labels, classes=classes, features=name, generator=generator))
    return (
        pd.concat(dict(zip(BY_CLASS, found, strict=True)), names=["features"])
        .reset_index(level=0)
        .reset_index(drop=True)
    )


def sentences(panel: Panel, *, fresh: bool) -> Iterator[str]:
    """What was found, each computed, and of which study; whether `run` has just found it, or it is `committed`."""
    source = "Computed here" if fresh else f"Not computed here, but committed in reports/{REPORT}"
    yield f"{source}; study: {panel.metrics['study'].iloc[0]}."
    able = panel.metrics[panel.metrics["sees"] != ""]
    for sees, said in (
        ("quality", "see quality and not identity"),
        ("identity", "see identity and not quality"),
        ("both", "see both"),
        ("neither", "see neither"),
    ):
        names = able.loc[able["sees"] == sees, "title"]
        yield f"{len(names)} of {len(able)} metrics {said}: {'; '.join(names) or 'none'}."
    cannot = able[able["sees"] == metric_of_metrics.NO_IDENTITY]
    for sees, said in ((True, "see quality"), (False, "do not see quality")):
        names = cannot.loc[cannot["sees_quality"].astype(bool) == sees, "title"]
        yield f"{len(names)} more have {metric_of_metrics.NO_IDENTITY} and {said}: {'; '.join(names) or 'none'}."
    control = metric_of_metrics.control(panel.ladders)
    yield (
        f"On a shuffled ladder, where there is nothing to see, the interval of τ holds 0 for {control['holds'].sum()} "
        f"of {len(control)} metrics."
    )
    warned = panel.psnr_warning
    better = int((warned["ssim"] > warned["ssim_blur"]).sum())
    yield (
        f"Of {len(warned)} changes of contrast and colour that hardly anybody minds, PSNR takes each for as bad as a "
        f"blur (mean {warned['psnr'].mean():.1f} dB); SSIM prefers {better} of them to that blur."
    )
    same = panel.parity
    most = same.loc[(same["difference"] / same["tolerance"]).idxmax()]
    yield (
        f"Of {len(same)} comparisons with other programs on the same features, {same['holds'].sum()} hold; nearest to "
        f"its tolerance comes {most['metric']} ({most['reference']}): it differs by {most['difference']:.1g}, "
        f"relative, and {most['tolerance']:.0e} is allowed. {FROZEN}"
    )
    for why, rows in panel.by_class[panel.by_class["measure"] == ""].groupby("why", sort=False):
        yield f"No measures by identity on {', '.join(rows['features'])}: {why}"
