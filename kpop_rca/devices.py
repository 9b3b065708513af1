"""Which device to compute on."""

import torch

from kpop_rca.errors import StudyError


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
