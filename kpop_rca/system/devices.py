"""Which device to compute on, and how to make the most of it."""

import os
import warnings
from collections.abc import Callable

import torch
from torch import Tensor, fx, nn

from kpop_rca.errors import StudyError

COMPILE = "KPOP_RCA_COMPILE"  # environment: "on", "off" or "auto"
WORTH_COMPILING = 2000  # calls of a network; compiling takes about a minute


def choose(device: str) -> torch.device:
    """The device named by the parameter: "auto" takes a GPU where there is one; "cuda" and "mps" need theirs."""
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
    rounding. Where compiling fails a line says so and the network runs uncompiled, unless `on` asks for it.

    Args:
        network: to be called with few different shapes, each of which is compiled for.
        calls: in the whole of the work, also where this process does a part of it or goes on with it: what is compiled
            rounds otherwise, and a work is one or the other throughout.
    """
    asked = os.environ.get(COMPILE, "auto")
    if asked == "on":
        network.compile(dynamic=False)
    elif asked != "off" and device.type == "cuda" and calls >= WORTH_COMPILING:
        network.compile(dynamic=False, backend=_inductor_where_it_works)


def _inductor_where_it_works(graph: fx.GraphModule, example_inputs: list[Tensor]) -> Callable:
    """PyTorch's compiler, or the network as it is where that fails: old GPUs, half a toolchain, a full disk."""
    from torch._dynamo import lookup_backend  # not above: it takes seconds to load, and few processes compile

    try:
        return lookup_backend("inductor")(graph, example_inputs)
    except Exception as error:
        reason = (str(error).strip() or type(error).__name__).splitlines()[0]
        warnings.warn(
            f"not compiled, and slower for it: {reason}; set {COMPILE}=off to silence this, =on to see the whole error",
            stacklevel=2,
        )
        return graph.forward


def sent(values: Tensor, device: torch.device) -> Tensor:
    """A tensor of the CPU on a device; out of ordinary memory the copy would wait for the work before it."""
    return values.pin_memory().to(device, non_blocking=True) if device.type == "cuda" else values.to(device)


def _computes_in_bf16(device: torch.device) -> bool:
    """Whether it is a GPU that computes in bfloat16 itself; older ones (T4, V100) emulate it, many times as slowly."""
    return device.type == "cuda" and torch.cuda.is_bf16_supported(including_emulation=False)


def usable_precision(mixed_precision: str, device: torch.device) -> str:
    """The mixed precision to compute in, "no", "fp16" or "bf16": "no" and a line where a GPU would emulate bfloat16.

    Weights, averages and checkpoints are float32 in any precision, so a training goes on in either, and the parameter
    is what is recorded. Like the device itself, this changes results within rounding of bfloat16.
    """
    if mixed_precision != "bf16" or device.type != "cuda" or _computes_in_bf16(device):
        return mixed_precision
    warnings.warn("this GPU has no bfloat16: computing in float32; mixed_precision fp16 is faster here", stacklevel=2)
    return "no"


def half_on_gpu(device: torch.device) -> torch.autocast:
    """Networks in bfloat16 where a GPU computes with it, and left alone elsewhere."""
    return torch.autocast(device.type, torch.bfloat16, enabled=_computes_in_bf16(device))


def is_out_of_memory(error: RuntimeError) -> bool:
    """Whether PyTorch failed for want of memory: on a GPU by an error of its own, on the CPU by its words alone."""
    return isinstance(error, torch.OutOfMemoryError) or "can't allocate memory" in str(error)
