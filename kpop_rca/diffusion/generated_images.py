"""The generated images as 05 leaves them: one file per identity."""

from pathlib import Path

import numpy as np

from kpop_rca.errors import StudyError

PREFIX = "identity_"


def file_of(folder: Path, label: int) -> Path:
    """The images of one identity: uint8 (n, H, W, 3), image i from seed i."""
    return folder / f"{PREFIX}{label:04d}.npy"


def first_image(training: int, *, n: int, trainings: int) -> int:
    """Index of the first of an identity's n images that a training makes; of the training after the last it is n."""
    return training * n // trainings


def training_of(conditions: np.ndarray, *, trainings: int) -> np.ndarray:
    """Which training made each of the images that `load` gives: int64 (N,) in [0, trainings)."""
    shares = [
        np.diff([first_image(k, n=n, trainings=trainings) for k in range(trainings + 1)])
        for n in np.bincount(conditions)
    ]
    return np.concatenate([np.repeat(np.arange(trainings), share) for share in shares])


def load(folder: Path) -> tuple[np.ndarray, np.ndarray]:
    """All images, uint8 (N, H, W, 3), in the order of their requested identities, int64 (N,).

    Raises:
        StudyError: there is none.
    """
    files = sorted(folder.glob(f"{PREFIX}*.npy"))
    if not files:
        raise StudyError(f"no generated images in {folder}; run 05_generation")
    arrays = [np.load(file, allow_pickle=False) for file in files]
    return np.concatenate(arrays), np.repeat(np.arange(len(arrays)), [len(a) for a in arrays])
