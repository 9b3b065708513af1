"""Numbers that are none: the work that meets NaN or infinity stops, with a line that says where and what to try."""

from collections.abc import Iterable

import torch
from torch import Tensor

from kpop_rca.errors import StudyError


def first_bad(values: Tensor) -> int | None:
    """The first of N rows, (N, ...), with a number that is not finite; None where there is none."""
    bad = ~values.reshape(len(values), -1).isfinite().all(dim=1)
    return int(bad.int().argmax()) if bad.any() else None


def all_finite(tensors: Iterable[Tensor]) -> bool:
    """Whether every number of some tensors on one device is finite; a single wait for the device."""
    return bool(torch.nn.utils.get_total_norm([t.detach() for t in tensors if t.is_floating_point()]).isfinite())


def require(values: Tensor, *, what: str, remedy: str) -> None:
    """Refuse rows, (N, ...), that are not all finite: "not finite: <what> 17; <remedy>".

    Raises:
        StudyError: a row has a NaN or an infinity.
    """
    row = first_bad(values)
    if row is not None:
        raise StudyError(f"not finite: {what} {row}; {remedy}")


def remedy(mixed_precision: str, *, otherwise: str) -> str:
    """What to try: numbers that overflow in half precision may not in float32, where it is in use."""
    if mixed_precision == "no":
        return otherwise
    return f"set mixed_precision to no in place of {mixed_precision}, or {otherwise}"
