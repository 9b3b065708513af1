"""What a sweep consists of, and how large an effect it can see: what a reader wants to know before any verdict."""

from typing import Any

import numpy as np
import pandas as pd
from scipy import stats
from statsmodels.stats.power import TTestPower

from kpop_rca import rca
from kpop_rca.study import flat_yaml, params, paths

POWER = 0.8


def committed_parameters(study: str) -> dict[str, Any]:
    """The parameters that a sweep's committed runs were made with; where they are not committed, its study file's."""
    path = paths.committed_report(study) / "params.yaml"
    return flat_yaml.read(path, where=path.name) if path.is_file() else params.resolve(study)


def configuration(runs: pd.DataFrame, parameters: dict[str, Any]) -> pd.DataFrame:
    """What the runs consist of: quantity and value (text).

    Args:
        runs: from `runs.collect` or `runs.committed_runs`.
        parameters: of the sweep.
    """
    first = runs.drop_duplicates(["study", "oracle"])
    sizes = runs.loc[runs["experiment"] == "size", "level"].unique().tolist()
    pixels = f"{parameters['image_size']} px" + (f"; in one experiment {', '.join(sizes)} px" if sizes else "")
    steps, batch = parameters["train_steps"], parameters["batch_size"]
    rows = {
        "people": f"{parameters['n_identities']} avatars, others for each seed",
        "image size": pixels,
        "training of a generator": f"{steps} steps of {batch} images",
        "trainings of a level": f"{runs['seed'].nunique()} seeds, one training each",
        "sets of generated images": f"{runs['images'].nunique()}",
        "generated images of a set": _range(first["n_generated"]),
        "real test faces of an oracle": _range(first["n_real"]),
        "oracles of a set": _range(runs.groupby(["experiment", "study"])["oracle"].nunique()),
        "experiments and levels": f"{runs['experiment'].nunique()} and "
        f"{len(runs.drop_duplicates(['experiment', 'level']))}",
    }
    return pd.DataFrame({"quantity": rows.keys(), "value": rows.values()})


def _range(values: pd.Series) -> str:
    low, high = int(values.min()), int(values.max())
    return f"{low:,}" if low == high else f"{low:,} to {high:,}"


def detectable_effect(sd: float, n_seeds: int, *, power: float = POWER) -> float:
    """The smallest mean difference over the seeds that a two-sided t-test at 5 % finds with this power.

        n = number of seeds; the test of sd * d / (sd / sqrt(n)) has this power at the d that is solved for

    NaN below two seeds.

    Source: Cohen (1988), as statsmodels' `TTestPower`.

    >>> round(detectable_effect(0.1, 3), 2), round(detectable_effect(0.1, 10), 2)
    (0.33, 0.1)
    """
    if n_seeds < 2 or not np.isfinite(sd):
        return np.nan
    alpha = 1 - rca.CONFIDENCE
    return sd * float(TTestPower().solve_power(nobs=n_seeds, alpha=alpha, power=power, alternative="two-sided"))


def with_detectable(found: pd.DataFrame) -> pd.DataFrame:
    """A table of verdicts with sd, of the differences over the seeds, and detectable, the effect seen at POWER.

    The standard deviation is that behind the interval, half of which is t_(n-1) sd / sqrt(n). It is known as roughly as
    few seeds tell it.

    Args:
        found: from `verdicts.verdict_table`.
    """
    n = found["n_seeds"].to_numpy()
    quantile = stats.t.ppf(0.5 + rca.CONFIDENCE / 2, np.maximum(n - 1, 1))
    sd = (found["high"] - found["low"]).to_numpy() / 2 / quantile * np.sqrt(n)
    return found.assign(sd=sd, detectable=[detectable_effect(*row) for row in zip(sd, n, strict=True)])


def about_claims(found: pd.DataFrame) -> list[str]:
    """How the claims fared, and what the design can see: two sentences.

    Args:
        found: from `with_detectable`.
    """
    counts = found["verdict"].value_counts()
    said = ", ".join(f"{counts.get(name, 0)} {name}" for name in ("supported", "contradicted", rca.INCONCLUSIVE))
    known = found["detectable"].dropna()
    sentences = [f"Of {len(found)} comparisons: {said}."]
    if known.empty:
        return [*sentences, "One seed has no spread: which effects the design can see is not known."]
    return [
        *sentences,
        f"With probability {POWER:g} this design sees an effect of {known.median():.2f} (median; {known.min():.2f} to "
        f"{known.max():.2f} by comparison); smaller ones often stay inconclusive.",
    ]


def about_shared_faces(shared: pd.DataFrame) -> str:
    """Where oracles were trained on most of a generator's training faces: a sentence, from `verdicts.shared_faces`."""
    if shared.empty:
        return "No level is classified by another level's oracles."
    worst = shared.loc[shared["fraction"].idxmax()]
    level = f"{worst['experiment']} {worst['level']}"
    return f"Most training faces shared with oracles: {worst['fraction']:.1%} ({level})"
