"""Scoring tried where the truth is known: avatars play the photographs, and other avatars of them the generators."""

import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from kpop_rca import avatars, controls
from kpop_rca.scoring.pipeline import DEFAULT_ORACLES, opened, score
from kpop_rca.scoring.scores import Scores
from kpop_rca.study import paths
from kpop_rca.system import files, seeds

# One person on each avatar, so that who is shown is known and seen.
ALONE = {
    "hard_per_identity": 0,
    "group_per_identity": 0,
    "size": 160,
    "alikeness": 0.35,
    "artifact_rate": 0.0,
    "hard_rate": 0.0,
    "group_rate": 0.0,
    "nonface_rate": 0.0,
    "burst_rate": 0.0,
}
MIXTURES = (0.9, 0.7, 0.3)  # probability of showing the requested person
SWAPPED = (0, 1)
RENDERED, PHOTOGRAPHS, GENERATED = "rendered", "photographs", "generated"


def of_parameters(parameters: dict[str, Any], *, folder: Path, progress: Callable | None = None) -> Scores:
    """What 00 shows: the images that its parameters name, or the avatars, which are rendered into a folder.

    Args:
        parameters: real_folder, generated_folders ("name=folder" each), score_oracles, score_size, seed, anonymise.
    """
    how = {"oracles": parameters["score_oracles"], "size": parameters["score_size"] or None}
    how |= {"seed": parameters["seed"], "progress": progress}
    if not parameters["real_folder"]:
        return demonstrate(folder, **how)
    named = (text.partition("=") for text in parameters["generated_folders"])
    generated = {name: paths.resolve_data_root(place) for name, _, place in named}
    found = score(paths.resolve_data_root(parameters["real_folder"]), generated, **how)
    return found.anonymised() if parameters["anonymise"] else found


def demonstrate(
    folder: Path | str,
    *,
    seed: int = 0,
    people: int = 10,
    photographs: int = 12,
    images: int = 40,
    workers: int | None = None,
    progress: Callable | None = None,
    **how: Any,
) -> Scores:
    """Score generators of known truth on avatars, which are rendered into a folder.

    Args:
        folder: where `avatars` is made.
        people, photographs, images: how many people, photographs of each, and images of each by each generator.
        workers, progress, how: see `scores.score`.
    """
    opened(how.get("oracles", DEFAULT_ORACLES), how.get("models"), how.get("model_size"))  # before avatars are rendered
    real, generated, truth = prepare(
        Path(folder) / "avatars", seed=seed, people=people, photographs=photographs, images=images, workers=workers
    )
    found = score(real=real, generated=generated, seed=seed, workers=workers, progress=progress, **how)
    notes = [note for note in found.notes if "byte for byte" not in note]  # by design, see `prepare`
    return replace(found, notes=notes, truth=truth)


def prepare(
    root: Path, *, seed: int, people: int, photographs: int, images: int, workers: int | None = None
) -> tuple[Path, dict[str, Path], dict[str, float]]:
    """Folders of avatars that play photographs, and of generators by name; and each generator's truth.

    A generator draws half of the avatars that are no photographs, so that two of them share some and no two are alike.
    """
    counts = {"train_per_identity": photographs, "test_per_identity": 2 * images, "n_identities": people}
    shown = avatars.render_dataset(root / RENDERED, seed=seed, workers=workers, **counts, **ALONE)
    reference, pool = (shown[shown["split"] == split].reset_index(drop=True) for split in ("train", "test"))
    for made in (PHOTOGRAPHS, GENERATED):
        shutil.rmtree(root / made, ignore_errors=True)
    with files.writing(root):
        _copy(root, reference, reference["identity"], root / PHOTOGRAPHS)
        drawn = {
            name: (pool.iloc[which], names) for name, (which, names) in _generators(pool, images, seed=seed).items()
        }
        drawn["copies"] = reference, reference["identity"].to_numpy()
        for name, (rows, requested) in drawn.items():
            _copy(root, rows, requested, root / GENERATED / name)
    truth = {name: float(np.mean(rows["identity"].to_numpy() == who)) for name, (rows, who) in drawn.items()}
    return root / PHOTOGRAPHS, {name: root / GENERATED / name for name in drawn}, truth


def _generators(pool: Any, images: int, *, seed: int) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Rows of the pool and requested people, by generator."""
    names = np.unique(pool["identity"])
    labels = np.searchsorted(names, pool["identity"])
    generator = seeds.generator(seeds.Purpose.DEMONSTRATION, seed)
    anyone = controls.swap_patterns(np.eye(len(names)), [])["anyone"]
    drawn = {}
    for truth in MIXTURES:
        # A tenth fewer than half of the pool, which is the most that a mixture may take of anybody.
        most = images - images // 10
        rows, requested, _ = controls.draw_mixture(labels, truth, anyone, n_per_condition=most, generator=generator)
        drawn[f"mixture {truth:g}"] = rows, requested
    for name in ("swapped pair", "class-blind"):
        half = np.concatenate([generator.permutation(np.flatnonzero(labels == c))[:images] for c in range(len(names))])
        rows, requested, _ = controls.control_conditions(labels[half], SWAPPED, generator=generator)[name]
        drawn[name] = half[rows], requested
    return {name: (rows, names[requested]) for name, (rows, requested) in drawn.items()}


def _copy(root: Path, rows: Any, requested: Any, place: Path) -> None:
    for number, (path, person) in enumerate(zip(rows["path"], requested, strict=True)):
        target = place / person / f"{number}.jpg"
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(root / RENDERED / path, target)
