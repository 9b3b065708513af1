import numpy as np
import pandas as pd

from kpop_rca import plots


def test_each_metric_has_a_row_and_each_kind_a_look():
    rows = [
        {"title": f"metric {number}", "sees": sees, "quality": 0.5, "identity": np.nan if number else 0.2}
        for number, sees in enumerate(["neither", "", "both"])
    ]
    ends = {f"{truth}_{end}": value for truth in ("quality", "identity") for end, value in (("low", 0), ("high", 1))}
    figure = plots.what_is_seen(pd.DataFrame(rows).assign(**ends), sees=0.5)
    assert [label.get_text() for label in figure.axes[0].get_yticklabels()] == ["metric 2", "metric 0"]
    assert [text.get_text() for text in figure.legends[0].get_texts()] == ["quality", "identity", "both", "neither"]
