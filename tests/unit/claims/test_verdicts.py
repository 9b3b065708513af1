"""The claims as experiments: effects within seeds, and verdicts that follow from them."""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from scipy import stats

from kpop_rca.claims import runs, verdicts
from kpop_rca.errors import StudyError
from kpop_rca.plots import claims
from kpop_rca.study import given, paths

MARGIN = 0.1


def responses_all(value, response):
    """Every response that a claim looks at; only the one in question differs between levels."""
    return dict.fromkeys({claim.response for claim in verdicts.CLAIMS}, 0.0) | {response: value}


def table_of(experiment, responses, *, response="rca"):
    """A table of runs: {level: one value a seed}."""
    rows = [
        {"experiment": experiment, "level": level, "seed": seed, "oracle": "resnet10-0"}
        | responses_all(value, response)
        for level, values in responses.items()
        for seed, value in enumerate(values)
    ]
    return verdicts.mean_over_oracles(pd.DataFrame(rows))


def verdict_of(table, claim):
    found = verdicts.verdict_table(table, margin=MARGIN).set_index("claim")
    return found.loc[claim]


def test_an_effect_is_the_difference_within_seeds_and_not_between_means():
    """The seeds differ by far more than the levels; paired, the effect is clear."""
    table = table_of("guidance", {"0": [0.1, 0.5, 0.9], "4": [0.21, 0.6, 1.01]})
    row = verdict_of(table, "guidance raises RCA")
    differences = np.array([0.11, 0.1, 0.11])
    half = stats.t.ppf(0.975, 2) * differences.std(ddof=1) / np.sqrt(3)
    assert row["effect"] == pytest.approx(differences.mean())
    assert (row["low"], row["high"]) == pytest.approx((differences.mean() - half, differences.mean() + half))
    assert row["verdict"] == "supported"


@pytest.mark.parametrize(
    ("second", "expected"),
    [([0.61, 0.6, 0.62], "supported"), ([0.4, 0.41, 0.39], "contradicted"), ([0.6, 0.4, 0.5], "inconclusive")],
)
def test_the_verdict_follows_the_sign_of_the_interval(second, expected):
    table = table_of("size", {"16": [0.5, 0.5, 0.5], "32": second}, response="confusion_corrected_accuracy")
    assert verdict_of(table, "more pixels keep identity better")["verdict"] == expected


def test_p_is_corrected_for_all_the_comparisons():
    tables = [
        table_of(
            "alikeness", {"0.1": [0.8, 0.81, 0.82], "0.6": [0.5, 0.5, 0.5]}, response="confusion_corrected_accuracy"
        ),
        table_of("guidance", {"0": [0.1, 0.5, 0.9], "4": [0.21, 0.7, 0.98]}, response="rca"),
    ]
    found = verdicts.verdict_table(pd.concat(tables), margin=MARGIN)
    known = np.sort(found["p"].dropna())
    assert len(known) > 1
    assert list(np.sort(found["p_holm"].dropna())) == pytest.approx(
        np.minimum(1, np.maximum.accumulate(known * np.arange(len(known), 0, -1)))
    )


def test_a_sweep_that_no_claim_compares_has_a_table_without_rows():
    found = verdicts.verdict_table(table_of("size", {"32": [0.5], "64": [0.6]}), margin=MARGIN)
    assert found.empty and {"verdict", "experiment", "p_holm"} <= set(found)


def test_levels_that_have_the_same_images_are_named():
    rows = [("size", "16", 0, "a"), ("guidance", "1", 0, "a"), ("guidance", "2", 0, "b"), ("size", "16", 1, "c")]
    table = pd.DataFrame(rows, columns=["experiment", "level", "seed", "images"])
    assert verdicts.shared_images(table).values.tolist() == [["size 16, guidance 1", 2]]
    assert verdicts.shared_images(table[table["level"] == "2"]).empty


def test_a_claim_of_less_is_supported_by_a_fall():
    table = table_of(
        "alikeness", {"0.1": [0.8, 0.81, 0.82], "0.6": [0.5, 0.5, 0.5]}, response="confusion_corrected_accuracy"
    )
    row = verdict_of(table, "likeness within a group costs identity")
    assert row["effect"] < 0
    assert row["verdict"] == "supported"


def test_one_seed_decides_nothing():
    row = verdict_of(
        table_of("size", {"16": [0.1], "32": [0.9]}, response="confusion_corrected_accuracy"),
        "more pixels keep identity better",
    )
    assert row["verdict"] == "inconclusive"
    assert np.isnan(row["low"])
    assert row["effect"] == pytest.approx(0.8)


def test_more_pixels_have_to_help_the_oracle_as_well():
    table = table_of("size", {"16": [0.8, 0.81, 0.8], "32": [0.9, 0.91, 0.91]}, response="accuracy_real")
    assert verdict_of(table, "more pixels help the oracle on real faces")["verdict"] == "supported"
    assert verdict_of(table, "more pixels keep identity better")["verdict"] == "inconclusive"


def sweep_of(differences):
    """A table of as many claims of a direction as there are rows, float (claims, seeds)."""
    claim = next(claim for claim in verdicts.CLAIMS if claim.experiment == "jitter")
    rows = [verdicts._compare(claim, ("0", "0.15"), of_claim, MARGIN) for of_claim in differences]
    return verdicts.with_verdicts(pd.DataFrame(rows))["verdict"]


def test_where_nothing_changes_one_table_in_twenty_has_a_wrong_verdict():
    """1,000 tables of ten claims; a fraction of 1,000 near 1/20 has a standard error of 0.7 points."""
    tables = np.random.default_rng(0).normal(0, 0.2, size=(1000, 10, 8))
    wrong = [sweep_of(table).isin([verdicts.SUPPORTED, verdicts.CONTRADICTED]).any() for table in tables]
    assert np.mean(wrong) == pytest.approx(0.05, abs=0.021)


def test_a_small_effect_is_negligible_where_it_is_measured_well():
    spread = np.array([-0.06, 0.08, -0.05, 0.09, -0.07, 0.06, 0.05, 0.06])
    verdict = sweep_of([spread, spread + 0.3, -spread - 0.3, spread * 6])
    assert verdict.tolist() == ["negligible", "supported", "contradicted", "inconclusive"]


def test_a_frechet_distance_is_not_held_against_the_margin_of_a_fraction():
    claim = verdicts.Claim("it costs likeness", "", "guidance", "frechet", +1)
    row = verdicts._compare(claim, ("0", "4"), np.array([0.01, -0.01, 0.02]), MARGIN)
    assert np.isnan(row["p_within"]) and np.isnan(row["p_beyond"]) and 0 < row["p"] < 1


@pytest.mark.parametrize(
    ("second", "expected"),
    [([0.51, 0.5, 0.49], "supported"), ([0.8, 0.81, 0.79], "contradicted"), ([0.7, 0.4, 0.5], "inconclusive")],
)
def test_equivalence_has_to_be_shown(second, expected):
    table = table_of("sampler", {"ddim-10": second, "ddpm-1000": [0.5, 0.5, 0.5]})
    assert verdict_of(table, "the sampler does not matter to RCA")["verdict"] == expected


@pytest.mark.parametrize(
    ("second", "verdict", "differs"),
    [
        ([0.35, 0.38, 0.41], "inconclusive", True),  # from -0.19 to -0.05: not 0, and maybe within the margin
        ([0.7, 0.4, 0.5], "inconclusive", False),
        ([0.521, 0.52, 0.519], "supported", True),
        ([0.8, 0.81, 0.79], "contradicted", True),
        ([0.38], "inconclusive", False),
    ],
)
def test_a_difference_may_be_shown_whatever_the_verdict_on_equivalence(second, verdict, differs):
    table = table_of("sampler", {"ddim-10": second, "ddpm-1000": [0.5, 0.5, 0.5]})
    row = verdict_of(table, "the sampler does not matter to RCA")
    assert (row["verdict"], row["differs"]) == (verdict, differs)


def test_equivalence_goes_by_the_interval_of_90_per_cent_and_the_table_has_that_of_95():
    step = 0.0237  # the interval of 90 % ends at 0.09, that of 95 % at 0.109
    table = table_of("sampler", {"ddim-10": [0.55 - step, 0.55, 0.55 + step], "ddpm-1000": [0.5, 0.5, 0.5]})
    row = verdict_of(table, "the sampler does not matter to RCA")
    assert row["verdict"] == "supported"
    assert row["high"] > MARGIN > 0.05 + stats.t.ppf(0.95, 2) * step / np.sqrt(3)


def test_equivalence_p_is_the_larger_of_two_one_sided_tests():
    differences = np.array([0.02, -0.01, 0.03, 0.0])
    above = stats.ttest_1samp(differences, -MARGIN, alternative="greater").pvalue
    below = stats.ttest_1samp(differences, MARGIN, alternative="less").pvalue
    assert verdicts.equivalence_p(differences, MARGIN) == pytest.approx(max(above, below))


def test_a_seed_that_lacks_a_level_is_left_out():
    table = table_of("size", {"16": [0.5, 0.5, 0.5, 0.9], "32": [0.61, 0.6, 0.62]})
    assert verdict_of(table, "more pixels keep identity better")["n_seeds"] == 3


def test_levels_that_were_not_swept_give_no_verdict():
    table = table_of("dominance", {"equal": [0.1, 0.1], "more-pictures": [0.2, 0.3]}, response="pull")
    found = verdicts.verdict_table(table, margin=MARGIN)
    assert found["level"].tolist() == ["more-pictures"]


def test_coverage_of_the_interval_over_three_seeds():
    """2,000 sweeps of three seeds with an effect of 0.2: 95 % of the intervals hold it.

    A fraction of 2,000 has a standard error of 0.5 points; three of them are the tolerance.
    """
    samples = np.random.default_rng(0).normal(0.2, 0.05, size=(2000, 3))
    held = [low < 0.2 < high for low, high, _ in map(verdicts.student_interval, samples)]
    assert np.mean(held) == pytest.approx(0.95, abs=0.015)


def test_oracles_of_a_study_are_averaged_and_counted():
    table = pd.DataFrame(
        {"experiment": "size", "level": "16", "seed": [0, 0, 1], "oracle": ["a", "b", "a"], "rca": [0.2, 0.4, 0.9]}
    )
    averaged = verdicts.mean_over_oracles(table)
    assert averaged["rca"].tolist() == pytest.approx([0.3, 0.9])
    assert averaged["n_oracles"].tolist() == [2, 1]


def test_what_one_oracle_cannot_give_is_not_the_mean_of_the_others():
    table = pd.DataFrame(
        {
            "experiment": "size",
            "level": "16",
            "seed": [0, 0, 1, 1],
            "rca": 0.5,
            "confusion_corrected_accuracy": [0.2, np.nan, 0.6, 0.8],
        }
    )
    averaged = verdicts.mean_over_oracles(table)
    assert averaged["confusion_corrected_accuracy"].tolist() == pytest.approx([np.nan, 0.7], nan_ok=True)
    assert averaged["rca"].tolist() == [0.5, 0.5]
    means = verdicts.means_by_level(averaged, "size", ["confusion_corrected_accuracy", "rca"])
    assert (
        means[["confusion_corrected_accuracy", "confusion_corrected_accuracy_sd"]].isna().all(axis=None)
    )  # and not those of seed 1 beside n_seeds of 2
    assert means[["n_seeds", "rca", "rca_sd"]].to_numpy().tolist() == [[2, 0.5, 0]]


def test_shared_faces_are_counted_over_the_seeds_where_oracles_are_shared():
    levels = [("labels", "clean", 0), ("labels", "as-found", 30), ("dominance", "more-pictures", 5), ("jitter", "0", 0)]
    rows = [
        {
            "experiment": experiment,
            "level": level,
            "seed": seed,
            "n_training_faces": 100 * (seed + 1),
            "n_shared_faces": both,
        }
        for experiment, level, both in levels
        for seed in range(2)
    ]
    found = verdicts.shared_faces(verdicts.mean_over_oracles(pd.DataFrame(rows)))
    assert found.to_numpy().tolist() == [
        ["labels", "clean", "clean", 2, 300, 0, 0.0],
        ["labels", "as-found", "clean", 2, 300, 60, 0.2],
        ["dominance", "more-pictures", "equal", 2, 300, 10, pytest.approx(1 / 30)],
    ]


def test_a_sweep_without_shared_oracles_has_no_shared_faces():
    table = table_of("guidance", {"0": [0.1], "4": [0.2]}).assign(n_training_faces=10, n_shared_faces=0)
    found = verdicts.shared_faces(table)
    assert found.empty and "fraction" in found


def shown(table, experiment, response):
    means = verdicts.means_by_level(table, experiment, [response])
    return claims.levels(table, means, [response], title="", xlabel="")


@pytest.mark.parametrize(("lowest", "bottom"), [(0.2, 0.0), (-0.4, None)])
def test_what_falls_below_zero_is_in_the_figure(lowest, bottom):
    table = table_of("alikeness", {"0.1": [lowest, 0.3], "0.6": [0.5, 0.4]}, response="within_group_excess")
    figure = shown(table, "alikeness", "within_group_excess")
    found = figure.axes[0].get_ylim()[0]
    plt.close(figure)
    assert found == bottom if bottom is not None else found < lowest


def test_the_bold_line_is_the_table_beside_it():
    table = table_of("size", {"16": [0.2, np.nan], "32": [0.4, 0.6], "64": [0.5]})
    figure = shown(table, "size", "rca")
    bold = max(figure.axes[0].lines, key=lambda line: line.get_linewidth()).get_ydata()
    plt.close(figure)
    assert bold.tolist() == pytest.approx([np.nan, 0.5, 0.5], nan_ok=True)


@pytest.mark.parametrize("values", [{"16": [0.85, 0.86], "32": [0.84, 0.85]}, {"16": [0.2, 0.9], "32": [0.1, 0.8]}])
def test_the_highest_point_is_not_cut_off_where_the_axis_begins_at_0(values):
    """Levels close to each other have a small margin of their own: the axis down to 0 has a larger one."""
    (ax,) = shown(table_of("size", values), "size", "rca").axes
    plt.close("all")
    bottom, top = ax.get_ylim()
    assert bottom == 0 and top > 1.04 * max(max(part) for part in values.values())


def test_levels_keep_the_order_of_the_sweep():
    table = table_of("sampler", {"ddim-20": [0.5], "ddim-10": [0.4], "ddpm-1000": [0.5]})
    assert verdicts.means_by_level(table, "sampler", ["rca"])["level"].tolist() == ["ddim-20", "ddim-10", "ddpm-1000"]


def test_committed_runs_that_are_not_there_name_the_command():
    with pytest.raises(StudyError, match=r"08_runs\.csv is not there; set runs_of to another"):
        runs.committed_runs("nowhere")


def test_committed_runs_of_a_study_with_a_data_folder_name_it_in_the_command(output, monkeypatch):
    monkeypatch.setattr(paths, "committed_report", lambda study: output / study)
    given.give(["data_root=my faces"])
    try:
        with pytest.raises(StudyError, match=r"run: .* -m kpop_rca.studies --study claims --set 'data_root=my faces'"):
            runs.committed_runs("claims")
    finally:
        given.give()


def test_a_level_stays_text_on_disk(tmp_path):
    runs_table = pd.DataFrame({"experiment": "guidance", "level": ["0", "0.5"], "seed": 0, "rca": [0.1, 0.2]})
    runs_table.to_csv(tmp_path / "runs.csv", index=False)
    assert runs.read_runs(tmp_path / "runs.csv")["level"].tolist() == ["0", "0.5"]


def test_seeds_without_scatter_give_no_spread():
    """As where every image of every study is right: no interval of width zero, and neither sort of claim supported."""
    same = np.full(3, 0.1)
    assert np.isnan(verdicts.student_interval(same)).all() and np.isnan(verdicts.equivalence_p(same, 0.2))
    for sign in (0, 1):
        claim = verdicts.Claim("c", "", "size", "rca", sign)
        row = verdicts.with_verdicts(pd.DataFrame([verdicts._compare(claim, ("16", "32"), same, 0.2)])).iloc[0]
        assert row["verdict"] == "inconclusive" and not row["differs"] and row["n_seeds"] == 3
