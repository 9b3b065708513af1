"""Write a study file that fits a folder of photographs: `make new STUDY=mine DATA_ROOT=../faces`.

The values follow from counts, by these rules; n is the number of photographs that one of the people has for training,
those of the test split (`test/`, else `test_fraction` of all) taken off.

| parameter | value |
|---|---|
| n_identities | 0: all |
| min_per_identity | 20, where some people have fewer photographs and two or more people have as many |
| max_per_identity | three times the median, where somebody has more than that: one would outvote the others |
| min_face_size, min_face_width | half of a photograph's shorter side, and 4 pixels less, where below 32 and 28 |
| exclude_flags | the default study's, with small_face in place of several_faces: bystanders are common |
| test_fraction | such that the one with the fewest has four to test on, where 0.2 gives fewer; at most 0.4 |
| judge_fraction | 0 where the smallest n is below 200: too few to split between generator and oracle; else 0.5 |
| seen_judges | none where judge_fraction is 0: every oracle has seen the generator's faces |
| judge_epochs | as many as show an oracle each person 1,200 times, from 9 (the default study's) to 60 |
| train_steps | 200 epochs, as the paper trains, from 1,000 to 4,000 (about half an hour on two CPU cores) |
| images_per_identity | 1,000 images of all together, from 20 to 100 of each |
| look_alike_groups | none: nobody has sorted these people into groups |
"""

import argparse
import math
import re
import sys
import warnings
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import yaml
from PIL import Image

from kpop_rca import disk, flat_yaml, params, paths, sweeps
from kpop_rca.data import identity_folders
from kpop_rca.errors import StudyError

FEWEST = 20  # photographs of a person
FEW_TO_PART = 200  # training photographs of a person
TESTED = 4  # faces of a person; notebook 07 needs three
MEASURED = 200  # photographs whose size is looked at
SHOWN = 1_200  # faces of a person to an oracle in training, repetitions counted; the default study shows 1,070
GENERATOR_EPOCHS = 200
IMAGES = 1_000


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
    if own_test:
        training = normal.loc[normal["split"] == "train", "identity"].value_counts().reindex(kept.index, fill_value=0)
    else:
        training = (kept * (1 - test_fraction_of(kept))).astype(int)
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


def values_for(counts: Counts) -> dict[str, tuple[object, str]]:
    """Parameter name to value and the reason for it, by the table above; what the default study has is left out."""
    kept, default = counts.kept, params.defaults()
    few = len(counts.of_all) - len(kept)
    values: dict[str, tuple[object, str]] = {"n_identities": (0, "all of them")}
    if few:
        verb = "has" if few == 1 else "have"
        values["min_per_identity"] = FEWEST, f"keeps {len(kept)} people; {few} {verb} fewer photographs"
    most = 3 * math.ceil(kept.median())
    if kept.max() > most:
        name = flat_yaml.shown(kept.index[0])  # a folder's, with whatever letters
        values["max_per_identity"] = most, f"{name} has {kept.max()}, half of the people {most // 3} at most"
    values |= _of_small_photographs(counts.shorter_side, default)
    fraction = test_fraction_of(kept)
    if not counts.own_test and fraction > default["test_fraction"]:
        values["test_fraction"] = fraction, f"somebody has {kept.min()} photographs, and 07 needs three of each"
    training = counts.training.clip(upper=most).clip(lower=1)
    whole = training.min() < FEW_TO_PART
    flags = [flag if flag != "several_faces" else "small_face" for flag in default["exclude_flags"]]
    values["exclude_flags"] = flags, "bystanders are common"
    if whole:
        who = f"{flat_yaml.shown(training.idxmin())} has {training.min()} for training"
        why = f"{who}: too few to split between generator and oracle"
        values["judge_fraction"] = 0.0, why
        values["seen_judges"] = [], "nothing to compare with: every oracle has seen the generator's faces"
    share = 1.0 if whole else default["judge_fraction"]
    return values | _of_effort(round(training.sum() * share), n_people=len(kept), default=default)


def _of_small_photographs(side: int | None, default: dict[str, object]) -> dict[str, tuple[object, str]]:
    """Faces that the detector looks for and that are kept, in photographs that are hardly larger than a face."""
    smallest, least = default["min_face_size"], default["min_face_width"]
    if side is None or side // 2 >= smallest:
        return {}
    size, why = max(12, side // 2), f"photographs of {side} pixels are among these"
    return {"min_face_size": (size, why), "min_face_width": (size - (smallest - least), why)}


def _of_effort(n_training: int, *, n_people: int, default: dict[str, object]) -> dict[str, tuple[object, str]]:
    """How long to train, and how much to generate, for so many training photographs of the generator, or an oracle."""
    of_person = n_training * (1 - default["validation_fraction"]) / n_people
    epochs = int(np.clip(math.ceil(SHOWN / of_person), default["judge_epochs"], 60))
    steps = int(np.clip(round(GENERATOR_EPOCHS * n_training / default["batch_size"], -2), 1000, 4000))
    images = int(np.clip(round(IMAGES / n_people, -1), 20, 100))
    return {
        "judge_epochs": (epochs, f"an oracle is trained on about {of_person:.0f} faces of each person"),
        "train_steps": (steps, f"{steps * default['batch_size'] / n_training:.0f} epochs"),
        "images_per_identity": (images, "the interval of RCA depends on the number of held-out photographs, too"),
        "look_alike_groups": ("", "nobody has sorted these people into groups"),
    }


def text_of(data_root: str, counts: Counts) -> str:
    """A study file, each value with its reason."""
    of_all, source = counts.of_all, {"data_source": "folder", "data_root": data_root}
    head = f"# {len(of_all)} people, {of_all.sum()} photographs: {of_all.min()} to {of_all.max()} of each."
    lines = [head, *(_line(name, value) for name, value in source.items())]
    lines += [f"{_line(name, value):<26} # {why}" for name, (value, why) in values_for(counts).items()]
    return "\n".join([*lines, ""])


def _line(name: str, value: object) -> str:
    in_brackets = None if isinstance(value, list) else False  # None: the list, not the line
    return yaml.safe_dump({name: value}, default_flow_style=in_brackets, allow_unicode=True, width=math.inf).strip()


def write(study: str, data_root: str) -> Counts:
    """Write `params/<study>.yaml` for a data folder.

    Raises:
        StudyError: the name is none for a study, or taken; the folder is none; or the file cannot be written.
    """
    if not re.fullmatch(params.STUDY_NAME, study) or "=" in study or sweeps.split_seed(study)[1] is not None:
        raise StudyError(f"STUDY is {study!r}; write STUDY=mine, for example: a to z, 0 to 9, _.- and no -seed<N>")
    if not data_root:
        raise StudyError("DATA_ROOT is missing; write DATA_ROOT=../faces, with one folder per person in it")
    path = paths.study_file(study)
    if path.exists():
        raise StudyError(f"params/{path.name} is there already; give the study another name, or remove that file")
    counts = counts_of(data_root)
    text = text_of(data_root, counts)
    params.check(yaml.safe_load(text), where=f"params/{path.name}")
    with disk.writing(path), path.open("x", encoding="utf-8") as file:
        file.write(text)
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
