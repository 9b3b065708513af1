import numpy as np
import pytest
import torch

from kpop_rca.errors import StudyError
from kpop_rca.oracles import training
from kpop_rca.oracles.beside_real import OracleBesideReal, mean_rca_and_frechet
from kpop_rca.oracles.resnet import SmallImageResNet


@pytest.fixture
def faces():
    images = np.random.default_rng(0).integers(0, 256, (40, 16, 16, 3), dtype=np.uint8)
    return images, np.arange(40) % 4


@pytest.fixture
def oracles(faces):
    torch.manual_seed(0)
    networks = [SmallImageResNet("resnet10", n_classes=4, width=8).eval() for _ in range(2)]
    return [OracleBesideReal(network, faces) for network in networks]


def test_real_faces_beside_themselves_have_an_rca_of_one_and_no_distance(faces, oracles):
    assert mean_rca_and_frechet(oracles, faces) == (pytest.approx(1), pytest.approx(0, abs=1e-3))
    assert mean_rca_and_frechet(oracles, (np.zeros_like(faces[0]), faces[1]))[1] > 1e-3


def test_rca_is_the_ratio_of_accuracies_and_the_mean_is_over_oracles(faces, oracles):
    """The requested identities of the generated faces are what the first oracle predicts: it alone is right always."""
    made = faces[0], training.predict(oracles[0].oracle, faces[0])[0].argmax(1)
    found = [oracle.rca_and_frechet(made) for oracle in oracles]
    assert found[0][0] == pytest.approx(1 / oracles[0].accuracy) and found[1][0] < found[0][0]
    assert mean_rca_and_frechet(oracles, made) == tuple(np.mean(found, axis=0))


def test_an_oracle_that_recognises_no_real_face_is_refused(faces, oracles):
    never = (training.predict(oracles[0].oracle, faces[0])[0].argmax(1) + 1) % 4
    with pytest.raises(StudyError, match="recognises no real face; train it"):
        OracleBesideReal(oracles[0].oracle, (faces[0], never))
