"""`metrics.json`: the one machine-readable result of a study, put together from what the stages left."""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import torch

from kpop_rca import agreement, artifacts, devices, judging, paths, rca, reference, stages


@dataclass(frozen=True)
class Judgement:
    """What the oracles said, as the analysis needs it.

    Attributes:
        judge: name of the headline oracle.
        real_counts: its (K, K) on the test split, rows true.
        generated_counts: its (K, K) on the generated images, rows requested.
        judges: names of the S oracles that differ from it by their seed alone, itself among them.
        counts: theirs on the test split and on the generated images, (S, K, K) each.
        replicates: `rca.bootstrap` with all of these, (2, B, S) or (2, B, S, K) each.
        own_replicates: those of the headline oracle itself, (2, B) or (2, B, K) each.
    """

    judge: str
    real_counts: np.ndarray
    generated_counts: np.ndarray
    judges: list[str]
    counts: tuple[np.ndarray, np.ndarray]
    replicates: dict[str, np.ndarray]
    own_replicates: dict[str, np.ndarray]


def judgement(
    judge: str,
    real_answers: pd.DataFrame,
    generated_answers: pd.DataFrame,
    n_classes: int,
    *,
    n_replicates: int,
    generator: np.random.Generator,
) -> Judgement:
    """Confusion counts and bootstrap replicates of the headline oracle and of the others of its kind.

    Args:
        judge: name of the headline oracle.
        real_answers: of all oracles on the test split, from `judging.load_answers`.
        generated_answers: of all oracles on the generated images, from `judging.judge_all`.
        n_classes: K.
        n_replicates: of the bootstrap.
        generator: of the resamples.
    """
    which = real_answers[real_answers["judge"] == judge].iloc[0]
    kind = {"architecture": which["architecture"], "trained_on": which["trained_on"]}
    alike = real_answers[(real_answers[list(kind)] == pd.Series(kind)).all(axis=1)]
    judges = sorted(alike["judge"].unique())
    sides = (real_answers, generated_answers)
    stacks = [judging.stacked_labels(answers, **kind) for answers in sides]
    labels = [answers.loc[answers["judge"] == judge, "label"].to_numpy() for answers in sides]
    parts = list(zip(labels, stacks, strict=True))
    real, drawn = (np.stack([rca.confusion_counts(of, says, n_classes) for says in stack]) for of, stack in parts)
    replicates = rca.bootstrap(*parts, n_classes, n_replicates=n_replicates, generator=generator)
    own = judges.index(judge)
    return Judgement(
        judge=judge,
        real_counts=real[own],
        generated_counts=drawn[own],
        judges=judges,
        counts=(real, drawn),
        replicates=replicates,
        own_replicates={name: values[:, :, own] for name, values in replicates.items()},
    )


def assemble(
    stage: artifacts.StageRun,
    *,
    judged: Judgement,
    by_judge: pd.DataFrame,
    classes: list[str],
    fidelity: dict[str, Any],
    over_judges: dict[str, Any],
    collapse: dict[str, Any],
    visual: dict[str, Any],
    cas: dict[str, Any],
    memorisation: list[dict[str, Any]],
    device: torch.device,
) -> dict[str, Any]:
    """The whole of `metrics.json`, from the parts that the functions named here return.

    Args:
        stage: the analysis, which knows the study and the stages before it.
        judged: `judgement`.
        by_judge: `agreement.rca_by_judge`.
        classes: K identities.
        fidelity: `rca.fidelity_summary`.
        over_judges: `rca.over_judges`.
        collapse: `rca.collapse_summary`.
        visual: `quality` and `feature_measures`, by name of the measure.
        cas: `cas.classification_accuracy_scores`.
        memorisation: `memorisation.copying`, one for each kind of features.
        device: on which the analysis ran.
    """
    folder = paths.artifacts_folder(stage.study)
    earlier = [s.folder for s in stages.before(stage.stage)]
    manifests = {name: artifacts.read_json(folder / name / artifacts.MANIFEST) for name in earlier}
    sampling = manifests["generated"]["parameters"]
    parts = rca.summary(judged.real_counts, judged.generated_counts, classes, judged.own_replicates)
    parts["generated"] |= {
        "sampler": sampling["sampler"],
        "steps": sampling["sampling_steps"],
        "guidance": sampling["guidance"],
    }
    return {
        "study": stage.study,
        "seed": stage.parameters["seed"],
        "image_size": stage.parameters["image_size"],
        "classes": classes,
        "data": artifacts.read_json(folder / "faces" / "data.json"),
        "oracles": _oracles(stage, by_judge),
        "headline_oracle": judged.judge,
        **parts,
        "identity_fidelity": fidelity,
        "over_judges": over_judges,
        **collapse,
        "cas": cas,
        "memorisation": memorisation,
        "visual": visual,
        "paper": reference.paper_metrics(),
        "seconds": {m["stage"]: m["seconds"] for m in manifests.values()} | {stage.stage.notebook: stage.seconds},
        "seconds_together": seconds_at_work(
            [(m["began"], m["seconds"]) for m in manifests.values()] + [(stage.began, stage.seconds)]
        ),
        "versions": artifacts.versions(),
        "device": devices.describe(device),
    }


def seconds_at_work(runs: list[tuple[float, float]]) -> float:
    """Seconds, to a tenth, in which at least one of several stages was at work: some run side by side.

    Args:
        runs: of each stage, when it began and how long it took, in seconds.

    >>> seconds_at_work([(100.0, 30.0), (110.0, 5.0), (120.0, 20.0), (900.0, 1.0)])
    41.0
    """
    total, until = 0.0, -math.inf
    for began, took in sorted(runs):
        total += max(0.0, began + took - max(until, began))
        until = max(until, began + took)
    return round(total, 1)


def _oracles(stage: artifacts.StageRun, by_judge: pd.DataFrame) -> dict[str, dict[str, Any]]:
    """Every oracle: what it was trained on, its accuracy on real faces, and what it gives for the generated ones."""
    ratios = by_judge.set_index("judge")
    oracles = {}
    for name, about in judging.trained(stage.input("oracle")).set_index("judge").iterrows():
        test = artifacts.read_json(stage.input("oracle") / name / "about.json")["test"]
        row = ratios.loc[name]
        entry = {key: test[key] for key in ("accuracy", "loss", "macro_f1")}
        entry |= {"n_test": test["n"], "trained_on": about["trained_on"]}
        entry |= {"rca": float(row["rca"]), "rca_ci95": [float(row["low"]), float(row["high"])]}
        entry |= {"fidelity": float(row["fidelity"])}
        for key, measure in (("rca", "rca"), ("rca_ci95", "rca"), ("fidelity", "fidelity")):
            if math.isnan(row[measure]):
                entry |= {key: None, f"{key}_why": agreement.TOO_POOR[measure]}
        oracles[name] = entry
    return oracles
