"""The parameters of a study: the notebooks' defaults, what its study file sets, and what a command was told.

A notebook declares the parameters that it uses in its cell tagged `parameters`, with the values of the `quick` study.
A study file, `params/<study>.yaml`, names only what differs from those. `kpop_rca.study.schema` knows types and ranges.
"""

import ast
import difflib
import re
import sys
from functools import cache
from pathlib import Path
from typing import Any, get_args

from pydantic import ValidationError

from kpop_rca.errors import StudyError
from kpop_rca.study import fingerprint, flat_yaml, given, paths, schema, stages, sweeps
from kpop_rca.system import console

KNOWN = schema.Parameters.model_fields
# Names of parameters in the version before, which are read in this one.
FORMER_NAMES = {name.replace("oracle", "judge"): name for name in KNOWN if "oracle" in name} | {
    "bench_photographs": "bench_avatars",
    "judges": "architectures",
    "selected_judge": "headline_oracle",
    "selected_oracle": "headline_oracle",
}
HINTS = {  # by pydantic's type of a problem
    "list_type": "; a list of one is written [value]",
    "bool_type": "; YAML has true and false",
    "string_type": "; text that looks like a number is written in quotes",
}


def check(values: dict[str, Any], *, where: str) -> dict[str, Any]:
    """The values, each of its declared type and within its range; else an error with a line for each that is not."""
    try:
        checked = schema.Parameters.model_validate(values)
    except ValidationError as error:
        first = {str(problem["loc"][0]): problem for problem in reversed(error.errors())}  # of a list, one is enough
        problems = [_problem(name, first[name]) for name in values if name in first]
    else:
        values = {name: getattr(checked, name) for name in values}
        problems = _misfits(values)
    if problems:
        raise StudyError("\n".join(f"{where}: {problem}" for problem in problems))
    return values


def _problem(name: str, problem: dict[str, Any]) -> str:
    """A problem that pydantic found with a parameter, in a line."""
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
    size, sides, attention = (values.get(name) for name in ("image_size", "face_sizes", "attention_size"))
    oracles, seen = values.get("architectures", get_args(schema.Architecture)), values.get("seen_oracles", [])
    first = size // 2 if size and values.get("stem") == "space_to_depth" else size
    levels = [first // 2**level for level in range(len(values.get("channels", [])))] if size else []
    low, high = values.get("guidance_interval", (0.0, 1.0))
    trainings, images = values.get("trainings", 1), values.get("images_per_identity", sys.maxsize)
    stray, selected = set(seen) - set(oracles), values.get("headline_oracle", "best")
    architecture, sizes = selected.partition("-")[0], f"{', '.join(map(str, levels))}, and 0 is for none"
    problems = [
        (stray, f"seen_oracles names {min(stray, default='')}, which is not one of architectures ([] is for none)"),
        (
            levels and attention and attention not in levels,
            f"attention_size is {attention}, the side of no level of the network; they are {sizes}",
        ),
        (size and sides and size not in sides, f"image_size is {size}, which is not one of face_sizes"),
        (
            architecture not in ("best", *oracles),
            f"headline_oracle is {selected}, and {architecture} is not one of architectures",
        ),
        (images < trainings, f"images_per_identity is {images}: fewer than one of each of {trainings} trainings"),
        (low > high, f"guidance_interval begins at {low}, and ends before that, at {high}"),
    ]
    return [said for is_one, said in problems if is_one]


def collect(namespace: dict[str, Any]) -> dict[str, Any]:
    """The parameters that a notebook declared, picked out of its `globals()` and checked."""
    return check({name: namespace[name] for name in KNOWN if name in namespace}, where="parameters cell")


@cache
def declared(notebook: str) -> dict[str, Any]:
    """The parameters that a notebook declares with their defaults, read from its tagged cell without running it."""
    path = paths.notebook_source(notebook)
    tagged = [cell for cell in fingerprint.cells_of(path) if "parameters" in cell.tags]
    try:
        (cell,) = tagged
        defaults = {node.target.id: ast.literal_eval(node.value) for node in ast.parse(cell.source).body}
    except (ValueError, AttributeError, SyntaxError, TypeError):
        raise StudyError(f"{path.name} needs one cell tagged `parameters`, with `name: type = value` lines") from None
    return check(defaults, where=path.name)


def defaults() -> dict[str, Any]:
    """Every parameter that some notebook declares, with its default: the `quick` study."""
    return {name: value for stage in stages.EVERY for name, value in declared(stage.notebook).items()}


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
    if former:
        changed = ", ".join(f"{old} is now called {new}" for old, new in former.items())
        console.print_once(f"note: {where}: {changed}; the old name is read until the next version")
    return check({former.get(name, name): value for name, value in values.items()}, where=where)


def resolve(study: str) -> dict[str, Any]:
    """Every parameter of a study: the notebooks' defaults, the study file, what the command was told in its place
    (`kpop_rca.study.given`), the level of a sweep and the seed that its name has (`sweeps.Name`)."""
    if not re.fullmatch(schema.STUDY_NAME, study):
        raise StudyError(
            f"there is no study {flat_yaml.shown(study)}; its name is that of a file in params/: a to z, 0 to 9, _.=-"
        )
    told = _told(given.values(), where=given.WHERE, named="--study")
    of_base = defaults() | read_study_file(sweeps.file_of(study)) | told
    values, seed = of_base | sweeps.overrides(study, of_base) | {"study": study}, sweeps.Name.of(study).seed
    values |= {} if seed is None else {"seed": seed}
    checked = check(values, where=f"params/{sweeps.file_of(study).name}{given.arguments()}")
    if checked["n_identities"]:  # of all that there are the number is not known yet
        parse_groups(checked["look_alike_groups"], checked["n_identities"])
    return checked


def parse_groups(text: str, n_classes: int) -> list[list[int]]:
    """Look-alike groups from their parameter: "0,1|2,3" are two groups of two; "" is none."""
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


def works(study: str) -> tuple[stages.Stage, ...]:
    """The stages that a study runs, in the order of running; a small study of a sweep ends at its images."""
    resolved, name = resolve(study), sweeps.Name.of(study)
    if name.experiment and name.seed is None:
        raise StudyError(f"{study} is a small study of a sweep, of one seed; write {study}-seed0, for example")
    return stages.OF_SMALL_STUDY if resolved["sweep_seeds"] and name.seed is not None else stages.of_study(resolved)
