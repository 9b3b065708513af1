"""Every metric of the registry has every property that can be asked of it, or is declared not to, with a reason."""

from functools import cache

import pytest
import torch
import torchvision
from small_panel import case

from kpop_rca.image_metrics import alignment_networks, feature_extractors, pretrained
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


@cache
def lpips_on_a_random_trunk():
    torch.manual_seed(0)
    trunk = torchvision.models.alexnet(weights=None).state_dict()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pretrained, "load", lambda name: trunk)
        return feature_extractors.load_lpips(device=torch.device("cpu"))


@pytest.fixture
def random_lpips(monkeypatch):
    network = lpips_on_a_random_trunk()
    monkeypatch.setattr(pretrained, "fetch", lambda name: None)
    monkeypatch.setattr(feature_extractors, "load_lpips", lambda **_: network)


@pytest.mark.usefixtures("random_lpips")
@pytest.mark.parametrize(("name", "which"), ASKED)
def test_property(name, which, monkeypatch):
    monkeypatch.setattr(values, "FALSE_ACCEPT_RATE", 0.2)  # few images support no lower one
    metric, tried = METRICS[name], the_case()
    if name in ON_RANDOM_NETWORKS and which is Property.DIRECTION:
        pytest.skip("a network with random weights does not know what is worse")
    if why := measure(metric, tried.generated, tried.real).why:
        pytest.skip(why)
    assert properties.CHECKS[which](metric, tried)
