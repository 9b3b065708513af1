import pandas as pd

from kpop_rca.plots import cascade


def table(**columns):
    rows = [
        {"oracle": oracle, "faces": faces, "accuracy": 0.5, "low": 0.4, "high": 0.6}
        | dict(zip(columns, values, strict=True))
        for oracle in ("a", "b")
        for faces in ("real", "generated")
        for values in zip(*columns.values(), strict=True)
    ]
    return pd.DataFrame(rows)


def test_each_oracle_has_a_panel_and_each_kind_of_faces_a_colour():
    figure = cascade.identity_by_method(table(method=["bicubic", "diffusion"]), title="T", chance=0.1)
    assert [ax.get_title() for ax in figure.axes] == ["a", "b"]
    assert [label.get_text() for label in figure.axes[-1].get_legend().get_texts()] == ["real", "generated"]


def test_levels_are_on_the_axis():
    figure = cascade.identity_by_level(table(level=[0.0, 0.6]), title="T")
    assert [ax.get_title() for ax in figure.axes] == ["real 32 px faces", "generated 32 px faces"]
    assert figure.axes[0].containers[0].lines[0].get_xdata().tolist() == [0.0, 0.6]
