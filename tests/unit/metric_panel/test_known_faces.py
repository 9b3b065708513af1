import numpy as np
import pytest

from kpop_rca.image_metrics import detection_scores
from kpop_rca.metric_panel import METRICS, known_faces, measure, metric_of_metrics, tools


@pytest.fixture(scope="module")
def known():
    return known_faces.known_faces(tools.with_prompts(), seed=0)


def test_faces_are_where_the_detector_finds_them(known):
    boxes = known.about["boxes"]
    sides = ([getattr(one, side) for one in boxes] for side in ("found", "probability", "true"))
    assert detection_scores.average_precision(*sides) > 0.95
    assert all(not len(one.true) for one in boxes[-known_faces.N_CREATURES :])
    assert 0.6 < measure(METRICS["iou"], known, known).value < 1


def test_a_detector_loses_faces_down_a_ladder_and_says_nothing_of_a_shuffled_one(known):
    """Metrics of prompts climb the images with a prompt; what is true of an image is so at every level."""
    on = known_faces.ladders_of(known, tools={}, generator=np.random.default_rng(0))
    assert [len(ladder.samples) for ladder in on] == [4, 4, 4, 3, 1]
    assert (on[0].samples[0].images == known.images).all() and len(on[-1].samples[0]) == 4 * len(known)
    for ladder in on[:-1]:
        for level in ladder.samples:
            true = zip(level.about["boxes"], known.about["boxes"], strict=True)
            assert all(one.true is other.true for one, other in true)
    few = {name: METRICS[name] for name in ("iou", "map_50", "mean_iou")}
    table, _ = metric_of_metrics.climb(on, few, known, generator=np.random.default_rng(1), n_resamples=20)
    tau = table.set_index(["metric", "ladder"])["tau"]
    assert (tau[:, "blur"] > 0.5).all()
    assert metric_of_metrics.control(table)["holds"].all()
    people = known_faces.ladders_with_prompts(on)
    assert all(all(level.about["prompt"]) for ladder in people for level in ladder.samples)
    assert len(people[0].samples[1]) == known_faces.N_ALONE + known_faces.N_GROUPS


def test_questions_are_answered_by_their_truth(known):
    """A tool that knows half of the answers, by their number."""
    people = known.part(np.arange(known_faces.N_ALONE))
    people.seen.tools["questions"] = lambda images, texts: np.full(len(texts), 0.25)
    found = measure(METRICS["template_questions"], people, people)
    rights = [np.mean([0.25 if one.answer else 0.75 for one in questions]) for questions in people.about["questions"]]
    np.testing.assert_allclose(found.of_images, rights)


def test_metrics_of_prompts_say_which_weights_are_missing(known):
    for name in ("clip_score", "vqa_score", "image_reward"):
        found = measure(METRICS[name], known, known)
        assert found.value is not None or found.why
        assert "opened" not in found.why
