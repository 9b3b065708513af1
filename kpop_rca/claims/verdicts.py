"""The paper's claims: what is expected of a sweep's small studies, and what follows from them.

Every seed is an experiment of its own: other people, another split, other trainings. So levels are compared within a
seed, and an effect has to hold over the seeds: intervals are Student's over the differences seed by seed, however many
images are behind each. One row of `runs` is one small study under one oracle.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from scipy import stats
from statsmodels.stats.weightstats import DescrStatsW

from kpop_rca import rca
from kpop_rca.study import sweeps

KEYS = ["experiment", "level", "seed"]
VERDICT = ["claim", "section", "experiment", "response", "reference", "level", "expected"]
VERDICT += ["effect", "low", "high", "p", "p_within", "p_beyond", "p_holm", "p_within_holm", "p_beyond_holm"]
VERDICT += ["differs", "n_seeds", "verdict"]
POWER = 0.8  # at which the effect that a design can see is told
SUPPORTED, CONTRADICTED, NEGLIGIBLE = "supported", "contradicted", "negligible"
VERDICTS = (SUPPORTED, CONTRADICTED, NEGLIGIBLE, rca.INCONCLUSIVE)
NO_FRACTIONS = ("frechet", "log_loss")  # beginnings of responses that a margin of a fraction says nothing of


@dataclass(frozen=True)
class Claim:
    """What is expected of two levels of one experiment.

    Attributes:
        name: the claim in a few words.
        section: of the paper, or "" where the paper only sets the thing.
        experiment: name in `sweeps.EXPERIMENTS`.
        response: column of `mean_over_oracles` that should change.
        sign: +1 where the second level should have more of it, -1 for less, 0 for as much (within the margin).
        levels: the two that are compared, (reference, other); None for the first and the last of the sweep, or,
            where as much is expected, for each against the last.
    """

    name: str
    section: str
    experiment: str
    response: str
    sign: int
    levels: tuple[str, str] | None = None


# The response of a claim on identity, unless it names RCA: notebook 07 finds RCA too high where the wrong faces are
# those of look-alikes.
IDENTITY = "confusion_corrected_accuracy"
CLAIMS = (
    Claim("more pixels keep identity better", "6.1", "size", IDENTITY, +1, ("16", "32")),
    Claim("more pixels keep identity better", "6.1", "size", IDENTITY, +1, ("16", "64")),
    Claim("more pixels help the oracle on real faces", "6.1", "size", "accuracy_real", +1, ("16", "32")),
    Claim("more pixels help the oracle on real faces", "6.1", "size", "accuracy_real", +1, ("16", "64")),
    Claim("more pixels keep identity better, trained for longer", "6.1", "longer", IDENTITY, +1, ("32", "64")),
    Claim("likeness within a group costs identity", "6.2", "alikeness", IDENTITY, -1),
    Claim("likeness adds errors within the group", "6.2", "alikeness", "within_group_excess", +1),
    Claim("wrong images in the folders cost identity", "5.2", "labels", IDENTITY, -1, ("clean", "as-found")),
    Claim("the audit's exclusions restore it", "5.2", "labels", IDENTITY, +1, ("as-found", "excluded")),
    Claim("a distinctive face attracts other requests", "6.3", "dominance", "pull", +1, ("equal", "distinct-face")),
    Claim("having more images attracts other requests", "6.3", "dominance", "pull", +1, ("equal", "more-pictures")),
    Claim("a distinctive face attracts more", "6.3", "dominance", "pull", +1, ("more-pictures", "distinct-face")),
    Claim("guidance raises RCA", "", "guidance", "rca", +1),
    Claim("guidance costs diversity", "", "guidance", "recall", -1),
    Claim("the sampler does not matter to RCA", "", "sampler", "rca", 0),
    Claim("few steps do as well as fifty, without noise", "", "sampler", "rca", 0, ("ddim-50", "ddim-10")),
    Claim("few steps do as well as fifty, without noise", "", "sampler", "rca", 0, ("ddim-50", "dpmpp-8")),
    Claim("few steps do as well as fifty, without noise", "", "sampler", "rca", 0, ("ddim-50", "dpmpp-15")),
    Claim("few steps do as well as fifty, without noise", "", "sampler", "rca", 0, ("ddim-50", "dpmpp-20")),
    Claim("oracles trained to ignore tints recognise more", "", "jitter", IDENTITY, +1),
)


def mean_over_oracles(runs: pd.DataFrame) -> pd.DataFrame:
    """The mean over the oracles of each small study, levels in the order of the sweep.

    A measure that one of the oracles can't give is NaN, since the mean of the others would be over other oracles than
    at the next level.

    Returns:
        experiment, level, seed, n_oracles (all of the study's) and every measure of `runs.collect`.
    """
    groups = runs.groupby(KEYS, sort=False)
    means = groups.mean(numeric_only=True)
    return means.where(_complete(groups, list(means))).assign(n_oracles=groups.size()).reset_index()


def _complete(groups: pd.api.typing.DataFrameGroupBy, columns: list[str]) -> pd.DataFrame:
    """Whether all rows of a group have a value, bool, for each group and column."""
    return groups[columns].count().eq(groups.size(), axis=0)


def shared_faces(table: pd.DataFrame) -> pd.DataFrame:
    """Faces that oracles and generators were both trained on, where levels are classified by another level's oracles.

    Args:
        table: from `mean_over_oracles`.

    Returns:
        One row for each level of the experiments in `sweeps.COMMON_ORACLE`: experiment, level, oracles_of (the level
        whose oracles classify it), n_seeds, n_training_faces (the generators', over all seeds), n_shared_faces and
        their fraction.
    """
    part = table[table["experiment"].isin(sweeps.COMMON_ORACLE)]
    oracles_of = [sweeps.oracles_of(row.experiment, row.level) for row in part.itertuples()]
    groups = part.assign(oracles_of=oracles_of).groupby(["experiment", "level", "oracles_of"], sort=False)
    counts = groups[["n_training_faces", "n_shared_faces"]].sum().astype(int)
    counts.insert(0, "n_seeds", groups.size())
    return counts.assign(fraction=counts["n_shared_faces"] / counts["n_training_faces"]).reset_index()


def _differences(table: pd.DataFrame, claim: Claim, levels: tuple[str, str]) -> np.ndarray:
    """The response at the second level less that at the first, for every seed that has both."""
    part = table[table["experiment"] == claim.experiment]
    wide = part.pivot(index="seed", columns="level", values=claim.response)
    return (wide[levels[1]] - wide[levels[0]]).dropna().to_numpy()


def has_spread(differences: np.ndarray) -> bool:
    """Whether the spread over seeds can be estimated: two or more that differ.

    >>> [has_spread(np.array(part)) for part in ([0.1], [0.0, 0.0, 0.0], [0.1, 0.2])]
    [False, False, True]
    """
    return len(differences) > 1 and bool(np.ptp(differences) > 1e-9)


def student_interval(differences: np.ndarray) -> tuple[float, float, float]:
    """Interval (95 %) of a mean over seeds, float (S,), and the p of its being 0: low, high, p.

    All NaN where there is no spread.

    Source: Student (1908), as scipy's `ttest_1samp`.

    >>> [round(float(value), 3) for value in student_interval(np.array([0.1, 0.2, 0.3]))]
    [-0.048, 0.448, 0.074]
    """
    if not has_spread(differences):
        return np.nan, np.nan, np.nan
    test = stats.ttest_1samp(differences, 0.0)
    low, high = test.confidence_interval(rca.CONFIDENCE)
    return float(low), float(high), float(test.pvalue)


def equivalence_p(differences: np.ndarray, margin: float) -> float:
    """p of the mean difference lying outside (-margin, margin): two one-sided tests; NaN where there is no spread.

    Source: Schuirmann (1987), as statsmodels' `ttost_mean`.

    >>> differences = np.array([0.01, -0.01, 0.02])
    >>> equivalence_p(differences, 0.1) < 0.01 < equivalence_p(differences, 0.02)
    True
    """
    if not has_spread(differences):
        return np.nan
    return float(DescrStatsW(differences).ttost_mean(-margin, margin)[0])


def beyond_p(differences: np.ndarray, margin: float) -> float:
    """p of the mean difference not lying beyond the margin on the side where it was found: a one-sided t-test.

    >>> beyond_p(np.array([0.2, 0.21, 0.22]), 0.1) < 0.01 < beyond_p(np.array([0.05, 0.2, 0.1]), 0.1)
    True
    """
    if not has_spread(differences):
        return np.nan
    return float(stats.ttest_1samp(np.sign(differences.mean()) * differences, margin, alternative="greater").pvalue)


def _compared(table: pd.DataFrame, claim: Claim) -> list[tuple[str, str]]:
    """The pairs of levels, (reference, other), that a claim is tried on; none where the sweep lacks them."""
    levels = table.loc[table["experiment"] == claim.experiment, "level"].unique().tolist()
    if claim.levels:
        return [claim.levels] if set(claim.levels) <= set(levels) else []
    if len(levels) < 2:
        return []
    return [(levels[-1], level) for level in levels[:-1]] if claim.sign == 0 else [(levels[0], levels[-1])]


def verdict_table(table: pd.DataFrame, *, margin: float, claims: Sequence[Claim] = CLAIMS) -> pd.DataFrame:
    """Every claim with its effect in the sweep and its verdict.

    Args:
        table: from `mean_over_oracles`.
        margin: largest difference of a fraction that counts as none, set before the sweep was run.

    Returns:
        One row for each claim and pair of levels, columns VERDICT: effect, the mean difference; low and high, its
        interval of 95 %; p of no difference, p_within of a difference beyond the margin (two one-sided tests), p_beyond
        of one within it, each also after Holm's correction over the rows; differs, whether the interval excludes 0;
        n_seeds with the response at both levels; verdict, see `with_verdicts`.

    Source: Schuirmann (1987) on two one-sided tests.
    """
    rows = []
    for claim in claims:
        for levels in _compared(table, claim):
            rows.append(_compare(claim, levels, _differences(table, claim, levels), margin))
    return with_verdicts(pd.DataFrame(rows, columns=VERDICT))


def with_verdicts(found: pd.DataFrame) -> pd.DataFrame:
    """The tests of a table corrected for their number, and the verdicts that follow, both at 5 %.

    | verdict | on a claim of a direction | on a claim of no difference |
    |---|---|---|
    | supported | it differs from 0, on the claimed side | it lies within the margin |
    | contradicted | it differs from 0, on the other side | it lies beyond the margin |
    | negligible | neither, and it lies within the margin | |
    | inconclusive | of this evidence, and not of the world | the same |

    Each of the three tests is corrected by Holm's method over all rows. So where nothing changes anywhere, one table in
    twenty has a claim of a direction that is supported or contradicted.

    Args:
        found: columns VERDICT but those that this adds.
    """
    for name in ("p", "p_within", "p_beyond"):
        found[f"{name}_holm"] = rca.holm(found[name])
    differs, within, beyond = (found[f"{name}_holm"] < 1 - rca.CONFIDENCE for name in ("p", "p_within", "p_beyond"))
    directed, claimed = found["expected"] != 0, np.sign(found["effect"]) == found["expected"]
    chosen = {
        SUPPORTED: np.where(directed, differs & claimed, within),
        CONTRADICTED: np.where(directed, differs & ~claimed, beyond),
        NEGLIGIBLE: directed & within,
    }
    return found.assign(verdict=np.select([*chosen.values()], [*chosen], rca.INCONCLUSIVE))


def shared_images(runs: pd.DataFrame) -> pd.DataFrame:
    """Levels of several experiments that have one set of images, so that the chance of one training enters all of them.

    Returns:
        One row for each such set of the first seed: levels, each as "experiment level", and n, their number.

    >>> names = ["experiment", "level", "seed", "images"]
    >>> rows = [("size", "16", 0, "a"), ("guidance", "1", 0, "a"), ("guidance", "2", 0, "b"), ("size", "16", 1, "c")]
    >>> shared_images(pd.DataFrame(rows, columns=names)).values.tolist()
    [['size 16, guidance 1', 2]]
    """
    first = runs[runs["seed"] == runs["seed"].min()].drop_duplicates(["experiment", "level"])
    names = first["experiment"] + " " + first["level"].astype(str)
    levels = names.groupby(first["images"], sort=False).agg([", ".join, "size"]).set_axis(["levels", "n"], axis=1)
    return levels[levels["n"] > 1].reset_index(drop=True)


def _compare(claim: Claim, levels: tuple[str, str], differences: np.ndarray, margin: float) -> dict[str, Any]:
    low, high, p = student_interval(differences)
    of_fraction = not claim.response.startswith(NO_FRACTIONS)
    return {
        "claim": claim.name,
        "section": claim.section,
        "experiment": claim.experiment,
        "response": claim.response,
        "reference": levels[0],
        "level": levels[1],
        "expected": claim.sign,
        "effect": differences.mean() if len(differences) else np.nan,
        "low": low,
        "high": high,
        "p": p,
        "p_within": equivalence_p(differences, margin) if of_fraction else np.nan,
        "p_beyond": beyond_p(differences, margin) if of_fraction else np.nan,
        "differs": low > 0 or high < 0,
        "n_seeds": len(differences),
    }


def means_by_level(table: pd.DataFrame, experiment: str, responses: list[str]) -> pd.DataFrame:
    """Mean and standard deviation over the seeds, one row per level.

    Returns:
        level, n_seeds, and for every response its mean under its own name and its _sd, NaN for one seed; both are
        NaN where one of the level's seeds has no value, since other seeds are other people.
    """
    groups = table[table["experiment"] == experiment].groupby("level", sort=False)
    complete = _complete(groups, responses)
    means, spreads = (found.where(complete) for found in (groups[responses].mean(), groups[responses].std()))
    columns = {"n_seeds": groups.size()}
    for response in responses:
        columns |= {response: means[response], f"{response}_sd": spreads[response]}
    return pd.DataFrame(columns).reset_index()
