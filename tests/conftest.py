"""Fixtures that several tests share."""

import signal

import numpy as np
import pytest
import requests
from accelerate.state import AcceleratorState

from kpop_rca.study import paths


@pytest.fixture
def output(tmp_path, monkeypatch):
    """A scratch folder in place of the project's for artifacts, reports and data."""
    monkeypatch.setenv(paths.OUTPUT_VARIABLE, str(tmp_path))
    return tmp_path


@pytest.fixture
def no_weights(tmp_path, monkeypatch):
    """No pretrained weights, and no network to get them from."""

    def get(url, **options):
        raise requests.ConnectionError

    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    monkeypatch.setattr(requests, "get", get)


@pytest.fixture
def fresh_accelerate():
    """accelerate keeps one state a process; tests with several trainings start each from none."""
    AcceleratorState._reset_state(reset_partial_state=True)
    yield AcceleratorState._reset_state
    AcceleratorState._reset_state(reset_partial_state=True)


@pytest.fixture
def coloured_faces():
    """uint8 (120, 16, 16, 3) and labels (120,): three classes, told apart by colour, with noise."""
    rng = np.random.default_rng(0)
    labels = np.arange(120) % 3
    base = np.array([[200, 60, 60], [60, 200, 60], [60, 60, 200]])[labels]
    noise = rng.normal(0, 30, size=(120, 16, 16, 3))
    return (base[:, None, None, :] + noise).clip(0, 255).astype(np.uint8), labels


@pytest.fixture
def splits(coloured_faces):
    """The coloured faces in the four splits of a study; none are the oracles' alone."""
    images, labels = coloured_faces
    return {
        "train": (images[:72], labels[:72]),
        "oracle": (images[:0], labels[:0]),
        "validation": (images[72:96], labels[72:96]),
        "test": (images[96:], labels[96:]),
    }


@pytest.fixture
def heard():
    """Interrupts as in a terminal; a worker of pytest-xdist ignores them."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)
