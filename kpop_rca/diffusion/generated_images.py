"""The generated images as 05 leaves them: a file an identity."""

from pathlib import Path

import numpy as np

from kpop_rca.errors import StudyError


def file_of(folder: Path, label: int) -> Path:
    """Where the images of one identity are: uint8 (n, H, W, 3), image i from seed i.

    Args:
        folder: `artifacts/<study>/generated`.
        label: the identity's, 0 to K - 1.
    """
    return folder / f"identity_{label:04d}.npy"


def load(folder: Path) -> tuple[np.ndarray, np.ndarray]:
    """All generated images, identities in the order of their labels.

    Args:
        folder: `artifacts/<study>/generated`.

    Returns:
        uint8 (N, H, W, 3) and int64 conditions (N,).

    Raises:
        StudyError: there is none.
    """
    files = sorted(folder.glob("identity_*.npy"))
    if not files:
        raise StudyError(f"no generated images in {folder}; run 05_generation")
    arrays = [np.load(file, allow_pickle=False) for file in files]
    return np.concatenate(arrays), np.repeat(np.arange(len(arrays)), [len(a) for a in arrays])
