"""Every metric of the registry has every property that can be asked of it, or is declared not to, with a reason."""

from functools import cache

import pytest
from small_panel import case

from kpop_rca.image_metrics import alignment_networks
from kpop_rca.metric_panel import METRICS, measure, properties, values
from kpop_rca.metric_panel.metric import Property

the_case = cache(case)
ASKED = [
    pytest.param(
        name,
        which,
        id=f"{name}-{which.name.lower()}",
        marks=pytest.mark.xfail(reason=metric.exceptions[which], strict=True) if which in metric.exceptions else (),
    )
    for name, metric in METRICS.items()
    for which in metric.applicable
]


ON_RANDOM_NETWORKS = {*alignment_networks.SOURCES, "hps_v2", "template_questions"}  # see small_networks


@pytest.mark.parametrize(("name", "which"), ASKED)
def test_property(name, which, monkeypatch):
    monkeypatch.setattr(values, "FALSE_ACCEPT_RATE", 0.2)  # few images support no lower one
    metric, tried = METRICS[name], the_case()
    if name in ON_RANDOM_NETWORKS and which is Property.DIRECTION:
        pytest.skip("a network with random weights does not know what is worse")
    if why := measure(metric, tried.generated, tried.real).why:
        pytest.skip(why)
    assert properties.CHECKS[which](metric, tried)
