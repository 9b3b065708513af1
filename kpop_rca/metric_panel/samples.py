"""What metrics are given: images of one generator, and what networks see of them, computed once and shared."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from threading import Lock
from typing import Any

import numpy as np

from kpop_rca.image_metrics.pretrained import WeightsMissing

# Of uint8 (N, H, W, 3), and for some of their prompts, one row per image; it may raise WeightsMissing.
Tool = Callable[..., np.ndarray]


@dataclass(frozen=True)
class Seen:
    """Images, uint8 (N, H, W, 3), and what each tool finds on them, computed on first use.

    Attributes:
        tools: by name, see `tools.of_study`.
    """

    images: np.ndarray
    tools: Mapping[str, Tool]
    _found: dict[str, np.ndarray | WeightsMissing] = field(default_factory=dict, repr=False)
    _one_at_a_time: Lock = field(default_factory=Lock, repr=False)  # threads wait for what another one computes

    def by(self, tool: str) -> np.ndarray:
        """What a tool finds, one row per image.

        Raises:
            WeightsMissing: the tool is not there, or its weights cannot be had.
        """
        with self._one_at_a_time:
            if tool not in self._found:
                self._found[tool] = self._looked(tool)
        if isinstance(found := self._found[tool], WeightsMissing):
            raise found
        return found

    def _looked(self, tool: str) -> np.ndarray | WeightsMissing:
        try:
            return self.tool(tool)(self.images)
        except WeightsMissing as missing:
            return missing

    def tool(self, name: str) -> Tool:
        """A tool by its name.

        Raises:
            WeightsMissing: it is not there.
        """
        if name not in self.tools:
            raise WeightsMissing(f"{name} was not opened for this panel")
        return self.tools[name]


@dataclass(frozen=True)
class Sample:
    """Images of one generator.

    Attributes:
        rows: int (n,), which of the images `seen`.
        labels: int (n,) in [0, K), the requested identities; of real images, the true ones.
        truth: int (n,), the row of the image that each should be; None where there is none.
        about: what else is known: one sequence of length n each, by "prompt", "boxes" or "mask".
    """

    seen: Seen
    rows: np.ndarray
    labels: np.ndarray
    truth: np.ndarray | None = None
    about: Mapping[str, Any] = field(default_factory=dict)
    _kept: dict[Any, Any] = field(default_factory=dict, repr=False, compare=False)

    @classmethod
    def of(cls, images: np.ndarray, labels: np.ndarray, tools: Mapping[str, Tool], **more: Any) -> "Sample":
        """All of some images, uint8 (n, H, W, 3)."""
        return cls(Seen(images, tools), np.arange(len(images)), labels, **more)

    def __len__(self) -> int:
        return len(self.rows)

    @property
    def images(self) -> np.ndarray:
        return self.seen.images[self.rows]

    @property
    def true_images(self) -> np.ndarray:
        return self.seen.images[self.truth]

    @property
    def size(self) -> int:
        """The shorter side of the images, pixels."""
        return min(self.seen.images.shape[1:3])

    def by(self, tool: str) -> np.ndarray:
        """What a tool finds on these images, one row each; see `Seen.by`."""
        return self.seen.by(tool)[self.rows]

    def kept(self, key: Any, make: Callable[[], Any]) -> Any:
        """Something that follows from this sample alone, made on first use: a fitted distribution, for example."""
        if key not in self._kept:
            self._kept[key] = make()
        return self._kept[key]

    def part(self, positions: np.ndarray) -> "Sample":
        """Some of the images, by their positions in the sample."""
        truth = None if self.truth is None else self.truth[positions]
        about = {name: [values[position] for position in positions] for name, values in self.about.items()}
        return replace(
            self, rows=self.rows[positions], labels=self.labels[positions], truth=truth, about=about, _kept={}
        )
