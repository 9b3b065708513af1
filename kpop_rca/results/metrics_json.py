"""`metrics.json`: the one machine-readable result of a study, of what 06 found of identity and 09 of image quality."""

import math
from typing import Any

import pandas as pd
import torch

from kpop_rca import rca
from kpop_rca.faces import crops
from kpop_rca.oracles import agreement
from kpop_rca.oracles.predictions import trained
from kpop_rca.oracles.training import read_about
from kpop_rca.results import paper
from kpop_rca.study import manifests, stage_run, stages
from kpop_rca.system import devices, files

IDENTITY = "identity.json"  # the part of 06, in the stage's folder


def identity_part(
    stage: stage_run.StageRun,
    *,
    headline: agreement.HeadlineCounts,
    by_oracle: pd.DataFrame,  # from `agreement.rca_by_oracle`
    classes: list[str],
    corrected: dict[str, Any],  # from `rca.confusion_corrected_summary`
    over_oracles: dict[str, Any],  # from `rca.over_oracles`
    trainings: dict[str, Any],  # from `oracles.trainings_summary`
    recipe: dict[str, Any],  # from `oracles.recipe_summary`
    verdicts: pd.DataFrame,  # from `oracles.person_verdicts`
    further: dict[str, Any],  # from `results.further_trainings`
    collapse: dict[str, Any],  # from `rca.collapse_summary`
    assumption: dict[str, Any],  # from `oracles.assumption_summary`
) -> dict[str, Any]:
    """What `metrics.json` says of identity, by the stage that finds it, 06; it is left in the stage's folder, too.

    Times and versions are not among it: the same images and oracles leave the same file.
    """
    sampling = manifests.read(stage.input("generated"))["parameters"]
    parts = rca.summary(headline.real_counts, headline.generated_counts, classes, headline.own_replicates)
    names = {"sampler": "sampler", "steps": "sampling_steps", "guidance": "guidance"}
    parts["generated"] |= {name: sampling[parameter] for name, parameter in names.items()}
    images = {"value": parts["rca"]["global"], "ci95": parts["rca"]["ci95"], "oracle": headline.name}
    parts["rca"] |= {"images": images, "recipe": recipe | {"further_trainings": further}}
    entries = zip(parts["rca"]["per_class"], rca.verdict_entries(verdicts), strict=True)
    parts["rca"]["per_class"] = [entry | verdict for entry, verdict in entries]
    parts["rca"]["verdict_limits"]["over"] = verdicts["over"].iloc[0]
    found = {
        "classes": classes,
        "oracles": _oracles(stage, by_oracle),
        "headline_oracle": headline.name,
        **parts,
        "confusion_corrected_accuracy": corrected,
        "assumption": assumption,
        "over_oracles": over_oracles,
        "trainings": trainings,
        **collapse,
    }
    files.write_json(stage.folder / IDENTITY, found)
    return found


def read_identity_part(stage: stage_run.StageRun) -> dict[str, Any]:
    """What `identity_part` left, for a stage that declares that it needs it."""
    return files.read_json(stage.input("rca") / IDENTITY)


def assemble(
    stage: stage_run.StageRun,
    *,
    visual: dict[str, Any],  # from `inception` and `feature_panel`, by name of the measure
    cas: dict[str, Any],  # from `cas.classification_accuracy_scores`
    memorisation: list[dict[str, Any]],  # from `memorisation.copying`, one for each kind of features
    device: torch.device,
) -> dict[str, Any]:
    """The whole of `metrics.json`: what 06 left of identity, and what this stage, 09, found of the images' quality."""
    before = [s.folder for s in stages.STAGES if s in stages.behind(stage.stage.folder) - {stage.stage}]
    records = {name: manifests.read(manifests.folder_of(stage.study, name)) for name in before}
    runs = [(m["began"], m["seconds"]) for m in records.values()] + [(stage.began, stage.seconds)]
    return {
        "study": stage.study,
        "seed": stage.parameters["seed"],
        "image_size": stage.parameters["image_size"],
        "data": crops.load_summary(stage.input("faces")),
        **read_identity_part(stage),
        "cas": cas,
        "memorisation": memorisation,
        "visual": visual,
        "paper": paper.paper_metrics(),
        "seconds": {m["stage"]: m["seconds"] for m in records.values()} | {stage.stage.notebook: stage.seconds},
        "seconds_together": seconds_at_work(runs),
        "versions": manifests.versions(),
        "device": devices.describe(device),
    }


def seconds_at_work(runs: list[tuple[float, float]]) -> float:
    """Seconds in which at least one stage was at work, of when each began and how long it took: some run together.

    >>> seconds_at_work([(100.0, 30.0), (110.0, 5.0), (120.0, 20.0), (900.0, 1.0)])
    41.0
    """
    total, until = 0.0, -math.inf
    for began, took in sorted(runs):
        total += max(0.0, began + took - max(until, began))
        until = max(until, began + took)
    return round(total, 1)


def _oracles(stage: stage_run.StageRun, by_oracle: pd.DataFrame) -> dict[str, dict[str, Any]]:
    """Every oracle: what it was trained on, its accuracy on real faces, and the estimators under it."""
    ratios = by_oracle.set_index("oracle")
    oracles = {}
    for name, about in trained(stage.input("oracle")).set_index("oracle").iterrows():
        test = read_about(stage.input("oracle") / name)["test"]
        row = ratios.loc[name]
        entry = {key: test[key] for key in ("accuracy", "loss", "macro_f1")}
        entry |= {"n_test": test["n"], "trained_on": about["trained_on"]}
        entry |= {"rca": float(row["rca"]), "rca_ci95": [float(row["low"]), float(row["high"])]}
        entry |= {"confusion_corrected_accuracy": float(row["confusion_corrected_accuracy"])}
        for key, measure in (
            ("rca", "rca"),
            ("rca_ci95", "rca"),
            ("confusion_corrected_accuracy", "confusion_corrected_accuracy"),
        ):
            if math.isnan(row[measure]):
                entry |= {key: None, f"{key}_why": agreement.TOO_POOR[measure]}
        oracles[name] = entry
    return oracles
