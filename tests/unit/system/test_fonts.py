"""Names in letters that the usual font does not have."""

import matplotlib
import pytest
from matplotlib.figure import Figure

from kpop_rca.plots import charts
from kpop_rca.study import stage_run
from kpop_rca.system import fonts

NOWHERE = "\ue000"  # of the private use area: no font's


@pytest.fixture(autouse=True)
def settings():
    with matplotlib.rc_context():
        yield


def titled(text):
    figure = Figure()
    figure.text(0, 0, text)
    return figure


def test_a_stage_says_once_that_a_name_has_letters_without_a_font(output, capsys):
    charts.use_style()
    stage = stage_run.begin("01_data_audit", {"study": "mine", "seed": 0})
    stage.save_figure(titled("Ünal $1"), "01_a")
    assert capsys.readouterr().out == ""
    for name in ("01_b", "01_c"):
        stage.save_figure(titled(f"K{NOWHERE}"), name)
    assert capsys.readouterr().out.count(f"note: no installed font has {NOWHERE}, boxes in the figure; install") == 1


def test_fonts_that_are_installed_are_looked_into(monkeypatch):
    monkeypatch.setattr(fonts.font_manager, "get_font_names", lambda: ["DejaVu Sans", "NanumGothic", "Noto Sans KR"])
    fonts.use_installed()
    assert matplotlib.rcParams["font.family"] == ["sans-serif", "Noto Sans KR", "NanumGothic"]
