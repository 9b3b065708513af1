"""The paper's own numbers, as reference data and as a test of this package.

Source: Lin and Vasistha, "Relative Classification Accuracy: A Calibrated Metric for Identity Consistency in
Fine-Grained K-pop Face Generation", Tables 1 to 4 and sections 5.2 to 5.4. The files in `paper/` hold them as
printed; what is derived from them here says so. `disagreements` lists where the paper contradicts its own tables.
"""

from importlib import resources
from typing import Any

import numpy as np
import pandas as pd
from statsmodels.stats.proportion import proportions_ztest

from kpop_rca import rca

JUDGE = "resnet34"  # the oracle that the paper selects
PAIRS = 1_000  # pairs of images behind each LPIPS value of Table 3
PER_CLASS = 5_000  # generated images an identity
GROUPS = [[0, 1, 2, 7, 8], [3, 4, 5, 6, 9]]  # the look-alikes of section 6.2
UNSTATED = "the paper does not say"


def _read(name: str) -> pd.DataFrame:
    with resources.files("kpop_rca").joinpath("paper", f"{name}.csv").open(encoding="utf-8") as file:
        return pd.read_csv(file)


def oracle_confusion() -> np.ndarray:
    """Table 2: the ResNet-34 judge on 980 real test images; int64 (10, 10), rows true, columns judged.

    >>> print(oracle_confusion().sum(), np.trace(oracle_confusion()))
    980 753
    """
    return _read("table2_oracle_confusion").drop(columns="actual").to_numpy(dtype=np.int64)


def table1() -> pd.DataFrame:
    """Table 1: metric (test_accuracy, test_loss, macro_f1, best_class_f1, worst_class_f1), resnet18, resnet34."""
    return _read("table1_oracles")


def table3() -> pd.DataFrame:
    """Table 3: class, lpips (mean over pairs of generated images), pairs; one row an identity, without the average."""
    table = _read("table3_lpips_diversity").rename(columns={"class_id": "class", "lpips_diversity": "lpips"})
    return table[table["class"] != "average"].assign(pairs=PAIRS)


def table4() -> pd.DataFrame:
    """Table 4 to its two decimals, one row an identity, without the global row.

    Returns:
        class, real_precision, real_recall, real_f1, generated_precision, generated_recall, generated_f1, class_rca.
    """
    table = _read("table4_classwise").rename(columns={"class_id": "class"})
    return table[table["class"] != "global"]


def headline() -> dict[str, float]:
    """The figures that the paper's text leads with: fid, inception_score, lpips_diversity, generated_images,
    generated_accuracy, oracle_accuracy, global_rca.
    """
    return _read("headline").set_index("quantity")["value"].to_dict()


def predicted_class_frequencies() -> pd.DataFrame:
    """Predicted-class frequencies of the paper's generated images, derived from Table 4.

    fraction_k = recall_k * n / precision_k / (K n), since both count the images that are rightly judged as k. Precision
    and recall have two decimals, so that small shares are rough (class 2: 0.005 to 0.008).

    Returns:
        One row an identity: class, fraction.
    """
    table = table4()
    fraction = table["generated_recall"] / table["generated_precision"] / len(table)
    return pd.DataFrame({"class": table["class"], "fraction": fraction})


def collapse() -> dict[str, Any]:
    """The parts `collapse` and `within_groups`: frequencies as above, and the judge's errors in groups."""
    within = rca.group_confusion(oracle_confusion(), GROUPS)
    why = "Table 4 gives no confusion of the generated images"
    return {
        "collapse": {"judged_as": predicted_class_frequencies().to_dict("records")},
        "within_groups": {"real": within, "generated": None, "generated_why": why},
    }


def disagreements() -> pd.DataFrame:
    """Where the paper contradicts its own tables: statement, where, and what the tables give."""
    real, stated = oracle_confusion(), headline()
    accuracy, generated = rca.accuracy(real), stated["generated_accuracy"]
    ratio = f"the accuracy on generated images; RCA is {generated} / {accuracy:.3f} = {generated / accuracy:.3f}"
    rows = [
        ("RCA of 20.77 %", "section 6", ratio),
        ("27 % of the generated samples retained their identity", "section 7", f"{generated:.2%} of them did"),
        (
            "overall accuracy on real images 0.77 and 0.770",
            "section 5.4, Table 4",
            f"{np.trace(real)} of {real.sum()} = {accuracy:.3f} by Table 2, as in Table 1",
        ),
        (
            "RCA is the percentage of generated images that the classifier labels correctly",
            "section 4.3",
            "that is its numerator; eq. 5 divides by the accuracy on real images",
        ),
        (
            "Figure 7 is the judge's confusion on real images",
            "section 5.2.2",
            "Figure 7 is on generated images; the real ones are in Table 2",
        ),
    ]
    return pd.DataFrame(rows, columns=["statement", "where", "the tables give"])


def oracles_test() -> tuple[float, float]:
    """Whether the paper's ResNet-34 is better than its ResNet-18, as far as its tables can tell.

    A test of two proportions on 980 images each; the paired test that fits needs each judge's answers, which the
    paper does not give.

    Returns:
        z and the two-sided p.

    >>> print("z = {:.2f}, p = {:.2f}".format(*oracles_test()))
    z = 1.24, p = 0.22
    """
    n = int(oracle_confusion().sum())
    accuracies = table1().set_index("metric").loc["test_accuracy"]
    right = [accuracies[judge] * n for judge in ("resnet34", "resnet18")]  # as printed, to a tenth of a percent
    z, p = proportions_ztest(right, [n, n])
    return float(z), float(p)


def _oracles() -> dict[str, dict[str, float]]:
    table, n = table1().set_index("metric"), int(oracle_confusion().sum())
    names = {"accuracy": "test_accuracy", "loss": "test_loss", "macro_f1": "macro_f1"}
    return {
        judge: {ours: float(table.loc[theirs, judge]) for ours, theirs in names.items()} | {"n_test": n}
        for judge in ("resnet18", "resnet34")
    }


def _rca() -> dict[str, Any]:
    real, stated, table = oracle_confusion(), headline(), table4()
    right = (stated["generated_accuracy"] * stated["generated_images"], stated["generated_images"])
    ratios = table.assign(n_real=real.sum(axis=1), n_generated=PER_CLASS)
    columns = {"real_recall": "recall_real", "generated_recall": "recall_generated", "class_rca": "rca"}
    order = ["class", "n_real", "n_generated", *columns.values()]
    why = "Table 4 gives recalls to two decimals only"
    return {
        "global": stated["generated_accuracy"] / rca.accuracy(real),
        "ci95": list(rca.ratio_interval(*right, np.trace(real), real.sum(), method="katz")),
        "ci95_method": "katz",
        "macro": float(table["class_rca"].mean()),
        "chance": rca.chance_rca(real),
        "chance_corrected": rca.chance_corrected(stated["generated_accuracy"], rca.accuracy(real), len(real)),
        "per_class": [
            row | {"ci95": None, "why": why} for row in ratios.rename(columns=columns)[order].to_dict("records")
        ],
    }


def _visual() -> dict[str, Any]:
    stated = headline()
    inception = {"n_generated": None, "n_generated_why": UNSTATED}
    reference = {"n_real": None, "n_real_why": UNSTATED, "real_vs_real": None, "real_vs_real_why": UNSTATED}
    per_class = table3().to_dict("records")
    return {
        "fid": {"value": stated["fid"], "features": "Inception-v3"} | reference | inception,
        "is": {"value": stated["inception_score"], "features": "Inception-v3"} | inception,
        "lpips_diversity": {"mean": stated["lpips_diversity"], "per_class": per_class},
    }


def paper_metrics() -> dict[str, Any]:
    """The part `paper` of `metrics.json`: the paper's numbers under the names that ours have.

    Global RCA is accuracy_generated / accuracy_real from Table 2 and section 5.4, its interval is Katz's, and the
    macro RCA is the mean of Table 4's class RCAs; the rest is as printed. What the paper does not say is None,
    with the reason beside it.
    """
    real, stated = oracle_confusion(), headline()
    return {
        "oracle": _oracles(),
        "judge": JUDGE,
        "real": {"n": int(real.sum()), "accuracy": rca.accuracy(real)},
        "generated": {
            "n": int(stated["generated_images"]),
            "accuracy": stated["generated_accuracy"],
            "sampler": "ddpm",
            "steps": 1000,
            "guidance": None,
            "guidance_why": UNSTATED,
        },
        "rca": _rca(),
        **collapse(),
        "oracles_test": dict(zip(("z", "p"), oracles_test(), strict=True)),
        "visual": _visual(),
    }
