"""What every metric of the panel that looks at single images says of images that are rated, so that it meets a MOS."""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from kpop_rca.human_ratings import Stimulus
from kpop_rca.metric_panel.metric import Metric, Needs, measure
from kpop_rca.metric_panel.registry import METRICS
from kpop_rca.metric_panel.samples import Sample, Seen, Tool
from kpop_rca.oracles.candidates import Faces

ORIGINAL = "Original"  # caption of the true image beside a restored one
BESIDE = 10  # real images of each identity, the first ones
OF_IDENTITY = (Needs.LABELS, Needs.SET_AND_LABELS)


def of_each_image(
    stimuli: Sequence[Stimulus],
    names: Sequence[str],
    real: Faces,
    *,
    tools: Mapping[str, Tool],
    metrics: Mapping[str, Metric] = METRICS,
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Every per-image metric of the registry, of each rated image.

    Metrics beside the true image are of restored images that have one. Those of identities are of images of people
    whom the study knows.

    Args:
        stimuli: N images of one size.
        names: of the identities, by label.
        real: uint8 (M, H, W, 3) and labels, of which the first of each identity stand beside; none of them is rated.
        tools: see `tools.of_study`.
        metrics: a part of the registry, for tests.

    Returns:
        float (N rows), a column per metric that has a value, NaN for images that it is not of; and one row per metric
        without any: metric, title, why.
    """
    number = {name: label for label, name in enumerate(names)}
    truth = {k: image for k, one in enumerate(stimuli) for caption, image, _ in one.beside if caption == ORIGINAL}
    labels = np.array([number.get(one.identity, 0) for one in stimuli])
    everything = Sample.of(np.stack([one.image for one in stimuli]), labels, tools)
    known = everything.part(np.flatnonzero([one.identity in number for one in stimuli]))
    restored = np.array(list(truth), dtype=int)
    with_truth = _beside_truth(everything.images[restored], list(truth.values()), labels[restored])
    few = np.concatenate([np.flatnonzero(real[1] == label)[:BESIDE] for label in np.unique(real[1])])
    beside = Sample.of(real[0][few], real[1][few], tools)
    values, absent = pd.DataFrame(index=range(len(stimuli))), []
    for name, metric in metrics.items():
        if not metric.of_image:
            continue
        of_restored = metric.needs is Needs.REFERENCE_IMAGE
        sample = with_truth if of_restored else known if metric.needs in OF_IDENTITY else everything
        found = measure(metric, sample, beside) if len(sample) else None
        if found is None or found.of_images is None:
            absent.append((name, metric.title, found.why if found else "no image has a true one beside it"))
        else:
            values.loc[restored if of_restored else sample.rows, name] = found.of_images
    return values, pd.DataFrame(absent, columns=["metric", "title", "why"])


def _beside_truth(images: np.ndarray, truth: list[np.ndarray], labels: np.ndarray) -> Sample:
    """Restored images with the true ones, at which no tool of single images looks."""
    both = np.concatenate([images, np.array(truth, dtype=np.uint8).reshape(-1, *images.shape[1:])])
    rows = np.arange(len(images))
    return Sample(Seen(both, {}), rows, labels, truth=len(images) + rows)
