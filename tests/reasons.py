"""What `metrics.json` has no number for, and no reason why not."""

from collections.abc import Iterator
from typing import Any


def without_reason(node: Any, name: str = "") -> Iterator[str]:
    """The names of all nulls that have neither `why` beside them nor a reason of their own, `<name>_why`."""
    if isinstance(node, list):
        for number, child in enumerate(node):
            yield from without_reason(child, f"{name}[{number}]")
    elif isinstance(node, dict):
        for key, value in node.items():
            if value is None and f"{key}_why" not in node and "why" not in node:
                yield f"{name}.{key}"
            yield from without_reason(value, f"{name}.{key}")
