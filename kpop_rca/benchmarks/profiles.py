"""Where the time of a training step and of a denoising step goes."""

import dataclasses
import re
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import suppress
from typing import Any

import pandas as pd
import torch
from torch._C._profiler import _ExperimentalConfig
from torch.autograd import DeviceType
from torch.profiler import ProfilerActivity, profile

from kpop_rca.benchmarks import ours
from kpop_rca.benchmarks.setting import Setting
from kpop_rca.benchmarks.timing import now

TRAINING, SAMPLING = "training step", "denoising step"
# The first that matches the name of an operation, on a GPU of a kernel, has its time.
GROUPS = {
    "fused by the compiler": r"triton|inductor|cpp_fused|compiled",
    "convolutions": r"conv|fprop|dgrad|wgrad|implicit_gemm",
    "attention": r"attention|flash|fmha|bmm|softmax",
    "normalisation": r"norm",
    "linear layers": r"addmm|::mm$|linear|gemm|cutlass|nvjet",
    "optimiser and average": r"foreach|fused_adam|lerp|optimizer|multi_tensor",
    "copies and layout": r"copy|contiguous|::to$|clone|cat$|index|gather|memcpy|memset",
    "other operations": r"",
}
OVERHEAD = "between the operations"
WARM_UP, STEPS = 3, 5
AT_WORK = 0.2  # of the wall time: a thread that is busy for less has no time that counts


class _Enough(Exception):
    """Leaves the training when its steps are profiled."""


def training(setting: Setting) -> pd.DataFrame:
    """Shares of the time of training steps; see `shares`."""
    found = []

    def bar(steps: Iterable, **_: Any) -> "_ProfilingBar":
        return _ProfilingBar(steps, device=setting.device, found=found)

    with suppress(_Enough):
        ours.fit(setting, bar)
    return found[0]


class _ProfilingBar:
    """In the place of `tqdm`: lets some steps pass, profiles some, and leaves."""

    def __init__(self, steps: Iterable, *, device: torch.device, found: list[pd.DataFrame]):
        self._steps, self._device, self._found = iter(steps), device, found

    def __iter__(self) -> Iterator:
        for _ in range(WARM_UP):
            yield next(self._steps)
        with _profiler(self._device) as profiler:
            begun = now(self._device)
            for _ in range(STEPS):
                yield next(self._steps)
            seconds = now(self._device) - begun
        self._found.append(shares(profiler, seconds=seconds, steps=STEPS, device=self._device))
        raise _Enough

    def set_postfix(self, **_: object) -> None:
        """Show nothing."""


def sampling(setting: Setting) -> pd.DataFrame:
    """Shares of the time of denoising steps by DDIM, guidance off, in the same batches as are timed; see `shares`.

    A few steps stand for the same run as those that are timed, and are compiled where those are.
    """
    brief = dataclasses.replace(setting, parameters=setting.parameters | {"bench_ddim_steps": STEPS})
    draw = ours.generation(brief, sampler="ddim", calls=ours.paper_calls(setting, sampler="ddim")).run
    draw()
    with _profiler(setting.device) as profiler:
        begun = now(setting.device)
        draw()
        seconds = now(setting.device) - begun
    return shares(profiler, seconds=seconds, steps=STEPS, device=setting.device)


def _profiler(device: torch.device) -> profile:
    """Of all threads: on a CPU parts of a batch run side by side."""
    activities = [ProfilerActivity.CPU, *([ProfilerActivity.CUDA] if device.type == "cuda" else [])]
    return profile(activities=activities, experimental_config=_ExperimentalConfig(profile_all_threads=True))


def shares(profiler: profile, *, seconds: float, steps: int, device: torch.device) -> pd.DataFrame:
    """What share of the time each kind of operation takes, by its own time, without what it calls.

    Args:
        profiler: that has ended.
        seconds: wall time of what it saw.
        steps: that it saw.
        device: whose time is shared out: on a GPU that of its kernels.

    Returns:
        A row for each of GROUPS and for what is left (Python and waiting): group, milliseconds (a step, of all threads
        together), share (of the wall time of the threads that were at work), calls (a step).
    """
    on_gpu = device.type == "cuda"
    kind, time_of = (DeviceType.CUDA, "self_device_time_total") if on_gpu else (DeviceType.CPU, "self_cpu_time_total")
    spent, calls, busy = dict.fromkeys(GROUPS, 0.0), dict.fromkeys(GROUPS, 0), Counter()
    for event in profiler.events():
        if event.device_type == kind and not (on_gpu and event.is_user_annotation):  # which spans other kernels
            group, own = group_of(event.name), getattr(event, time_of) / 1e6
            spent[group] += own
            calls[group] += 1
            busy[event.thread] += own
    at_work = 1 if on_gpu else _at_work(busy, seconds=seconds)
    spent[OVERHEAD] = max(0.0, at_work * seconds - sum(spent.values()))
    table = pd.DataFrame({"group": spent.keys(), "milliseconds": [1e3 * s / steps for s in spent.values()]})
    table["share"] = [s / (at_work * seconds) for s in spent.values()]
    table["calls"] = [calls.get(group, 0) / steps for group in spent]
    return table


def _at_work(busy: dict[int, float], *, seconds: float) -> int:
    """How many threads share the time: those that were busy, but no more than there are cores to be busy on."""
    return max(1, min(torch.get_num_threads(), sum(own > AT_WORK * seconds for own in busy.values())))


def group_of(operation: str) -> str:
    """The group of GROUPS that an operation belongs to.

    >>> group_of("aten::mkldnn_convolution"), group_of("aten::native_group_norm_backward"), group_of("aten::silu")
    ('convolutions', 'normalisation', 'other operations')
    """
    return next(name for name, pattern in GROUPS.items() if re.search(pattern, operation, re.IGNORECASE))
