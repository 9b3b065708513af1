"""A hundred thousand generated images scored after detection, from made-up embeddings in the folder that keeps them.

`PYTHONPATH=. python tests/soak/test_many_images.py FOLDER [IMAGES]` prints how long it takes and how much memory.
"""

import resource
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from kpop_rca.oracles.embeddings import EMBEDDINGS, open_embedding
from kpop_rca.scoring import embedded
from kpop_rca.study import paths

PEOPLE, PHOTOGRAPHS = 20, 15
TRUTHS = {"a": 0.9, "b": 0.8, "c": 0.7, "d": 0.1}  # a generator of each
NOISE = 0.08  # of every number of an embedding
ROWS_IN_A_FILE = 5000
MOST_SECONDS, MOST_MEGABYTES = 300, 1500


def make(root: Path, n_images: int) -> list[str]:
    """Files that are named as images, and what was seen on them; what scores them."""
    rng = np.random.default_rng(0)
    width, recipe = EMBEDDINGS["dlib"].width, embedded.Recipe((open_embedding("dlib"),))
    centres = rng.normal(size=(PEOPLE, width)) / np.sqrt(width)
    places = [(root / "people" / str(who) / f"{n}.jpg", who) for who in range(PEOPLE) for n in range(PHOTOGRAPHS)]
    for name, truth in TRUTHS.items():
        for number in range(n_images // len(TRUTHS)):
            who = number % PEOPLE
            shown = who if rng.random() < truth else rng.integers(PEOPLE)
            places.append((root / name / str(who) / f"{number}.jpg", shown))
    keep = root / "faces"
    for start in range(0, len(places), ROWS_IN_A_FILE):
        rows = [_row(*place, centres, rng) for place in places[start : start + ROWS_IN_A_FILE]]
        keep.mkdir(parents=True, exist_ok=True)
        pd.DataFrame(rows).to_parquet(keep / f"faces-{recipe.key()}-{start}.parquet", index=False)
    generated = [word for name in TRUTHS for word in ("--generated", f"{name}={root / name}")]
    return ["--real", str(root / "people"), *generated, "--keep-embeddings", str(keep), "--out", str(root / "out")]


def _row(path: Path, shown: int, centres: np.ndarray, rng: np.random.Generator) -> dict:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(str(path))
    vector = centres[shown] + rng.normal(size=centres.shape[1]) * NOISE
    known = {
        "checksum": embedded.distinct([str(path)])[1][0],
        "reason": "",
        "note": "",
        "face_size": 80.0,
        "rival": 0.0,
    }
    known |= {"phash": rng.bytes(32).hex(), "crop": None}
    return known | {"embedding dlib": (vector / np.linalg.norm(vector)).astype(np.float32)}


def scored(words: list[str]) -> tuple[float, float]:
    """Seconds and megabytes that the command takes."""
    began = time.monotonic()
    subprocess.run([sys.executable, "-m", "kpop_rca.cli", "score", *words], check=True, cwd=paths.project_root())
    return time.monotonic() - began, resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024


@pytest.mark.slow
def test_many_images_are_scored_within_minutes_and_a_gigabyte(tmp_path):
    pytest.importorskip("dlib", reason="the extra `embeddings` is not installed")
    seconds, megabytes = scored(make(tmp_path, 100_000))
    assert seconds < MOST_SECONDS
    assert megabytes < MOST_MEGABYTES


if __name__ == "__main__":
    made = make(Path(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else 100_000)
    print("{:.0f} s, {:.0f} MB".format(*scored(made)))
