import pandas as pd

from kpop_rca import plots


def test_time_to_identity_has_a_line_per_seed_and_a_name_per_program():
    rows = pd.DataFrame(
        [
            {"program": program, "seed": seed, "cpu_seconds": cpu, "rca": cpu / 100, "frechet": 100 / cpu}
            for program in ("ours", "theirs")
            for seed in (0, 1, 2)
            for cpu in (10, 30, 90)
        ]
    )
    figure = plots.time_to_identity(rows, least_rca=0.7, largest_frechet=6.0)
    for ax, target in zip(figure.axes, (0.7, 6.0), strict=True):
        *curves, line = ax.get_lines()
        assert len(curves) == 6
        assert set(line.get_ydata()) == {target}
    assert [text.get_text() for text in figure.legends[0].get_texts()] == ["ours", "theirs"]
