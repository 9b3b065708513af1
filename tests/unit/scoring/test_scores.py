import pytest
import small_scores

from kpop_rca.errors import StudyError

SCORES = small_scores.scores()


def test_the_table_has_a_row_for_each_generator_the_best_first():
    assert SCORES.table["generator"].tolist() == list(small_scores.TRUE)
    assert SCORES.table["confusion_corrected_accuracy"].is_monotonic_decreasing
    assert SCORES.table["ceiling"].eq(0.86).all()


def test_by_person_has_a_row_for_each_generator_and_person():
    table = SCORES.by_person
    assert len(table) == len(small_scores.TRUE) * len(small_scores.PEOPLE)
    assert table["images"].eq(20).all()


def test_a_comparison_turned_round_has_the_other_sign():
    forward, back = SCORES.compare("sdxl", "gan"), SCORES.compare("gan", "sdxl")
    assert forward["difference"].tolist() == (-back["difference"]).tolist()
    assert back["low"].tolist() == (-forward["high"]).tolist()
    assert (back["low"] < back["high"]).all()


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda: SCORES.compare("sdxl", "sdx"), "no generator 'sdx'; there are sdxl, gan"),
        (lambda: SCORES.by("prompt"), "the column 'prompt'; there are none"),
        (lambda: SCORES.of_oracle("arcface"), "no oracle 'arcface' was used; there are dlib, sface"),
    ],
)
def test_what_is_not_there_is_named(call, said):
    with pytest.raises(StudyError, match=said):
        call()


def test_a_control_that_could_not_be_run_does_not_fail():
    assert SCORES.usable
    assert not small_scores.scores(gate=False).usable
