"""Training and generation by two processes (gloo, on the CPU) against one, through the command that a user types."""

import os
import socket
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
import torch

from kpop_rca import artifacts, faces, launch, params, sampling, stages, training

STUDY = "smoke"


def begin(notebook):
    name = stages.by_notebook(notebook).notebook
    return artifacts.begin(name, params.of_notebook(name, params.resolve(STUDY)))


def free_port():
    with socket.socket() as probe:
        probe.bind(("localhost", 0))
        return probe.getsockname()[1]


def launched(processes, notebook):
    """Start the command in so many processes, and wait for them."""
    where = ["--cpu", "--num_machines", "1", "--num_processes", str(processes), "--main_process_port", str(free_port())]
    return subprocess.run(
        [
            sys.executable,
            "-m",
            "accelerate.commands.launch",
            *where,
            "-m",
            "kpop_rca.launch",
            notebook,
            "--study",
            STUDY,
        ],
        env=os.environ | {"OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=300,
    )


@pytest.fixture
def cropped(output):
    """Artifacts of 01 and 02 of a tiny study: four identities of noise."""
    begin("01").finish()
    stage = begin("02")
    labels = np.repeat(np.arange(4), 12)
    images = np.random.default_rng(0).integers(0, 256, (len(labels), 32, 32, 3), dtype=np.uint8)
    index = pd.DataFrame({"path": "", "identity": labels.astype(str), "label": labels, "split": "train"})
    faces.save(stage.folder, {32: images}, index)
    stage.finish()
    return images, labels


def train_here(stage, reset):
    reset(reset_partial_state=True)
    parameters = stage.parameters | {"device": "cpu"}
    launch.train(parameters)
    return training.load_trained(stage.folder, torch.device("cpu"))


def test_two_processes_train_and_draw_as_one_does(cropped, fresh_accelerate):
    by_two = launched(2, "03")
    assert by_two.returncode == 0, by_two.stderr[-2000:]
    assert "python -m kpop_rca.run 03_ddpm_training --study smoke" in by_two.stdout
    stage = begin("03")
    shared, _ = training.load_trained(stage.folder, torch.device("cpu"))
    assert list(stage.folder.glob("checkpoint_*"))  # which the notebook goes on from
    for left in stage.folder.glob("checkpoint_*"):
        left.rename(stage.folder / "set_aside")
    alone, forward = train_here(stage, fresh_accelerate)
    for one, other in zip(alone.parameters(), shared.parameters(), strict=True):
        torch.testing.assert_close(one, other, rtol=1e-3, atol=1e-4)
    stage.finish()

    by_two = launched(2, "05")
    assert by_two.returncode == 0, by_two.stderr[-2000:]
    stage = begin("05")
    plan = sampling.Plan.of(stage.parameters, mixed_precision="no")
    assert sampling.missing_batches(stage.folder, plan, n_classes=4) == []
    sampling.generate(alone, forward, plan, n_classes=4, folder=stage.folder, progress=list)
    sampling.generate(alone, forward, plan, n_classes=4, folder=stage.folder / "alone", progress=list)
    of_two, of_one = (sampling.load_generated(folder)[0] for folder in (stage.folder, stage.folder / "alone"))
    assert of_two.shape == (48, 32, 32, 3)
    assert np.array_equal(of_two, of_one)


def test_a_stage_of_one_process_is_refused_with_its_command(output, capsys):
    assert launch.main(["04", "--study", STUDY]) == 1
    assert "run: python -m kpop_rca.run 04_oracle_benchmark --study smoke" in capsys.readouterr().err
