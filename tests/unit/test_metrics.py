import numpy as np
import pandas as pd
import pytest

from kpop_rca import metrics, params, rca
from kpop_rca.errors import StudyError


@pytest.mark.parametrize(
    ("stages", "expected"),
    [
        ([], 0.0),
        ([(5.0, 2.0), (7.0, 3.0)], 5.0),  # one after the other
        ([(5.0, 2.0), (60.0, 3.0)], 5.0),  # a night between them
        ([(60.0, 3.0), (5.0, 10.0), (6.0, 2.0)], 13.0),  # one within the other, told in another order
    ],
)
def test_the_time_of_stages_side_by_side_counts_once(stages, expected):
    assert metrics.seconds_at_work(stages) == expected


def test_groups_are_read_and_checked():
    assert params.parse_groups("0,2|1,3", 4) == [[0, 2], [1, 3]]
    assert params.parse_groups("", 4) == []
    with pytest.raises(StudyError, match="each of the classes 0 to 4 once"):
        params.parse_groups("0,2|1,3", 5)
    with pytest.raises(StudyError, match="class numbers such as"):
        params.parse_groups("a|b", 2)
    with pytest.raises(StudyError, match="one group, within which everyone is"):
        params.parse_groups("0,1", 2)


def answers(judge, counts, *, architecture="resnet10", trained_on="judge", seed=0):
    """A long table of one judge's answers, in an image order that all judges share."""
    labels, judged = np.indices(counts.shape)
    columns = {"label": np.repeat(labels.ravel(), counts.ravel()), "judged": np.repeat(judged.ravel(), counts.ravel())}
    table = pd.DataFrame(columns).assign(judge=judge, architecture=architecture, seed=seed, trained_on=trained_on)
    return table.assign(image=range(len(table)))


def test_a_judgement_keeps_judges_of_one_kind_together():
    real, worse = np.array([[45, 5], [10, 40]]), np.array([[40, 10], [20, 30]])
    drawn = np.array([[60, 40], [30, 70]])
    kinds = [("resnet10-0", "judge", 0), ("resnet10-1", "judge", 1), ("resnet10-0-seen", "train", 0)]
    sides = [
        pd.concat([answers(name, c, trained_on=way, seed=s) for (name, way, s), c in zip(kinds, tables, strict=True)])
        for tables in ((real, worse, real), (drawn, drawn, drawn))
    ]
    found = metrics.judgement("resnet10-0", *sides, 2, n_replicates=200, generator=np.random.default_rng(0))
    np.testing.assert_array_equal(found.real_counts, real)
    np.testing.assert_array_equal(found.generated_counts, drawn)
    assert found.judges == ["resnet10-0", "resnet10-1"]
    np.testing.assert_array_equal(found.counts, [[real, worse], [drawn, drawn]])
    np.testing.assert_array_equal(found.own_replicates["rca"], found.replicates["rca"][:, :, 0])
    assert (
        found.replicates["rca"][:, :, 1].mean() > found.own_replicates["rca"].mean()
    )  # the second is worse on real faces


REAL = np.array([[45, 5], [5, 45]])


COLLAPSE = rca.collapse_summary(REAL, REAL, ["Ari", "Bo"], (), n_replicates=200, generator=np.random.default_rng(0))


def told(generated, *, fid=None, groups=(), real=REAL):
    names, rng = ["Ari", "Bo"], np.random.default_rng(0)
    sides = [answers("resnet10-0", np.asarray(c)) for c in (real, generated)]
    found = metrics.judgement("resnet10-0", *sides, 2, n_replicates=200, generator=rng)
    counts = (found.real_counts, found.generated_counts)
    parts = rca.summary(*counts, names, found.own_replicates) | rca.collapse_summary(
        *counts, names, groups, n_replicates=200, generator=rng
    )
    fidelity = rca.confusion_corrected_summary(*counts, names, found.own_replicates)
    visual = {"fid": {"value": fid}}
    return metrics.answer({"classes": names, "visual": visual, "confusion_corrected_accuracy": fidelity, **parts})


def test_the_answer_follows_the_numbers():
    good, blind, swapped = told([[90, 10], [20, 80]]), told([[50, 50], [50, 50]]), told([[10, 90], [90, 10]])
    assert "an RCA of 0.94 (95 % interval" in good and ", above the 0.56 of a model that ignores" in good
    assert "draws that person in 94 % of its images" in good  # (0.85 - 0.1) / (0.9 - 0.1)
    assert "recognised at least 80 % as often as real faces, as far as 95 % intervals tell: Ari." in good
    assert ", not distinguishable from the 0.56" in blind and "no effect of the condition: Ari and Bo" in blind
    assert ", below the 0.56" in swapped and "as far as 95 % intervals tell: nobody" in swapped
    assert (
        "told to draw Bo, it draws a face taken for Ari in 20 % of the images, as the judge does with 10 % of" in good
    )
    assert told([[90, 10], [20, 80]], fid=8.93).endswith("Its FID of 8.9 knows no names, and can tell none of this.")


def test_the_answer_names_whom_the_assumption_fails_for():
    """A judge that knows every other real Bo, and every generated one."""
    doubtful = told([[90, 10], [0, 100]], real=np.array([[450, 50], [250, 250]]))
    assert "seems to err otherwise on generated faces of Bo than on real ones" in doubtful
    assert "with every share held between 0 and 1 the first figure would be" in doubtful
    assert "seems to err" not in told([[90, 10], [20, 80]])


def test_the_answer_without_a_judge_that_can_be_inverted_or_without_errors():
    poor = told([[90, 10], [20, 80]], real=np.array([[26, 24], [24, 26]]))
    assert "the model reaches an RCA of" in poor and "of its images (" not in poor
    assert told([[50, 0], [0, 50]]).endswith("It takes nobody for anybody else.")


def test_the_answer_about_groups():
    said = told([[90, 10], [20, 80]], groups=[[0], [1]])
    assert "; 0 % of the images are taken for a look-alike of the person, as are 0 % of the real faces" in said


@pytest.mark.parametrize(
    ("p", "beyond"), [(0.008, "an excess larger than"), (0.3, "an excess not clearly larger than")]
)
def test_the_answer_about_groups_follows_p(p, beyond, monkeypatch):
    found = {"excess": 0.1, "rate_within_real": 0.12, "rate_within_generated": 0.22, "p": p}
    monkeypatch.setattr(rca, "collapse_summary", lambda *_, **__: COLLAPSE | {"within_groups": {"excess": found}})
    said = told([[90, 10], [20, 80]])
    assert "; 22 % of the images are taken for a look-alike of the person, as are 12 % of the real faces: " in said
    assert f"{beyond} that of other groupings of these people (p = {p:g})" in said
