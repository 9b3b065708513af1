import numpy as np
import pandas as pd
import pytest

from kpop_rca import human_ratings, image_metrics, plots


def test_figures_are_made_of_the_tables():
    rng = np.random.default_rng(0)
    table = pd.DataFrame({"mos": rng.normal(50, 10, 60), "dimension": ["quality", "authenticity"] * 30})
    table = table.assign(generator=["a"] * 30 + ["b"] * 30, identity=["x", "y", "z"] * 20, sharp=rng.normal(size=60))
    rows = {"generator": ["a", "b"], "mean": [2.0, 1.0], "low": [1.0, 0.0], "high": [3.0, 2.0], "rank": [1, 2]}
    ranking = pd.DataFrame(rows | {"rank_low": [1, 1], "rank_high": [1, 2]})
    agree = pd.DataFrame({"metric": ["sharp", "flat"], "srcc": [0.5, np.nan], "srcc_low": [0.4, np.nan]})
    agree = agree.assign(srcc_high=agree["srcc"] + 0.1)
    figures = [
        plots.ratings_answer(
            {"quality": ranking, "authenticity": ranking.head(1)}, {"quality": agree}, {"sharp": "Sharp"}, title="t"
        ),
        plots.mos_densities(table, title="t"),
        plots.mos_violins(table, "identity", title="t"),
        plots.metric_scatter(table, ["sharp"], human_ratings.fitted, {"sharp": "Sharp"}, title="t"),
        plots.rankings({"one": ranking}, "generator", xlabels=["x"], title="t"),
    ]
    labels = [label.get_text() for label in figures[-1].axes[0].get_yticklabels()]
    assert labels == ["a (1)", "b (1 to 2)"]
    assert [label.get_text() for label in figures[0].axes[1].get_yticklabels()] == ["Sharp"]
    assert [ax.get_title() for ax in figures[2].axes] == ["quality", "authenticity"]


def test_people_and_attributes_stand_side_by_side_if_there_are_any():
    rows = {"by": ["person", "person", "hat", "hat"], "value": ["0000", "0001", "no", "yes"]}
    table = pd.DataFrame(rows | {"mean": 50.0, "low": 40.0, "high": 60.0, "dimension": "quality"})
    people, known = plots.mos_of_classes(table, title="t").axes
    assert [label.get_text() for label in people.get_yticklabels()] == ["0000", "0001"]
    assert [label.get_text() for label in known.get_yticklabels()] == ["hat: no", "hat: yes"]
    (alone,) = plots.mos_of_classes(table[table["by"] == "person"], title="t").axes
    assert alone.get_title() == "By person"


def test_planted_raters_are_named():
    found = human_ratings.screen(human_ratings.nflx(outliers=True))
    figure = plots.inconsistencies({"a": found, "b": found}, planted=[26, 27])
    assert [text.get_text() for text in figure.axes[0].texts] == ["26", "27"]


def test_raters_comparisons_and_diversity():
    screened = pd.DataFrame({"dimension": "quality", "rater": ["a", "b"], "inconsistency": [0.5, 1.5]})
    agreement = pd.DataFrame({"dimension": ["quality"], "alpha, all": [0.5], "alpha, kept": [0.7]})
    left, right = plots.raters(screened.assign(rejected=[False, True]), agreement, title="t").axes
    assert [line.get_marker() for line in left.lines].count("x") == 2  # of b, and in the legend
    assert [bar.get_width() for bar in right.patches] == [0.5, 0.7]
    table = pd.DataFrame({"generator": ["a", "b"], "log_strength": [1.0, -1.0], "win": [0.6, 0.2], "lose": [0.2, 0.6]})
    table["tie"] = 0.2
    for name in ("log_strength", "win", "tie", "lose"):
        table[f"{name}_low"], table[f"{name}_high"] = table[name] - 0.1, table[name] + 0.1
    _, right = plots.comparisons(table, title="t").axes
    assert [bar.get_x() + bar.get_width() for bar in right.patches[-2:]] == pytest.approx([1.0, 1.0])
    sets = {"one": np.zeros((3, 8, 8, 3), np.uint8), "two": np.full((3, 8, 8, 3), 9, np.uint8)}
    diversity = image_metrics.diversity_of_content(sets)
    assert len(plots.content_diversity(diversity).axes[0].lines) == 2
    within = pd.DataFrame({"of": ["x", "y"], "metric": ["m", "m"], "srcc": [0.5, None]})
    heat, _ = plots.within_groups(within, {"m": "M"}, title="t").axes
    assert [label.get_text() for label in heat.get_yticklabels()] == ["M"]
