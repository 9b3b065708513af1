"""Who rewards a tuning, who chooses its recipe, and who reports: networks that nobody else asks."""

import pytest
import torch

from kpop_rca.oracles.beside_real import mean_rca_and_frechet
from kpop_rca.preferences import dpo
from kpop_rca.preferences.experiment import MEMBERS, Experiment
from kpop_rca.study import params

TINY = {"image_size": 16, "oracle_width": 8, "oracle_epochs": 1, "oracle_seeds": 2}


@pytest.fixture
def of_seed(output, splits, monkeypatch):
    monkeypatch.setattr(Experiment, "faces", lambda self, split: splits[split])
    resolved = params.defaults() | TINY | {"architectures": ["resnet10", "resnet18"], "study": "tiny"}
    return lambda seed: Experiment(resolved, seed, 12, 4, 10, torch.device("cpu"))


def named(experiment):
    return sorted(path.name for path in (experiment.folder.parent / "oracles").iterdir() if path.is_dir())


def test_the_committee_is_of_oracles_that_the_study_has_not_and_is_trained_once(of_seed, splits):
    """The study's own have the numbers 0 and 1, those that choose have 2; a committee is of every architecture."""
    one = of_seed(0)
    members = one.committee
    assert named(one) == ["resnet10-4", "resnet18-3", "resnet18-5"] and MEMBERS == 3
    times = {path: path.stat().st_mtime_ns for path in (one.folder.parent / "oracles").rglob("*.safetensors")}
    reward, again = (dpo.committee_reward(oracles) for oracles in (members, of_seed(1).committee))
    assert times and all(path.stat().st_mtime_ns == when for path, when in times.items())
    images, labels = splits["test"]
    assert (reward(images, labels) == again(images, labels)).all()
    each = [dpo.identity_reward(oracle)(images, labels) for oracle in members]
    assert not (each[0] == each[1]).all() and reward(images, labels)[0] == pytest.approx(sum(e[0] for e in each) / 3)


def test_a_recipe_is_chosen_beside_the_validation_faces_by_an_oracle_of_its_own(of_seed, splits):
    one = of_seed(0)
    found = mean_rca_and_frechet(one.choosing, splits["validation"])
    assert found == (pytest.approx(1), pytest.approx(0, abs=1e-3))
    assert named(one) == ["resnet10-2", "resnet18-2"]
