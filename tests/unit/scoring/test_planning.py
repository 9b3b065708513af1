"""Plans against the widths that trials have, and what can't be planned."""

import pandas as pd
import pytest

from kpop_rca.errors import StudyError
from kpop_rca.scoring.planning import plan, planned, standard_errors

Z = 1.96


@pytest.mark.parametrize(
    ("accuracy_real", "photos", "truth", "width"),
    # Mean widths over 200 resamples of 20 people of LFW with 400 images, from `tests/known_generators.py`.
    [(0.714, 5, 0.7, 0.239), (0.714, 5, 0.3, 0.140), (0.997, 5, 0.7, 0.108), (0.997, 5, 0.3, 0.096)],
)
def test_a_plan_has_the_widths_of_the_trials(accuracy_real, photos, truth, width):
    errors = standard_errors(accuracy_real, truth, people=20, photos=photos, images=20)
    assert 2 * Z * (errors[0] ** 2 + errors[1] ** 2) ** 0.5 == pytest.approx(width, rel=0.2)


def test_more_of_everything_needs_fewer_images():
    few = plan(people=20, photos=15, width=0.1)
    assert len(few) == 8
    for other in (plan(people=40, photos=15, width=0.1), plan(people=20, photos=30, width=0.1)):
        assert (other["narrowest"] < few["narrowest"]).all()
        assert (other["images_for_width"] <= few["images_for_width"]).fillna(True).all()
    assert (plan(people=20, photos=15, width=0.05)["images_for_difference"] > few["images_for_difference"]).all()


def test_photographs_that_are_too_few_whatever_the_images():
    found = plan(people=5, photos=3, width=0.1).set_index(["accuracy_real", "truth"])["images_for_width"]
    assert found[0.8, 0.9] is pd.NA


@pytest.mark.parametrize("wrong", [{"people": 1}, {"photos": 2}, {"width": 0}, {"width": 1}])
def test_what_cannot_be_planned(wrong):
    with pytest.raises(StudyError, match="a plan needs 2 people or more, 3 photographs of each or more"):
        plan(**{"people": 20, "photos": 15, "width": 0.1} | wrong)


def test_a_plan_has_its_answer_in_a_sentence():
    assert planned(plan(people=20, photos=15, width=0.1), width=0.1).startswith(
        "For a 95 % interval 0.1 wide: 20 images of each person."
    )
    assert "photographs leave 0.1" in planned(plan(people=2, photos=3, width=0.05), width=0.05)
