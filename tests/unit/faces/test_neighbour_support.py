"""Nearest neighbours: the mean by hand, and images that resemble each other by construction."""

import numpy as np
import pandas as pd
import pytest

from kpop_rca.faces import label_issues, neighbour_support

SIDE, BLOCK = 32, 4  # pixels
EACH = 12  # images of each kind, more than a face's neighbours


def test_the_mean_by_hand() -> None:
    """The doubted A is raised by the A it resembles, and not by B; the sure B is lowered by the A that it resembles."""
    probabilities, names = np.array([0.6, 1.0, 0.9]), np.array(["A", "A", "B"])
    supported = neighbour_support.mean_with_neighbours(probabilities, names, np.array([[1, 2], [0, 2], [0, 1]]))
    assert supported == pytest.approx([(0.6 + 1.0 + 0.6) / 3, (1.0 + 0.6 + 0.9) / 3, (0.9 + 0.6 + 0.9) / 3])


def _table(rows: list[tuple[str, int, float]]) -> pd.DataFrame:
    """Faces as (identity, which of some patterns is seen, probability), with a little noise."""
    patterns = np.random.default_rng(0).uniform(0, 255, (6, SIDE // BLOCK, SIDE // BLOCK))
    records = []
    for number, (identity, pattern, probability) in enumerate(rows):
        noise = np.random.default_rng([1, number]).normal(0, 8, (SIDE, SIDE, 3))
        blocks = np.kron(patterns[pattern], np.ones((BLOCK, BLOCK)))[..., None]
        records.append(
            {
                "identity": identity,
                "aligned_face": (blocks + noise).clip(0, 255).astype(np.uint8),
                "view_probability": np.float32(probability),
            }
        )
    return pd.DataFrame(records)


def supported_among(table: pd.DataFrame, candidates: np.ndarray) -> np.ndarray:
    features = label_issues.identity_features(table, candidates=candidates)
    return neighbour_support.supported_probabilities(table, features, candidates=candidates)


def test_a_masked_face_is_believed_and_a_creature_is_not() -> None:
    people = [(name, number, 1.0) for number, name in enumerate("AB") for _ in range(EACH)]
    statues = [("AB"[i % 2], 2, [0.6, 0.9][i % 3 == 0]) for i in range(EACH)]  # in the folders of both
    masked, alone = ("A", 0, 0.6), ("C", 3, 0.6)
    table = _table([*people, *statues, masked, alone])
    supported = supported_among(table, np.ones(len(table), dtype=bool))
    assert supported[-2] == pytest.approx((0.6 + neighbour_support.N_NEIGHBOURS) / (neighbour_support.N_NEIGHBOURS + 1))
    assert supported[-1] < 0.601  # its nearest are whoever comes next, and prove nothing
    creatures = supported[2 * EACH : 3 * EACH]
    assert creatures.max() < 0.8  # the sure ones too
    assert supported[: 2 * EACH].min() > 0.9  # that one of them is doubted does not make the others doubtful


def test_who_takes_no_part_is_neither_asked_nor_read() -> None:
    table = _table([("A", 0, 0.6), ("A", 0, 1.0), ("A", 0, 0.2), ("A", 1, 0.9)])
    table.at[2, "aligned_face"] = None
    supported = supported_among(table, np.array([True, True, False, True]))
    assert np.isnan(supported[2])
    assert supported[[0, 1, 3]] == pytest.approx([2.5 / 3] * 3)  # all are each other's neighbours


@pytest.mark.parametrize("part", [[False, False], [False, True]])
def test_none_and_one(part: list[bool]) -> None:
    table = _table([("A", 0, 0.6), ("A", 0, 0.7)])
    supported = supported_among(table, np.array(part))
    assert supported == pytest.approx([np.nan, 0.7 if part[1] else np.nan], nan_ok=True)
