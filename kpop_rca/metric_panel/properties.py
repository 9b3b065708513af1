"""What is declared of every metric, each as a check on sets of images: in the manner of scikit-learn's common tests.

A check says whether a metric has the property; `tests/unit/metric_panel/test_properties.py` asks it of every metric.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from kpop_rca.metric_panel.metric import OF_KNOWN, Metric, Needs, Property, Value
from kpop_rca.metric_panel.samples import Sample, Seen, Tool

EXACT = 1e-6  # relative: sums of float32 in another order
SINGLE = 1e-4  # relative: features as float32 in place of float64, or in other batches


@dataclass(frozen=True)
class Case:
    """Images to try a metric on.

    Attributes:
        generated: with the true image of each.
        real: as many of each identity.
        worse: the generated images, degraded and requested of others.
    """

    generated: Sample
    real: Sample
    worse: Sample


def _close(found: Value, expected: Value, tolerance: float) -> bool:
    return bool(np.allclose(found, expected, rtol=tolerance, atol=tolerance))


def _with_tools(sample: Sample, change: Callable[[Tool], Tool]) -> Sample:
    """The sample as changed tools see it."""
    tools = {name: change(tool) for name, tool in sample.seen.tools.items()}
    return replace(sample, seen=Seen(sample.seen.images, tools), _kept={})


def _one_by_one(tool: Tool) -> Tool:
    return lambda images: np.concatenate([tool(image[None]) for image in images])


def _in_double(tool: Tool) -> Tool:
    return lambda images: tool(images).astype(np.float64)


def _same_of_changed(change: Callable[[Tool], Tool]) -> Callable[[Metric, Case], bool]:
    def check(metric: Metric, case: Case) -> bool:
        changed = (_with_tools(part, change) for part in (case.generated, case.real))
        return _close(metric.value(*changed), metric.value(case.generated, case.real), SINGLE)

    return check


def order(metric: Metric, case: Case) -> bool:
    """The same of the images in another order, of either side; of each image its own."""
    backwards = np.arange(len(case.generated))[::-1]
    before = metric.value(case.generated, case.real)
    real = case.real.part(np.arange(len(case.real))[::-1])
    after = metric.value(case.generated.part(backwards), real)
    return _close(after, before[backwards] if metric.of_image else before, EXACT)


def duplicates(metric: Metric, case: Case) -> bool:
    """The same mean if every generated image is there twice."""
    twice = case.generated.part(np.repeat(np.arange(len(case.generated)), 2))
    values = (np.mean(metric.value(part, case.real)) for part in (twice, case.generated))
    return _close(*values, EXACT)


def direction(metric: Metric, case: Case) -> bool:
    """Worse of worse images, and no tie."""
    worse, better = (np.mean(metric.value(part, case.real)) for part in (case.worse, case.generated))
    return bool(metric.direction * (better - worse) > 0)


def value_range(metric: Metric, case: Case) -> bool:
    """Every value within the range, also of real images beside themselves."""
    low, high = metric.range
    sides = [case.generated, case.worse]
    sides += [] if metric.needs in (Needs.REFERENCE_IMAGE, *OF_KNOWN) else [case.real]
    found = [metric.value(part, case.real) for part in sides]
    return all(bool(np.all((low - EXACT <= values) & (values <= high + EXACT))) for values in found)


def symmetric(metric: Metric, case: Case) -> bool:
    """The same with real and generated images swapped."""
    generated, real = case.generated, case.real
    before = np.mean(metric.value(generated, real))
    if metric.needs is Needs.REFERENCE_IMAGE:
        swapped = replace(generated, rows=generated.truth, truth=generated.rows, _kept={}), real
    else:
        swapped = real, generated
    return _close(np.mean(metric.value(*swapped)), before, SINGLE)


CHECKS: dict[Property, Callable[[Metric, Case], bool]] = {
    Property.ORDER: order,
    Property.BATCH: _same_of_changed(_one_by_one),
    Property.DTYPE: _same_of_changed(_in_double),
    Property.DUPLICATES: duplicates,
    Property.DIRECTION: direction,
    Property.RANGE: value_range,
    Property.SYMMETRIC: symmetric,
}
