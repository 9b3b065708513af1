"""Write a study file that fits a folder of photographs, each value with its reason: `make new STUDY=mine DATA_ROOT=…`.

The values follow from counts, by the rules in `values_for`; what the default study has is left out.
"""

import argparse
import math
import re
import sys
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from PIL import Image

from kpop_rca import disk, flat_yaml, params, paths, schema, sweeps
from kpop_rca.data import identity_folders
from kpop_rca.errors import StudyError

FEWEST = 20  # photographs of a person that is kept, where two people or more have as many
FEW_TO_PART = 200  # training photographs of a person: fewer are not split between generator and oracle
TESTED = 4  # faces of a person; notebook 07 needs three
MEASURED = 200  # photographs whose size is looked at
SHOWN = 1_200  # faces of a person to an oracle in training, repetitions counted; the default study shows 1,070
GENERATOR_EPOCHS = 200  # as the paper trains
IMAGES = 1_000  # of all people together


@dataclass(frozen=True)
class Counts:
    """What a data folder holds.

    Attributes:
        of_all: photographs of each person, largest first; hard cases and group photographs are not counted.
        kept: of those, the people that a study keeps.
        own_test: whether photographs are set apart for testing, in `test/`.
        training: photographs of each of these for training.
        shorter_side: pixels, of a photograph that is smaller than most; None where none could be measured.
    """

    of_all: pd.Series
    kept: pd.Series
    own_test: bool
    training: pd.Series
    shorter_side: int | None


def counts_of(data_root: str) -> Counts:
    """Count the people and photographs of a data folder.

    Raises:
        StudyError: it is not there, or holds no two people; see `identity_folders.scan`.
    """
    root = paths.photographs(data_root)
    found = identity_folders.scan(root)
    normal = found[found["part"] == "normal"]
    of_all = normal["identity"].value_counts()
    kept = of_all[of_all >= FEWEST] if (of_all >= FEWEST).sum() >= 2 else of_all
    normal = normal[normal["identity"].isin(kept.index)]
    own_test = bool((normal["split"] == "test").any())
    training = (kept * (1 - test_fraction_of(kept))).astype(int)
    if own_test:
        training = normal.loc[normal["split"] == "train", "identity"].value_counts().reindex(kept.index, fill_value=0)
    sampled = normal["path"].iloc[:: max(1, len(normal) // MEASURED)]
    sides = [side for path in sampled for side in _shorter_side(root / path)]
    return Counts(of_all, kept, own_test, training, int(np.quantile(sides, 0.1)) if sides else None)


def test_fraction_of(kept: pd.Series) -> float:
    """The fraction of photographs to test on, where no `test/` sets some apart.

    >>> test_fraction_of(pd.Series([530, 12])), test_fraction_of(pd.Series([30, 25]))
    (0.34, 0.2)
    """
    return max(params.defaults()["test_fraction"], min(0.4, math.ceil(100 * TESTED / kept.min()) / 100))


def _shorter_side(path: Path) -> list[int]:
    """Of one photograph, from its header; none of one that cannot be read, which is for the audit to tell."""
    try:
        with warnings.catch_warnings(action="ignore"), Image.open(path) as image:
            return [min(image.size)]
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError):
        return []


def values_for(counts: Counts) -> dict[str, tuple[Any, str]]:
    """Parameter name to value and the reason for it."""
    kept, default = counts.kept, params.defaults()
    values: dict[str, tuple[Any, str]] = {"n_identities": (0, "all of them")}
    few = len(counts.of_all) - len(kept)
    if few:
        why = f"keeps {len(kept)} people; {few} with fewer photographs are left out"
        values["min_per_identity"] = FEWEST, why
    most = 3 * math.ceil(kept.median())  # one with more would outvote the others
    if kept.max() > most:
        why = f"{flat_yaml.shown(kept.index[0])} has {kept.max()}, half of the people {most // 3} at most"
        values["max_per_identity"] = most, why
    side, usual = counts.shorter_side, default["min_face_size"]
    if side is not None and side // 2 < usual:  # hardly larger than the faces that are looked for
        size, why = max(12, side // 2), f"photographs of {side} pixels are among these"
        values["min_face_size"] = size, why
        values["min_face_width"] = size - (usual - default["min_face_width"]), why
    fraction = test_fraction_of(kept)
    if not counts.own_test and fraction > default["test_fraction"]:
        values["test_fraction"] = fraction, f"somebody has {kept.min()} photographs, and 07 needs three of each"
    flags = [flag if flag != "several_faces" else "small_face" for flag in default["exclude_flags"]]
    values["exclude_flags"] = flags, "bystanders are common"
    training, part = counts.training.clip(1, most), default["judge_fraction"]
    if training.min() < FEW_TO_PART:
        part, who = 0.0, f"{flat_yaml.shown(training.idxmin())} has {training.min()} for training"
        values["judge_fraction"] = part, f"{who}: too few to split between generator and oracle"
        values["seen_judges"] = [], "nothing to compare with: every oracle has seen the generator's faces"
    return values | _of_effort(round(training.sum() * (part or 1)), n_people=len(kept), default=default)


def _of_effort(n_training: int, *, n_people: int, default: dict[str, Any]) -> dict[str, tuple[Any, str]]:
    """How long to train, and how much to generate, for so many training photographs of the generator, or an oracle."""
    of_person = n_training * (1 - default["validation_fraction"]) / n_people
    epochs = int(np.clip(math.ceil(SHOWN / of_person), default["judge_epochs"], 60))
    # up to half an hour on two CPU cores
    steps = int(np.clip(round(GENERATOR_EPOCHS * n_training / default["batch_size"], -2), 1000, 4000))
    images = int(np.clip(round(IMAGES / n_people, -1), 20, 100))
    return {
        "judge_epochs": (epochs, f"an oracle is trained on about {of_person:.0f} faces of each person"),
        "train_steps": (steps, f"{steps * default['batch_size'] / n_training:.0f} epochs"),
        "images_per_identity": (images, "the interval of RCA depends on the number of held-out photographs, too"),
        "look_alike_groups": ("", "nobody has sorted these people into groups"),
    }


def write(study: str, data_root: str) -> Counts:
    """Write `params/<study>.yaml` for a data folder.

    Raises:
        StudyError: the name is none for a study, or taken; the folder is none; or the file cannot be written.
    """
    if not re.fullmatch(schema.STUDY_NAME, study) or "=" in study or sweeps.split_seed(study)[1] is not None:
        raise StudyError(f"STUDY is {study!r}; write STUDY=mine, for example: a to z, 0 to 9, _.- and no -seed<N>")
    if not data_root:
        raise StudyError("DATA_ROOT is missing; write DATA_ROOT=../faces, with one folder per person in it")
    path = paths.study_file(study)
    if path.exists():
        raise StudyError(f"params/{path.name} is there already; give the study another name, or remove that file")
    counts = counts_of(data_root)
    of_all, values = counts.of_all, values_for(counts)
    plain = {"data_source": "folder", "data_root": data_root} | {name: value for name, (value, _) in values.items()}
    params.check(plain, where=f"params/{path.name}")
    with disk.writing(path), path.open("x", encoding="utf-8") as file:
        file.write(f"# {len(of_all)} people, {of_all.sum()} photographs: {of_all.min()} to {of_all.max()} of each.\n")
        for name, value in plain.items():
            line = flat_yaml.dumps({name: value}).strip()
            file.write(f"{line:<26} # {values[name][1]}\n" if name in values else f"{line}\n")
    return counts


def main(arguments: list[str] | None = None) -> int:
    """Command line; returns the exit status."""
    parser = argparse.ArgumentParser(prog="python -m kpop_rca.new", description="Write a study file for a data folder.")
    parser.add_argument("study", help="its name, that of the file in params/")
    parser.add_argument("data_root", help="folder with one folder per person")
    options = parser.parse_args(arguments)
    try:
        with warnings.catch_warnings(record=True, action="always") as noted:
            counts = write(options.study, options.data_root)
    except StudyError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    for note in noted:
        print(f"note: {note.message}", file=sys.stderr)
    print(
        f"params/{options.study}.yaml: {len(counts.kept)} people, {counts.kept.sum()} photographs. "
        f"Look it over, then:\n  make audit STUDY={options.study}   # a few minutes, the photographs alone\n"
        f"  make study STUDY={options.study}"
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
