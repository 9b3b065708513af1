"""`metrics.json` as it is read: the file, and tables of its parts. No network is loaded for it."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from kpop_rca.errors import StudyError
from kpop_rca.rca.estimators import OF_A_CLASS, TITLES
from kpop_rca.rca.former_names import with_present_names
from kpop_rca.rca.oracle_seeds import OVER_ORACLES
from kpop_rca.results import paper
from kpop_rca.system.files import read_json

# Names of measures in words, as a page shows them.
MEASURES = TITLES | {
    "macro_rca": "macro RCA",
    "class_rca": "class RCA",
    OF_A_CLASS: "confusion-corrected accuracy of a class",
}
TRUTHS = {"True": "yes", "False": "no"}
# pandas' options for showing a table whole.
UNCUT = ("display.max_colwidth", None, "display.max_rows", None, "display.max_columns", None)
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
        raise StudyError(f"{path} is damaged; run notebook 09 again")
    current = with_present_names(found)
    if current != found:
        print(f"{path} was written by an earlier version: its former keys and verdicts are read under today's names")
    return current


def beside_paper(metrics: dict[str, Any]) -> pd.DataFrame:
    """The headline figures, ours beside the paper's: quantity, this study, paper; NaN where one has none.

    Of a part of `metrics.json`, those that the part has.
    """
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
    present = metrics.keys() | {"low", "high"}
    rows = {quantity: key for quantity, key in rows.items() if key.partition(".")[0] in present}
    table = pd.DataFrame({"quantity": list(rows)})
    for name, side in (("this study", metrics), ("paper", paper.paper_metrics())):
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


class WholeTable(pd.DataFrame):
    """A table that a notebook shows whole, where pandas would cut long texts and leave out rows or columns."""

    @property
    def _constructor(self) -> Callable[..., "WholeTable"]:
        return WholeTable

    def _repr_html_(self) -> str:
        with pd.option_context(*UNCUT):
            return super()._repr_html_()

    def __repr__(self) -> str:
        with pd.option_context(*UNCUT):
            return super().__repr__()


def shown(table: pd.DataFrame, columns: dict[str, str | tuple[str, str]], *, digits: int = 2) -> WholeTable:
    """A table as a page shows it: the chosen columns under their titles, the first as the index, numbers as text.

    Args:
        columns: title to column, or to a pair of them, the ends of an interval.
        digits: of a fraction; counts have none, and what is missing is a dash.

    >>> table = pd.DataFrame({"class": ["Bo"], "n": [1200], "rca": [0.625], "low": [0.51], "high": [0.744]})
    >>> titles = {"identity": "class", "images": "n", "RCA": "rca", "95 % interval": ("low", "high")}
    >>> shown(table, titles).to_dict("index")
    {'Bo': {'images': '1,200', 'RCA': '0.62', '95 % interval': '0.51 to 0.74'}}
    >>> found = pd.DataFrame({"flag": ["a"], "found": [True], "p": [np.nan]})
    >>> shown(found, {name: name for name in found}).to_dict("index")
    {'a': {'found': 'yes', 'p': '–'}}
    """

    def text(value: Any) -> str:
        if isinstance(value, str | bool | np.bool_):
            return TRUTHS.get(str(value), str(value))
        if pd.isna(value):
            return "–"
        is_count = isinstance(value, int | np.integer) or (value >= 100 and value.is_integer())
        return f"{value:,.0f}" if is_count else f"{value:,.{digits}f}"

    found = {}
    for title, name in columns.items():
        if isinstance(name, str):
            found[title] = table[name].map(text)
        else:
            ends = table[list(name)].itertuples(index=False)
            found[title] = ["–" if pd.isna(low) else f"{text(low)} to {text(high)}" for low, high in ends]
    return WholeTable(found).set_index(next(iter(columns)))


def oracles_beside_paper(by_architecture: pd.DataFrame, measures: list[str]) -> WholeTable:
    """Table 1 as a page shows it: measures in rows; architectures, with mean and range over seeds, and the paper's.

    Args:
        by_architecture: from `oracles.over_seeds` of these measures.

    >>> row = {"architecture": "resnet10", "trained_on": "oracle", "n_oracles": 2, "macro_f1_mean": 0.8}
    >>> table = pd.DataFrame([row | {"macro_f1_lowest": 0.75, "macro_f1_highest": 0.9}])
    >>> oracles_beside_paper(table, ["macro_f1"]).iloc[0].tolist()
    ['0.80 (0.75 to 0.90)', '0.74', '0.77']
    """
    columns = {}
    for row in by_architecture.to_dict("records"):
        seen = ", generator's faces" if row["trained_on"] == "train" else ""
        columns[f"{row['architecture']} ({row['n_oracles']} seeds{seen})"] = [
            f"{row[f'{name}_mean']:.2f} ({row[f'{name}_lowest']:.2f} to {row[f'{name}_highest']:.2f})"
            for name in measures
        ]
    theirs = paper.table1().set_index("metric").reindex(measures)
    for name in theirs:
        columns[f"paper, {name}"] = ["–" if pd.isna(value) else f"{value:.2f}" for value in theirs[name]]
    titles = [name.replace("_", " ") for name in measures]
    return WholeTable(columns, index=pd.Index(titles, name="measure"))


def over_oracles_table(over: dict[str, Any]) -> pd.DataFrame:
    """The means over oracles that differ by their seed, from `rca.over_oracles`.

    Returns:
        measure, value, low, high (over seeds and images), bootstrap_low, bootstrap_high (hierarchical) and why.
    """
    none = [np.nan, np.nan]
    rows = [
        [name, over[name]["value"], *(over[name]["ci95"] or none), *(over[name]["ci95_bootstrap"] or none)]
        for name in OVER_ORACLES
    ]
    numbers = ["value", "low", "high", "bootstrap_low", "bootstrap_high"]
    table = pd.DataFrame(rows, columns=["measure", *numbers]).astype(dict.fromkeys(numbers, float))
    return table.assign(why=[over[name].get("why", over[name].get("ci95_why", "")) for name in OVER_ORACLES])


def over_oracles_by_class(over: dict[str, Any]) -> pd.DataFrame:
    """The same class by class: class, and value, low, high and why of its RCA and confusion-corrected accuracy."""
    return interval_columns(pd.json_normalize(over["per_class"]).filter(regex="class|value|ci95$|why$"))


def about_line(line: dict[str, Any]) -> str:
    """The end of a `frechet_infinity` and how well its line fits, or why there is none.

    >>> about_line({"value": 2.5, "standard_error": 0.02, "r_squared": 0.98})
    'Extrapolated to infinitely many images: 2.50, standard error of the line 0.02, R² 0.98.'
    >>> about_line({"value": None, "why": "too few images"})
    'Extrapolated to infinitely many images: null (too few images).'
    """
    if line.get("value") is None:
        return f"Extrapolated to infinitely many images: null ({line.get('why', '')})."
    error, fit = line.get("standard_error"), line.get("r_squared")
    known = f"standard error of the line {error:.2f}" if error is not None else line.get("standard_error_why", "")
    fitted = f", R² {fit:.2f}" if fit is not None else ""
    return f"Extrapolated to infinitely many images: {line['value']:.2f}, {known}{fitted}."


def copying_table(copying: list[dict[str, Any]]) -> pd.DataFrame:
    """What `memorisation.copying` found, a row for each kind of features: of the generated images, then of real ones.

    >>> list(copying_table([{"features": "pixels", "excess": 0.1, "real": {"excess": 0.0}}]))
    ['features', 'excess', 'real_excess']
    """
    return pd.json_normalize(copying, sep="_").drop(columns="real", errors="ignore")  # None where nothing was found


def copying_beside_real(copying: list[dict[str, Any]]) -> pd.DataFrame:
    """What `memorisation.copying` found, for reading: a row per figure, generated images beside other real faces.

    >>> found = {"features": "pixels", "rule": "…", "copies": False, "p_ratio": 0.5, "real": {"p_ratio": 0.6}}
    >>> copying_beside_real([found]).to_dict("list")
    {'figure': ['copies', 'p ratio'], 'pixels': [False, 0.5], 'pixels, other real faces': [nan, 0.6]}
    """
    columns = {}
    for found in copying:
        own = {name: value for name, value in found.items() if name not in ("features", "rule", "real")}
        columns[found["features"]] = own
        columns[f"{found['features']}, other real faces"] = found.get("real") or {}
    table = pd.DataFrame(columns, dtype=object)
    table.index = table.index.str.replace("_", " ")
    return table.rename_axis("figure").reset_index()


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


# Measures that compare with the same of other real faces, with the titles of their rows. A ratio to real is shown of
# what has no upper end, the value itself of fractions.
DISTANCES = {
    "fid": "FID",
    "dinov2_frechet": "Fréchet, DINOv2",
    "facenet_frechet": "Fréchet, FaceNet",
    "oracle_frechet": "Fréchet, oracle",
    "oracle_frechet_class_mean": "Fréchet within identities, oracle",
    "lpips_diversity": "LPIPS diversity",
    "oracle_feature_diversity": "feature diversity, oracle",
}
FRACTIONS = {
    f"{network}_{name}": f"{name}, {title}"
    for network, title in {"inception": "Inception", "oracle": "oracle"}.items()
    for name in ("precision", "recall", "density", "coverage")
}


def beside_real(visual: dict[str, Any], cas: dict[str, Any]) -> pd.DataFrame:
    """Generated faces beside other real ones, as many, in each measure that has a value.

    Returns:
        measure (its title), kind ("ratio" or "fraction"), generated, real; a fraction's are the values themselves, and
        a ratio is of generated to real. Accuracies are of oracles trained on either, tested on the same real faces.
    """
    rows = []
    for kind, titles in (("ratio", DISTANCES), ("fraction", FRACTIONS)):
        for name, title in titles.items():
            found = visual.get(name, {})
            generated = found.get("value_at_same_n", found.get("mean"))
            real = found.get("real_vs_real", found.get("real"))
            if generated is None or real is None or (kind == "ratio" and not (generated > 0 and real > 0)):
                continue
            of = real if kind == "ratio" else 1.0
            rows.append((title, kind, generated / of, real / of))
    accuracies = (cas[f"train_{name}_test_real"]["accuracy"] for name in ("generated", "real"))
    rows.append(("accuracy of an oracle trained on them (CAS)", "fraction", *accuracies))
    return pd.DataFrame(rows, columns=["measure", "kind", "generated", "real"])
