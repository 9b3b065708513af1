import numpy as np
import pytest

from kpop_rca.human_ratings import reference_answers


def test_human_error_rates_by_model():
    table = reference_answers.human_error_rates()
    faces = table[table["dataset"] == "FFHQ 256 px"]
    ranking = reference_answers.model_ranking(
        faces, "error", units="participant", n_replicates=200, generator=np.random.default_rng(0)
    )
    assert ranking["model"].tolist()[0] == "stylenat" and ranking["n"].sum() == 227
    assert ranking["mean"].to_numpy() == pytest.approx(sorted(faces.groupby("model")["error"].mean(), reverse=True))
    assert (ranking["low"] < ranking["mean"]).all() and (ranking["mean"] < ranking["high"]).all()


def test_tables_of_the_papers():
    table = reference_answers.fbench_tables()
    assert table[["srcc", "krcc", "plcc"]].abs().max().max() < 1
    quality = table[(table["task"] == "generation") & (table["dimension"] == "quality")].set_index("model")
    assert quality.loc["MINTIQA", ["srcc", "krcc", "plcc"]].tolist() == [0.8312, 0.6474, 0.8974]
    assert set(reference_answers.fbench_not_measured()["model"]) <= set(table["model"])
    assert reference_answers.agiqa3k().shape == (2982, 5)
