"""SER-FIQ by hand and on networks whose subnetworks agree or not; similarities; MTCNN on avatars."""

import numpy as np
import pytest
import torch
from patterns import avatars

from kpop_rca import degradations
from kpop_rca.oracles import face_quality, resnet


def rng():
    return np.random.default_rng(3)


@pytest.fixture(scope="module")
def oracle():
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return resnet.SmallImageResNet("resnet10", n_classes=3, width=8).eval()


def test_subnetworks_that_agree_and_that_do_not():
    """Three embeddings of length 5 at 0, 90 and 180 degrees: distances sqrt 2, sqrt 2 and 2 once they have length 1."""
    assert face_quality.robustness(np.full((7, 3), 4.0)) == 1
    apart = 5 * np.array([[1.0, 0.0], [0.0, 1.0], [-1.0, 0.0]])
    expected = 2 / (1 + np.exp(2 / 9 * (2 * 2**0.5 + 2)))
    assert face_quality.robustness(apart) == pytest.approx(expected)


def test_each_subnetwork_lacks_a_fraction_of_the_features():
    """Of a single feature each of them has double or nothing: half of the embeddings are the bias alone."""
    shown = []

    def head(features):
        shown.append(features)
        return torch.cat([features, torch.ones_like(features)], dim=1)

    face_quality.ser_fiq(np.ones((2, 1), dtype=np.float32), head, generator=rng(), passes=400)
    assert set(shown[0].unique().tolist()) == {0.0, 2.0}
    assert shown[0].mean() == pytest.approx(1, abs=0.15)  # 3 standard errors, 2 * 0.5 / sqrt 400
    assert torch.equal(*shown)


def test_many_features_that_say_the_same_are_robust():
    """The first image shows its class in all 64 features, the second in one, which half of the subnetworks lack.

    Those say (1, 0) or, at a loss, (.5, .5), which is .765 away once its length is 1.
    """
    last = torch.zeros(2, 64)
    last[0] = 1
    features = np.zeros((2, 64), dtype=np.float32)
    features[0], features[1, 0] = 1 / 16, 4
    several, one = face_quality.ser_fiq(features, lambda shown: (shown @ last.T).softmax(1), generator=rng())
    assert several > 0.9
    assert one == pytest.approx(2 / (1 + np.exp(0.765 / 2)), abs=0.01)


def test_ser_fiq_of_an_oracle_depends_on_no_other_image(oracle):
    """To 1e-6: in batches of another shape a convolution adds up in another order."""
    images = np.random.default_rng(0).integers(0, 256, (5, 32, 32, 3), dtype=np.uint8)
    whole = face_quality.oracle_ser_fiq(oracle, images, generator=rng())
    alone = [face_quality.oracle_ser_fiq(oracle, image[None], generator=rng())[0] for image in images]
    np.testing.assert_allclose(alone, whole, rtol=0, atol=1e-6)
    assert len(set(whole)) == 5
    assert ((whole > 0) & (whole < 1)).all()


def test_similarity_by_hand():
    embeddings, known = np.array([[3.0, 4.0], [0.0, -2.0]]), np.array([[0.0, 1.0], [0.0, 9.0], [1.0, 0.0]])
    found = face_quality.similarity_to_identity(embeddings, np.array([0, 2]), known, np.array([0, 0, 1]))
    assert found[0] == pytest.approx(0.8)
    assert np.isnan(found[1])
    swapped = face_quality.similarity_to_identity(embeddings, np.array([1, 0]), known, np.array([0, 0, 1]))
    assert swapped.tolist() == [0.6, -1.0]


def test_the_detector_is_surer_of_a_face_than_of_what_is_left_of_one():
    faces = avatars(6, size=160)
    sharp, soft = (face_quality.detector_probability(part) for part in (faces, degradations.blurred(faces, 12)))
    assert sharp.mean() > 0.9 > soft.mean()
    assert ((sharp == 0) | (sharp >= 0.7)).all()
    none = np.zeros((1, 32, 32, 3), dtype=np.uint8)
    assert face_quality.detector_probability(none).tolist() == [0.0]
    np.testing.assert_array_equal(face_quality.detector_probability(faces[2:4]), sharp[2:4])
