"""`metrics.json`: the one machine-readable result of a study, put together from what the stages left."""

from typing import Any

import numpy as np
import pandas as pd
import torch

from kpop_rca import artifacts, devices, paths, rca, reference, stages
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


def within_groups(
    real_counts: np.ndarray, generated_counts: np.ndarray, groups: list[list[int]]
) -> dict[str, dict[str, float]] | None:
    """Errors within look-alike groups, the judge's own on real faces and those on generated ones; None without groups.

    Args:
        real_counts: (K, K), rows true, columns judged.
        generated_counts: (K, K), rows asked for, columns judged.
        groups: from `parse_groups`.

    Returns:
        real and generated, each as `rca.group_confusion`.
    """
    if not groups:
        return None
    counts = {"real": real_counts, "generated": generated_counts}
    return {name: rca.group_confusion(part, groups) for name, part in counts.items()}


def _without_nan(values: dict[str, Any]) -> dict[str, Any]:
    """JSON has no NaN: what has no value is null."""
    return {name: None if isinstance(value, float) and np.isnan(value) else value for name, value in values.items()}


def assemble(
    stage: artifacts.StageRun,
    *,
    judge: str,
    real_counts: np.ndarray,
    generated_counts: np.ndarray,
    classes: list[str],
    groups: list[list[int]],
    visual: dict[str, Any],
    device: torch.device,
) -> dict[str, Any]:
    """The whole of `metrics.json`.

    Args:
        stage: the analysis, which knows the study and the stages before it.
        judge: name of the selected oracle.
        real_counts: (K, K) of that judge on the test split.
        generated_counts: (K, K) of that judge on the generated images.
        classes: K identities.
        groups: from `parse_groups`.
        visual: from `quality`, by name.
        device: on which the analysis ran.
    """
    folder = paths.artifacts_folder(stage.study)
    manifests = {s.folder: artifacts.read_json(folder / s.folder / artifacts.MANIFEST) for s in stages.STAGES[:-1]}
    drawn = manifests["generated"]["parameters"]
    parts = rca.summary(real_counts, generated_counts, classes)
    parts["generated"] |= {"sampler": drawn["sampler"], "steps": drawn["sampling_steps"], "guidance": drawn["guidance"]}
    confusion = within_groups(real_counts, generated_counts, groups)
    metrics = {
        "study": stage.study,
        "seed": stage.parameters["seed"],
        "image_size": stage.parameters["image_size"],
        "classes": classes,
        "data": artifacts.read_json(folder / "faces" / "data.json"),
        "oracle": _oracles(manifests["oracle"], stage),
        "judge": judge,
        **parts,
        "within_groups": confusion and {name: _without_nan(part) for name, part in confusion.items()},
        "visual": visual,
        "paper": reference.paper_metrics(),
        "seconds": {m["stage"]: m["seconds"] for m in manifests.values()} | {stage.stage.notebook: stage.seconds},
        "versions": artifacts.versions(),
        "device": devices.describe(device),
    }
    return metrics | {"answer": answer(metrics)}


def _oracles(manifest: dict[str, Any], stage: artifacts.StageRun) -> dict[str, dict[str, float]]:
    tests = {
        name: artifacts.read_json(stage.input("oracle") / name / "about.json")["test"]
        for name in manifest["parameters"]["judges"]
    }
    keys = ("accuracy", "loss", "macro_f1")
    return {name: {key: test[key] for key in keys} | {"n_test": test["n"]} for name, test in tests.items()}


def answer(metrics: dict[str, Any]) -> str:
    """What the study found, in two sentences computed from its numbers."""
    found, fid = metrics["rca"], metrics["visual"]["fid"]
    low, high = found["ci95"]
    above = "above" if low > found["chance"] else "not distinguishable from" if high > found["chance"] else "below"
    recognised = (
        f"Told to draw one of {len(metrics['classes'])} people, the model draws a face that the judge takes for the "
        f"right one {found['global']:.2f} times as often as it recognises real photographs "
        f"(95 % interval {low:.2f} to {high:.2f}), {above} the {found['chance']:.2f} of a model that ignores the name."
    )
    classes = [row for row in found["per_class"] if row["rca"] is not None]
    if not classes:
        return recognised
    best, worst = max(classes, key=lambda row: row["rca"]), min(classes, key=lambda row: row["rca"])
    spread = f"It does best on {best['class']} ({best['rca']:.2f}) and worst on {worst['class']} ({worst['rca']:.2f})"
    if fid["value"] is None:
        return f"{recognised} {spread}; FID could not be computed here."
    return f"{recognised} {spread}; the FID of {fid['value']:.1f} shows none of this."


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
        ("RCA, macro", metrics["rca"]["macro"], theirs["rca"]["macro"]),
        ("FID", metrics["visual"]["fid"]["value"], theirs["visual"]["fid"]["value"]),
        ("Inception Score", metrics["visual"]["is"]["value"], theirs["visual"]["is"]["value"]),
        ("LPIPS diversity", metrics["visual"]["lpips_diversity"]["mean"], theirs["visual"]["lpips_diversity"]["mean"]),
        ("test faces", metrics["real"]["n"], theirs["real"]["n"]),
        ("generated faces", metrics["generated"]["n"], theirs["generated"]["n"]),
    ]
    return pd.DataFrame(rows, columns=["quantity", "this study", "paper"]).astype({"this study": float, "paper": float})


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
