"""The claims as experiments: effects within seeds, and verdicts that follow from them."""

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from kpop_rca import artifacts, claims, params, paths, stages
from kpop_rca.errors import StudyError

MARGIN = 0.1


def responses_all(value, response):
    """Every response that a claim looks at; only the one in question differs between levels."""
    return dict.fromkeys({claim.response for claim in claims.CLAIMS}, 0.0) | {response: value}


def runs(experiment, responses, *, response="rca"):
    """A table of runs: {level: one value a seed}."""
    rows = [
        {"experiment": experiment, "level": level, "seed": seed, "judge": "resnet10-0"} | responses_all(value, response)
        for level, values in responses.items()
        for seed, value in enumerate(values)
    ]
    return claims.over_judges(pd.DataFrame(rows))


def verdict_of(table, claim):
    found = claims.verdicts(table, margin=MARGIN).set_index("claim")
    return found.loc[claim]


def test_an_effect_is_the_difference_within_seeds_and_not_between_means():
    """The seeds differ by far more than the levels; paired, the effect is clear."""
    table = runs("guidance", {"0": [0.1, 0.5, 0.9], "4": [0.21, 0.6, 1.01]})
    row = verdict_of(table, "guidance raises RCA")
    differences = np.array([0.11, 0.1, 0.11])
    half = stats.t.ppf(0.975, 2) * differences.std(ddof=1) / np.sqrt(3)
    assert row["effect"] == pytest.approx(differences.mean())
    assert (row["low"], row["high"]) == pytest.approx((differences.mean() - half, differences.mean() + half))
    assert row["verdict"] == "supported"


@pytest.mark.parametrize(
    ("second", "expected"),
    [([0.61, 0.6, 0.62], "supported"), ([0.4, 0.41, 0.39], "contradicted"), ([0.6, 0.4, 0.5], "undecided")],
)
def test_the_verdict_follows_the_sign_of_the_interval(second, expected):
    table = runs("size", {"16": [0.5, 0.5, 0.5], "32": second})
    assert verdict_of(table, "more pixels keep identity better")["verdict"] == expected


def test_a_claim_of_less_is_supported_by_a_fall():
    table = runs("alikeness", {"0.1": [0.8, 0.81, 0.82], "0.6": [0.5, 0.5, 0.5]})
    row = verdict_of(table, "likeness within a group costs identity")
    assert row["effect"] < 0
    assert row["verdict"] == "supported"


def test_one_seed_decides_nothing():
    row = verdict_of(runs("size", {"16": [0.1], "32": [0.9]}), "more pixels keep identity better")
    assert row["verdict"] == "undecided"
    assert np.isnan(row["low"])
    assert row["effect"] == pytest.approx(0.8)


@pytest.mark.parametrize(
    ("second", "expected"),
    [([0.51, 0.5, 0.49], "supported"), ([0.8, 0.81, 0.79], "contradicted"), ([0.7, 0.4, 0.5], "undecided")],
)
def test_equivalence_has_to_be_shown(second, expected):
    table = runs("sampler", {"ddim-10": second, "ddpm-1000": [0.5, 0.5, 0.5]})
    assert verdict_of(table, "the sampler does not matter to RCA")["verdict"] == expected


def test_equivalence_p_is_the_larger_of_two_one_sided_tests():
    differences = np.array([0.02, -0.01, 0.03, 0.0])
    above = stats.ttest_1samp(differences, -MARGIN, alternative="greater").pvalue
    below = stats.ttest_1samp(differences, MARGIN, alternative="less").pvalue
    assert claims.equivalence_p(differences, MARGIN) == pytest.approx(max(above, below))


def test_a_seed_that_lacks_a_level_is_left_out():
    table = runs("size", {"16": [0.5, 0.5, 0.5, 0.9], "32": [0.61, 0.6, 0.62]})
    assert verdict_of(table, "more pixels keep identity better")["n_seeds"] == 3


def test_levels_that_were_not_swept_give_no_verdict():
    table = runs("dominance", {"equal": [0.1, 0.1], "more-pictures": [0.2, 0.3]}, response="pull")
    found = claims.verdicts(table, margin=MARGIN)
    assert found["level"].tolist() == ["more-pictures"]


def test_coverage_of_the_interval_over_three_seeds():
    """2,000 sweeps of three seeds with an effect of 0.2: 95 % of the intervals hold it.

    A share of 2,000 has a standard error of 0.5 points; three of them are the tolerance.
    """
    drawn = np.random.default_rng(0).normal(0.2, 0.05, size=(2000, 3))
    held = [low < 0.2 < high for low, high, _ in map(claims.student_interval, drawn)]
    assert np.mean(held) == pytest.approx(0.95, abs=0.015)


def test_judges_of_a_study_are_averaged_and_counted():
    table = pd.DataFrame(
        {"experiment": "size", "level": "16", "seed": [0, 0, 1], "judge": ["a", "b", "a"], "rca": [0.2, 0.4, 0.9]}
    )
    averaged = claims.over_judges(table)
    assert averaged["rca"].tolist() == pytest.approx([0.3, 0.9])
    assert averaged["n_judges"].tolist() == [2, 1]


def test_levels_keep_the_order_of_the_sweep():
    table = runs("sampler", {"ddim-20": [0.5], "ddim-10": [0.4], "ddpm-1000": [0.5]})
    assert claims.means_by_level(table, "sampler", ["rca"])["level"].tolist() == ["ddim-20", "ddim-10", "ddpm-1000"]


def test_pull_counts_what_was_asked_for_as_someone_else():
    real, generated = np.diag([10, 10, 10]), np.array([[9, 1, 0], [4, 6, 0], [2, 0, 8]])
    found = claims._from_counts(real, generated, groups=[[0, 1], [2]])
    assert found["pull"] == pytest.approx(6 / 20)  # and not the 9 that were asked for as the first
    assert found["first_rca"] == pytest.approx(0.9)
    assert found["within_group"] == pytest.approx(5 / 7)
    assert found["rca"] == pytest.approx(23 / 30)
    swapped = claims._from_counts(generated, real, groups=[[0, 1], [2]])
    assert swapped["rca"] > 1


def test_a_judge_that_cannot_be_inverted_gives_no_fidelity():
    confused = np.array([[5, 5], [5, 5]])
    assert np.isnan(claims._from_counts(confused, np.diag([5, 5]), groups=[])["fidelity"])


@pytest.mark.parametrize("level", ["alikeness=0.6", "jitter=0"])
def test_a_missing_small_study_is_not_judged_by_the_judges_of_its_base(output, level):
    """Borrowing must stop where the level changed what is borrowed, in the judges themselves or far behind them."""
    base = "claims-seed0"
    inputs = {}
    for folder in ("audit", "faces", "oracle"):
        stage, resolved = stages.by_folder(folder), params.resolve(base)
        made = {"stage": stage.notebook, "parameters": params.of_notebook(stage.notebook, resolved), "code": ""}
        manifest = made | {"inputs": inputs, "files": {}}
        artifacts.write_json(paths.artifacts_folder(base) / folder / artifacts.MANIFEST, manifest)
        inputs = {folder: artifacts.identity(manifest)}
    assert claims._made("claims.guidance=0-seed0", "oracle") == paths.artifacts_folder(base) / "oracle"
    with pytest.raises(StudyError, match="were made with"):
        claims._made(f"claims.{level}-seed0", "oracle")


def test_committed_runs_that_are_not_there_name_the_command():
    with pytest.raises(StudyError, match="make study STUDY=nowhere"):
        claims.committed_runs("nowhere")


def test_a_level_stays_text_on_disk(tmp_path):
    runs_table = pd.DataFrame({"experiment": "guidance", "level": ["0", "0.5"], "seed": 0, "rca": [0.1, 0.2]})
    runs_table.to_csv(tmp_path / "runs.csv", index=False)
    assert claims.read_runs(tmp_path / "runs.csv")["level"].tolist() == ["0", "0.5"]
