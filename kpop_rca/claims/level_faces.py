"""What the levels of a sweep look like: the avatars that they are about, and what was generated for them."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from PIL import Image

from kpop_rca.avatars import dataset, photograph
from kpop_rca.claims import small_studies
from kpop_rca.study import paths, sweeps
from kpop_rca.system import seeds

SIDE = 96  # pixels of a face on the sheet
REACH = 3.0  # side of the crop, in units of a sitter's head
MOST = 6  # people on a sheet
SHEET, SHEET_SIDE = "08_first_images", 64  # of generated faces, pixels of each

Rows = dict[str, np.ndarray]  # title to uint8 (K, SIDE, SIDE, 3)


def rendered_levels(parameters: dict[str, Any], sizes: list[str]) -> Rows:
    """Avatars of the first people of a sweep at the levels that change them, in the same pose and light throughout.

    Args:
        parameters: of the sweep.
        sizes: pixels, of the experiment on them.

    Returns:
        A row for each alikeness, for the distinct first face, for the wrong images of a folder, and for each size.
    """
    alike, rows = parameters["idols_alikeness"], {}
    for level in parameters["sweep_alikeness"]:
        rows[f"alikeness {level:g}"] = _portraits(parameters, alikeness=level)
    rows["first one distinct"] = _portraits(parameters, alikeness=alike, first_stands_out=1.0)
    rows["wrong images"] = _wrong_images(parameters)
    for size in sizes:
        rows[f"{size} px"] = _portraits(parameters, alikeness=alike, pixels=int(size))
    return rows


def _portraits(parameters: dict[str, Any], *, pixels: int = SIDE, **people: float) -> np.ndarray:
    """One portrait of each of the first people, brought to so many pixels and enlarged again."""
    found = []
    for number, person in enumerate(_people(parameters, **people)[:MOST]):
        shot = photograph.solo(person, artifact="", hard="", generator=_generator(parameters, number))
        found.append(_face(shot, pixels=pixels))
    return np.stack(found)


def _people(parameters: dict[str, Any], **changed: float) -> list:
    known = {"seed": parameters["seed"], "n_identities": parameters["n_identities"]}
    return dataset.people(**known, **({"alikeness": parameters["idols_alikeness"]} | changed))


def _generator(parameters: dict[str, Any], number: int) -> np.random.Generator:
    return seeds.generator(seeds.Purpose.LEVEL_FACES, parameters["seed"], number)


def _face(shot: photograph.Shot, *, pixels: int) -> np.ndarray:
    image, sitter = photograph.take(shot, size=2 * SIDE), shot.sitters[-1]
    middle, reach = 2 * SIDE * np.array([sitter.x, sitter.y]), REACH * sitter.unit * SIDE
    low = np.clip(middle - reach, 0, 2 * SIDE - 2 * reach)
    small = image.resize((pixels, pixels), Image.Resampling.LANCZOS, box=(*low, *(low + 2 * reach)))
    return np.asarray(small.resize((SIDE, SIDE), Image.Resampling.NEAREST))


def _wrong_images(parameters: dict[str, Any]) -> np.ndarray:
    """Images of somebody else and of nobody, as they lie in the folders of `as-found`."""
    people, found = _people(parameters), []
    for number, person in enumerate(people[:MOST]):
        generator = _generator(parameters, number)
        if number % 2:
            shot = photograph.nonface(photograph.NONFACE[number // 2 % len(photograph.NONFACE)], generator=generator)
        else:
            shot = photograph.group(person, costars=[people[(number + 1) % len(people)]], generator=generator)
        found.append(np.asarray(photograph.take(shot, size=SIDE)))
    return np.stack(found)


def generated_levels(parameters: dict[str, Any], *, folder: Path) -> Rows:
    """The first generated image of each of the first people, for every level of the sweep's first seed.

    Args:
        parameters: of a sweep that was run here.
        folder: of its small studies.

    Returns:
        Title to uint8 (K, SHEET_SIDE, SHEET_SIDE, 3); what several experiments have in common is "base".
    """
    found: Rows = {}
    for member, images in small_studies.first_images(parameters, folder=folder):
        title = f"{member.experiment} {member.level}" if sweeps.Name.of(member.study).experiment else "base"
        small = [Image.fromarray(image).resize((SHEET_SIDE, SHEET_SIDE), Image.Resampling.NEAREST) for image in images]
        found.setdefault(title, np.stack([np.asarray(image) for image in small[:MOST]]))
    return found


def committed_levels(study: str, runs: pd.DataFrame) -> Rows:
    """`generated_levels` of a sweep whose sheet came with the project; without rows where none did.

    Args:
        runs: of the sweep, from which the rows of the sheet have their titles.
    """
    path = paths.committed_report(study) / "figures" / f"{SHEET}.png"
    if not path.is_file():
        return {}
    pixels, first = np.asarray(Image.open(path).convert("RGB")), runs[runs["seed"] == 0]
    names = first["experiment"] + " " + first["level"].astype(str)
    is_base = [sweeps.Name.of(name).experiment is None for name in first["study"]]
    titles = names.mask(is_base, "base").unique()
    columns = pixels.shape[1] // SHEET_SIDE
    tiles = pixels.reshape(len(titles), SHEET_SIDE, columns, SHEET_SIDE, 3).swapaxes(1, 2)
    return dict(zip(titles, tiles, strict=True))
