"""A part of the images looked at by each of many jobs, into one folder, from which a scoring then takes them all.

snakemake -s Snakefile.score --executor slurm …     # the parts, and the scoring after them
srun --ntasks 16 kpop-rca score --real … --generated … --keep-embeddings faces --shard auto
accelerate launch --multi_gpu --num_processes 4 -m kpop_rca.cli score … --shard auto    # without GPUs, too
"""

import os
import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from kpop_rca.errors import StudyError
from kpop_rca.scoring import embedded
from kpop_rca.scoring.inputs import Inputs

if TYPE_CHECKING:
    from kpop_rca.oracles.embeddings import Embedding

AUTO = "auto"
# Where launchers say which of how many processes this is: number, how many, and where the numbers have them, the lowest
# and the step.
LAUNCHERS = (
    ("SLURM_ARRAY_TASK_ID", "SLURM_ARRAY_TASK_COUNT", "SLURM_ARRAY_TASK_MIN", "SLURM_ARRAY_TASK_STEP"),
    ("RANK", "WORLD_SIZE", "", ""),
    ("SLURM_PROCID", "SLURM_NTASKS", "", ""),
)


def chosen(text: str, environment: Mapping[str, str] = os.environ) -> tuple[int, int]:
    """Which shard, from 0, of how many: "3/16" is the third; "auto" asks the launcher.

    Raises:
        StudyError: no launcher says it, or it is no such pair.

    >>> chosen("3/16"), chosen("auto", {"RANK": "1", "WORLD_SIZE": "4"})
    ((2, 16), (1, 4))
    """
    if text == AUTO:
        for number, of, lowest, step in LAUNCHERS:
            if number in environment and of in environment:
                beyond = int(environment[number]) - int(environment.get(lowest, 0))
                return beyond // int(environment.get(step, 1)), int(environment[of])
        raise StudyError("--shard auto, but neither Slurm nor accelerate launched this; write --shard 1/16, 2/16, …")
    found = re.fullmatch(r"(\d{1,6})/(\d{1,6})", text)
    if not found or not 1 <= int(found[1]) <= int(found[2]):
        raise StudyError(f"--shard {text}: expected auto, or which of how many, 1/16 to 16/16")
    return int(found[1]) - 1, int(found[2])


def embed_shard(
    inputs: Inputs,
    embeddings: Sequence["Embedding"],
    *,
    shard: tuple[int, int],
    keep: Path,
    size: int | None = None,
    crops: int | None = None,
    workers: int | None = None,
    progress: Callable[[int], None] | None = None,
) -> int:
    """Look at every n-th image for a later `found.find` with the same arguments; how many images that were.

    Args:
        shard: from `chosen`.
    """
    number, of = shard
    images, _ = embedded.distinct(inputs.images["path"].to_list()[number::of])
    recipe = embedded.Recipe(tuple(embeddings), size=size, crops=crops)
    return sum(map(len, embedded.embed(images, recipe, keep=keep, workers=workers, progress=progress)))
