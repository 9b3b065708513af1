"""The paper's own numbers, as reference data and as a test of this package.

Source: Lin and Vasistha, "Relative Classification Accuracy: A Calibrated Metric for Identity Consistency in
Fine-Grained K-pop Face Generation", Tables 1 to 4 and sections 5.2 to 5.4. The files in `paper_tables/` hold them
as printed; what is derived from them here is marked.
"""

from importlib import resources
from typing import Any

import numpy as np
import pandas as pd
from statsmodels.stats.proportion import proportions_ztest

from kpop_rca import rca

HEADLINE_ORACLE = "resnet34"  # the one that the paper selects
PAIRS = 1_000  # pairs of images behind each LPIPS value of Table 3
PER_CLASS = 5_000  # generated images of each identity
GROUPS = [[0, 1, 2, 7, 8], [3, 4, 5, 6, 9]]  # the look-alikes of section 6.2
UNSTATED = "the paper does not say"


def _read(name: str) -> pd.DataFrame:
    with resources.files("kpop_rca.results").joinpath("paper_tables", f"{name}.csv").open(encoding="utf-8") as file:
        return pd.read_csv(file)


def oracle_confusion() -> np.ndarray:
    """Table 2: the ResNet-34 oracle on 980 real test images; int64 (10, 10), rows true, columns predicted.

    >>> print(oracle_confusion().sum(), np.trace(oracle_confusion()))
    980 753
    """
    return _read("table2_oracle_confusion").drop(columns="actual").to_numpy(dtype=np.int64)


def table1() -> pd.DataFrame:
    """Table 1: metric (test_accuracy, test_loss, macro_f1, best_class_f1, worst_class_f1), resnet18, resnet34."""
    return _read("table1_oracles")


def table3() -> pd.DataFrame:
    """Table 3, one row per identity: class, lpips (mean over pairs of generated images), pairs."""
    table = _read("table3_lpips_diversity").rename(columns={"class_id": "class", "lpips_diversity": "lpips"})
    return table[table["class"] != "average"].assign(pairs=PAIRS)


def table4() -> pd.DataFrame:
    """Table 4 to its two decimals, one row per identity: class, class_rca, and precision, recall and f1 on either side
    as real_precision, generated_f1 and so on."""
    table = _read("table4_classwise").rename(columns={"class_id": "class"})
    return table[table["class"] != "global"]


def headline() -> dict[str, float]:
    """The figures that the paper's text leads with: fid, inception_score, lpips_diversity, generated_images,
    generated_accuracy, oracle_accuracy, global_rca."""
    return _read("headline").set_index("quantity")["value"].to_dict()


def predicted_class_frequencies() -> pd.DataFrame:
    """The fraction of the paper's generated images that its oracle predicts as each class: class, fraction.

    fraction_k = recall_k * n / precision_k / (K n), since both count the images rightly predicted as k. Table 4 gives
    precision and recall to two decimals, so that small fractions are rough (class 2: 0.005 to 0.008).
    """
    table = table4()
    fraction = table["generated_recall"] / table["generated_precision"] / len(table)
    return pd.DataFrame({"class": table["class"], "fraction": fraction})


def collapse() -> dict[str, Any]:
    """The parts `collapse` and `within_groups`: class frequencies, and the errors of the oracle within groups."""
    within = rca.group_confusion(oracle_confusion(), GROUPS)
    why = "Table 4 gives no confusion of the generated images"
    return {
        "collapse": {"predicted_as": predicted_class_frequencies().to_dict("records")},
        "within_groups": {"real": within, "generated": None, "generated_why": why},
    }


def disagreements() -> pd.DataFrame:
    """Where the paper contradicts its own tables and equations: what, section, stated, recomputed."""
    real, stated = rca.accuracy(oracle_confusion()), headline()["generated_accuracy"]
    rows = [
        ("global RCA", "6", "20.77%", f"{stated / real:.2%}"),
        ("generated images that the oracle recognises", "7", "27%", f"{stated:.2%}"),
        ("accuracy on real images", "5.4, Table 4", "0.770", f"{real:.3f}"),
        ("RCA by its definition", "4.3", "accuracy on generated images", "divided by that on real ones (eq. 5)"),
        ("images of Figure 7", "5.2.2", "real", "generated; the real ones are in Table 2"),
    ]
    return pd.DataFrame(rows, columns=["what", "section", "stated", "recomputed"])


def oracles_test() -> tuple[float, float]:
    """z and two-sided p of the paper's ResNet-34 against its ResNet-18, unpaired, since it gives no single predictions.

    >>> print("z = {:.2f}, p = {:.2f}".format(*oracles_test()))
    z = 1.24, p = 0.22
    """
    n = oracle_confusion().sum()
    accuracies = table1().set_index("metric").loc["test_accuracy", ["resnet34", "resnet18"]]  # to a tenth of a percent
    z, p = proportions_ztest([accuracy * n for accuracy in accuracies], [n, n])
    return float(z), float(p)


def _oracles() -> dict[str, dict[str, float]]:
    table, n = table1().set_index("metric"), int(oracle_confusion().sum())
    names = {"accuracy": "test_accuracy", "loss": "test_loss", "macro_f1": "macro_f1"}
    return {
        oracle: {ours: float(table.loc[theirs, oracle]) for ours, theirs in names.items()} | {"n_test": n}
        for oracle in ("resnet18", "resnet34")
    }


def _rca() -> dict[str, Any]:
    real, stated, table = oracle_confusion(), headline(), table4()
    right = (stated["generated_accuracy"] * stated["generated_images"], stated["generated_images"])
    columns = {"real_recall": "recall_real", "generated_recall": "recall_generated", "class_rca": "rca"}
    ratios = table.assign(n_real=real.sum(axis=1), n_generated=PER_CLASS).rename(columns=columns)
    per_class = ratios[["class", "n_real", "n_generated", *columns.values()]].to_dict("records")
    why = "Table 4 gives recalls to two decimals only"
    return {
        "global": stated["generated_accuracy"] / rca.accuracy(real),
        "ci95": list(rca.ratio_interval(*right, np.trace(real), real.sum(), method="katz")),
        "ci95_method": "katz",
        "macro": float(table["class_rca"].mean()),
        "chance": rca.chance_rca(real),
        "chance_corrected": rca.chance_corrected(stated["generated_accuracy"], rca.accuracy(real), len(real)),
        "per_class": [row | {"ci95": None, "why": why} for row in per_class],
    }


def _visual() -> dict[str, Any]:
    stated = headline()
    inception = {"features": "Inception-v3", "n_generated": None, "n_generated_why": UNSTATED}
    reference = {"n_real": None, "n_real_why": UNSTATED, "real_vs_real": None, "real_vs_real_why": UNSTATED}
    return {
        "fid": {"value": stated["fid"]} | reference | inception,
        "is": {"value": stated["inception_score"]} | inception,
        "lpips_diversity": {"mean": stated["lpips_diversity"], "per_class": table3().to_dict("records")},
    }


def paper_metrics() -> dict[str, Any]:
    """The part `paper` of `metrics.json`: the paper's numbers under the names that ours have, None with a reason.

    Global RCA is accuracy_generated / accuracy_real from Table 2 and section 5.4, its interval is Katz's, and the
    macro RCA is the mean of Table 4's class RCAs; the rest is as printed.
    """
    real, stated = oracle_confusion(), headline()
    sampling = {"sampler": "ddpm", "steps": 1000, "guidance": None, "guidance_why": UNSTATED}
    return {
        "oracles": _oracles(),
        "headline_oracle": HEADLINE_ORACLE,
        "real": {"n": int(real.sum()), "accuracy": rca.accuracy(real)},
        "generated": {"n": int(stated["generated_images"]), "accuracy": stated["generated_accuracy"]} | sampling,
        "rca": _rca(),
        **collapse(),
        "oracles_test": dict(zip(("z", "p"), oracles_test(), strict=True)),
        "visual": _visual(),
    }
