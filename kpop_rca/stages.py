"""The stages of the study in reading order, and which needs which. The one place that knows the graph."""

from dataclasses import dataclass
from typing import Any

from kpop_rca.errors import StudyError


@dataclass(frozen=True)
class Stage:
    """One notebook and the folder of artifacts that it owns.

    Attributes:
        notebook: file name without ending.
        folder: name under `artifacts/<study>/`.
        needs: folders of the stages whose files it reads.
        module: the module whose code makes the artifacts. Work in progress (a checkpoint, half of the
            images) is continued only when this module and what it imports are unchanged; a new colour
            in a figure, which lives elsewhere, throws no training away.
    """

    notebook: str
    folder: str
    needs: tuple[str, ...]
    module: str


STAGES = (
    Stage(notebook="01_data_audit", folder="audit", needs=(), module="faces.flags"),
    Stage(notebook="02_preprocessing", folder="faces", needs=("audit",), module="faces.crops"),
    Stage(notebook="03_ddpm_training", folder="ddpm", needs=("faces",), module="diffusion.trainer"),
    Stage(notebook="04_oracle_benchmark", folder="oracle", needs=("faces",), module="oracles.training"),
    Stage(notebook="05_generation", folder="generated", needs=("faces", "ddpm"), module="diffusion.generation"),
    Stage(notebook="06_rca_analysis", folder="rca", needs=("faces", "oracle", "generated"), module="oracles.cas"),
    # not "rca": what it shares with the analysis is quickly found again, and so the two can run side by side
    Stage(
        notebook="07_rca_validity",
        folder="validity",
        needs=("faces", "ddpm", "oracle", "generated"),
        module="validity.degraded",
    ),
)
# A sweep's notebook reads the artifacts of its small studies, not of stages before it in its own study.
CLAIMS = Stage(notebook="08_claims", folder="claims", needs=(), module="claims.runs")
# How fast all of it is; it makes its own data, and reads nothing of the study.
BENCHMARKS = Stage(notebook="90_benchmarks", folder="benchmarks", needs=(), module="benchmarks.collection")
# What a sweep wants of each of its small studies.
OF_A_MEMBER = ("faces", "oracle", "generated")
EVERY = (*STAGES, CLAIMS, BENCHMARKS)


def of_study(resolved: dict[str, Any]) -> tuple[Stage, ...]:
    """What a study runs: the seven stages, the one that compares a sweep's small studies, or the benchmarks."""
    if resolved["bench_repeats"]:
        return (BENCHMARKS,)
    return (CLAIMS,) if resolved["sweep_seeds"] else STAGES


def by_notebook(notebook: str) -> Stage:
    """The stage of a notebook, named whole or by its number.

    Raises:
        StudyError: no such notebook.
    """
    for stage in EVERY:
        if notebook in (stage.notebook, stage.notebook[:2]):
            return stage
    names = ", ".join(stage.notebook for stage in EVERY)
    raise StudyError(f"there is no notebook {notebook!r}; the study has {names}")


def by_folder(folder: str) -> Stage:
    """The stage that owns an artifacts folder; `folder` is one of the names in EVERY."""
    return next(stage for stage in EVERY if stage.folder == folder)


def before(stage: Stage) -> tuple[Stage, ...]:
    """The stages that come before one in reading order."""
    return STAGES[: STAGES.index(stage)]


def behind(folder: str) -> tuple[Stage, ...]:
    """The stage that owns a folder and all that it reads, directly or not: what its artifacts depend on."""
    stage = by_folder(folder)
    found = {stage: None}
    for need in stage.needs:
        found |= dict.fromkeys(behind(need))
    return tuple(found)
