"""Verdicts on people: by hand, at their edges, and how often they err in a simulation of moderate size."""

import numpy as np
import pytest
from scipy.stats import norm

from kpop_rca import rca
from kpop_rca.errors import StudyError
from kpop_rca.rca.person_verdicts import TESTS, Predicted, _box_df, person_verdicts, verdict_entries

TWO_BY_TWO = ["resnet10"] * 2 + ["resnet18"] * 2


def side(recalls, *, n, groups, generator, seeds=0.0):
    """Images of K people, n of each in each group, predicted right with a probability of (G, O, K) or what fits it."""
    n_oracles, n_classes = len(TWO_BY_TWO), np.shape(recalls)[-1]
    p = np.broadcast_to(recalls, (groups, n_oracles, n_classes)) + seeds * generator.standard_normal((1, n_oracles, 1))
    group, label, _ = np.indices((groups, n_classes, n)).reshape(3, -1)
    # An image that one oracle mistakes is mistaken by others, too.
    latent = generator.standard_normal(len(label)) + generator.standard_normal((n_oracles, len(label)))
    limit = norm.ppf(p.clip(0, 1)) * 2**0.5
    right = latent < limit[group[None], np.arange(n_oracles)[:, None], label[None]]
    other = (label + generator.integers(1, n_classes, (n_oracles, len(label)))) % n_classes
    return Predicted(label, np.where(right, label, other), group)


def alone(images):
    return Predicted(images.labels, images.predicted, np.full(len(images.labels), -1))


def verdicts(generated, *, real=0.9, n=16, n_real=140, trainings=5, seed=0, seeds=0.0):
    generator = np.random.default_rng(seed)
    n_classes = np.shape(generated)[-1]
    on_real = alone(side(np.full(n_classes, real), n=n_real, groups=1, generator=generator))
    on_generated = side(generated, n=n, groups=trainings, generator=generator, seeds=seeds)
    return person_verdicts(on_real, on_generated, TWO_BY_TWO, classes=list("abcdefghij")[:n_classes])


def test_each_verdict_is_reached():
    table = verdicts([0.9, 0.9, 0.3, 0.3, 0.72, 0.26], n=60)
    assert table["verdict"].tolist()[:4] == [rca.NON_INFERIOR] * 2 + [rca.INFERIOR] * 2
    assert table["verdict"][4] == rca.INCONCLUSIVE  # at the margin, 0.8 times 0.9
    assert set(table["over"]) == {"trainings, oracle seeds and images"}


def test_an_ignored_condition_has_no_effect_even_where_a_person_is_often_predicted():
    generator = np.random.default_rng(1)
    on_real = alone(side(np.full(4, 0.9), n=140, groups=1, generator=generator))
    group, label, _ = np.indices((5, 4, 100)).reshape(3, -1)
    favoured = generator.choice(4, p=[0.55, 0.15, 0.15, 0.15], size=(4, len(label)))
    table = person_verdicts(on_real, Predicted(label, favoured, group), TWO_BY_TWO, classes="abcd")
    assert set(table["verdict"]) == {rca.NO_EFFECT}


def test_more_images_do_not_turn_non_inferior_into_inferior():
    """Recall is 0.81 of 0.9, clearly less than real, and clearly above the margin: a class RCA of 0.9."""
    found = [verdicts(np.full(4, 0.81), n=n, n_real=20 * n, seed=n)["verdict"].tolist() for n in (16, 60, 250, 1000)]
    assert found[-1] == [rca.NON_INFERIOR] * 4
    assert rca.INFERIOR not in [verdict for row in found for verdict in row]


def test_trainings_that_differ_much_leave_it_open():
    """The same mean recall of 0.45: as one, and as 0 to 0.9 by training."""
    by_training = np.linspace(0, 0.9, 5)[:, None, None] * np.ones((1, 1, 3))
    assert set(verdicts(np.full(3, 0.45), n=40)["verdict"]) == {rca.INFERIOR}
    assert set(verdicts(by_training, n=40)["verdict"]) == {rca.INCONCLUSIVE}


def test_oracle_seeds_that_differ_widen_the_interval():
    widths = []
    for spread in (0.0, 0.12):
        by_oracle = (0.5 + spread * np.array([1, -1, 1, -1]))[None, :, None] * np.ones((1, 1, 3))
        table = verdicts(by_oracle, n=40)
        widths.append((table["high"] - table["low"]).mean())
    assert widths[1] > 2 * widths[0]


def test_one_training_and_one_oracle_of_a_kind_count_as_given():
    generator = np.random.default_rng(2)
    on_real = alone(side(np.full(3, 0.9), n=140, groups=1, generator=generator))
    on_generated = side([0.9, 0.5, 0.5], n=80, groups=1, generator=generator)
    two = [0, 2]
    parts = [Predicted(part.labels, part.predicted[two], part.group) for part in (on_real, on_generated)]
    table = person_verdicts(*parts, ["resnet10", "resnet18"], classes="abc")
    assert set(table["over"]) == {"images"} and table["df"].isna().all()
    assert table["verdict"].tolist() == [rca.NON_INFERIOR, rca.INFERIOR, rca.INFERIOR]


def test_variance_over_images_alone_by_hand():
    """One training, one oracle each: of 8 and 40 images 6 and 36 are right; with two of either kind added."""
    real = Predicted(np.repeat([0, 1], 40), np.tile(np.repeat([0, 1], 40), (1, 1)), np.full(80, -1))
    wrong = real.predicted.copy()
    wrong[0, [0, 1, 2, 3, 40, 41, 42, 43]] ^= 1
    real = Predicted(real.labels, wrong, real.group)
    labels = np.repeat([0, 1], 8)
    predicted = labels[None].copy()
    predicted[0, [0, 1, 8, 9]] ^= 1
    table = person_verdicts(real, Predicted(labels, predicted, np.zeros(16, int)), ["a"], classes="ab")
    ratio = 0.75 / 0.9
    variance = [n / (n - 1) * p * (1 - p) / n for n, p in ((12, 8 / 12), (44, 38 / 44))]
    half = 1.959964 * (variance[0] + ratio**2 * variance[1]) ** 0.5 / 0.9
    assert table["rca"].tolist() == pytest.approx([ratio] * 2)
    assert (table["high"] - table["rca"]).tolist() == pytest.approx([half] * 2)


def test_images_of_a_burst_count_as_one():
    generator = np.random.default_rng(3)
    on_real = alone(side(np.full(3, 0.7), n=40, groups=1, generator=generator))
    on_generated = side(np.full(3, 0.6), n=40, groups=5, generator=generator)
    again = [np.repeat(part, 5, axis=-1) for part in (on_real.labels, on_real.predicted)]
    in_bursts = Predicted(*again, np.repeat(np.arange(120), 5))
    known, repeated = (person_verdicts(part, on_generated, TWO_BY_TWO, classes="abc") for part in (on_real, in_bursts))
    alone_again = person_verdicts(alone(in_bursts), on_generated, TWO_BY_TWO, classes="abc")
    np.testing.assert_allclose(repeated["high"] - repeated["rca"], known["high"] - known["rca"], rtol=0.05)
    assert (alone_again["high"] - alone_again["low"] < known["high"] - known["low"]).all()


def test_whom_the_oracles_do_not_recognise_is_not_tested():
    generator = np.random.default_rng(4)
    recalls = [0.9, 0.9, 0.5 / 3]
    on_real = alone(side(recalls, n=12, groups=1, generator=generator))
    on_generated = side([0.9, 0.9, 0.9], n=60, groups=5, generator=generator)
    table = person_verdicts(on_real, on_generated, TWO_BY_TWO, classes=["Ari", "Bo", "Cy"])
    assert table["verdict"].tolist()[2] == rca.NOT_MEASURABLE and "of 12 real images" in table["why"][2]
    assert table[list(TESTS)].isna().all(axis=1).tolist() == [False, False, True]
    entry = verdict_entries(table)[2]
    assert entry["why"] == table["why"][2] and entry["recipe"]["p_inferior"] is None


def test_a_person_without_an_image_of_a_training_is_an_error():
    images = Predicted(np.array([0, 1, 0]), np.array([[0, 1, 0]]), np.array([0, 0, 1]))
    with pytest.raises(StudyError, match="'Bo' has no image"):
        person_verdicts(images, images, ["a"], classes=["Ari", "Bo"])


def test_neither_the_order_of_trainings_nor_of_oracles_changes_a_verdict():
    generator = np.random.default_rng(5)
    on_real = alone(side(np.full(3, 0.9), n=60, groups=1, generator=generator))
    made = side([0.9, 0.6, 0.4], n=16, groups=5, generator=generator, seeds=0.05)
    order = [3, 1, 0, 2]
    parts = [Predicted(part.labels, part.predicted[order], part.group) for part in (on_real, made)]
    parts[1] = Predicted(made.labels, made.predicted[order], 4 - made.group)
    one = person_verdicts(on_real, made, TWO_BY_TWO, classes="abc")
    other = person_verdicts(*parts, [TWO_BY_TWO[o] for o in order], classes="abc")
    np.testing.assert_allclose(one[["low", "high", *TESTS]], other[["low", "high", *TESTS]], atol=1e-12)


def test_degrees_of_freedom_of_people_who_vary_apart_and_as_one():
    generator = np.random.default_rng(6)
    apart, as_one = [], []
    for _ in range(400):
        rows = generator.standard_normal((5, 10))
        rows -= rows.mean(axis=0)
        apart.append(_box_df(rows.T @ rows / 4, 4))
        one = rows[:, :1] * np.ones(10)
        as_one.append(_box_df(one.T @ one / 4, 4))
    assert np.mean(as_one) == pytest.approx(4)
    assert 25 < np.mean(apart) <= 40  # of 40
