"""The tables of the panel: every metric with its value, what is declared of it, and tau by ladder."""

from collections.abc import Mapping

import numpy as np
import pandas as pd

from kpop_rca.metric_panel import known_faces as of_known
from kpop_rca.metric_panel.metric import OF_KNOWN, Measured, Metric, Needs, Property, measure
from kpop_rca.metric_panel.samples import Sample

DIRECTIONS = {1: "higher", -1: "lower", 0: "as real"}
NOTES = dict.fromkeys(OF_KNOWN, "rendered avatars") | {
    Needs.REFERENCE_IMAGE: "degraded real faces: generated, as the study's model restores them; real, by bicubic "
    "interpolation"
}


def panel(
    metrics: Mapping[str, Metric],
    generated: Sample,
    other_real: Sample,
    real: Sample,
    *,
    known_faces: Sample,
    restored: tuple[Sample, Sample],
    known: Mapping[str, float],
) -> pd.DataFrame:
    """Every metric of generated images and of as many other real ones, both beside the same real images.

    Args:
        known_faces: see `known_faces.known_faces`; measures of boxes, masks and prompts are of these.
        restored: faces with the true image of each, as the study's model and as bicubic interpolation restore them;
            measures beside the true image are of these, in place of generated and of other real ones.
        known: values of generated images that were found elsewhere, by the name of the metric.

    Returns:
        One row per metric: metric, title, measures, needs, better, measured_on (NOTES), generated, real, avatars,
        n_generated, smallest, weights, licence, source, and why there is no value of generated images or avatars.
    """
    people = of_known.with_prompts(known_faces)
    on_avatars = {Needs.BOXES: known_faces, Needs.MASKS: known_faces, Needs.PROMPT: people}
    rows = []
    for name, metric in metrics.items():
        sides = restored if metric.needs is Needs.REFERENCE_IMAGE else (generated, other_real)
        found, beside, avatars = Measured(None), Measured(None), Measured(None)
        if metric.needs in on_avatars:
            avatars = measure(metric, on_avatars[metric.needs], real)
        else:
            found, beside = (measure(metric, sample, real) for sample in sides)
        value, why = (known[name], "") if name in known else (found.value, found.why or avatars.why)
        rows.append(
            {
                "metric": name,
                "title": metric.title,
                "measures": metric.measures,
                "needs": str(metric.needs),
                "better": DIRECTIONS[metric.direction],
                "measured_on": NOTES.get(metric.needs, ""),
                "generated": np.nan if value is None else value,
                "real": np.nan if beside.value is None else beside.value,
                "avatars": np.nan if avatars.value is None else avatars.value,
                "n_generated": len(sides[0]),
                "smallest": metric.smallest,
                "weights": metric.weights,
                "licence": metric.licence,
                "source": metric.source,
                "why": why,
            }
        )
    return pd.DataFrame(rows)


def declared(metrics: Mapping[str, Metric]) -> pd.DataFrame:
    """What is declared of every metric, a column per property: yes, no, or a dash where it cannot be asked.

    Returns:
        One row per metric, with title and, in words, the reasons of every no.
    """
    rows = []
    for name, metric in metrics.items():
        row = {"metric": name, "title": metric.title}
        for which in Property:
            row[str(which)] = "–" if which not in metric.applicable else "no" if which in metric.exceptions else "yes"
        rows.append(row | {"reasons": "; ".join(f"{which}: {why}" for which, why in metric.exceptions.items())})
    return pd.DataFrame(rows)
