"""`metrics.json`: the one machine-readable result of a study, put together from what the stages left."""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import torch

from kpop_rca import agreement, devices, disk, judging, manifests, paths, rca, reference, stage_run, stages


@dataclass(frozen=True)
class Judgement:
    """What the judges said, as the analysis needs it.

    Attributes:
        judge: name of the selected judge.
        real_counts: its (K, K) on the test split, rows true.
        generated_counts: its (K, K) on the generated images, rows asked for.
        judges: names of the S judges that differ from it by their seed alone, itself among them.
        counts: theirs on the test split and on the generated images, (S, K, K) each.
        replicates: `rca.bootstrap` with all of these, (2, B, S) or (2, B, S, K) each.
        own_replicates: those of the judge itself, (2, B) or (2, B, K) each.
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
    """Confusion counts and bootstrap replicates of the selected judge and of the others of its kind.

    Args:
        judge: name of the selected judge.
        real_answers: of all judges on the test split, from `judging.load_answers`.
        generated_answers: of all judges on the generated images, from `judging.judge_all`.
        n_classes: K.
        n_replicates: of the bootstrap.
        generator: of the draws.
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
    stage: stage_run.StageRun,
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
    """The whole of `metrics.json`.

    Args:
        stage: the analysis, which knows the study and the stages before it.
        judged: from `judgement`.
        by_judge: from `agreement.rca_by_judge`.
        classes: K identities.
        fidelity: from `rca.fidelity_summary`.
        over_judges: from `rca.over_judges`.
        collapse: from `rca.collapse_summary`.
        visual: from `quality` and `feature_measures`, by name.
        cas: from `cas.classification_accuracy_scores`.
        memorisation: from `memorisation.copying`, one for each kind of features.
        device: on which the analysis ran.
    """
    folder = paths.artifacts_folder(stage.study)
    earlier = [s.folder for s in stages.before(stage.stage)]
    manifests = {name: disk.read_json(folder / name / manifests.MANIFEST) for name in earlier}
    drawn = manifests["generated"]["parameters"]
    counts = (judged.real_counts, judged.generated_counts)
    parts = rca.summary(*counts, classes, judged.own_replicates)
    parts["generated"] |= {"sampler": drawn["sampler"], "steps": drawn["sampling_steps"], "guidance": drawn["guidance"]}
    metrics = {
        "study": stage.study,
        "seed": stage.parameters["seed"],
        "image_size": stage.parameters["image_size"],
        "classes": classes,
        "data": disk.read_json(folder / "faces" / "data.json"),
        "oracle": _oracles(stage, by_judge),
        "judge": judged.judge,
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
        "versions": manifests.versions(),
        "device": devices.describe(device),
    }
    return metrics | {"answer": answer(metrics)}


def seconds_at_work(runs: list[tuple[float, float]]) -> float:
    """The time in which at least one of several stages was at work: less than the sum where some ran side by side.

    Args:
        runs: of each stage, when it began and how long it took, in seconds.

    Returns:
        Seconds, rounded to a tenth; gaps between the runs are left out.

    >>> seconds_at_work([(100.0, 30.0), (110.0, 5.0), (120.0, 20.0), (900.0, 1.0)])
    41.0
    """
    total, until = 0.0, -math.inf
    for began, took in sorted(runs):
        total += max(0.0, began + took - max(until, began))
        until = max(until, began + took)
    return round(total, 1)


def _oracles(stage: stage_run.StageRun, by_judge: pd.DataFrame) -> dict[str, dict[str, Any]]:
    """Every judge: what it learnt from, how good it is on real faces, and RCA and identity fidelity under it."""
    ratios = by_judge.set_index("judge")
    oracles = {}
    for name, about in judging.trained(stage.input("oracle")).set_index("judge").iterrows():
        test = disk.read_json(stage.input("oracle") / name / "about.json")["test"]
        row = ratios.loc[name]
        measured = {key: test[key] for key in ("accuracy", "loss", "macro_f1")} | {"n_test": test["n"]}
        entry = measured | {
            "trained_on": about["trained_on"],
            "rca": None if math.isnan(row["rca"]) else float(row["rca"]),
            "rca_ci95": None if math.isnan(row["rca"]) else [float(row["low"]), float(row["high"])],
            "fidelity": None if math.isnan(row["fidelity"]) else float(row["fidelity"]),
        }
        known = {"rca": "rca", "rca_ci95": "rca", "fidelity": "fidelity"}
        reasons = {f"{key}_why": agreement.TOO_POOR[of] for key, of in known.items() if entry[key] is None}
        oracles[name] = entry | reasons
    return oracles


def answer(metrics: dict[str, Any]) -> str:
    """What the model preserves and what it confuses, in two sentences computed from the numbers."""
    return f"{_preserved(metrics)} {_confused(metrics)}"


def _percent(share: float) -> str:
    return f"{100 * share:.0f} %"


def _listed(names: list[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"


def _preserved(metrics: dict[str, Any]) -> str:
    found, fidelity, chance = metrics["rca"], metrics["identity_fidelity"], 1 / len(metrics["classes"])
    low, high = found["ci95"]
    above = "above" if low > found["chance"] else "not distinguishable from" if high > found["chance"] else "below"
    of_rca = (
        f"an RCA of {found['global']:.2f} (95 % interval {low:.2f} to {high:.2f}), {above} the {found['chance']:.2f} "
        "of a model that ignores the name"
    )
    told = f"Told to draw one of {len(metrics['classes'])} people, the model"
    if fidelity["mean"] is None:
        opening = f"{told} reaches {of_rca}"
    else:
        low, high = fidelity["ci95"]
        opening = (
            f"{told} draws that person in {_percent(fidelity['mean'])} of its images ({_percent(low)} to "
            f"{_percent(high)}; ignoring the name would give {_percent(chance)}) once the judge's own errors are taken "
            f"out, {of_rca}"
        )
    verdicts = {row["class"]: row["verdict"] for row in found["per_class"]}
    preserved = [name for name, verdict in verdicts.items() if verdict in ("as real", "better than real")]
    in_vain, unknown = (
        [name for name, verdict in verdicts.items() if verdict == said] for said in ("in vain", rca.NOT_MEASURABLE)
    )
    kept = (
        f"recognised at least {_percent(rca.AS_REAL)} as often as real faces, as far as 95 % intervals tell: "
        f"{_listed(preserved) if preserved else 'nobody'}"
    )
    lost = f"; asked for in vain: {_listed(in_vain)}" if in_vain else ""
    lost += f"; not measurable, since the judge does not know them: {_listed(unknown)}" if unknown else ""
    return f"{opening}; {kept}{lost}{_doubt(fidelity)}."


def _doubt(fidelity: dict[str, Any]) -> str:
    """What is to be said beside an identity fidelity of which a class refutes the assumption."""
    if not fidelity["outside"]:
        return ""
    return (
        f"; the judge seems to err otherwise on generated faces of {_listed(fidelity['outside'])} than on real ones; "
        f"with every share held between 0 and 1 the first figure would be {_percent(fidelity['mean_on_simplex'])}"
    )


def _confused(metrics: dict[str, Any]) -> str:
    confusions = metrics["collapse"]["confusions"]
    if not confusions:
        return "It takes nobody for anybody else."
    most = confusions[0]
    confused = (
        f"What it confuses most: told to draw {most['condition']}, it draws a face taken for {most['judged_as']} in "
        f"{_percent(most['share'])} of the images, as the judge does with {_percent(most['share_real'])} of the real "
        "faces"
    )
    within = metrics["within_groups"]
    if within and within["excess"]["excess"] is not None:
        excess = within["excess"]
        beyond = "larger" if excess["p"] < 1 - rca.CONFIDENCE else "not clearly larger"
        confused += (
            f"; {_percent(excess['rate_within_generated'])} of the images are taken for a look-alike of the person, as "
            f"are {_percent(excess['rate_within_real'])} of the real faces: an excess {beyond} than that of other "
            f"groupings of these people (p = {excess['p']:.2g})"
        )
    fid = metrics["visual"]["fid"]["value"]
    of_fid = "" if fid is None else f" Its FID of {fid:.1f} knows no names, and can tell none of this."
    return f"{confused}.{of_fid}"
