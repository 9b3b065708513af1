"""Which device to compute on, and how to make the most of it."""

import os
import shutil
import warnings
from importlib.util import find_spec

import torch
from torch import nn

from kpop_rca.errors import StudyError

COMPILE = "KPOP_RCA_COMPILE"  # environment: "on", "off" or "auto"
WORTH_COMPILING = 2000  # calls of a network; compiling takes about a minute


def choose(device: str) -> torch.device:
    """The device named by the parameter: "auto" takes a GPU where there is one.

    Raises:
        StudyError: a GPU was asked for and there is none.
    """
    available = {"cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available(), "cpu": True}
    if device == "auto":
        return torch.device(next(name for name, there in available.items() if there))
    if not available[device]:
        raise StudyError(f"device is {device!r}, but this machine has none; set device to auto or cpu")
    return torch.device(device)


def describe(device: torch.device) -> str:
    """Name of the device as results record it."""
    return torch.cuda.get_device_name(device) if device.type == "cuda" else device.type


def compile_where_it_pays(network: nn.Module, device: torch.device, *, calls: int) -> None:
    """Let PyTorch compile a network, in place, when it is first called with a shape; its weights keep their names.

    It pays on CUDA in long runs. On a CPU compiling the UNet takes minutes, and its convolutions, most of the work,
    come from a library that is fast already; there it is done only when the environment variable KPOP_RCA_COMPILE
    is `on`. `off` turns it off everywhere. How fast a study runs is no parameter of it: the results agree within
    rounding.

    Args:
        network: to be called with few different shapes, each of which is compiled for.
        device: that it computes on.
        calls: how many there will be.
    """
    asked = os.environ.get(COMPILE, "auto")
    if asked == "off" or (asked != "on" and (device.type != "cuda" or calls < WORTH_COMPILING)):
        return
    if missing := _missing_compiler(device):
        warnings.warn(
            f"not compiled, and slower for it: there is no {missing}; set {COMPILE}=off to silence this", stacklevel=2
        )
        return
    network.compile(dynamic=False)


def _missing_compiler(device: torch.device) -> str | None:
    """What PyTorch needs to compile for a device and does not find here, in words; None where all is there."""
    on_gpu = device.type == "cuda"
    programs = (os.environ.get("CC"), "gcc", "clang") if on_gpu else (os.environ.get("CXX"), "g++", "clang++")
    if not any(program and shutil.which(program) for program in programs):
        return "C compiler" if on_gpu else "C++ compiler"
    return "triton package" if on_gpu and not find_spec("triton") else None


def half_on_gpu(device: torch.device) -> torch.autocast:
    """Networks in bfloat16 where a GPU computes with it, and left alone elsewhere."""
    able = device.type == "cuda" and torch.cuda.is_bf16_supported(including_emulation=False)
    return torch.autocast(device.type, torch.bfloat16, enabled=able)


def is_out_of_memory(error: RuntimeError) -> bool:
    """Whether PyTorch failed for want of memory: on a GPU by an error of its own, on the CPU by its words alone."""
    return isinstance(error, torch.OutOfMemoryError) or "can't allocate memory" in str(error)
