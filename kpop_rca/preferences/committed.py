"""What the runs over seeds of `experiments` found, as it came with the project in `reports/preferences/`."""

import numpy as np
import pandas as pd
from PIL import Image

from kpop_rca.preferences import benchmark, composites, experiments, trials, tunings
from kpop_rca.preferences.experiment import BOTH, COMMITTEE, FACE, IDENTITY, PAPER, RANDOM, REAL
from kpop_rca.study import paths

# Title to the trial that a scorer's fractions are shown of.
TRIALS = {
    "pairs, adaptive": trials.ADAPTIVE_PAIRS,
    "pairs, strength 0.4": trials.HIGH_PAIRS,
    "known ladders, mean": "ladders, mean",
    "those of generators, mean": trials.GENERATORS_MEAN,
}
CHANGE = "change in {words}: "  # a claim
REWARDS = {  # rewards in words
    IDENTITY: "requested identity, by one oracle",
    COMMITTEE: "requested identity, by a committee",
    FACE: "face score",
    PAPER: "the paper's scorer",
}
SAME = 1e-9  # an interval of this width is of seeds that all gave one value
SHOWN_SCORERS = (trials.PAPER, trials.FACE_SCORE, trials.MSCN, trials.SHARPNESS)  # where all would not fit


def committed_verdicts() -> pd.DataFrame:
    """Targets and changes with their intervals over seeds; without rows where no run is committed."""
    return _table(experiments.VERDICTS)


def committed_scorers() -> pd.DataFrame:
    """Fractions that each scorer orders right over seeds, the best on the ladders of generators first.

    Returns:
        scorer; the TRIALS, text "mean (low to high)"; seeds, their number. Without rows where no run is committed.
    """
    found = _table(experiments.SCORERS_MEAN)
    if found.empty:
        return pd.DataFrame(columns=["scorer", *TRIALS, "seeds"])
    found[["low", "high"]] = found[["low", "high"]].clip(0, 1)  # of fractions, which t intervals may leave
    found["text"] = [_with_interval(*ends) for ends in zip(found["mean"], found["low"], found["high"], strict=True)]
    order = found[found["name"] == trials.GENERATORS_MEAN].sort_values("mean", ascending=False)
    wide = found.pivot(index="scorer", columns="name", values="text").loc[order["scorer"], list(TRIALS.values())]
    return wide.set_axis(list(TRIALS), axis=1).assign(seeds=order["n_seeds"].to_numpy()).reset_index()


def committed_fractions() -> pd.DataFrame:
    """Mean fractions over seeds: a row per scorer, a column per set of pairs and per ladder; empty without a run."""
    found = _table(experiments.SCORERS_MEAN)
    return found if found.empty else found.pivot(index="scorer", columns="name", values="mean")


def committed_tunings() -> pd.DataFrame:
    """What was measured of every tuning, one row per tuning and seed; without rows where no run is committed."""
    return _table(experiments.TUNINGS)


def committed_faces() -> tuple[np.ndarray, list[str]]:
    """Faces of one noise by every tuned generator, uint8 (rows, columns, H, W, 3), a column per identity; the tunings.

    Both are empty where no run is committed.
    """
    folder = paths.committed_report(experiments.REPORT)
    if not (folder / experiments.FACES).is_file():
        return np.empty((0, 0, 0, 0, 3), dtype=np.uint8), []
    names = _table(experiments.ROWS_OF_FACES)["tuning"].tolist()
    with Image.open(folder / experiments.FACES) as image:
        sheet = np.asarray(image)
    side = sheet.shape[0] // len(names)
    tiles = sheet.reshape(len(names), side, -1, side, 3).swapaxes(1, 2)
    return tiles, names


def rewards_since_start() -> pd.DataFrame:
    """How far each reward rose, by the network that rewards and by one that does not, along the tunings that follow it.

    Beside these are the controls, which follow no reward, where it was watched. A reward that no tuning follows is
    left out, and so are steps that a tuning of another seed had ended before: a mean of fewer seeds is another one.

    Returns:
        reward, tuning, step, own and held_out (means over seeds of the change since step 0), n_seeds; without rows
        where no run is committed.
    """
    curves, parts = _table(experiments.CURVES), []
    for reward in [] if curves.empty else [name for name in REWARDS if f"{name}_own" in curves]:
        columns = {f"{reward}_own": "own", f"{reward}_held_out": "held_out"}
        own = curves[curves[f"{reward}_own"].notna()].rename(columns=columns).sort_values("step", kind="stable")
        by = own["tuning"].map(lambda name: tunings.RECIPES.get(name, (None,))[0])
        follows = (by == reward) | ((by == BOTH) & (reward in (COMMITTEE, FACE)))
        if not follows.any():
            continue
        own = own[follows | by.isin([RANDOM, REAL])]
        keys = ["tuning", "seed"]
        start = own[own["step"] == 0].set_index(keys)[["own", "held_out"]]
        change = own.set_index(keys)[["own", "held_out"]] - start.reindex(own.set_index(keys).index)
        table = own[[*keys, "step"]].assign(own=change["own"].to_numpy(), held_out=change["held_out"].to_numpy())
        means = {"own": ("own", "mean"), "held_out": ("held_out", "mean"), "n_seeds": ("seed", "nunique")}
        table = table.groupby(["tuning", "step"], sort=False).agg(**means).reset_index().assign(reward=reward)
        parts.append(table[table["n_seeds"] == table.groupby("tuning")["n_seeds"].transform("max")])
    columns = ["reward", "tuning", "step", "own", "held_out", "n_seeds"]
    return pd.concat(parts, ignore_index=True)[columns] if parts else pd.DataFrame(columns=columns)


def score_and_identity(found: pd.DataFrame) -> pd.DataFrame:
    """What each tuning changes in the held-out face score and in RCA under held-out oracles, with intervals.

    Args:
        found: from `committed_verdicts`.

    Returns:
        tuning, score and rca, with <name>_low and <name>_high: of the tunings of which both have an interval.
    """
    parts = []
    for name, column in {"score": "face_score_held_out", "rca": "rca_held_out"}.items():
        start = CHANGE.format(words=experiments.EFFECTS[column])
        own = found[found["claim"].str.startswith(start) & found["low"].notna()]
        own = _of_tunings(own.set_index(own["claim"].str.removeprefix(start))[["mean", "low", "high"]])
        parts.append(own.set_axis([name, f"{name}_low", f"{name}_high"], axis=1))
    return pd.concat(parts, axis=1, join="inner").rename_axis("tuning").reset_index()


def _of_tunings(found: pd.DataFrame) -> pd.DataFrame:
    """Without the rows of guidance, which is measured on fewer images and at several strengths."""
    return found[found.index.isin(tunings.EVERY)]


def committed_generators() -> pd.DataFrame:
    """Mean score of each generator's images over seeds, the best by the face score first (FaceScore, Table 5).

    Returns:
        generator; a column of each of SHOWN_SCORERS, text "mean (low to high)", scaled so that its smallest image has 0
        and its largest 1; seeds, their number. Without rows where no run is committed.
    """
    found = _table(experiments.GENERATORS)
    if found.empty:
        return pd.DataFrame(columns=["generator", *SHOWN_SCORERS, "seeds"])
    wide = _wide(found, by="generator", value="normalised")
    order = found[found["scorer"] == trials.FACE_SCORE].groupby("generator")["normalised"].mean()
    return wide.loc[order.sort_values(ascending=False).index].reset_index()


def committed_relations() -> pd.DataFrame:
    """What scores go with, over seeds: Spearman with attributes of faces, Pearson with other scores (Table 6).

    Returns:
        beside; a column of each of SHOWN_SCORERS, text "mean (low to high)"; seeds, their number. Without rows where no
        run is committed.
    """
    attributes, others = _table(experiments.ATTRIBUTES), _table(experiments.PEARSON)
    if attributes.empty or others.empty:
        return pd.DataFrame(columns=["beside", *SHOWN_SCORERS, "seeds"])
    attributes["attribute"] = attributes["attribute"].str.replace("_", " ")
    others = others[others["other"].isin(SHOWN_SCORERS) & (others["other"] != others["scorer"])]
    parts = [
        _wide(attributes.rename(columns={"attribute": "beside"}), by="beside", value="spearman"),
        _wide(others.rename(columns={"other": "beside"}), by="beside", value="pearson"),
    ]
    return pd.concat(parts).fillna("–").reset_index()


def _wide(table: pd.DataFrame, *, by: str, value: str) -> pd.DataFrame:
    """Means over seeds with their intervals as text, a row for each value of a column, a column for each scorer."""
    found = benchmark.over_seeds(table[table["scorer"].isin(SHOWN_SCORERS)], by=["scorer", by], value=value)
    found["text"] = [_with_interval(*ends) for ends in zip(found["mean"], found["low"], found["high"], strict=True)]
    wide = found.pivot(index=by, columns="scorer", values="text")
    wide = wide.loc[found[by].unique(), [name for name in SHOWN_SCORERS if name in wide]]
    return wide.assign(seeds=found.groupby(by)["n_seeds"].min())


def about_targets(found: pd.DataFrame) -> list[str]:
    """What was found beside each target, a line each; without a target, on which side of 0 the interval lies.

    A target that the mean reaches and the interval's lower end does not is met by the mean.

    Args:
        found: from `committed_verdicts`.
    """
    lines = []
    for row in found[~found["claim"].str.startswith("change")].itertuples():
        met = "not met" if str(row.met) != "True" else "met" if row.low >= row.target else "met by the mean alone"
        target = f"the target of {row.target:g} is {met}"
        verdict = f"{row.met} than 0" if row.met in ("higher", "lower") else row.met
        is_fraction = row.claim.startswith("face_score on")  # which t intervals may leave
        mean = _with_interval(row.mean, row.low, min(row.high, 1.0) if is_fraction else row.high)
        lines.append(f"{row.claim}: {mean}, {row.n_seeds:.0f} seeds; {verdict if pd.isna(row.target) else target}")
    return lines


def about_tunings(found: pd.DataFrame, *, words: str) -> str:
    """What tuning for identity changes, beside what changes most, in a sentence; "" where that was not measured.

    One seed, which has no interval, is not enough to be the largest.

    Args:
        found: from `committed_verdicts`.
        words: of the quantity, as `experiments.EFFECTS` has them.
    """
    start = CHANGE.format(words=words)
    if found.empty:
        return ""
    own = found[found["claim"].str.startswith(start) & found["low"].notna()]
    own = _of_tunings(own.set_index(own["claim"].str.removeprefix(start)))
    if tunings.HEADLINE not in own.index:
        return ""
    most = own["mean"].idxmax()
    first, largest = (_with_interval(*own.loc[name, ["mean", "low", "high"]]) for name in (tunings.HEADLINE, most))
    said = f"Tuning for identity ({tunings.HEADLINE}) changes {words} by {first}"
    return f"{said}." if most == tunings.HEADLINE else f"{said}; what changes it most is {most}: {largest}."


def about_search() -> str:
    """Which recipe of a tuning for identity was chosen, out of how many, on the seed of the search; "" without one."""
    searched = _table(experiments.SEARCH)
    if searched.empty:
        return ""
    found = tunings.with_gaps(searched).set_index("tuning")
    tried = found.loc[found.index.isin(tunings.SEARCHED)]
    chosen = tunings.chosen_recipe(searched)
    gaps = tried["gap_closed_held_out"].map("{:.0%}".format)
    others = ", ".join(f"“{name}” {gap}" for name, gap in gaps.drop(chosen).items())
    return (
        f"Of {len(tried)} recipes of DPO, tried on a seed that takes no further part, “{chosen}” was chosen. It has "
        f"the largest RCA of those whose Fréchet distance is at most {tunings.SLACK:g} times the base's, by oracles "
        f"that neither reward nor report. Under held-out oracles it closes {gaps[chosen]} of the gap to real faces "
        f"there, and takes the Fréchet distance from {found.loc[trials.BASE, 'frechet']:.1f} to "
        f"{found.loc[chosen, 'frechet']:.1f}. The others close: {others}."
    )


def about_parts() -> str:
    """How well the face score's parts did beside other sets of parts, in sentences; "" without a run."""
    found = _table(experiments.COMPOSITES)
    if found.empty:
        return ""
    means = composites.means(found)
    untrained = means[[" + ".join(names) for names in composites.SETS if not {*names} & {*composites.TRAINED_PARTS}]]
    own = means[" + ".join(composites.IN_USE)]
    return (
        f"The mean of the fractions of pairs and of ladders is {own:.3f} for these parts, and {means.min():.3f} to "
        f"{means.max():.3f} for the {len(means)} sets that were tried. {untrained.idxmax()}, with no trained scorer, "
        f"has {untrained.max():.3f}."
    )


def _table(name: str) -> pd.DataFrame:
    path = paths.committed_report(experiments.REPORT) / name
    return pd.read_csv(path) if path.is_file() else pd.DataFrame()


def _with_interval(mean: float, low: float, high: float) -> str:
    """With three digits where the change is that small; without an interval where seeds give none, or all the same."""
    digits = 2 if abs(mean) >= 0.1 else 3
    is_known = not pd.isna(low) and high - low > SAME
    return f"{mean:.{digits}f}" + (f" ({low:.{digits}f} to {high:.{digits}f})" if is_known else "")
