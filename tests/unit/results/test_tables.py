"""Tables as notebooks show them."""

import pandas as pd
import pytest

from kpop_rca import results

REASON = "its weights lie on a page that asks for an account, and nothing fetches them from there"


@pytest.fixture
def table():
    return pd.DataFrame({"metric": [f"metric {n}" for n in range(100)], "reason": REASON})


@pytest.mark.parametrize("part", [lambda table: table, lambda table: table.iloc[1:], lambda table: table.sort_index()])
def test_no_text_is_cut_and_no_row_left_out(table, part):
    shown = part(results.shown(table, {"metric": "metric", "reason": "reason"}))
    assert shown._repr_html_().count(REASON) == repr(shown).count(REASON) == len(shown)


def test_others_are_cut_as_ever(table):
    results.shown(table, {"metric": "metric", "reason": "reason"})._repr_html_()
    assert REASON not in table._repr_html_()
