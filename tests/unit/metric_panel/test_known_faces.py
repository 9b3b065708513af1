import numpy as np
import pytest

from kpop_rca.image_metrics import detection_scores
from kpop_rca.metric_panel import METRICS, known_faces, measure, tools


@pytest.fixture(scope="module")
def known():
    return known_faces.known_faces(tools.with_prompts(), seed=0)


def test_faces_are_where_the_detector_finds_them(known):
    boxes = known.about["boxes"]
    sides = ([getattr(one, side) for one in boxes] for side in ("found", "probability", "true"))
    assert detection_scores.average_precision(*sides) > 0.95
    assert all(not len(one.true) for one in boxes[-known_faces.N_CREATURES :])
    assert 0.6 < measure(METRICS["iou"], known, known).value < 1


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
