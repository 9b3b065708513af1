"""A scorer learns the order of its pairs and not of the batch; what cannot be scored is said in a line."""

import numpy as np
import pytest
import torch

from kpop_rca.degradations import blurred, noised
from kpop_rca.errors import StudyError
from kpop_rca.image_metrics.no_reference import mscn_moments, sharpness
from kpop_rca.oracles.resnet import SmallImageResNet
from kpop_rca.preferences import pairs, scorer
from kpop_rca.preferences.pairs import Pairs

RECIPE = scorer.ScorerRecipe(epochs=8, batch_size=16)
IMAGES = np.random.default_rng(0).integers(0, 256, (64, 4, 4, 3), dtype=np.uint8).repeat(4, axis=1).repeat(4, axis=2)
FACES = IMAGES, np.arange(64) % 3


def blurry(rows=slice(None)):
    made = pairs.degraded(FACES, n=64, generator=np.random.default_rng(1))
    return Pairs(IMAGES[rows], blurred(IMAGES[rows], 1.0), made.table[rows])


@pytest.fixture(scope="module")
def oracle():
    torch.manual_seed(0)
    return SmallImageResNet("resnet10", n_classes=3, width=8).eval()


@pytest.fixture(scope="module")
def trained(oracle):
    return scorer.train_scorer(oracle, blurry(slice(0, 48)), recipe=RECIPE, seed=0)


def won(trained, held_out):
    return (scorer.score(trained, held_out.win) > scorer.score(trained, held_out.loss)).mean()


def test_the_loss_of_a_case_by_hand():
    win, loss = torch.tensor([2.0, 0.0]), torch.tensor([1.0, 1.0])
    expected = (np.log(1 + np.exp(-1)) + np.log(1 + np.exp(1))) / 2
    assert scorer.ranking_loss(win, loss).item() == pytest.approx(expected, abs=1e-6)
    assert scorer.ranking_loss(win, win).item() == pytest.approx(np.log(2), abs=1e-7)


def test_it_orders_pairs_that_it_has_not_seen_and_a_swapped_one_fails(trained):
    held_out = blurry(slice(48, 64))
    assert won(trained, held_out) >= 0.9
    assert won(trained, held_out.swapped()) <= 0.1


def test_the_first_layers_stay_and_the_others_do_not(oracle, trained):
    own, before = dict(trained.named_parameters()), dict(oracle.named_parameters())
    assert torch.equal(own["layer2.0.conv1.weight"], before["layer2.0.conv1.weight"])
    assert not torch.equal(own["layer4.0.conv2.weight"], before["layer4.0.conv2.weight"])
    assert torch.equal(trained.bn1.running_mean, oracle.bn1.running_mean)


def test_neither_order_nor_batch_changes_a_score(trained):
    whole, turned = scorer.score(trained, IMAGES), np.arange(64)[::-1]
    assert np.array_equal(scorer.score(trained, IMAGES[turned]), whole[turned])
    assert np.array_equal(scorer.score(trained, IMAGES[:1]), whole[:1])


def test_the_same_seed_gives_the_same_scorer(oracle, trained):
    again = scorer.train_scorer(oracle, blurry(slice(0, 48)), recipe=RECIPE, seed=0)
    other = scorer.train_scorer(oracle, blurry(slice(0, 48)), recipe=RECIPE, seed=1)
    assert np.array_equal(scorer.score(again, IMAGES), scorer.score(trained, IMAGES))
    assert (scorer.score(other, IMAGES) != scorer.score(trained, IMAGES)).any()


@pytest.mark.parametrize(
    ("images", "said"),
    [
        (np.full((2, 16, 16, 3), 7, dtype=np.uint8), "image 0 has one colour alone"),
        (np.full((2, 16, 16, 3), np.nan), "with a NaN"),
        (IMAGES[:0], "no image to score"),
    ],
)
def test_what_cannot_be_scored_is_said(trained, images, said):
    with pytest.raises(StudyError, match=said):
        scorer.score(trained, images)


@pytest.mark.parametrize("n", [0, 1])
def test_too_few_pairs_are_an_error(oracle, n):
    with pytest.raises(StudyError, match=f"trained on {n} pairs"):
        scorer.train_scorer(oracle, blurry(slice(0, n)), recipe=RECIPE, seed=0)


def test_a_score_that_is_no_number_is_an_error(trained):
    damaged = scorer.copy.deepcopy(trained)
    damaged.fc.weight.fill_(np.nan)
    with pytest.raises(StudyError, match="not finite: the score of image 0"):
        scorer.score(damaged, IMAGES)


def test_the_composite_does_not_prefer_noise(trained):
    """The scorer was trained on blur alone, and prefers noise; MSCN beside it does not."""
    rough = noised(IMAGES, 30.0, generator=np.random.default_rng(0))
    held_out = Pairs(*(np.concatenate(s) for s in ((IMAGES, IMAGES), (blurred(IMAGES, 1.0), rough))), blurry().table)
    held_out = Pairs(held_out.win, held_out.loss, scorer.np.repeat(0, 128))
    composite = scorer.fit_face_score([trained], IMAGES, held_out)
    assert (composite(IMAGES) > composite(rough)).mean() > 0.9
    assert np.array_equal(composite(IMAGES[:3]), composite(IMAGES)[:3])


def test_sharpness_has_a_weight_where_losers_are_blurred_and_noise_is_still_no_better(trained):
    """Unlike sharpness alone, which has noise above every face."""
    rough = noised(IMAGES, 30.0, generator=np.random.default_rng(0))
    win, loss = np.concatenate([IMAGES] * 3), np.concatenate([blurred(IMAGES, 0.5), blurred(IMAGES, 1.0), rough])
    composite = scorer.fit_face_score([], IMAGES, Pairs(win, loss, scorer.np.repeat(0, len(win))))
    assert (composite.weights > 0).all() and len(composite.weights) == 2
    assert (composite(IMAGES) > composite(rough)).all() and (sharpness(IMAGES) < sharpness(rough)).all()
    alone = -composite.reference.distance_of_each(mscn_moments(IMAGES))
    gained = composite(IMAGES) - alone / composite.spread[0] * composite.weights[0]
    assert np.array_equal(gained.argsort(), sharpness(IMAGES).argsort())


def grey(images):
    return np.stack([images.mean(axis=(1, 2, 3)), images.std(axis=(1, 2, 3))], axis=1)


def test_a_head_learns_what_a_network_that_stays_tells_apart():
    head = scorer.train_head(grey, blurry(slice(0, 48)))
    held_out = blurry(slice(48, 64))
    assert (head(held_out.win) > head(held_out.loss)).mean() >= 0.9
    with pytest.raises(StudyError, match="cannot be trained on 1 pairs"):
        scorer.train_head(grey, blurry(slice(0, 1)))
