"""Study parameters: what there is, of which type and range, and what a study file sets.

A notebook declares the parameters that it uses in its cell tagged `parameters`, with the values of the `quick`
study as defaults. A study file (`params/<study>.yaml`, flat) names only what differs from those. This module
knows the type and the range of each parameter, and refuses everything else in one readable line.
"""

import ast
import difflib
import re
from functools import cache
from pathlib import Path
from typing import Annotated, Any, Literal, get_args

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator
from pydantic_core import PydanticCustomError

from kpop_rca import cells, flat_yaml, given, paths, stages, sweeps
from kpop_rca.errors import StudyError

Rate = Annotated[float, Field(ge=0, le=1)]
Fraction = Annotated[float, Field(gt=0, lt=1)]
LARGEST = 1_000_000_000  # of any number of things; what is larger is a slip
Count = Annotated[int, Field(ge=0, le=LARGEST)]
Positive = Annotated[int, Field(ge=1, le=LARGEST)]
Flag = Literal[
    "no_face",
    "several_faces",
    "non_facial",
    "small_face",
    "extreme_pose",
    "identity_mismatch",
    "near_duplicate",
    "cross_identity_duplicate",
]
HandLabel = Literal["contextual_artifact", "hard_case", "wrong_person", "not_a_face", "fine"]
Architecture = Literal["resnet10", "resnet18", "resnet34", "resnet50"]
STUDY_NAME = r"^[a-z0-9][a-z0-9_.=-]{0,63}$"
Place = Annotated[str, Field(pattern=r"^[^\x00-\x1f\x7f]{0,4000}$", description="a path without control characters")]
PROBLEMS_SHOWN = 6  # of a study file; the others are seen when these are mended
JUDGE_NAME = rf"^(best|({'|'.join(get_args(Architecture))})(-\d(-seen)?)?)$"


SUCCESSORS = {  # of parameters that were
    "ema_decay": "set ema_half_life, in images: batch_size * ln 0.5 / ln(ema_decay), which 03 reaches after "
    "ema_half_life / ema_ramp_up images",
}


class Parameters(BaseModel):
    """Type and range of every parameter. All optional here: which exist for a study, the notebooks decide."""

    model_config = ConfigDict(strict=True, extra="forbid", allow_inf_nan=False)

    study: Annotated[str, Field(pattern=STUDY_NAME)] = None
    seed: Annotated[int, Field(ge=0, lt=2**31)] = None
    device: Literal["auto", "cpu", "cuda", "mps"] = None

    data_source: Literal["idols", "folder", "lfw"] = None
    data_root: Place = None
    n_identities: Count = None
    max_per_identity: Count = None
    min_per_identity: Count = None
    exclude_identities: list[Annotated[str, Field(min_length=1)]] = None
    idols_train_per_identity: Positive = None
    idols_test_per_identity: Positive = None
    idols_hard_per_identity: Count = None
    idols_group_per_identity: Count = None
    idols_size: Annotated[int, Field(ge=96, le=512)] = None
    idols_alikeness: Rate = None
    idols_artifact_rate: Rate = None
    idols_hard_rate: Rate = None
    idols_group_rate: Rate = None
    idols_nonface_rate: Rate = None
    idols_burst_rate: Rate = None
    idols_first_times: Annotated[int, Field(ge=1, le=20)] = None
    idols_first_stands_out: Rate = None
    min_face_size: Annotated[int, Field(ge=12, le=200)] = None
    detector_batch_size: Positive = None
    max_side: Annotated[int, Field(ge=96, le=LARGEST)] = None
    min_probability: Rate = None
    min_face_width: Positive = None
    max_mismatch_score: Rate = None
    hand_labels: Place = None
    publish_images: bool = None

    image_size: Literal[16, 32, 64] = None
    face_sizes: Annotated[list[Literal[16, 32, 64]], Field(min_length=1)] = None
    crop_margin: Annotated[float, Field(ge=0, le=1)] = None
    exclude_flags: list[Flag] = None
    exclude_hand_labels: list[HandLabel] = None
    judge_fraction: Annotated[float, Field(ge=0, lt=1)] = None
    validation_fraction: Fraction = None
    test_fraction: Fraction = None

    channels: Annotated[list[Annotated[int, Field(ge=1, le=4096)]], Field(min_length=2, max_length=5)] = None
    layers_per_block: Annotated[int, Field(ge=1, le=4)] = None
    attention_size: Literal[0, 4, 8, 16, 32] = None
    noise_schedule: Literal["linear", "squaredcos_cap_v2"] = None
    train_steps: Positive = None
    batch_size: Positive = None
    learning_rate: Annotated[float, Field(gt=0, le=1)] = None
    learning_rate_schedule: Literal["constant", "cosine"] = None
    label_dropout: Annotated[float, Field(ge=0, lt=1)] = None
    ema_half_life: Positive = None
    ema_ramp_up: Rate = None
    gradient_clip: Annotated[float, Field(ge=0)] = None
    weight_decay: Rate = None
    flip: bool = None
    mixed_precision: Literal["no", "fp16", "bf16"] = None
    checkpoint_minutes: Annotated[float, Field(gt=0)] = None
    sample_grids: Annotated[int, Field(ge=1, le=20)] = None

    architectures: Annotated[list[Architecture], Field(min_length=1)] = None
    judge_seeds: Annotated[int, Field(ge=1, le=10)] = None
    seen_judges: list[Architecture] = None
    judge_width: Annotated[int, Field(ge=4, le=64)] = None
    judge_warmup_epochs: Count = None
    judge_epochs: Positive = None
    judge_batch_size: Annotated[int, Field(ge=2, le=LARGEST)] = None  # batch normalisation has no variance of one image
    judge_learning_rate: Annotated[float, Field(gt=0, le=1)] = None
    judge_weight_decay: Rate = None
    judge_colour_jitter: Annotated[float, Field(ge=0, le=0.5)] = None
    pretrained: bool = None

    sampler: Literal["ddpm", "ddim", "dpmpp"] = None
    sampling_steps: Annotated[int, Field(ge=1, le=1000)] = None
    guidance: Annotated[float, Field(ge=0, le=20)] = None
    images_per_identity: Annotated[int, Field(ge=2, le=LARGEST)] = None  # a pair, of which the diversity is measured
    sampling_batch_size: Positive = None

    selected_judge: Annotated[
        str, Field(pattern=JUDGE_NAME, description="best, an architecture (resnet18) or a judge (resnet18-0)")
    ] = None
    look_alike_groups: str = None
    lpips_pairs: Positive = None
    bootstrap_replicates: Annotated[int, Field(ge=200, le=100_000)] = None

    mixture_draws: Positive = None
    mixture_images: Positive = None
    mixture_replicates: Annotated[int, Field(ge=100, le=10_000)] = None
    blur_sigmas: Annotated[list[Annotated[float, Field(ge=0, le=10)]], Field(min_length=2)] = None

    sweep_seeds: Annotated[int, Field(ge=0, le=50)] = None
    sweep_one_seed: list[Annotated[str, Field(pattern=r"^[a-z]+=.+$")]] = None
    sweep_sizes: list[Literal[16, 32, 64]] = None
    sweep_alikeness: list[Rate] = None
    sweep_labels: list[Literal["clean", "as-found", "excluded"]] = None
    sweep_dominance: list[Literal["equal", "more-pictures", "distinct-face"]] = None
    sweep_guidance: list[Annotated[float, Field(ge=0, le=20)]] = None
    sweep_samplers: list[Annotated[str, Field(pattern=r"^(ddim|ddpm|dpmpp)-[1-9]\d{0,3}$")]] = None
    sweep_jitter: list[Annotated[float, Field(ge=0, le=0.5)]] = None
    equivalence_margin: Fraction = None
    runs_of: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_-]{0,63}$")] = None

    benchmarks_of: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_-]{0,63}$")] = None
    bench_repeats: Annotated[int, Field(ge=0, le=100)] = None
    bench_train_steps: Positive = None
    bench_faces: Annotated[int, Field(ge=100)] = None
    bench_photographs: Annotated[int, Field(ge=10)] = None
    bench_samples: Positive = None
    bench_sampling_batch_size: Positive = None
    bench_ddim_steps: Annotated[int, Field(ge=1, le=1000)] = None
    bench_ddpm_steps: Annotated[int, Field(ge=1, le=1000)] = None
    bench_features: Annotated[int, Field(ge=12)] = None
    bench_feature_length: Annotated[int, Field(ge=2)] = None
    bench_pairs: Positive = None
    bench_workers: Positive = None
    bench_scales: list[Positive] = None
    bench_classes: list[Positive] = None
    bench_sides: list[Literal[16, 32, 64]] = None
    bench_processes: list[Positive] = None

    @field_validator("image_size", "face_sizes", "attention_size", "sweep_sizes", "bench_sides", mode="before")
    @classmethod
    def _whole(cls, value: Any) -> Any:
        """Refuse what only equals a number that is allowed, as `no`, which YAML reads as False, equals 0."""
        if any(isinstance(part, bool | float) for part in (value if isinstance(value, list) else [value])):
            raise PydanticCustomError("int_type", "Input should be a valid integer")
        return value


def check(values: dict[str, Any], *, where: str) -> dict[str, Any]:
    """The values, each of its declared type and within its range.

    Args:
        values: parameter name to value.
        where: what to name in an error, a file for example.

    Raises:
        StudyError: names `where`, the key, what was expected and what was found.
    """
    try:
        checked = Parameters.model_validate(values)
    except ValidationError as error:
        first = {str(problem["loc"][0]): problem for problem in reversed(error.errors())}  # of a list, one is enough
        _refuse([_problem(key, first[key]) for key in values if key in first], where=where)
    found = {name: getattr(checked, name) for name in values}
    stray = set(checked.seen_judges or []) - set(checked.architectures or get_args(Architecture))
    own = [f"seen_judges names {min(stray)}, which is not one of architectures ([] is for none)"] if stray else []
    _refuse([*own, *_misfits(found)], where=where)
    return found


def _refuse(problems: list[str], *, where: str) -> None:
    """Name every problem of a file in one error, a line each; nothing happens where there is none.

    Raises:
        StudyError: there is one.
    """
    shown = problems if len(problems) <= PROBLEMS_SHOWN else [*problems[: PROBLEMS_SHOWN - 1], "and more"]
    if shown:
        raise StudyError("\n".join(f"{where}: {problem}" for problem in shown))


def _misfits(values: dict[str, Any]) -> list[str]:
    """What is wrong with values that are each in range and do not fit one another; of what is not given, nothing."""
    found = []
    if {"image_size", "channels", "attention_size"} <= values.keys() and values["attention_size"]:
        sides = [values["image_size"] // 2**level for level in range(len(values["channels"]))]
        if values["attention_size"] not in sides:
            found.append(
                f"attention_size is {values['attention_size']}, the side of no level: with {len(sides)} "
                f"channels at image_size {sides[0]} they are {', '.join(map(str, sides))}; 0 is for none"
            )
    if {"image_size", "face_sizes"} <= values.keys() and values["image_size"] not in values["face_sizes"]:
        found.append(f"image_size is {values['image_size']}, which is not one of face_sizes")
    if {"selected_judge", "architectures"} <= values.keys() and values["selected_judge"] != "best":
        architecture = values["selected_judge"].partition("-")[0]
        if architecture not in values["architectures"]:
            found.append(
                f"selected_judge is {values['selected_judge']}, and {architecture} is not one of architectures"
            )
    return found


def _problem(key: str, problem: dict[str, Any]) -> str:
    """A problem that pydantic found with a parameter, in a line."""
    found = problem["input"]
    if problem["type"] == "extra_forbidden":
        return _unknown_key(key, known=Parameters.model_fields)
    hint = ""
    if isinstance(found, str) and re.fullmatch(r"[+-]?\d+(\.\d*)?[eE][+-]?\d+", found):
        hint = "; YAML reads 1e-3 as text, write 1.0e-3"
    if problem["type"] == "list_type":
        hint = f"; a list of one is written [{flat_yaml.shown(found)}]"
    expected = problem["msg"].removeprefix("Input should be ").removeprefix("a valid ")
    if key == "exclude_identities" and problem["type"] == "string_type":
        hint = "; a name that YAML reads as a number, or as yes or no, is written in quotes"
    if problem["type"] == "string_pattern_mismatch":
        expected = Parameters.model_fields[key].description or expected
    return f"{key} is {flat_yaml.shown(found)} ({type(found).__name__}); expected {expected}{hint}"


def _unknown_key(key: str, *, known: Any) -> str:
    if key in SUCCESSORS:
        return f"there is no {key} any more; {SUCCESSORS[key]}"
    close = difflib.get_close_matches(key, list(known), n=1)
    hint = f"; did you mean {close[0]!r}?" if close else ""
    return f"no notebook declares the parameter {flat_yaml.shown(key)}{hint}"


def collect(namespace: dict[str, Any]) -> dict[str, Any]:
    """The parameters that a notebook declared, picked out of its `globals()` and checked.

    Raises:
        StudyError: a value is of the wrong type or out of range.
    """
    declared = {name: namespace[name] for name in Parameters.model_fields if name in namespace}
    return check(declared, where="parameters cell")


@cache
def declared(notebook: str) -> dict[str, Any]:
    """The parameters that a notebook declares with their defaults, read from its tagged cell without running it.

    Raises:
        StudyError: the notebook has not exactly one cell tagged `parameters`, or a line of it is not of the form
            `name: type = literal`.
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
    """Every parameter that some notebook declares, with its default: the `quick` study.

    Raises:
        StudyError: two notebooks declare the same parameter with different defaults.
    """
    merged: dict[str, Any] = {}
    for stage in stages.EVERY:
        for name, value in declared(stage.notebook).items():
            if merged.setdefault(name, value) != value:
                raise StudyError(f"{stage.notebook}: {name} = {value!r}, but an earlier notebook has {merged[name]!r}")
    return merged


def read_study_file(path: Path) -> dict[str, Any]:
    """What a study file sets: a flat mapping of parameter names to values, checked.

    Raises:
        StudyError: unreadable, not flat YAML, a key given twice, unknown, of the wrong type or out of range.
    """
    where = f"params/{path.name}"
    try:
        values = flat_yaml.read(path, where=where)
    except FileNotFoundError:
        names = ", ".join(sorted(p.stem for p in path.parent.glob("*.yaml")))
        raise StudyError(f"there is no study {path.stem!r}: {where} does not exist; there are {names}") from None
    return _declared_and_checked(values, where=where, named="by its file; remove the key 'study'")


def given_values() -> dict[str, Any]:
    """What the command was told in place of the study file's values (`kpop_rca.given`), checked.

    Raises:
        StudyError: unknown, of the wrong type or out of range.
    """
    return _declared_and_checked(given.values(), where=given.WHERE, named="by --study; remove the setting 'study'")


def _declared_and_checked(values: dict[str, Any], *, where: str, named: str) -> dict[str, Any]:
    strange = [key for key in values if key not in defaults() or key == "study"]
    problems = [f"a study is named {named}" if k == "study" else _unknown_key(k, known=defaults()) for k in strange]
    try:
        checked = check({key: value for key, value in values.items() if key not in strange}, where=where)
    except StudyError as error:
        problems += [line.removeprefix(f"{where}: ") for line in str(error).splitlines()]
    _refuse(problems, where=where)
    return checked


def resolve(study: str) -> dict[str, Any]:
    """Every parameter of a study: the notebooks' defaults, the study file, what the command was told in its place, the
    level of a sweep, and the seed.

    Args:
        study: name of a file in `params/`, with `.<experiment>=<level>` behind it for a member of a sweep and
            `-seed<N>` for another seed.

    Raises:
        StudyError: see `read_study_file`, `given_values`, `sweeps.overrides` and `parse_groups`.
    """
    if not re.fullmatch(STUDY_NAME, study):
        raise StudyError(
            f"there is no study {flat_yaml.shown(study)}; its name is that of a file in params/: a to z, 0 to 9, _.=-"
        )
    name, seed = sweeps.split_seed(study)
    base = sweeps.split_level(name)[0]
    of_base = defaults() | read_study_file(paths.study_file(base)) | given_values()
    changed = sweeps.overrides(study, of_base)
    values = of_base | changed | {"study": study}
    if "image_size" in changed and changed["image_size"] not in values["face_sizes"]:
        values["face_sizes"] = [*values["face_sizes"], changed["image_size"]]  # which the base has no use for
    if seed is not None:
        values["seed"] = seed
    where = f"params/{base}.yaml{given.arguments()}"
    checked = check(values, where=where)
    for place in ("data_root", "hand_labels"):
        _check_home(checked[place], where=f"{where}: {place}")
    if checked["n_identities"]:  # of all that there are the number is not known yet
        parse_groups(checked["look_alike_groups"], checked["n_identities"])
    return checked


def data_root_of_file(study: str) -> str | None:
    """The data folder that a study's file names, whatever the command was told; None where there is no such file."""
    try:
        base = sweeps.split_level(sweeps.split_seed(study)[0])[0]
        return (defaults() | read_study_file(paths.study_file(base)))["data_root"]
    except StudyError:
        return None


def parse_groups(text: str, n_classes: int) -> list[list[int]]:
    """Look-alike groups from their parameter: "0,1|2,3" are two groups of two; "" is none.

    Raises:
        StudyError: not of that form, or not each of the classes exactly once.
    """
    try:
        groups = [[int(number) for number in group.split(",")] for group in text.split("|")] if text else []
    except ValueError:
        raise StudyError(f"look_alike_groups is {text!r}; expected class numbers such as 0,1|2,3") from None
    if len(groups) == 1:
        raise StudyError(
            f"look_alike_groups {text!r} is one group, within which everyone is; name two, or none with ''"
        )
    if groups and sorted(number for group in groups for number in group) != list(range(n_classes)):
        raise StudyError(
            f"look_alike_groups {text!r} should hold each of the classes 0 to {n_classes - 1} once; "
            "name them all, or set it to '' for none"
        )
    return groups


def hand_labels_file(parameters: dict[str, Any]) -> Path:
    """Where labels given by hand are written and read: the file that `hand_labels` names, else one for the study.

    Seeds and the members of a sweep share the file of their study.

    Args:
        parameters: with hand_labels and study.
    """
    if parameters["hand_labels"]:
        return paths.resolve_data_root(parameters["hand_labels"])
    base = sweeps.split_level(sweeps.split_seed(parameters["study"])[0])[0]
    return paths.data_folder("hand_labels") / f"{base}.csv"


def _check_home(place: str, *, where: str) -> None:
    """Refuse a path below the home folder of nobody."""
    try:
        paths.resolve_data_root(place)
    except RuntimeError:
        raise StudyError(
            f"{where} is {place!r}, and there is no such home folder; write ~/ or the whole path"
        ) from None


def of_notebook(notebook: str, resolved: dict[str, Any]) -> dict[str, Any]:
    """The part of a study's resolved parameters that one notebook declares."""
    return {name: resolved[name] for name in declared(notebook)}


def owner(study: str, folder: str) -> str:
    """The study whose artifacts of a stage serve this one: itself, but for what a member of a sweep can borrow.

    Args:
        study: any.
        folder: of a stage.

    Returns:
        The base of the member's seed where neither the stage nor anything behind it reads what the level sets.
    """
    base = sweeps.base_of(study)
    if base is None:
        return study
    read = set().union(*(declared(stage.notebook) for stage in stages.behind(folder))) - {"study"}
    own, of_base = resolve(study), resolve(base)
    return study if any(own[name] != of_base[name] for name in read) else base
