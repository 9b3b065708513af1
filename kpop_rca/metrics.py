"""`metrics.json`: the one machine-readable result of a study, put together from what the stages left."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import torch

from kpop_rca import artifacts, devices, judging, paths, rca, reference, stages
from kpop_rca.errors import StudyError


def parse_groups(text: str, n_classes: int) -> list[list[int]]:
    """Look-alike groups from their parameter: "0,1|2,3" are two groups of two; "" is none.

    Raises:
        StudyError: not of that form, or not each of the classes exactly once.
    """
    try:
        groups = [[int(number) for number in group.split(",")] for group in text.split("|")] if text else []
    except ValueError:
        raise StudyError(f"look_alike_groups is {text!r}; expected class numbers such as 0,1|2,3") from None
    if groups and sorted(number for group in groups for number in group) != list(range(n_classes)):
        raise StudyError(
            f"look_alike_groups {text!r} should hold each of the classes 0 to {n_classes - 1} once; "
            "name them all, or set it to '' for none"
        )
    return groups


@dataclass(frozen=True)
class Judgement:
    """What the judges said, as the analysis needs it.

    Attributes:
        judge: name of the selected judge.
        real_counts: its (K, K) on the test split, rows true.
        generated_counts: its (K, K) on the generated images, rows asked for.
        own_replicates: `rca.bootstrap` with this judge alone.
        judges: names of the judges that differ from it by their seed alone, itself among them.
        replicates: `rca.bootstrap` with all of these.
        mean_counts: their mean (K, K) on the test split and on the generated images.
    """

    judge: str
    real_counts: np.ndarray
    generated_counts: np.ndarray
    own_replicates: dict[str, np.ndarray]
    judges: list[str]
    replicates: dict[str, np.ndarray]
    mean_counts: tuple[np.ndarray, np.ndarray]


def judgement(
    judge: str,
    real_answers: pd.DataFrame,
    generated_answers: pd.DataFrame,
    n_classes: int,
    *,
    n_replicates: int,
    generator: np.random.Generator,
) -> Judgement:
    """Confusion counts of the selected judge, and bootstrap replicates with it alone and with all its seeds.

    Args:
        judge: name of the selected judge.
        real_answers: of all judges on the test split, from `judging.load_answers`.
        generated_answers: of all judges on the generated images, from `judging.judge_all`.
        n_classes: K.
        n_replicates: of either bootstrap.
        generator: of the draws.
    """
    which = real_answers[real_answers["judge"] == judge].iloc[0]
    kind = {"architecture": which["architecture"], "trained_on": which["trained_on"]}
    alike = real_answers[(real_answers[list(kind)] == pd.Series(kind)).all(axis=1)]
    judges = sorted(alike["judge"].unique())
    sides = (real_answers, generated_answers)
    stacks = [judging.stacked_labels(answers, **kind) for answers in sides]
    labels = [answers.loc[answers["judge"] == judge, "label"].to_numpy() for answers in sides]
    counts = [
        [rca.confusion_counts(of_side, says, n_classes) for says in stack]
        for of_side, stack in zip(labels, stacks, strict=True)
    ]
    own = judges.index(judge)

    def drawn(chosen: list[int]) -> dict[str, np.ndarray]:
        parts = [(of_side, stack[chosen]) for of_side, stack in zip(labels, stacks, strict=True)]
        return rca.bootstrap(*parts, n_classes, n_replicates=n_replicates, generator=generator)

    return Judgement(
        judge=judge,
        real_counts=counts[0][own],
        generated_counts=counts[1][own],
        own_replicates=drawn([own]),
        judges=judges,
        replicates=drawn(list(range(len(judges)))),
        mean_counts=(np.mean(counts[0], axis=0), np.mean(counts[1], axis=0)),
    )


def assemble(
    stage: artifacts.StageRun,
    *,
    judged: Judgement,
    by_judge: pd.DataFrame,
    classes: list[str],
    groups: list[list[int]],
    visual: dict[str, Any],
    cas: dict[str, Any],
    memorisation: list[dict[str, Any]],
    generator: np.random.Generator,
    device: torch.device,
) -> dict[str, Any]:
    """The whole of `metrics.json`.

    Args:
        stage: the analysis, which knows the study and the stages before it.
        judged: from `judgement`.
        by_judge: from `agreement.rca_by_judge`.
        classes: K identities.
        groups: from `parse_groups`.
        visual: from `quality` and `feature_measures`, by name.
        cas: from `cas.classification_accuracy_scores`.
        memorisation: from `memorisation.copying`, one for each kind of features.
        generator: of the permutation test.
        device: on which the analysis ran.
    """
    folder = paths.artifacts_folder(stage.study)
    earlier = [s.folder for s in stages.before(stage.stage)]
    manifests = {name: artifacts.read_json(folder / name / artifacts.MANIFEST) for name in earlier}
    drawn = manifests["generated"]["parameters"]
    counts = (judged.real_counts, judged.generated_counts)
    parts = rca.summary(*counts, classes)
    parts["generated"] |= {"sampler": drawn["sampler"], "steps": drawn["sampling_steps"], "guidance": drawn["guidance"]}
    metrics = {
        "study": stage.study,
        "seed": stage.parameters["seed"],
        "image_size": stage.parameters["image_size"],
        "classes": classes,
        "data": artifacts.read_json(folder / "faces" / "data.json"),
        "oracle": _oracles(stage, by_judge),
        "judge": judged.judge,
        **parts,
        "identity_fidelity": rca.fidelity_summary(*counts, classes, judged.own_replicates),
        "over_judges": rca.over_judges(judged.judges, *judged.mean_counts, judged.replicates),
        **rca.collapse_summary(*counts, classes, groups, generator=generator),
        "cas": cas,
        "memorisation": memorisation,
        "visual": visual,
        "paper": reference.paper_metrics(),
        "seconds": {m["stage"]: m["seconds"] for m in manifests.values()} | {stage.stage.notebook: stage.seconds},
        "versions": artifacts.versions(),
        "device": devices.describe(device),
    }
    return metrics | {"answer": answer(metrics)}


def _oracles(stage: artifacts.StageRun, by_judge: pd.DataFrame) -> dict[str, dict[str, Any]]:
    """Every judge: what it learnt from, how good it is on real faces, and the RCA under it."""
    ratios = by_judge.set_index("judge")
    oracles = {}
    for name, about in judging.trained(stage.input("oracle")).set_index("judge").iterrows():
        test = artifacts.read_json(stage.input("oracle") / name / "about.json")["test"]
        row = ratios.loc[name]
        measured = {key: test[key] for key in ("accuracy", "loss", "macro_f1")} | {"n_test": test["n"]}
        oracles[name] = measured | {
            "trained_on": about["trained_on"],
            "rca": float(row["rca"]),
            "rca_ci95": [float(row["low"]), float(row["high"])],
        }
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
    in_vain = [name for name, verdict in verdicts.items() if verdict == "in vain"]
    kept = (
        f"recognised no less often than in real photographs: {_listed(preserved)}"
        if preserved
        else "nobody is preserved whole"
    )
    lost = f"; asked for in vain: {_listed(in_vain)}" if in_vain else ""
    return f"{opening}; {kept}{lost}."


def _confused(metrics: dict[str, Any]) -> str:
    flows = metrics["collapse"]["flows"]
    if not flows or not flows[0]["forth"]:
        return "It takes nobody for anybody else."
    flow = flows[0]
    confused = (
        f"What it confuses most: told to draw {flow['source']}, it draws a face taken for {flow['target']} in "
        f"{_percent(flow['forth'])} of the images, and the other way round in {_percent(flow['back'])}"
    )
    within = metrics["within_groups"]
    if within and within["excess"]["excess"] is not None:
        excess = within["excess"]
        beyond = "more than" if excess["p"] < 1 - rca.CONFIDENCE else "not clearly more than"
        confused += (
            f"; {_percent(excess['share_within_generated'])} of its errors stay among look-alikes, {beyond} the "
            f"judge's own {_percent(excess['share_within_real'])} on real faces"
        )
    fid = metrics["visual"]["fid"]["value"]
    return f"{confused}." if fid is None else f"{confused}. The FID of {fid:.1f} shows none of this."


def beside_paper(metrics: dict[str, Any]) -> pd.DataFrame:
    """The headline figures, ours beside the paper's; a row a quantity, empty where one has none."""
    theirs = metrics["paper"]
    rows = [
        ("accuracy on real faces", metrics["real"]["accuracy"], theirs["real"]["accuracy"]),
        ("accuracy on generated faces", metrics["generated"]["accuracy"], theirs["generated"]["accuracy"]),
        ("RCA, global", metrics["rca"]["global"], theirs["rca"]["global"]),
        ("  95 % interval, low", metrics["rca"]["ci95"][0], theirs["rca"]["ci95"][0]),
        ("  95 % interval, high", metrics["rca"]["ci95"][1], theirs["rca"]["ci95"][1]),
        ("  chance level", metrics["rca"]["chance"], theirs["rca"]["chance"]),
        ("  chance-corrected", metrics["rca"]["chance_corrected"], theirs["rca"]["chance_corrected"]),
        ("RCA, macro", metrics["rca"]["macro"], theirs["rca"]["macro"]),
        ("identity fidelity", metrics["identity_fidelity"]["mean"], None),
        ("FID", metrics["visual"]["fid"]["value"], theirs["visual"]["fid"]["value"]),
        ("Inception Score", metrics["visual"]["is"]["value"], theirs["visual"]["is"]["value"]),
        ("LPIPS diversity", metrics["visual"]["lpips_diversity"]["mean"], theirs["visual"]["lpips_diversity"]["mean"]),
        ("test faces", metrics["real"]["n"], theirs["real"]["n"]),
        ("generated faces", metrics["generated"]["n"], theirs["generated"]["n"]),
    ]
    return pd.DataFrame(rows, columns=["quantity", "this study", "paper"]).astype({"this study": float, "paper": float})


def interval_columns(table: pd.DataFrame) -> pd.DataFrame:
    """A table with its column `ci95` of pairs, as `metrics.json` has them, made two columns, low and high.

    >>> interval_columns(pd.DataFrame({"value": [0.5, 0.4], "ci95": [[0.4, 0.6], None]})).values.tolist()
    [[0.5, 0.4, 0.6], [0.4, nan, nan]]
    """
    place = table.columns.get_loc("ci95")
    ends = [(np.nan, np.nan) if pair is None else pair for pair in table["ci95"]]
    parted = table.drop(columns="ci95")
    for offset, name in enumerate(("low", "high")):
        parted.insert(place + offset, name, [float(pair[offset]) for pair in ends])
    return parted


def visual_table(visual: dict[str, Any]) -> pd.DataFrame:
    """The measures of image quality, a row each.

    Returns:
        measure; value on all n_generated images; value_at_same_n, on as many as there are other real faces, and
        real, the same measure of these (a Fréchet distance falls with the number of images, so these two compare);
        n_reference; features; and why it is missing, where it is.
    """
    rows = []
    for name, found in visual.items():
        rows.append(
            {
                "measure": name,
                "value": found.get("value", found.get("mean")),
                "n_generated": found.get("n_generated"),
                "value_at_same_n": found.get("value_at_same_n"),
                "real": found.get("real_vs_real", found.get("real")),
                "same_n": found.get("n_other_real"),
                "n_reference": found.get("n_real"),
                "features": found.get("features", ""),
                "why": found.get("why", ""),
            }
        )
    return pd.DataFrame(rows)
