"""Names of people are folder names: whatever they hold, every figure shows them as they are."""

import html
import io

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from PIL import Image

from kpop_rca import figures, pictures

# What matplotlib sets as a formula (and fails at), what formats, and a dollar that is escaped already.
NAMES = [r"$\foo$", "a_$b", "%s{", r"\$5 $6", "{0}_^&<"]
K = len(NAMES)
FACES = np.zeros((K, 2, 16, 16, 3), dtype=np.uint8)
COUNTS = np.eye(K, dtype=int) * 9 + 1
VALUES = {"low": 0.1, "high": 0.9}


def of_photographs(tmp_path):
    Image.new("RGB", (32, 32)).save(tmp_path / "a.png")
    rows = pd.DataFrame({"path": "a.png", "identity": NAMES, "boxes": [[[1, 1, 9, 9]]] * K})
    return pictures.photographs(rows, tmp_path, rows["identity"], title=NAMES[0])


DRAWN = {
    "photographs": of_photographs,
    "face_rows": lambda _: pictures.face_rows(FACES, NAMES, title=NAMES[0]),
    "face_sizes": lambda _: pictures.face_sizes({16: FACES[:, :1]}, NAMES),
    "real_beside_generated": lambda _: pictures.real_beside_generated(FACES, FACES, NAMES, title=NAMES[0]),
    "process_strip": lambda _: pictures.process_strip(FACES.swapaxes(0, 1), "ab", NAMES, title=NAMES[0]),
    "stacked_counts": lambda _: figures.stacked_counts(pd.DataFrame({"n": 1}, index=NAMES), title="t", ylabel="y"),
    "confusion_matrices": lambda _: figures.confusion_matrices({"t": (COUNTS, NAMES)}, rows="truth"),
    "identity": lambda _: figures.identity(
        pd.DataFrame({"class": NAMES, "rca": 0.5, "chance": 0.1} | VALUES), pd.DataFrame(), chance=0.1, overall=0.5
    ),
    "predicted_class_frequencies": lambda _: figures.predicted_class_frequencies(
        pd.DataFrame({"class": NAMES, "fraction": 0.5} | VALUES)
    ),
}


@pytest.mark.parametrize("kind", DRAWN)
def test_a_name_is_shown_as_it_is(kind, tmp_path):
    figure = DRAWN[kind](tmp_path)
    written = io.BytesIO()
    with plt.rc_context({"svg.fonttype": "none"}):  # text as text, a name in one piece
        figure.savefig(written, format="svg")
    plt.close(figure)
    shown = html.unescape(written.getvalue().decode())
    assert [name for name in NAMES if f">{name}</text>" not in shown] == []
