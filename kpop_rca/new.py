"""Write a study file that fits a folder of photographs, each value with its reason: `make new STUDY=mine DATA_ROOT=…`.

The values follow from counts, by the rules in `values_for`; what the default study has is left out.
"""

import argparse
import math
import re
import sys
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from PIL import Image

from kpop_rca.data import identity_folders
from kpop_rca.errors import StudyError, said_in_a_line
from kpop_rca.study import flat_yaml, params, paths, schema, sweeps
from kpop_rca.system import files

FEWEST = 20  # photographs of a person that is kept, where two people or more have as many
FEW_TO_PART = 200  # training photographs of a person: fewer are not split between generator and oracle
TESTED = 4  # faces of a person; notebook 07 needs three
MEASURED = 200  # photographs whose size is looked at
SHOWN = 1_200  # faces of a person to an oracle in training, repetitions counted; the default study shows 1,070
GENERATOR_EPOCHS = 200  # as the paper trains
IMAGES = 1_000  # of all people together

Values = dict[str, tuple[Any, str]]  # parameter name to value and the reason for it


def values_for(photographs: pd.DataFrame, root: Path) -> Values:
    """What fits the photographs of a folder, hard cases and group photographs left aside.

    Args:
        photographs: as `identity_folders.scan` finds them: path, identity, split ("train", "test" or "").
        root: where they lie.
    """
    default, of_all = params.defaults(), photographs["identity"].value_counts()
    kept = of_all[of_all >= FEWEST] if (of_all >= FEWEST).sum() >= 2 else of_all
    photographs = photographs[photographs["identity"].isin(kept.index)]
    values: Values = {"n_identities": (0, "all of them")}
    few = len(of_all) - len(kept)
    if few:
        values["min_per_identity"] = FEWEST, f"keeps {len(kept)} people; {few} with fewer photographs are left out"
    most = 3 * math.ceil(kept.median())  # one with more would outvote the others
    if kept.max() > most:
        why = f"{flat_yaml.shown(kept.index[0])} has {kept.max()}, half of the people {most // 3} at most"
        values["max_per_identity"] = most, why
    values |= _of_small_photographs(photographs["path"], root, default)
    fraction = max(default["test_fraction"], min(0.4, math.ceil(100 * TESTED / kept.min()) / 100))
    training = (kept * (1 - fraction)).astype(int)
    if (photographs["split"] == "test").any():
        of_training = photographs.loc[photographs["split"] == "train", "identity"]
        training = of_training.value_counts().reindex(kept.index, fill_value=0)
    elif fraction > default["test_fraction"]:
        values["test_fraction"] = fraction, f"somebody has {kept.min()} photographs, and 07 needs three of each"
    flags = [flag if flag != "several_faces" else "small_face" for flag in default["exclude_flags"]]
    values["exclude_flags"] = flags, "bystanders are common"
    training, part = training.clip(1, most), default["oracle_fraction"]
    if training.min() < FEW_TO_PART:
        part, who = 0.0, f"{flat_yaml.shown(training.idxmin())} has {training.min()} for training"
        values["oracle_fraction"] = part, f"{who}: too few to split between generator and oracle"
        values["seen_oracles"] = [], "nothing to compare with: every oracle has seen the generator's faces"
    return values | _of_effort(round(training.sum() * (part or 1)), n_people=len(kept), default=default)


def _of_small_photographs(names: pd.Series, root: Path, default: dict[str, Any]) -> Values:
    """Faces that the detector looks for and that are kept, in photographs that are hardly larger than a face."""
    sides = []
    for name in names.iloc[:: max(1, len(names) // MEASURED)]:
        try:
            with warnings.catch_warnings(action="ignore"), Image.open(root / name) as image:
                sides.append(min(image.size))
        except (OSError, ValueError, SyntaxError, Image.DecompressionBombError):
            continue  # which is for the audit to tell
    side, usual = int(np.quantile(sides, 0.1)) if sides else None, default["min_face_size"]
    if side is None or side // 2 >= usual:
        return {}
    size, why = max(12, side // 2), f"photographs of {side} pixels are among these"
    return {"min_face_size": (size, why), "min_face_width": (size - (usual - default["min_face_width"]), why)}


def _of_effort(n_training: int, *, n_people: int, default: dict[str, Any]) -> Values:
    """How long to train, and how much to generate, for so many training photographs of the generator, or an oracle."""
    of_person = n_training * (1 - default["validation_fraction"]) / n_people
    epochs = int(np.clip(math.ceil(SHOWN / of_person), default["oracle_epochs"], 60))
    # up to half an hour on two CPU cores
    steps = int(np.clip(round(GENERATOR_EPOCHS * n_training / default["batch_size"], -2), 1000, 4000))
    images = int(np.clip(round(IMAGES / n_people, -1), 20, 100))
    return {
        "oracle_epochs": (epochs, f"an oracle is trained on about {of_person:.0f} faces of each person"),
        "trainings": (1, "several say how much depends on the training's seed, and take as many times as long"),
        "train_steps": (steps, f"{steps * default['batch_size'] / n_training:.0f} epochs"),
        "images_per_identity": (images, "the interval of RCA depends on the number of held-out photographs, too"),
        "look_alike_groups": ("", "nobody has sorted these people into groups"),
    }


def write(study: str, data_root: str) -> str:
    """Write `params/<study>.yaml` for a data folder; returns what the folder holds, in a line.

    Raises:
        StudyError: the name is none for a study, or taken; the folder is none; or the file cannot be written.
    """
    if not re.fullmatch(schema.STUDY_NAME, study) or "=" in study or sweeps.Name.of(study).seed is not None:
        raise StudyError(f"STUDY is {study!r}; write STUDY=mine, for example: a to z, 0 to 9, _.- and no -seed<N>")
    if not data_root:
        raise StudyError("DATA_ROOT is missing; write DATA_ROOT=../faces, with one folder per person in it")
    path = paths.study_file(study)
    if path.exists():
        raise StudyError(f"params/{path.name} is there already; give the study another name, or remove that file")
    root = paths.photographs(data_root)
    photographs = identity_folders.scan(root).query("part == 'normal'")
    of_all, values = photographs["identity"].value_counts(), values_for(photographs, root)
    plain = {"data_source": "folder", "data_root": data_root} | {name: value for name, (value, _) in values.items()}
    params.check(plain, where=f"params/{path.name}")
    said = f"{len(of_all)} people, {of_all.sum()} photographs: {of_all.min()} to {of_all.max()} of each."
    with files.writing(path), path.open("x", encoding="utf-8") as file:
        file.write(f"# {said}\n")
        for name, value in plain.items():
            line = flat_yaml.dumps({name: value}).strip()
            file.write(f"{line:<26} # {values[name][1]}\n" if name in values else f"{line}\n")
    return said


@said_in_a_line
def main(arguments: list[str] | None = None) -> int:
    """Command line; returns the exit status."""
    parser = argparse.ArgumentParser(prog="python -m kpop_rca.new", description="Write a study file for a data folder.")
    parser.add_argument("study", help="its name, that of the file in params/")
    parser.add_argument("data_root", help="folder with one folder per person")
    options = parser.parse_args(arguments)
    study = options.study
    with warnings.catch_warnings(record=True, action="always") as noted:
        said = write(study, options.data_root)
    for note in noted:
        print(f"note: {note.message}", file=sys.stderr)
    print(f"params/{study}.yaml: {said} Look it over, then:\n  make audit STUDY={study}\n  make study STUDY={study}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
