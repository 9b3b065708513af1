"""`metrics.json` as it is read: the file, and tables of its parts. No network is loaded for it."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from kpop_rca.errors import StudyError
from kpop_rca.rca.former_names import with_present_names
from kpop_rca.system.files import read_json

# Why a value of a class is missing, by column.
UNDEFINED = {
    "rca": "the oracle recognises none of its real faces",
    "confusion_corrected_accuracy": "confusion-corrected accuracy was not computed, see below",
    "real_precision": "the oracle predicts it for no real face",
    "generated_precision": "the oracle predicts it for no generated face",
}


def read_metrics(path: Path | str) -> dict[str, Any]:
    """A study's `metrics.json`; of an earlier version's file, with today's keys and verdicts, and a printed note.

    Raises:
        FileNotFoundError: there is none.
        StudyError: it is damaged.
    """
    found = read_json(Path(path))
    if not isinstance(found, dict):
        raise StudyError(f"{path} is damaged; run notebook 06 again")
    current = with_present_names(found)
    if current != found:
        print(f"{path} was written by an earlier version: its former keys and verdicts are read under today's names")
    return current


def beside_paper(metrics: dict[str, Any]) -> pd.DataFrame:
    """The headline figures, ours beside the paper's: quantity, this study, paper; NaN where one has none."""
    rows = {
        "accuracy on real faces": "real.accuracy",
        "accuracy on generated faces": "generated.accuracy",
        "RCA, global": "rca.global",
        "  95 % interval, low": "low",
        "  95 % interval, high": "high",
        "  chance level": "rca.chance",
        "  chance-corrected": "rca.chance_corrected",
        "RCA, macro": "rca.macro",
        "confusion-corrected accuracy": "confusion_corrected_accuracy.mean",
        "FID": "visual.fid.value",
        "Inception Score": "visual.is.value",
        "LPIPS diversity": "visual.lpips_diversity.mean",
        "test faces": "real.n",
        "generated faces": "generated.n",
    }
    table = pd.DataFrame({"quantity": list(rows)})
    for name, side in (("this study", metrics), ("paper", metrics["paper"])):
        low, high = side["rca"]["ci95"]
        found = pd.json_normalize(side | {"low": low, "high": high}).iloc[0]
        table[name] = [found.get(key) for key in rows.values()]
    return table.astype({"this study": float, "paper": float})


def identities_by_verdict(metrics: dict[str, Any]) -> pd.DataFrame:
    """Who has which verdict, the most frequent verdict first: verdict, n and identities."""
    classes = pd.DataFrame(metrics["rca"]["per_class"], columns=["class", "verdict"]).astype(str)
    groups = classes.groupby("verdict", sort=False)["class"].agg(n="size", identities=", ".join)
    return groups.sort_values("n", ascending=False, kind="stable").reset_index()


def interval_columns(table: pd.DataFrame) -> pd.DataFrame:
    """A table whose columns of pairs, `ci95` or `<name>_ci95` as in `metrics.json`, are made two each, low and high.

    >>> interval_columns(pd.DataFrame({"value": [0.5, 0.4], "ci95": [[0.4, 0.6], None]})).values.tolist()
    [[0.5, 0.4, 0.6], [0.4, nan, nan]]
    >>> list(interval_columns(pd.DataFrame({"real_ci95": [[0.4, 0.6]]})))
    ['real_low', 'real_high']
    """
    for column in [name for name in table.columns if name.endswith("ci95")]:
        place = table.columns.get_loc(column)
        ends = [(np.nan, np.nan) if pair is None else pair for pair in table[column]]
        table = table.drop(columns=column)
        for offset, name in enumerate(("low", "high")):
            table.insert(place + offset, column.removesuffix("ci95") + name, [float(pair[offset]) for pair in ends])
    return table


def line_table(line: dict[str, Any]) -> pd.DataFrame:
    """The end of a `frechet_infinity` and how well its line fits: value, standard_error, r_squared and why.

    >>> line_table({"value": 2.5, "standard_error": 0.02, "r_squared": 0.98}).values.tolist()
    [[2.5, 0.02, 0.98, '']]
    """
    found = {name: line.get(name) for name in ("value", "standard_error", "r_squared")}
    return pd.DataFrame([found | {"why": line.get("why", line.get("standard_error_why", ""))}])


def copying_table(copying: list[dict[str, Any]]) -> pd.DataFrame:
    """What `memorisation.copying` found, a row for each kind of features: of the generated images, then of real ones.

    >>> list(copying_table([{"features": "pixels", "excess": 0.1, "real": {"excess": 0.0}}]))
    ['features', 'excess', 'real_excess']
    """
    return pd.json_normalize(copying, sep="_").drop(columns="real", errors="ignore")  # None where nothing was found


def visual_table(visual: dict[str, Any]) -> pd.DataFrame:
    """The measures of image quality, a row each.

    Returns:
        measure; value on all n_generated images; value_at_same_n, on as many as there are other real faces, and
        real, the same measure of these (a Fréchet distance falls with the number of images, so these two compare);
        n_reference; features; and why a value is missing.
    """
    rows = [
        {
            "measure": name,
            "value": found.get("value", found.get("mean")),
            "n_generated": found.get("n_generated"),
            "value_at_same_n": found.get("value_at_same_n"),
            "real": found.get("real_vs_real", found.get("real")),
            "same_n": found.get("n_other_real", found.get("same_n")),
            "n_reference": found.get("n_real"),
            "features": found.get("features", ""),
            "why": found.get("why", found.get("real_why", "")),
        }
        for name, found in visual.items()
    ]
    return pd.DataFrame(rows)
