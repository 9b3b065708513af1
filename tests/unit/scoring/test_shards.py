"""Images looked at by several jobs: which job has which, and what a scoring finds of them all."""

import pytest

from kpop_rca.errors import StudyError
from kpop_rca.scoring import shards


@pytest.mark.parametrize(
    ("text", "environment", "expected"),
    [
        ("1/1", {}, (0, 1)),
        ("16/16", {"RANK": "3", "WORLD_SIZE": "4"}, (15, 16)),
        ("auto", {"RANK": "3", "WORLD_SIZE": "4"}, (3, 4)),
        ("auto", {"SLURM_PROCID": "0", "SLURM_NTASKS": "8"}, (0, 8)),
        (
            "auto",
            {
                "SLURM_ARRAY_TASK_ID": "9",
                "SLURM_ARRAY_TASK_COUNT": "5",
                "SLURM_ARRAY_TASK_MIN": "1",
                "SLURM_ARRAY_TASK_STEP": "2",
                "SLURM_PROCID": "0",
                "SLURM_NTASKS": "1",
            },
            (4, 5),
        ),
    ],
)
def test_which_of_how_many(text, environment, expected):
    assert shards.chosen(text, environment) == expected


@pytest.mark.parametrize("text", ["0/4", "5/4", "1", "a/b", "1/4/2", "-1/4", "", "auto"])
def test_no_shard(text):
    with pytest.raises(StudyError, match=r"--shard .*1/16"):
        shards.chosen(text, {})
