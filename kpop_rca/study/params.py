"""The parameters of a study: the notebooks' defaults, what its study file sets, and what a command was told.

A notebook declares the parameters that it uses in its cell tagged `parameters`, with the values of the `quick` study.
A study file, `params/<study>.yaml`, names only what differs from those. `kpop_rca.study.schema` knows types and ranges.
"""

import ast
import difflib
import os
import re
import sys
from functools import cache
from pathlib import Path
from typing import Any, get_args

from pydantic import ValidationError

from kpop_rca.errors import StudyError
from kpop_rca.study import cells, flat_yaml, given, paths, schema, stages, sweeps

KNOWN = schema.Parameters.model_fields
PROBLEMS_SHOWN = 6  # of a study file; the others are seen when these are mended
SUCCESSORS = {  # of parameters that were
    "ema_decay": "set ema_half_life, in images: batch_size * ln 0.5 / ln(ema_decay), which 03 reaches after "
    "ema_half_life / ema_ramp_up images",
}
# Names of parameters in the version before, which are read in this one.
FORMER_NAMES = {name.replace("oracle", "judge"): name for name in KNOWN if "oracle" in name} | {
    "bench_photographs": "bench_avatars",
    "judges": "architectures",
    "selected_judge": "headline_oracle",
    "selected_oracle": "headline_oracle",
}
NOTED = "KPOP_RCA_NOTED"  # environment: what was said of them already, by this process or the one that started it
HINTS = {  # by pydantic's type of a problem
    "list_type": "; a list of one is written [value]",
    "bool_type": "; YAML has true and false",
    "string_type": "; text that looks like a number is written in quotes",
}


def check(values: dict[str, Any], *, where: str) -> dict[str, Any]:
    """The values, each of its declared type and within its range.

    Raises:
        StudyError: names `where`, each key, what was expected and what was found, a line each.
    """
    try:
        checked = schema.Parameters.model_validate(values)
    except ValidationError as error:
        first = {str(problem["loc"][0]): problem for problem in reversed(error.errors())}  # of a list, one is enough
        problems = [_problem(name, first[name]) for name in values if name in first]
    else:
        values = {name: getattr(checked, name) for name in values}
        problems = _misfits(values)
    if len(problems) > PROBLEMS_SHOWN:
        problems[PROBLEMS_SHOWN - 1 :] = ["and more"]
    if problems:
        raise StudyError("\n".join(f"{where}: {problem}" for problem in problems))
    return values


def _problem(name: str, problem: dict[str, Any]) -> str:
    """A problem that pydantic found with a parameter, in a line."""
    if name in SUCCESSORS:
        return f"there is no {name} any more; {SUCCESSORS[name]}"
    if name not in KNOWN:
        close = difflib.get_close_matches(name, KNOWN, n=1)
        hint = f"; did you mean {close[0]!r}?" if close else ""
        return f"no notebook declares the parameter {flat_yaml.shown(name)}{hint}"
    expected = problem["msg"].removeprefix("Input should be ").removeprefix("a valid ")
    if problem["type"] == "string_pattern_mismatch":
        expected = KNOWN[name].description or expected
    found, hint = problem["input"], HINTS.get(problem["type"], "")
    return f"{name} is {flat_yaml.shown(found)} ({type(found).__name__}); expected {expected}{hint}"


def _misfits(values: dict[str, Any]) -> list[str]:
    """What is wrong with values that are each in range and do not fit one another; of what is not given, nothing."""
    found, given_names = [], values.keys()
    stray = set(values.get("seen_oracles", [])) - set(values.get("architectures", get_args(schema.Architecture)))
    if stray:
        found.append(f"seen_oracles names {min(stray)}, which is not one of architectures ([] is for none)")
    if {"image_size", "channels", "attention_size"} <= given_names and values["attention_size"]:
        sides = [values["image_size"] // 2**level for level in range(len(values["channels"]))]
        if values["attention_size"] not in sides:
            found.append(
                f"attention_size is {values['attention_size']}, the side of no level of the network; "
                f"they are {', '.join(map(str, sides))}, and 0 is for none"
            )
    if {"image_size", "face_sizes"} <= given_names and values["image_size"] not in values["face_sizes"]:
        found.append(f"image_size is {values['image_size']}, which is not one of face_sizes")
    if {"headline_oracle", "architectures"} <= given_names:
        architecture = values["headline_oracle"].partition("-")[0]
        if architecture not in ("best", *values["architectures"]):
            found.append(
                f"headline_oracle is {values['headline_oracle']}, and {architecture} is not one of architectures"
            )
    return found


def collect(namespace: dict[str, Any]) -> dict[str, Any]:
    """The parameters that a notebook declared, picked out of its `globals()` and checked."""
    return check({name: namespace[name] for name in KNOWN if name in namespace}, where="parameters cell")


@cache
def declared(notebook: str) -> dict[str, Any]:
    """The parameters that a notebook declares with their defaults, read from its tagged cell without running it.

    Raises:
        StudyError: not exactly one cell is tagged `parameters`, or a line of it is not `name: type = literal`.
    """
    path = paths.notebook_source(notebook)
    tagged = [cell for cell in cells.of_notebook(path) if "parameters" in cell.tags]
    if len(tagged) != 1:
        raise StudyError(f"{path.name}: {len(tagged)} cells are tagged `parameters`; exactly one is needed")
    defaults = {}
    for node in ast.parse(tagged[0].source).body:
        if not isinstance(node, ast.AnnAssign) or node.value is None:
            raise StudyError(f"{path.name}: line {node.lineno} of the parameters cell is not `name: type = value`")
        defaults[node.target.id] = ast.literal_eval(node.value)
    return check(defaults, where=path.name)


def defaults() -> dict[str, Any]:
    """Every parameter that some notebook declares, with its default: the `quick` study."""
    merged: dict[str, Any] = {}
    for stage in stages.EVERY:
        for name, value in declared(stage.notebook).items():
            if merged.setdefault(name, value) != value:
                raise StudyError(f"{stage.notebook}: {name} = {value!r}, but an earlier notebook has {merged[name]!r}")
    return merged


def of_notebook(notebook: str, resolved: dict[str, Any]) -> dict[str, Any]:
    """The part of a study's resolved parameters that one notebook declares."""
    return {name: resolved[name] for name in declared(notebook)}


def read_study_file(path: Path) -> dict[str, Any]:
    """What a study file sets, checked."""
    where = f"params/{path.name}"
    if not (path.exists() or path.is_symlink()):
        names = ", ".join(sorted(p.stem for p in path.parent.glob("*.yaml")))
        raise StudyError(f"there is no study {path.stem!r}: {where} does not exist; there are {names}")
    return _told(flat_yaml.read(path, where=where), where=where, named="its file")


def _told(values: dict[str, Any], *, where: str, named: str) -> dict[str, Any]:
    """The values of a study file or a command line, checked, former names replaced."""
    if "study" in values:
        raise StudyError(f"{where}: a study is named by {named}; remove 'study'")
    former = {old: new for old, new in FORMER_NAMES.items() if old in values}
    for old, new in former.items():
        if new in values:
            raise StudyError(f"{where}: {old} is now called {new}, and both are given; remove {old}")
    note = ", ".join(f"{old} is now called {new}" for old, new in former.items())
    note = f"note: {where}: {note}; the old name is read until the next version\n"
    if former and note not in os.environ.get(NOTED, ""):
        os.environ[NOTED] = os.environ.get(NOTED, "") + note
        sys.stderr.write(note)
    return check({former.get(name, name): value for name, value in values.items()}, where=where)


def resolve(study: str) -> dict[str, Any]:
    """Every parameter of a study: the notebooks' defaults, the study file, what the command was told in its place
    (`kpop_rca.study.given`), the level of a sweep, and the seed.

    Args:
        study: name of a file in `params/`, with `.<experiment>=<level>` behind it for a member of a sweep and
            `-seed<N>` for another seed.
    """
    if not re.fullmatch(schema.STUDY_NAME, study):
        raise StudyError(
            f"there is no study {flat_yaml.shown(study)}; its name is that of a file in params/: a to z, 0 to 9, _.=-"
        )
    told = _told(given.values(), where=given.WHERE, named="--study")
    of_base = defaults() | read_study_file(sweeps.file_of(study)) | told
    changed = sweeps.overrides(study, of_base)
    values = of_base | changed | {"study": study}
    if "image_size" in changed and changed["image_size"] not in values["face_sizes"]:
        values["face_sizes"] = [*values["face_sizes"], changed["image_size"]]  # which the base has no use for
    seed = sweeps.split_seed(study)[1]
    if seed is not None:
        values["seed"] = seed
    checked = check(values, where=f"params/{sweeps.file_of(study).name}{given.arguments()}")
    if checked["n_identities"]:  # of all that there are the number is not known yet
        parse_groups(checked["look_alike_groups"], checked["n_identities"])
    return checked


def data_root_of_file(study: str) -> str | None:
    """The data folder that a study's file names, whatever the command was told; None where there is no such file."""
    try:
        return (defaults() | read_study_file(sweeps.file_of(study)))["data_root"]
    except StudyError:
        return None


def parse_groups(text: str, n_classes: int) -> list[list[int]]:
    """Look-alike groups from their parameter: "0,1|2,3" are two groups of two; "" is none.

    Raises:
        StudyError: not of that form, only one group, or not each of the classes exactly once.
    """
    if not text:
        return []
    try:
        groups = [[int(number) for number in group.split(",")] for group in text.split("|")]
    except ValueError:
        groups = []
    if len(groups) < 2 or sorted(number for group in groups for number in group) != list(range(n_classes)):
        raise StudyError(
            f"look_alike_groups is {text!r}; expected two groups or more, such as 0,1|2,3, that hold each of the "
            f"classes 0 to {n_classes - 1} once, or '' for none"
        )
    return groups


def hand_labels_file(parameters: dict[str, Any]) -> Path:
    """Where labels given by hand are written and read: the file that `hand_labels` names, else one for the study.

    Seeds and the members of a sweep share the file of their study.
    """
    if parameters["hand_labels"]:
        return paths.resolve_data_root(parameters["hand_labels"])
    return paths.data_folder("hand_labels") / f"{sweeps.file_of(parameters['study']).stem}.csv"


def owner(study: str, folder: str) -> str:
    """The study whose artifacts of a stage serve this one: itself, but for what a member of a sweep can borrow.

    That is the base of the member's seed where neither the stage nor anything behind it reads what the level sets.
    """
    base = sweeps.base_of(study)
    if base is None:
        return study
    read = set().union(*(declared(stage.notebook) for stage in stages.behind(folder))) - {"study"}
    own, of_base = resolve(study), resolve(base)
    return study if any(own[name] != of_base[name] for name in read) else base
