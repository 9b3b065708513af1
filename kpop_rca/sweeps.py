"""Sweeps: small studies that differ from a base study in one thing each, and are named for it.

`claims.guidance=2.5-seed1` is the study file `claims` with the experiment `guidance` at the level 2.5 and seed 1;
`claims-seed1` is the base that it is compared with. A level is a name for some parameters: most experiments change one,
and where one thing takes two parameters (a sampler and its number of steps), the level sets both.

A member makes only what its level changes. Everything before that it borrows from the base of its seed, so that the
levels of a guidance sweep share one trained model, and differ in nothing else.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from kpop_rca.errors import StudyError

RUNS = "08_runs"  # the table of what the judges said of every small study


@dataclass(frozen=True)
class Experiment:
    """One thing that is varied.

    Attributes:
        levels: name of the parameter that lists the levels of a sweep.
        overrides: what a level, given as text, sets in a study of these parameters.
    """

    levels: str
    overrides: Callable[[str, dict[str, Any]], dict[str, Any]]


def _size(level: str, base: dict[str, Any]) -> dict[str, Any]:
    """The same network at another size: self-attention stays at its level, whose side grows with the image's."""
    size = int(level)
    return {"image_size": size, "attention_size": base["attention_size"] * size // base["image_size"]}


def _sampler(level: str, base: dict[str, Any]) -> dict[str, Any]:
    """Without guidance, at half the price of a guided step."""
    name, _, steps = level.partition("-")
    return {"sampler": name, "sampling_steps": int(steps), "guidance": 0.0}


# Pictures of somebody else, or of nobody, in a person's folder.
CLEAN = {"idols_group_rate": 0.0, "idols_nonface_rate": 0.0, "exclude_flags": []}
LABELS = {"clean": CLEAN, "as-found": {"exclude_flags": []}, "excluded": {}}
DOMINANCE = {
    "equal": {},
    "more-pictures": {"idols_first_times": 3},
    "distinct-face": {"idols_first_stands_out": 1.0},
}
# Judges of the level itself would change along with what is studied: labels that spoil the model's training spoil
# the judge's too, and the real faces that it is tried on. These are judged as the level named here is. The price is
# that such a judge may have learnt faces that the level's generator has learnt, too: see `claims.shared_faces`.
COMMON_JUDGE = {"labels": {"as-found": "clean", "excluded": "clean"}, "dominance": {"more-pictures": "equal"}}
EXPERIMENTS = {
    "size": Experiment("sweep_sizes", _size),
    "alikeness": Experiment("sweep_alikeness", lambda level, base: {"idols_alikeness": float(level)}),
    "labels": Experiment("sweep_labels", lambda level, base: LABELS[level]),
    "dominance": Experiment("sweep_dominance", lambda level, base: DOMINANCE[level]),
    "guidance": Experiment("sweep_guidance", lambda level, base: {"guidance": float(level)}),
    "sampler": Experiment("sweep_samplers", _sampler),
    "jitter": Experiment("sweep_jitter", lambda level, base: {"judge_colour_jitter": float(level)}),
}


@dataclass(frozen=True)
class Member:
    """One small study of a sweep.

    Attributes:
        experiment: name in EXPERIMENTS.
        level: of it, as text.
        seed: of everything: the people drawn, the split, the training, the judges, the images.
        study: its name; the base's where the level is what the base has anyway.
    """

    experiment: str
    level: str
    seed: int
    study: str


def split_seed(study: str) -> tuple[str, int | None]:
    """`quick-seed3` is the study `quick` with seed 3; any other name has its own seed."""
    match = re.fullmatch(r"(.+)-seed(\d+)", study)
    return (match.group(1), int(match.group(2))) if match else (study, None)


def named(studies: str | list[str], seeds: str | list[str] = "") -> list[str]:
    """The studies that `STUDY=a,b SEEDS=0,1` asks for: each with each of the seeds.

    Args:
        studies: names with commas between them, or a list of names.
        seeds: whole numbers likewise; none for the studies as they are.

    Raises:
        StudyError: no study is named, or a seed is no whole number.

    >>> named("quick, claims,", "0,1,")
    ['quick-seed0', 'quick-seed1', 'claims-seed0', 'claims-seed1']
    >>> named(["quick"])
    ['quick']
    """
    names, numbers = map(_listed, (studies, seeds))
    if not names:
        raise StudyError("no study is named; write STUDY=quick, for example")
    stray = [number for number in numbers if not number.isdecimal()]
    if stray:
        raise StudyError(f"seeds are whole numbers with commas between them, such as 0,1; {stray[0]!r} is none")
    return [f"{name}-seed{number}" for name in names for number in numbers] if numbers else names


def _listed(value: Any) -> list[str]:
    """`a,b` on the command line, a list in a config file, or one value: all are a list of strings."""
    values = value if isinstance(value, list) else str(value).split(",")
    return [text for text in (str(v).strip() for v in values) if text]


def split_level(study: str) -> tuple[str, str, str]:
    """The study file, the experiment and the level in the name of a study without its seed.

    >>> split_level("claims.sampler=ddim-10")
    ('claims', 'sampler', 'ddim-10')
    >>> split_level("claims")
    ('claims', '', '')
    """
    match = re.fullmatch(r"([^=]+)\.([a-z]+)=(.+)", study)
    return match.groups() if match else (study, "", "")


def base_of(study: str) -> str | None:
    """The study from which a member of a sweep borrows what it does not make; None for any other study.

    >>> base_of("claims.guidance=2.5-seed1")
    'claims-seed1'
    """
    name, seed = split_seed(study)
    file, experiment, _ = split_level(name)
    return f"{file}-seed{seed}" if experiment else None


def overrides(study: str, base: dict[str, Any]) -> dict[str, Any]:
    """The parameters that the level in a study's name sets; empty for a study that is no member of a sweep.

    Args:
        study: its name.
        base: the parameters of the study file, resolved.

    Raises:
        StudyError: there is no such experiment, or no such level of it.
    """
    name, _ = split_seed(study)
    _, experiment, level = split_level(name)
    if not experiment:
        return {}
    if experiment not in EXPERIMENTS:
        raise StudyError(f"{study}: there is no experiment {experiment!r}; there are {', '.join(EXPERIMENTS)}")
    try:
        return EXPERIMENTS[experiment].overrides(level, base)
    except (KeyError, ValueError):
        raise StudyError(f"{study}: {level!r} is no level of the experiment {experiment}") from None


def judged_as(experiment: str, level: str) -> str:
    """The level whose judges and real faces a level of an experiment is held against; its own, but for COMMON_JUDGE."""
    return COMMON_JUDGE.get(experiment, {}).get(level, level)


def as_text(level: Any) -> str:
    """A level as it stands in a name: 2.5, 32, ddim-10.

    >>> as_text(2.0), as_text("clean")
    ('2', 'clean')
    """
    return f"{level:g}" if isinstance(level, int | float) else str(level)


def members(resolved: dict[str, Any]) -> list[Member]:
    """Every small study of a sweep, experiment by experiment, levels in the order given, then seeds.

    Args:
        resolved: the parameters of the study that asks for the sweep; `sweep_seeds` of 0 is for none.

    Raises:
        StudyError: a level that does not exist, an experiment that compares nothing, or a sweep asked for with a seed
            in its name.
    """
    name, seed = split_seed(resolved["study"])
    if not resolved["sweep_seeds"]:
        return []
    if seed is not None:
        raise StudyError(f"{name} is a sweep and has seeds of its own; set sweep_seeds, and leave {seed} out")
    _check_levels(resolved)
    found = []
    for experiment, about in EXPERIMENTS.items():
        for level in map(as_text, resolved[about.levels]):
            changed = overrides(f"{name}.{experiment}={level}", resolved)
            prefix = name if changed.items() <= resolved.items() else f"{name}.{experiment}={level}"
            dear = f"{experiment}={level}" in resolved["sweep_one_seed"]
            seeds = range(1 if dear else resolved["sweep_seeds"])
            found += [Member(experiment, level, n, f"{prefix}-seed{n}") for n in seeds]
    return found


def _check_levels(resolved: dict[str, Any]) -> None:
    """Refuse, before hours are spent on it, a sweep whose levels could not be compared."""
    where, names = f"params/{resolved['study']}.yaml", set()
    for experiment, about in EXPERIMENTS.items():
        levels = [as_text(level) for level in resolved[about.levels]]
        if len(levels) == 1 or len(set(levels)) < len(levels):
            raise StudyError(
                f"{where}: {about.levels} is {resolved[about.levels]}; expected [] or two levels or more, each once"
            )
        for level in levels:
            if judged_as(experiment, level) not in levels:
                raise StudyError(
                    f"{where}: {about.levels} has {level}, judged as {judged_as(experiment, level)!r} is; add that"
                )
        names |= {f"{experiment}={level}" for level in levels}
    stray = [name for name in resolved["sweep_one_seed"] if name not in names]
    if stray:
        raise StudyError(f"{where}: sweep_one_seed names {stray[0]!r}, no level of the sweep, as {min(names)!r} is")
