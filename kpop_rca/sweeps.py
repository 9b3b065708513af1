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
        overrides: what a level, given as text, sets.
    """

    levels: str
    overrides: Callable[[str], dict[str, Any]]


def _sampler(level: str) -> dict[str, Any]:
    """Without guidance, as in the paper, and at half the price of a guided step."""
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
EXPERIMENTS = {
    "size": Experiment("sweep_sizes", lambda level: {"image_size": int(level)}),
    "alikeness": Experiment("sweep_alikeness", lambda level: {"idols_alikeness": float(level)}),
    "labels": Experiment("sweep_labels", LABELS.__getitem__),
    "dominance": Experiment("sweep_dominance", DOMINANCE.__getitem__),
    "guidance": Experiment("sweep_guidance", lambda level: {"guidance": float(level)}),
    "sampler": Experiment("sweep_samplers", _sampler),
    "jitter": Experiment("sweep_jitter", lambda level: {"judge_colour_jitter": float(level)}),
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


def overrides(study: str) -> dict[str, Any]:
    """The parameters that the level in a study's name sets; empty for a study that is no member of a sweep.

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
        return EXPERIMENTS[experiment].overrides(level)
    except (KeyError, ValueError):
        raise StudyError(f"{study}: {level!r} is no level of the experiment {experiment}") from None


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
        StudyError: a level that does not exist, or a sweep asked for with a seed in its name.
    """
    name, seed = split_seed(resolved["study"])
    if resolved["sweep_seeds"] and seed is not None:
        raise StudyError(f"{name} is a sweep and has seeds of its own; set sweep_seeds, and leave {seed} out")
    found = []
    for experiment, about in EXPERIMENTS.items():
        for level in map(as_text, resolved[about.levels]):
            changed = overrides(f"{name}.{experiment}={level}")
            prefix = name if changed.items() <= resolved.items() else f"{name}.{experiment}={level}"
            dear = f"{experiment}={level}" in resolved["sweep_one_seed"]
            seeds = range(min(1, resolved["sweep_seeds"]) if dear else resolved["sweep_seeds"])
            found += [Member(experiment, level, n, f"{prefix}-seed{n}") for n in seeds]
    return found
