"""The model card of published weights: what they are, how they were trained, what was measured of their images."""

from pathlib import Path
from typing import Any

from kpop_rca.diffusion.published_weights import RECORD, WEIGHTS, PublishedWeights
from kpop_rca.diffusion.trainer import LOG
from kpop_rca.study import flat_yaml
from kpop_rca.system import files, html

CARD = "MODEL_CARD.md"
LISTED = {WEIGHTS: "averaged weights, bf16", LOG: "loss during the training"}


def write(weights: str, metrics: dict[str, Any] | None) -> Path:
    """Write the card into a folder of published weights; returns its path.

    Args:
        weights: the folder, as the parameter of 03 names it.
        metrics: `metrics.json` of a study that generated from these weights; None without one.
    """
    found = PublishedWeights.read(weights)
    text = html.template("kpop_rca.results", CARD.lower()).render(
        **found.record,
        told=found.record["parameters"],
        settings=flat_yaml.dumps(found.record["parameters"]),
        n_weights=found.load()[0].num_parameters(),
        steps=int(found.log["step"].iloc[-1]),
        seconds=found.log["seconds"].iloc[-1],
        listed=LISTED,
        record_name=RECORD,
        metrics=metrics,
    )
    with files.atomic(found.folder / CARD) as temporary:
        temporary.write_text(f"{text}\n", encoding="utf-8")
    return found.folder / CARD
