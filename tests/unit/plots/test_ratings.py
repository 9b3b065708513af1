import numpy as np
import pandas as pd

from kpop_rca import human_ratings, plots


def test_figures_are_made_of_the_tables():
    rng = np.random.default_rng(0)
    table = pd.DataFrame({"mos": rng.normal(50, 10, 60), "dimension": ["quality", "authenticity"] * 30})
    table = table.assign(generator=["a"] * 30 + ["b"] * 30, identity=["x", "y", "z"] * 20, sharp=rng.normal(size=60))
    rows = {"generator": ["a", "b"], "mean": [2.0, 1.0], "low": [1.0, 0.0], "high": [3.0, 2.0], "rank": [1, 2]}
    ranking = pd.DataFrame(rows | {"rank_low": [1, 1], "rank_high": [1, 2]})
    figures = [
        plots.dimension_dots({"quality": ranking, "authenticity": ranking.head(1)}, title="t"),
        plots.mos_densities(table, title="t"),
        plots.mos_violins(table, "identity", title="t"),
        plots.metric_scatter(table, ["sharp"], human_ratings.fitted, title="t"),
        plots.rankings({"one": ranking}, "generator", xlabels=["x"], title="t"),
    ]
    labels = [label.get_text() for label in figures[-1].axes[0].get_yticklabels()]
    assert labels == ["a (1)", "b (1 to 2)"]
    assert [ax.get_title() for ax in figures[2].axes] == ["quality", "authenticity"]


def test_planted_raters_are_named():
    found = human_ratings.screen(human_ratings.nflx(outliers=True))
    figure = plots.inconsistencies({"a": found, "b": found}, planted=[26, 27])
    assert [text.get_text() for text in figure.axes[0].texts] == ["26", "27"]
