"""The sizes that the growth of cost is measured at, and what each of them changes."""

from typing import Any

import torch

from kpop_rca.benchmarks.setting import N_CLASSES
from kpop_rca.faces import detection
from kpop_rca.system import parallel

IMAGES, CLASSES, SIDE, BATCH, PROCESSES = "images", "classes", "side in pixels", "batch", "processes"
# What the time of a row is the time of.
TRAINING, GENERATION = "training step", "generation"
DETECTION, MEASURES = "face detection", "FID, KID and PRDC"
# Copies of its data that a kind of work is handed, and holds as long as it lasts; the others read or write files.
HELD = {TRAINING: 1, GENERATION: 0, DETECTION: 0, MEASURES: 1}
ON_CPU = (MEASURES,)  # whatever the device
# Processes that measure a size and share the repeats, whose medians count: the peak of the measures varies by more than
# the data of a small size have.
RUNS = {MEASURES: 3}
STEPS = 3  # of training a repeat
# Drawing costs the network's calls, and what grows besides is what lies around them: this shows it in many images.
NARROW = {"channels": [4, 4, 8], "layers_per_block": 1, "attention_size": 0, "bench_ddim_steps": 1}
FEATURE_LENGTH = 512  # fewer than there are images, as in a study: until then covariances grow with the images
DETECTED_AT_ONCE = 8  # photographs at most: many small portions keep the workers busy with few photographs
# Portions a worker in the smallest detection: on a CPU as many as start processes, at every size; on a GPU enough
# that all threads are at work at once.
PORTIONS = {"cpu": detection.WORTH_A_PROCESS, "cuda": 2}


def device_of(what: str, device: torch.device) -> torch.device:
    """Where a kind of work is done, and its memory needed."""
    return torch.device("cpu") if what in ON_CPU else device


def points(parameters: dict[str, Any], *, device: torch.device) -> list[dict[str, Any]]:
    """Every size that is measured.

    Args:
        parameters: of the notebook.
        device: to compute on.

    Returns:
        what, axis, x, n_classes, and `parameters`: those of the notebook that the size changes.
    """
    found = _along_images(parameters, device=device)
    found += [_point(TRAINING, CLASSES, k, {}) | {"n_classes": k} for k in parameters["bench_classes"]]
    found += [_point(TRAINING, SIDE, side, _at_side(side, parameters)) for side in parameters["bench_sides"]]
    smallest = max(1, parameters["batch_size"] // 4)
    found += [_point(TRAINING, BATCH, smallest * k, {"batch_size": smallest * k}) for k in parameters["bench_scales"]]
    return found + [_point(TRAINING, PROCESSES, k, {}) for k in parameters["bench_processes"]]


def _along_images(parameters: dict[str, Any], *, device: torch.device) -> list[dict[str, Any]]:
    """The sizes along the number of images, from the smallest on, that memory is held against."""
    scales = parameters["bench_scales"]
    each = max(1, parameters["bench_faces"] // (4 * N_CLASSES))
    at_once = min(DETECTED_AT_ONCE, parameters["detector_batch_size"])
    kinds = (
        (TRAINING, "bench_faces", parameters["bench_faces"], {}),
        (GENERATION, "bench_samples", 4 * N_CLASSES * each, NARROW | {"bench_sampling_batch_size": each}),
        (DETECTION, "bench_detected", smallest_detected(at_once, device=device), {"detector_batch_size": at_once}),
        (
            MEASURES,
            "bench_features",
            parameters["bench_features"],
            {"bench_feature_length": FEATURE_LENGTH},
        ),
    )
    return [
        _point(what, IMAGES, smallest * k, fixed | {name: smallest * k}) | {"runs": RUNS.get(what, 1)}
        for what, name, smallest, fixed in kinds
        for k in scales
    ]


def _at_side(side: int, parameters: dict[str, Any]) -> dict[str, int]:
    """The same network at another size, with self-attention at the same level."""
    return {"image_size": side, "attention_size": parameters["attention_size"] * side // parameters["image_size"]}


def smallest_detected(batch_size: int, *, device: torch.device) -> int:
    """Photographs with which all workers of `detection.detect_faces` are busy, as they are with more.

    With fewer it is the workers that are begun that need memory, and not the photographs.

    Args:
        batch_size: of the detector.
        device: that it runs on.
    """
    at_work = min(parallel.cores(), detection.MOST_WORKERS.get(device.type, 1))
    portion = batch_size * (1 if device.type == "cpu" else detection.GPU_BATCHES)
    return at_work * portion * PORTIONS.get(device.type, 1)


def _point(what: str, axis: str, x: int, changed: dict[str, Any]) -> dict[str, Any]:
    changed = {"bench_train_steps": STEPS} | changed
    return {"what": what, "axis": axis, "x": x, "n_classes": N_CLASSES, "parameters": changed}
