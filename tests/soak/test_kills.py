"""Kill the study anywhere: every stage at random moments, and the whole graph; it ends as if nothing had happened.

SOAK_KILLS sets how many in all, SOAK_SEED when. A stage is killed after a random fraction of the time that it takes
when nobody interrupts it, in one of three ways: its kernel alone, the runner alone (its kernel lives on for a moment),
or both.
"""

import math
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import numpy as np
import psutil
import pytest
from children import hears_interrupts

from kpop_rca.study import paths, stages
from kpop_rca.system import files

WAYS = ("kernel", "runner", "both")
LINGERING = 30  # seconds in which what a killed run had started must be gone
ON_THE_GRAPH = 4  # kills of Snakemake and all that it started
FEW_STEPS = "checkpoint_minutes: 0.003\n"  # so that most of the trainings that are killed have a checkpoint
LONG = "train_steps: 5000\ncheckpoint_minutes: 60.0\n"  # nothing would be saved by itself while it is interrupted


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    """A copy of the project, so that nobody's editing is taken for a change of the code."""
    copy = tmp_path_factory.mktemp("project") / "project"
    shutil.copytree(
        paths.project_root(), copy, ignore=shutil.ignore_patterns(".*", "artifacts", "data", "reports", "tests")
    )
    shutil.copytree(paths.project_root() / "kpop_rca/data", copy / "kpop_rca/data")
    smoke = (copy / "params/smoke.yaml").read_text()
    (copy / "params/smoke.yaml").write_text(smoke + FEW_STEPS)
    (copy / "params/long.yaml").write_text(re.sub("^train_steps.*", LONG, smoke, flags=re.M))
    return copy


def start(project: Path, output: Path, *command: str) -> subprocess.Popen:
    environment = os.environ | {paths.OUTPUT_VARIABLE: str(output), "PYTHONPATH": str(project)}
    with errors_of(output).open("w") as errors:  # no pipe: whoever outlives a kill would keep it open
        return subprocess.Popen(
            [sys.executable, "-m", *command],
            cwd=project,
            env=environment,
            stdout=subprocess.DEVNULL,
            stderr=errors,
            start_new_session=True,
            preexec_fn=hears_interrupts,
        )


def errors_of(output: Path) -> Path:
    """Where the last run into a folder writes its errors."""
    return output / "errors.txt"


def start_stage(project: Path, output: Path, stage: stages.Stage, study: str = "smoke") -> subprocess.Popen:
    return start(project, output, "kpop_rca.run", stage.notebook, "--study", study)


def start_graph(project: Path, output: Path) -> subprocess.Popen:
    flags = ("--cores", "2", "--nolock", "--rerun-incomplete", "--quiet", "all", "--config", "studies=smoke")
    return start(project, output, "snakemake", *flags)


def to_the_end(process: subprocess.Popen, output: Path) -> float:
    """Seconds that a run took, which must end well."""
    begun = time.monotonic()
    assert process.wait() == 0, errors_of(output).read_text()[-3000:]
    return time.monotonic() - begun


def kill(process: subprocess.Popen, way: str) -> bool:
    """Kill a run; whether there was something to kill. A run that has no kernel yet is killed itself."""
    if process.poll() is not None:
        return False
    children = psutil.Process(process.pid).children(recursive=True)
    kernels = [child for child in children if _is_kernel(child)]
    if way != "kernel" or not kernels:
        os.killpg(process.pid, signal.SIGKILL)
    for child in {"kernel": kernels, "runner": [], "both": children}[way]:
        with suppress(psutil.NoSuchProcess):
            child.kill()
    process.wait()
    _, alive = psutil.wait_procs(children, timeout=LINGERING)
    left = [" ".join(child.cmdline())[:200] for child in alive]
    for child in alive:
        child.kill()
    assert not left, f"outlived the run by {LINGERING} seconds: {left}"
    return True


def _is_kernel(process: psutil.Process) -> bool:
    with suppress(psutil.NoSuchProcess):
        return "ipykernel" in " ".join(process.cmdline())
    return False


def half_written(output: Path) -> int:
    """Bytes of the files that a killed run was writing."""
    return sum(path.stat().st_size for path in output.rglob(f".*{files.HALF}*") if path.is_file())


def results(output: Path) -> dict:
    """What must not depend on interruptions: the metrics but their times, and every generated image."""
    metrics = files.read_json(output / "reports/smoke/metrics.json")
    metrics.pop("seconds")
    images = {path.name: path.read_bytes() for path in (output / "artifacts/smoke/generated").glob("*.npy")}
    trained = sorted((output / "artifacts/smoke/ddpm").glob("training_*/unet/diffusion_pytorch_model.safetensors"))
    weights = [path.read_bytes() for path in trained]
    return {"metrics": metrics, "images": images, "weights": weights}


@pytest.fixture(scope="module")
def uninterrupted(project, tmp_path_factory):
    """A whole run: where it lies, and the seconds of each stage."""
    output = tmp_path_factory.mktemp("uninterrupted")
    return output, {stage: to_the_end(start_stage(project, output, stage), output) for stage in stages.STAGES}


def killed_stage(project, output, stage, *, seconds, kills, generator) -> dict[str, float]:
    """A stage killed so many times and then run to its end: seconds spent, the longest attempt, bytes left over."""
    found = {"spent": 0.0, "longest": 0.0, "bytes": 0.0}
    done = 0
    for attempt in range(20 * kills):
        if done == kills:
            break
        process, begun = start_stage(project, output, stage), time.monotonic()
        wait = generator.uniform(0.05, 1.0) * seconds
        try:
            process.wait(timeout=wait)
            assert process.returncode == 0, errors_of(output).read_text()[-3000:]
            seconds = time.monotonic() - begun  # it came to its end before: the next is to be killed within that
        except subprocess.TimeoutExpired:
            if kill(process, WAYS[attempt % 3]):
                done += 1
                found["longest"] = max(found["longest"], time.monotonic() - begun)
                found["bytes"] = max(found["bytes"], half_written(output))
        found["spent"] += time.monotonic() - begun
    assert done == kills
    found["spent"] += to_the_end(start_stage(project, output, stage), output)
    return found


def test_every_stage_killed_again_and_again_ends_as_if_nothing_had_happened(
    project, uninterrupted, tmp_path, setting, figures
):
    reference, seconds = uninterrupted
    generator = np.random.default_rng(setting("SOAK_SEED", 0))
    kills = math.ceil(setting("SOAK_KILLS", 30) / len(stages.STAGES))
    found = {
        stage: killed_stage(project, tmp_path, stage, seconds=seconds[stage], kills=kills, generator=generator)
        for stage in stages.STAGES
    }
    for stage, of_stage in found.items():
        extra = (of_stage["spent"] - seconds[stage]) / kills
        figures[f"{stage.notebook}: kills, seconds undisturbed, more for each kill"] = (
            f"{kills}, {seconds[stage]:.0f}, {extra:.0f}"
        )
    assert half_written(tmp_path / "artifacts") == 0
    expected, got = results(reference), results(tmp_path)
    assert got == expected
    figures["kills of a stage tried and survived"] = f"{kills * len(found)}, {kills * len(found)}"
    figures["minutes of work lost at worst to a kill"] = f"{max(f['longest'] for f in found.values()) / 60:.1f} or less"
    figures["bytes left half-written at worst, and removed"] = f"{max(f['bytes'] for f in found.values()):.0f}"


def test_the_graph_killed_again_and_again_ends_as_if_nothing_had_happened(
    project, uninterrupted, tmp_path, setting, figures
):
    reference, seconds = uninterrupted
    generator = np.random.default_rng([setting("SOAK_SEED", 0), 1])
    done = 0
    for _ in range(ON_THE_GRAPH):
        process = start_graph(project, tmp_path)
        try:
            process.wait(timeout=generator.uniform(0.05, 0.6) * sum(seconds.values()))
        except subprocess.TimeoutExpired:
            done += kill(process, "both")
    to_the_end(start_graph(project, tmp_path), tmp_path)
    assert done
    assert results(tmp_path) == results(reference)
    figures["kills of Snakemake tried and survived"] = f"{done}, {done}"


def interrupted_training(project: Path, output: Path, sent: signal.Signals) -> int:
    """The step at which a training that is asked to stop has saved."""
    ddpm = output / "artifacts/long/ddpm"
    before = max((int(path.name[-7:]) for path in ddpm.glob("*/checkpoint_*")), default=0)
    seen = len(list(ddpm.with_name("tensorboard").glob("*/*")))
    process = start_stage(project, output, stages.by_folder("ddpm"), "long")
    while process.poll() is None and len(list(ddpm.with_name("tensorboard").glob("*/*"))) == seen:
        time.sleep(0.5)
    time.sleep(5)
    children = psutil.Process(process.pid).children(recursive=True)
    process.send_signal(sent)
    assert process.wait(timeout=120) == 130, errors_of(output).read_text()[-3000:]
    assert (
        f"continue with: {paths.python()} -m kpop_rca.run 03_ddpm_training --study long"
        in errors_of(output).read_text()
    )
    assert not psutil.wait_procs(children, timeout=LINGERING)[1]
    steps = [int(path.name[-7:]) for path in ddpm.glob("*/checkpoint_*")]
    assert len(steps) == 2
    assert min(steps) > before
    return min(steps)


def test_a_training_that_is_asked_to_stop_saves_first(project, tmp_path, figures):
    for stage in stages.STAGES[:2]:
        to_the_end(start_stage(project, tmp_path, stage, "long"), tmp_path)
    steps = [interrupted_training(project, tmp_path, sent) for sent in (signal.SIGINT, signal.SIGTERM)]
    figures["steps saved when interrupted, and when terminated"] = ", ".join(map(str, steps))
