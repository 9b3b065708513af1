"""Training and generation by two processes (gloo, on the CPU) against one."""

import os
import shutil
import socket
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
import torch

from kpop_rca import launch
from kpop_rca.diffusion import distributed, generated_images, generation, trainer, trainings
from kpop_rca.faces import crops
from kpop_rca.study import given, manifests, params, paths, stage_run, stages
from kpop_rca.system import locks

STUDY = "smoke"


def begin(notebook):
    name = stages.by_notebook(notebook).notebook
    return stage_run.begin(name, params.of_notebook(name, params.resolve(STUDY)))


def free_port():
    with socket.socket() as probe:
        probe.bind(("localhost", 0))
        return probe.getsockname()[1]


def launched(processes, notebook):
    """Start the command in so many processes, and wait for them, as `accelerate launch` does it for several GPUs.

    For CPUs it starts one process, whatever `--num_processes` says.
    """
    where = ["--nproc-per-node", str(processes), "--master-port", str(free_port())]
    return subprocess.run(
        [sys.executable, "-m", "torch.distributed.run", *where, "-m", "kpop_rca.launch", notebook, "--study", STUDY],
        env=os.environ | {"OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": "", "ACCELERATE_USE_CPU": "true"},
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
    crops.save_crops(stage.folder, {32: images}, index)
    stage.finish()
    return images, labels


def train_here(stage, reset):
    reset(reset_partial_state=True)
    parameters = stage.parameters | {"device": "cpu"}
    distributed.train(parameters)
    return load_first(stage)


def load_first(stage):
    return trainer.load_trained(trainings.training_folder(stage.folder, 0), torch.device("cpu"))


def of_processes(checkpoint):
    return len(list(checkpoint.glob("random_states_*.pkl")))


def same_weights(one, other, *, rtol=0.0, atol=0.0):
    torch.testing.assert_close(one.state_dict(), other.state_dict(), rtol=rtol, atol=atol)


def test_two_processes_train_and_draw_as_one_does(cropped, fresh_accelerate):
    by_two = launched(2, "03")
    assert by_two.returncode == 0, by_two.stderr[-2000:]
    assert f"{paths.python()} -m kpop_rca.run 03_ddpm_training --study smoke" in by_two.stdout
    stage = begin("03")
    shared, _ = load_first(stage)
    checkpoints = sorted(stage.folder.glob("training_*/checkpoint_*"))
    assert len(checkpoints) == 2
    checkpoint = checkpoints[0]
    assert of_processes(checkpoint) == 2
    resumed, _ = train_here(stage, fresh_accelerate)  # as the notebook goes on from what two processes left
    same_weights(resumed, shared)
    for each in checkpoints:
        shutil.rmtree(each)
    alone, _ = train_here(stage, fresh_accelerate)
    assert of_processes(checkpoint) == 1
    same_weights(alone, shared, rtol=1e-3, atol=1e-4)
    locks.release(manifests.lock_of(STUDY, "ddpm"))
    by_two = launched(2, "03")  # and two from what one left
    assert by_two.returncode == 0, by_two.stderr[-2000:]
    same_weights(load_first(stage)[0], alone)
    models = [trainer.load_trained(path, torch.device("cpu")) for path in trainings.training_folders(stage.folder)]
    begin("03").finish()

    by_two = launched(2, "05")
    assert by_two.returncode == 0, by_two.stderr[-2000:]
    stage = begin("05")
    plan = generation.GenerationPlan.of(stage.parameters, mixed_precision="no")
    assert generation.missing_batches(stage.folder, plan, n_classes=4) == []
    generation.generate_by_trainings(models, plan, n_classes=4, folder=stage.folder, progress=list)
    generation.generate_by_trainings(models, plan, n_classes=4, folder=stage.folder / "alone", progress=list)
    of_two, of_one = (generated_images.load(folder)[0] for folder in (stage.folder, stage.folder / "alone"))
    assert of_two.shape == (48, 32, 32, 3)
    assert np.array_equal(of_two, of_one)


def test_a_stage_of_one_process_is_refused_with_its_command(output, capsys):
    assert launch.main(["04", "--study", STUDY]) == 1
    assert f"run: {paths.python()} -m kpop_rca.run 04_oracle_benchmark --study smoke" in capsys.readouterr().err


def test_nothing_is_trained_where_the_weights_are_published(output, capsys, monkeypatch):
    monkeypatch.setenv(given.VARIABLE, "[]")  # what the command sets there ends with the test
    assert launch.main(["03", "--study", STUDY, "--set", "weights=some"]) == 1
    said = f"{STUDY} trains nothing, its weights are published; run: {paths.python()} -m kpop_rca.run 03_ddpm_training"
    assert said in capsys.readouterr().err
