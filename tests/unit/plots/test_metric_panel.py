import numpy as np
import pandas as pd

from kpop_rca import plots
from kpop_rca.metric_panel import metric_of_metrics


def test_each_metric_has_a_row_and_each_kind_a_look():
    rows = [
        {"title": f"metric {number}", "sees": sees, "quality": 0.5, "identity": np.nan if number else 0.2}
        for number, sees in enumerate(["neither", "", "both"])
    ]
    ends = {f"{truth}_{end}": value for truth in ("quality", "identity") for end, value in (("low", 0), ("high", 1))}
    figure = plots.what_is_seen(pd.DataFrame(rows).assign(**ends), sees=0.5)
    assert [label.get_text() for label in figure.axes[0].get_yticklabels()] == ["metric 2", "metric 0"]
    assert [text.get_text() for text in figure.legends[0].get_texts()] == [
        "quality",
        "identity",
        "both",
        "neither",
        metric_of_metrics.NO_IDENTITY,
    ]


def test_taus_have_a_row_per_metric_a_column_per_ladder_and_no_number_where_there_is_none():
    table = pd.DataFrame({"blur": [0.9, -0.5], "morphs": [np.nan, 0.1]}, index=["PSNR, dB", "a long name " * 6])
    ax = plots.taus_by_ladder(table).axes[0]
    assert [label.get_text() for label in ax.get_xticklabels()] == ["blur", "morphs"]
    names = [label.get_text() for label in ax.get_yticklabels()]
    assert names[0] == "PSNR, dB" and names[1].endswith("…")
    assert sorted(text.get_text() for text in ax.texts) == ["-0.5", "0.1", "0.9"]
