"""One metric: what it measures, what it needs, which properties it has, and how it is computed of a sample."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum

import numpy as np

from kpop_rca.errors import StudyError
from kpop_rca.image_metrics.pretrained import WeightsMissing
from kpop_rca.metric_panel.samples import Sample


class Needs(StrEnum):
    """What a metric needs beside the images."""

    NOTHING = "nothing"
    REFERENCE_SET = "real images"
    LABELS = "requested identities"
    SET_AND_LABELS = "real images and identities"
    REFERENCE_IMAGE = "the true image of each"
    PROMPT = "the prompt of each"
    BOXES = "true boxes"
    MASKS = "true masks"


class Property(StrEnum):
    """What may be declared of a metric and is tested; see `properties.CHECKS`."""

    ORDER = "invariant to order"
    BATCH = "invariant to the batch"
    DTYPE = "invariant to float32 or float64"
    DUPLICATES = "invariant to duplicates"
    DIRECTION = "worse on worse images"
    RANGE = "within its range"
    SYMMETRIC = "symmetric"


OF_SAMPLE = {Needs.BOXES: "boxes", Needs.MASKS: "mask", Needs.PROMPT: "prompt"}  # what `Sample.about` must hold
OF_KNOWN = (Needs.BOXES, Needs.MASKS, Needs.PROMPT)  # those that are measured on avatars of which that is known
COMPARED = (Needs.REFERENCE_SET, Needs.REFERENCE_IMAGE, Needs.SET_AND_LABELS)  # those of which two sides can be swapped
Value = float | np.ndarray


@dataclass(frozen=True)
class Metric:
    """A row of the panel.

    Attributes:
        title: as tables have it.
        measures: fidelity, diversity, alignment, full reference, perception, identity, detection, segmentation,
            classification or safety.
        needs: beside the images.
        direction: 1 where higher is better, -1 where lower is; 0 for a spread, which is to be that of real images.
        range: smallest and largest possible value.
        source: paper and equation.
        value: of a sample and of real images a number, or float (n,) where it is `of_image`. It may raise
            WeightsMissing, StudyError or ValueError: see `measure`.
        of_image: whether each image has its own value, of which the mean is reported.
        smallest: pixels of an image's shorter side.
        weights: the network behind it; "" for none.
        licence: of these weights.
        exceptions: properties that it does not have, each with the reason.
        absent: why it has no value here at all; "" where it may have one.
    """

    title: str
    measures: str
    needs: Needs
    direction: int
    range: tuple[float, float]
    source: str
    value: Callable[[Sample, Sample], Value] | None = None
    of_image: bool = False
    smallest: int = 1
    weights: str = ""
    licence: str = ""
    exceptions: Mapping[Property, str] = field(default_factory=dict)
    absent: str = ""

    @property
    def applicable(self) -> tuple[Property, ...]:
        """Properties that can be asked of it at all, had or not."""
        if self.absent:
            return ()
        asked = set(Property)
        if not self.direction:
            asked -= {Property.DIRECTION}
        if self.needs not in COMPARED:
            asked -= {Property.SYMMETRIC}
        if self.needs in OF_KNOWN:
            asked -= {Property.BATCH, Property.DTYPE}  # no tool of the panel is asked
        return tuple(name for name in Property if name in asked)

    @property
    def declared(self) -> tuple[Property, ...]:
        """Properties that it is said to have."""
        return tuple(name for name in self.applicable if name not in self.exceptions)


@dataclass(frozen=True)
class Measured:
    """What a metric says of a sample.

    Attributes:
        value: None where it says nothing.
        why: the reason for that, one line; else "".
        of_images: float (n,), where each image has its own value.
    """

    value: float | None
    why: str = ""
    of_images: np.ndarray | None = None


def measure(metric: Metric, sample: Sample, real: Sample) -> Measured:
    """A metric's value of a sample beside real images; where it has none, the reason, and no exception."""
    if why := _missing(metric, sample):
        return Measured(None, why)
    try:
        found = metric.value(sample, real)
    except (WeightsMissing, StudyError, ValueError) as refusal:
        return Measured(None, " ".join(str(refusal).split()))
    value = float(np.mean(found))
    if np.isnan(value):
        return Measured(None, "it has no value on one of these images")
    return Measured(value, of_images=found if metric.of_image else None)


def _missing(metric: Metric, sample: Sample) -> str:
    """Why a metric has no value of this sample, as far as that is known beforehand."""
    if metric.absent:
        return metric.absent
    if sample.size < metric.smallest:
        return f"it needs images of {metric.smallest} pixels, and these have {sample.size}"
    if metric.needs is Needs.REFERENCE_IMAGE and sample.truth is None:
        return "it needs the true image of each, and generated images have none"
    if metric.needs in OF_SAMPLE and OF_SAMPLE[metric.needs] not in sample.about:
        return f"it needs {metric.needs}, which these images have not"
    return ""
