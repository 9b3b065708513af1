"""Curves of a training for TensorBoard, to be looked at while it runs: `tensorboard --logdir artifacts`."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import numpy as np
from torch.utils.tensorboard import SummaryWriter

from kpop_rca.system import files


class Curves:
    """A log that TensorBoard reads as it grows; each method raises `StudyError` where it cannot be written."""

    def __init__(self, folder: Path, *, step: int):
        """Begin in an empty folder, or go on at a step: what an earlier run wrote of later ones is no longer shown."""
        self.folder = folder
        with files.writing(folder):
            if step == 0:
                shutil.rmtree(folder, ignore_errors=True)
            # What an earlier run wrote of later steps is no longer shown.
            self.writer = SummaryWriter(folder, purge_step=step + 1, flush_secs=30)

    def add(self, step: int, **values: float) -> None:
        """A point of each curve."""
        with self._writing():
            for name, value in values.items():
                self.writer.add_scalar(f"training/{name}", value, step)

    def add_images(self, step: int, images: np.ndarray) -> None:
        """A row of images: uint8 (N, H, W, 3)."""
        with self._writing():
            self.writer.add_images("samples", images, step, dataformats="NHWC")

    @contextmanager
    def _writing(self) -> Iterator[None]:
        """The training goes on where somebody has removed the log: it is no result."""
        with suppress(FileNotFoundError), files.writing(self.folder):
            yield

    def close(self) -> None:
        with self._writing():
            self.writer.close()
