"""The stages of the study in reading order, and which needs which. The one place that knows the graph."""

from typing import Any, NamedTuple

from kpop_rca.errors import StudyError


class Stage(NamedTuple):
    """One notebook and the folder of artifacts that it owns."""

    notebook: str  # file name without ending
    folder: str  # name under `artifacts/<study>/`
    needs: tuple[str, ...]  # folders of the stages whose files it reads
    # Whose code makes the artifacts. Work in progress (a checkpoint, half of the images) is continued while this module
    # and what it imports are unchanged: a new colour in a figure, which lives elsewhere, throws no training away.
    module: str


STAGES = (
    Stage("01_data_audit", "audit", (), "faces.flags"),
    Stage("02_preprocessing", "faces", ("audit",), "faces.crops"),
    Stage("03_ddpm_training", "ddpm", ("faces",), "diffusion.trainings"),
    Stage("04_oracle_benchmark", "oracle", ("faces",), "oracles.training"),
    Stage("05_generation", "generated", ("faces", "ddpm"), "diffusion.generation"),
    Stage("06_rca_analysis", "rca", ("faces", "oracle", "generated"), "oracles.predictions"),
    # not "rca": what it shares with the analysis is quickly found again, and so the two can run side by side
    Stage("07_rca_validity", "validity", ("audit", "faces", "ddpm", "oracle", "generated"), "validity.degraded"),
    Stage("09_image_quality", "quality", ("faces", "ddpm", "oracle", "generated", "rca"), "oracles.cas"),
)
OF_SMALL_STUDY = STAGES[:5]  # a small study of a sweep, run by itself, up to its images
# Images of any generator; it reads nothing of the study, and without any images makes its own.
SCORES = Stage("00_score_your_images", "scores", (), "scoring.pipeline")
# A sweep's notebook runs its small studies itself, and reads no stage before it.
CLAIMS = Stage("08_claims", "claims", (), "claims.small_studies")
# Ratings of the study's images, by people or simulated raters; it has a model sample with fewer steps.
RATINGS = Stage("11_human_ratings", "ratings", ("faces", "ddpm", "oracle", "generated"), "human_ratings.study_ratings")
# The second stage of a cascade, on the study's faces and generated images.
CASCADE = Stage("12_cascaded_diffusion", "cascade", ("faces", "generated"), "diffusion.cascade")
# A face scorer from pairs, and what preferences do to a generator.
FACE_SCORE = Stage(
    "10_face_score", "face_score", ("audit", "faces", "ddpm", "oracle", "generated"), "preferences.trials"
)
# How fast all of it is; it makes its own data, and reads nothing of the study.
BENCHMARKS = Stage("90_benchmarks", "benchmarks", (), "benchmarks.collection")
EVERY = tuple(sorted((SCORES, *STAGES, CLAIMS, FACE_SCORE, RATINGS, CASCADE, BENCHMARKS)))

DATA_FILES = "kpop_rca.data.data_files"  # says what the photographs of a data folder are


def of_study(resolved: dict[str, Any]) -> tuple[Stage, ...]:
    """What a study runs: the stages of one model, the one that compares a sweep's small studies, or the benchmarks."""
    if resolved["bench_repeats"]:
        return (BENCHMARKS,)
    return (CLAIMS,) if resolved["sweep_seeds"] else STAGES


def further(resolved: dict[str, Any]) -> tuple[Stage, ...]:
    """What a study of one model runs besides with NOTEBOOKS=all; a cascade wants larger crops."""
    if of_study(resolved) is not STAGES:
        return ()
    cascade = (CASCADE,) if 2 * resolved["image_size"] in resolved["face_sizes"] else ()
    return (SCORES, FACE_SCORE, RATINGS, *cascade)


def by_notebook(notebook: str) -> Stage:
    """The stage of a notebook, named whole or by its number."""
    for stage in EVERY:
        if notebook in (stage.notebook, stage.notebook[:2]):
            return stage
    names = ", ".join(stage.notebook for stage in EVERY)
    raise StudyError(f"there is no notebook {notebook!r}; the study has {names}")


def by_folder(folder: str) -> Stage:
    """The stage that owns an artifacts folder."""
    return next(stage for stage in EVERY if stage.folder == folder)


def behind(folder: str) -> set[Stage]:
    """The stage that owns a folder and all that it reads, directly or not."""
    stage = by_folder(folder)
    return {stage}.union(*map(behind, stage.needs))
