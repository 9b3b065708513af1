"""Tables for reading, from the parts of `metrics.json`; they need no network, so that the report loads none."""

from typing import Any

import numpy as np
import pandas as pd

# Why a value of a class is missing, by column.
UNDEFINED = {
    "rca": "the judge recognises none of its real faces",
    "confusion_corrected_accuracy": "confusion-corrected accuracy was not computed, see below",
    "real_precision": "the judge calls no real face by this name",
    "generated_precision": "the judge calls no generated face by this name",
}


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
        ("confusion-corrected accuracy", metrics["confusion_corrected_accuracy"]["mean"], None),
        ("FID", metrics["visual"]["fid"]["value"], theirs["visual"]["fid"]["value"]),
        ("Inception Score", metrics["visual"]["is"]["value"], theirs["visual"]["is"]["value"]),
        ("LPIPS diversity", metrics["visual"]["lpips_diversity"]["mean"], theirs["visual"]["lpips_diversity"]["mean"]),
        ("test faces", metrics["real"]["n"], theirs["real"]["n"]),
        ("generated faces", metrics["generated"]["n"], theirs["generated"]["n"]),
    ]
    return pd.DataFrame(rows, columns=["quantity", "this study", "paper"]).astype({"this study": float, "paper": float})


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


def with_reasons(table: pd.DataFrame, reasons: dict[str, str]) -> pd.DataFrame:
    """A table with a last column `why`: for each value that a row lacks, what that means; empty where it lacks none.

    Args:
        table: any.
        reasons: by column, why a value of it is missing; columns that the table does not have are passed over.

    >>> table = pd.DataFrame({"judge": ["a", "b"], "rca": [0.5, np.nan]})
    >>> with_reasons(table, {"rca": "it recognises no real face"})["why"].tolist()
    ['', 'no rca: it recognises no real face']
    """
    known = {name: why for name, why in reasons.items() if name in table}
    lacking = table[list(known)].isna().to_dict("records")
    return table.assign(why=["; ".join(f"no {name}: {known[name]}" for name in known if row[name]) for row in lacking])


def with_interval(measure: dict[str, Any]) -> str:
    """A value with its interval in words, or why it has none.

    >>> with_interval({"value": 0.5, "ci95": [0.4, 0.62]}), with_interval({"value": None, "why": "no face"})
    ('0.50 (0.40 to 0.62)', 'not computed: no face')
    """
    if measure["value"] is None:
        return f"not computed: {measure['why']}"
    low, high = measure["ci95"]
    return f"{measure['value']:.2f} ({low:.2f} to {high:.2f})"


def line_in_words(line: dict[str, Any]) -> str:
    """The value of a `frechet_infinity` with how well its line fits, or why that is not known.

    >>> line_in_words({"value": 2.5, "standard_error": 0.021, "r_squared": 0.98})
    '2.50; the line: standard error 0.02, r² 0.98'
    """
    if line["standard_error"] is None:
        return f"{line['value']:.2f}; no standard error: {line['standard_error_why']}"
    return f"{line['value']:.2f}; the line: standard error {line['standard_error']:.2f}, r² {line['r_squared']:.2f}"


def copying_table(copying: list[dict[str, Any]]) -> pd.DataFrame:
    """What `memorisation.copying` found, a row for each kind of features: of the generated images, then of real ones.

    >>> list(copying_table([{"features": "pixels", "excess": 0.1, "real": {"excess": 0.0}}]))
    ['features', 'excess', 'real_excess']
    """
    rows = []
    for found in copying:
        own = {name: value for name, value in found.items() if name != "real"}
        rows.append(own | {f"real_{name}": value for name, value in (found["real"] or {}).items()})
    return pd.DataFrame(rows)


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
                "same_n": found.get("n_other_real", found.get("same_n")),
                "n_reference": found.get("n_real"),
                "features": found.get("features", ""),
                "why": found.get("why", found.get("real_why", "")),
            }
        )
    return pd.DataFrame(rows)
