"""The tables of the panel: every metric with its value, what is declared of it, and tau by ladder."""

from collections.abc import Mapping

import numpy as np
import pandas as pd

from kpop_rca.metric_panel.metric import OF_KNOWN, Metric, Needs, Property, measure
from kpop_rca.metric_panel.samples import Sample

DIRECTIONS = {1: "higher", -1: "lower", 0: "as real"}


def panel(
    metrics: Mapping[str, Metric],
    generated: Sample,
    other_real: Sample,
    real: Sample,
    *,
    known_faces: Sample,
    known: Mapping[str, float],
) -> pd.DataFrame:
    """Every metric of generated images and of as many other real ones, both beside the same real images.

    Args:
        known_faces: see `known_faces.known_faces`; measures of boxes, masks and prompts are of these, in column `real`.
        known: values of generated images that were found elsewhere, by the name of the metric.

    Returns:
        One row per metric: metric, title, measures, needs, better, generated, real, n_generated, smallest, weights,
        licence, source, and why there is no value.
    """
    people = known_faces.part(np.flatnonzero([bool(prompt) for prompt in known_faces.about["prompt"]]))
    known_sides = {Needs.BOXES: known_faces, Needs.MASKS: known_faces, Needs.PROMPT: people}
    rows = []
    for name, metric in metrics.items():
        as_real = known_sides.get(metric.needs, other_real)
        found, beside = (measure(metric, sample, real) for sample in (generated, as_real))
        value, why = (known[name], "") if name in known else (found.value, found.why)
        why = beside.why or why if metric.needs in OF_KNOWN else why
        rows.append(
            {
                "metric": name,
                "title": metric.title,
                "measures": metric.measures,
                "needs": str(metric.needs),
                "better": DIRECTIONS[metric.direction],
                "generated": np.nan if value is None else value,
                "real": np.nan if beside.value is None else beside.value,
                "n_generated": len(generated),
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


def by_ladder(table: pd.DataFrame) -> pd.DataFrame:
    """Kendall's tau as text, one row per metric that has any and one column per ladder; from `climb`."""
    has = table[table["tau"].notna()]
    shown = has.assign(text=has["tau"].map("{:.2f}".format))
    wide = shown.pivot(index="metric", columns="ladder", values="text").fillna("–")
    order = dict.fromkeys(table["metric"])
    return wide.loc[[name for name in order if name in wide.index], list(dict.fromkeys(table["ladder"]))]
