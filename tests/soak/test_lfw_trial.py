"""Estimates on real photographs with known truth: 20 people of LFW who are not among the ten most photographed.

`PYTHONPATH=tests python tests/soak/test_lfw_trial.py FOLDER` writes its tables, as in `reports/scoring-lfw`.
"""

import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from known_generators import comparisons, most_photographed, summary, trial

from kpop_rca.oracles.embeddings import open_embedding
from kpop_rca.scoring import found
from kpop_rca.scoring.inputs import Inputs
from kpop_rca.study import paths

LEFT_OUT, N_PEOPLE, FEWEST = 10, 20, 24
SIZES = {"dlib": None, "dlib, 64 px": 64, "dlib, 32 px": 32}
ERRING = "dlib, 32 px, and noise"
NOISE = 0.06  # standard deviation that is added to each of 128 numbers
MOST_ERROR = {12: 0.01, 5: 0.02}
LEAST_COVERAGE = {12: 0.93, 5: 0.92}


def lfw() -> Path | None:
    """Where LFW lies, one folder per person, beside the project or above it."""
    places = [folder / "shared" / "data" / "lfw" for folder in paths.project_root().parents]
    return next((place for place in places if place.is_dir()), None)


def embedded(root: Path, size: int | None) -> tuple[np.ndarray, np.ndarray]:
    """Embeddings and person of the photographs of N_PEOPLE people; with faces of `size` pixels."""
    folders = sorted(folder for folder in root.iterdir() if folder.is_dir())
    by_number = sorted(folders, key=lambda folder: -len(list(folder.iterdir())))[LEFT_OUT:]
    chosen = [folder for folder in by_number if len(list(folder.iterdir())) >= FEWEST]
    rows = [(str(path), who, "") for who, folder in enumerate(chosen) for path in sorted(folder.iterdir())]
    images = pd.DataFrame(rows, columns=["path", "person", "generator"])
    given = Inputs([folder.name for folder in chosen], [], images, [])
    seen = found.find(given, [open_embedding("dlib")], size=size)
    vectors, person = seen.embeddings["dlib"], seen.images["person"].to_numpy()
    kept = most_photographed(person, np.isfinite(vectors).all(axis=1), left_out=0, n_people=N_PEOPLE)
    return vectors[kept], person[kept]


def with_noise(vectors: np.ndarray) -> np.ndarray:
    """An oracle that errs: the same noise for a photograph whenever it is used."""
    noisy = vectors + (np.random.default_rng(7).normal(size=vectors.shape) * NOISE).astype(vectors.dtype)
    return noisy / np.linalg.norm(noisy, axis=1, keepdims=True)


@pytest.mark.slow
@pytest.mark.parametrize("oracle", [*SIZES, ERRING])
def test_the_truth_is_found_and_covered(oracle):
    """Of 100 resamples a coverage of 0.95 has a standard error of 0.022, of which three are allowed."""
    root = lfw()
    if root is None:
        pytest.skip("LFW is not there: shared/data/lfw beside the project, with a folder per person")
    vectors, person = embedded(root, SIZES.get(oracle, 32))
    vectors = with_noise(vectors) if oracle == ERRING else vectors
    for n_references in (12, 5):
        table = summary(trial(vectors, person, n_references=n_references, seeds=range(100)))
        noise = 3 * table["sd"] / np.sqrt(100)
        assert (table["error"].abs() <= MOST_ERROR[n_references] + noise).all(), table
        assert (table["coverage"] >= LEAST_COVERAGE[n_references] - 3 * 0.022).all(), table
        assert (table.loc[[0, 4], "width_relative"] <= 1.3).all(), table
        if oracle == ERRING:
            assert (table.loc[:2, "raw_coverage"] < 0.5).all(), table
    found_out = comparisons(vectors, person, n_references=12, seeds=range(40))
    assert found_out["right_order"].mean() >= 0.95 - 3 * 0.034
    assert found_out["called_different"].mean() <= 0.05 + 3 * 0.034


if __name__ == "__main__":
    folder, tables, compared = Path(sys.argv[1]), [], []
    for name in (*SIZES, ERRING):
        x, who = embedded(lfw(), SIZES.get(name, 32))
        x = with_noise(x) if name == ERRING else x
        for n in (12, 5):
            about = {"oracle": name, "references": n}
            tables.append(summary(trial(x, who, n_references=n, seeds=range(500))).assign(**about))
            means = comparisons(x, who, n_references=n, seeds=range(500)).drop(columns="seed").mean()
            compared.append(about | means.to_dict())
    pd.concat(tables).round(4).to_csv(folder / "trial.csv", index=False)
    pd.DataFrame(compared).round(4).to_csv(folder / "comparisons.csv", index=False)
