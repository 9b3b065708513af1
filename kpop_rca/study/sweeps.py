"""Sweeps: small studies that differ from a base study in one thing each, and are named for it.

`claims.guidance=2.5-seed1` is the study file `claims` with the experiment `guidance` at the level 2.5 and seed 1;
`claims-seed1` is the base that it is compared with. `kpop_rca.claims.small_studies` runs all of a sweep.
"""

import re
from pathlib import Path
from typing import Any, NamedTuple

from kpop_rca.errors import StudyError
from kpop_rca.study import paths

RUNS = "08_runs"  # the table of what the oracles said of every small study
# Whose work a small study does, in this order.
NOTEBOOKS_OF_SMALL_STUDY = ("01_data_audit", "02_preprocessing", "03_ddpm_training", "04_oracle_benchmark")
NOTEBOOKS_OF_SMALL_STUDY += ("05_generation",)


class Member(NamedTuple):
    """One small study of a sweep; its `study` is the base's where the level is what the base has anyway."""

    experiment: str
    level: str
    seed: int
    study: str


def _size(level: str, base: dict[str, Any]) -> dict[str, Any]:
    """Another size at equal operations per image: twice the side has a quarter of the operations per pixel, so half the
    channels. Self-attention stays at its level, whose side grows with the image's."""
    size, of_base = int(level), base["image_size"]
    sizes = {"face_sizes": [*base["face_sizes"], size]} if size not in base["face_sizes"] else {}
    channels = [n * of_base // size for n in base["channels"]]
    return sizes | {
        "image_size": size,
        "channels": channels,
        "attention_size": base["attention_size"] * size // of_base,
    }


def _until_flat(level: str, base: dict[str, Any]) -> dict[str, Any]:
    """A size trained until the held-out loss is flat, at most for five times the steps of the base.

    The learning rate stays, since a schedule that ends at 0 makes any loss flat; the weights are averaged for longer.
    """
    average = {"ema_half_life": 8 * base["ema_half_life"]}
    return _size(level, base) | average | {"learning_rate_schedule": "constant", "train_steps": 5 * base["train_steps"]}


def _sampler(level: str, base: dict[str, Any]) -> dict[str, Any]:
    """Without guidance, at half the price of a guided step."""
    name, _, steps = level.partition("-")
    return {"sampler": name, "sampling_steps": int(steps), "guidance": 0.0}


# Images of somebody else, or of nobody, in a person's folder.
CLEAN = {"idols_group_rate": 0.0, "idols_nonface_rate": 0.0, "exclude_flags": []}
LABELS = {"clean": CLEAN, "as-found": {"exclude_flags": []}, "excluded": {}}
DOMINANCE = {"equal": {}, "more-pictures": {"idols_first_times": 3}, "distinct-face": {"idols_first_stands_out": 1.0}}
# Oracles of the level itself would change along with what is studied: labels that spoil the model's training spoil
# the oracle's too, and the real faces that it is tried on. These have the oracles of the level named here. The price
# is that such an oracle may have been trained on faces of the level's generator, too: see `claims.shared_faces`.
COMMON_ORACLE = {"labels": {"as-found": "clean", "excluded": "clean"}, "dominance": {"more-pictures": "equal"}}
UNTIL_FLAT = {"longer"}  # experiments whose steps are the most of a training, which ends when its loss is flat
# Name to the parameter that lists the levels, and what a level sets in the parameters of the base.
EXPERIMENTS = {
    "size": ("sweep_sizes", _size),
    "longer": ("sweep_longer", _until_flat),
    "alikeness": ("sweep_alikeness", lambda level, base: {"idols_alikeness": float(level)}),
    "labels": ("sweep_labels", lambda level, base: LABELS[level]),
    "dominance": ("sweep_dominance", lambda level, base: DOMINANCE[level]),
    "guidance": ("sweep_guidance", lambda level, base: {"guidance": float(level)}),
    "sampler": ("sweep_samplers", _sampler),
    "jitter": ("sweep_jitter", lambda level, base: {"oracle_colour_jitter": float(level)}),
}


class Name(NamedTuple):
    """The parts of a study's name: its file, the experiment and level of a member of a sweep, and another seed.

    >>> Name.of("claims.sampler=ddim-10-seed1")
    Name(file='claims', experiment='sampler', level='ddim-10', seed=1)
    >>> Name.of("claims")
    Name(file='claims', experiment=None, level=None, seed=None)
    """

    file: str
    experiment: str | None
    level: str | None
    seed: int | None

    @classmethod
    def of(cls, study: str) -> "Name":
        file, experiment, level, seed = re.fullmatch(r"(.+?)(?:\.([a-z]+)=(.+?))?(?:-seed(\d+))?", study).groups()
        return cls(file, experiment, level, None if seed is None else int(seed))


def file_of(study: str) -> Path:
    """The file in `params/` that a study shares with its seeds and the members of its sweep."""
    return paths.study_file(Name.of(study).file)


def named(studies: str | list[str], seeds: str | list[str] = "") -> list[str]:
    """The studies that `STUDY=a,b SEEDS=0,1` asks for: each with each of the seeds, or as they are.

    >>> named("quick, claims,", "0,1,")
    ['quick-seed0', 'quick-seed1', 'claims-seed0', 'claims-seed1']
    """
    names, numbers = map(_listed, (studies, seeds))
    if not names:
        raise StudyError("no study is named; write STUDY=quick, for example")
    for number in numbers:
        if not number.isdecimal():
            raise StudyError(f"seeds are whole numbers with commas between them, such as 0,1; {number!r} is none")
    return [f"{name}-seed{number}" for name in names for number in numbers] if numbers else names


def _listed(value: Any) -> list[str]:
    """`a,b` on the command line, a list in a config file, or one value: all are a list of strings."""
    values = value if isinstance(value, list) else str(value).split(",")
    return [text for text in (str(v).strip() for v in values) if text]


def overrides(study: str, base: dict[str, Any]) -> dict[str, Any]:
    """What the level in a study's name sets in the parameters of its base; nothing for any other study."""
    _, experiment, level, _ = Name.of(study)
    if not experiment:
        return {}
    if experiment not in EXPERIMENTS:
        raise StudyError(f"{study}: there is no experiment {experiment!r}; there are {', '.join(EXPERIMENTS)}")
    try:
        return EXPERIMENTS[experiment][1](level, base)
    except (KeyError, ValueError):
        raise StudyError(f"{study}: {level!r} is no level of the experiment {experiment}") from None


def oracles_of(experiment: str, level: str) -> str:
    """The level whose oracles and real faces a level is held against; its own, but for COMMON_ORACLE."""
    return COMMON_ORACLE.get(experiment, {}).get(level, level)


def members(resolved: dict[str, Any]) -> list[Member]:
    """Every small study of a sweep, experiment by experiment, levels in the order given, then seeds."""
    if not resolved["sweep_seeds"]:
        return []
    name, where = resolved["study"], f"params/{resolved['study']}.yaml"
    if Name.of(name).seed is not None:
        raise StudyError(f"{name} is of a sweep, which has seeds of its own; set sweep_seeds, and leave the seed out")
    found = []
    for experiment, (parameter, _) in EXPERIMENTS.items():
        levels = [f"{level:g}" if isinstance(level, int | float) else level for level in resolved[parameter]]
        if len(levels) == 1 or len(set(levels)) < len(levels):
            asked = resolved[parameter]
            raise StudyError(f"{where}: {parameter} is {asked}; expected [] or two levels or more, each once")
        for level in levels:
            of_oracles = oracles_of(experiment, level)
            if of_oracles not in levels:
                reason = f"has {level} without {of_oracles}, whose oracles it is held against; add that"
                raise StudyError(f"{where}: {parameter} {reason}")
            study = f"{name}.{experiment}={level}"
            prefix = name if overrides(study, resolved).items() <= resolved.items() else study
            seeds = range(resolved["sweep_seeds"])
            found += [Member(experiment, level, seed, f"{prefix}-seed{seed}") for seed in seeds]
    return found
