"""A corpus of invented people in KoIn's layout, drawn from a seed, with the truth beside the pictures.

Each picture depends on the corpus seed, its identity, split, part and number alone: neither the number of workers
nor how many others are drawn changes it. The corpus contains, at given rates, what the paper found in its data
(sections 5.1 and 5.2: contextual artifacts, hard cases, identity mismatches, non-facial false positives), and
near-duplicates.
"""

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from kpop_rca import disk, seeds
from kpop_rca.avatars import canvas, corpus, creatures, head, painter, photograph, portrait, scenery
from kpop_rca.errors import StudyError
from kpop_rca.workers import cores, in_order

ARGUMENTS = corpus.ARGUMENTS
TRUTH = "truth.csv"
JPEG_QUALITY = 92
PLACES = (("normal", "train"), ("normal", "test"), ("hard", "test"), ("group", "test"))
FOLDERS = {"normal": "normal_cases", "hard": "hard_cases", "group": "Group_cases"}
PAPER_GROUPS = {"A": (0, 1, 2, 7, 8), "B": (3, 4, 5, 6, 9)}  # the paper's look-alikes among its ten
STYLE = {"A": "long", "B": "short"}
COLUMNS = ["path", "identity", "split", "part", "kind", "artifact", "hard", "shown", "burst", "yaw", "seed"]


@dataclass(frozen=True)
class Plan:
    """What one picture is to show; most fields are columns of `truth.csv`."""

    identity: int
    part: str
    split: str
    index: int
    kind: str
    artifact: str
    hard: str
    scene: int  # the number of the first picture of this scene: of a burst, the picture that it began with
    scene_seed: int
    seed: int

    @property
    def path(self) -> str:
        return f"{FOLDERS[self.part]}/{self.split}/{self.identity:04d}/{self.index}.jpg"


def look_alike_groups(n_identities: int) -> dict[str, list[str]]:
    """The folders of the two groups of look-alikes.

    For ten identities the paper's groups {0,1,2,7,8} and {3,4,5,6,9}; for any other number the first half, rounded
    up, and the rest.

    Returns:
        {"A": folders, "B": folders}: A has long hair, B short.
    """
    numbers = PAPER_GROUPS
    if n_identities != 10:
        half = (n_identities + 1) // 2
        numbers = {"A": range(half), "B": range(half, n_identities)}
    return {group: [f"{number:04d}" for number in members] for group, members in numbers.items()}


def people(*, seed: int, n_identities: int, alikeness: float, first_stands_out: float = 0.0) -> list[portrait.Person]:
    """The identities of a corpus, in the order of their folders.

    Args:
        seed: of the corpus.
        n_identities: >= 2.
        alikeness: in [0, 1]; 1 makes the identities of one group identical.
        first_stands_out: in [0, 1]; at 1 every trait of the first identity lies at an end of what alikeness 0 allows.
            The others do not depend on it.
    """
    style = {name: STYLE[group] for group, names in look_alike_groups(n_identities).items() for name in names}
    generator = seeds.generator(seeds.Purpose.PEOPLE, seed)
    return portrait.invent_people(
        styles=[style[name] for name in sorted(style)],
        alikeness=alikeness,
        first_stands_out=first_stands_out,
        generator=generator,
    )


def draw_corpus(
    root: Path,
    *,
    seed: int,
    n_identities: int,
    train_per_identity: int,
    test_per_identity: int,
    hard_per_identity: int,
    group_per_identity: int,
    size: int,
    alikeness: float,
    artifact_rate: float,
    hard_rate: float,
    group_rate: float,
    nonface_rate: float,
    burst_rate: float,
    first_times: int = 1,
    first_stands_out: float = 0.0,
    workers: int | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> pd.DataFrame:
    """Draw a corpus, or what is missing or damaged of the one that was drawn with the same arguments.

    Args:
        root: folder to write; a corpus drawn with other arguments is replaced, any other folder refused.
        seed: of the whole corpus, >= 0.
        n_identities: >= 2.
        train_per_identity, test_per_identity: pictures in `normal_cases`.
        hard_per_identity: pictures in `hard_cases`, all of them hard.
        group_per_identity: pictures in `Group_cases`, all of them group shots.
        size: side of the pictures, px.
        alikeness: in [0, 1]; 1 makes the identities of one group identical.
        artifact_rate, hard_rate: share of the portraits of `normal_cases` with an artifact, with a difficulty.
        group_rate, nonface_rate: share of the pictures of `normal_cases` that are group shots, that show no person.
        burst_rate: share of the pictures of `normal_cases` that repeat the one before, a moment later.
        first_times: how many times as many training pictures the first identity has, >= 1.
        first_stands_out: in [0, 1]; how far the first identity departs from its group, see `people`.
        workers: processes; None for one a core that this process may use.
        progress: called with (drawn, of how many).

    Returns:
        One row a picture, columns `COLUMNS`; also in `truth.csv`.

    Raises:
        StudyError: an argument is out of range, `root` is a folder that was not drawn here, or there is no room.
    """
    arguments = {name: value for name, value in locals().items() if name not in ("root", "workers", "progress")}
    _check(arguments)
    record = arguments | {"code": _code_hash()}
    plans = list(_plan_corpus(arguments))
    if corpus.is_from(root, record) and _is_whole(plans, corpus.whole_files(root)):
        return read_truth(root)  # which asks for no leave to write
    with disk.writing(root), corpus.alone(root):
        folder = corpus.folder_for(root, record)
        disk.remove_half_written(folder)
        _draw_missing(folder, plans, arguments=arguments, workers=workers, progress=progress)
        corpus.give_name(folder, root)
    return read_truth(root)


def _is_whole(plans: list[Plan], whole: dict[str, str]) -> bool:
    return whole.keys() >= {TRUTH, *(plan.path for plan in plans)}


def read_truth(root: Path) -> pd.DataFrame:
    """The truth about a drawn corpus, one row a picture; empty strings stay empty strings."""
    text = [column for column in COLUMNS if column not in ("yaw", "seed")]
    return pd.read_csv(root / TRUTH, dtype=dict.fromkeys(text, str), keep_default_na=False, na_values={"yaw": [""]})


def _check(arguments: dict[str, Any]) -> None:
    """Refuse arguments that can't be drawn."""
    if arguments["n_identities"] < 2:
        raise StudyError(f"n_identities is {arguments['n_identities']}; a study needs two identities or more")
    if arguments["size"] < 48:
        raise StudyError(f"size is {arguments['size']} px; draw pictures of 48 px or more")
    shares = ("alikeness", "artifact_rate", "hard_rate", "group_rate", "nonface_rate", "burst_rate", "first_stands_out")
    for name in shares:
        if not 0 <= arguments[name] <= 1:
            raise StudyError(f"{name} is {arguments[name]}; give a value from 0 to 1")
    for first, second in (("artifact_rate", "hard_rate"), ("group_rate", "nonface_rate")):
        if arguments[first] + arguments[second] > 1:
            raise StudyError(f"{first} and {second} add up to more than 1; lower one of them")


def _code_hash() -> str:
    """Hash of the source that decides what is drawn."""
    modules = (canvas, head, portrait, painter, scenery, creatures, photograph, seeds)
    sources = [Path(module.__file__).read_bytes() for module in modules] + [Path(__file__).read_bytes()]
    return hashlib.sha256(b"\0".join(sources)).hexdigest()[:16]


def _draw_missing(
    root: Path,
    plans: list[Plan],
    *,
    arguments: dict[str, Any],
    workers: int | None,
    progress: Callable[[int, int], None] | None,
) -> None:
    """Draw what is not there as it was drawn, and write the truth about all of it."""
    whole = corpus.whole_files(root)
    if _is_whole(plans, whole):  # another process was at it meanwhile
        return
    corpus.say_what_is_damaged(root, whole)
    for folder in {Path(plan.path).parent for plan in plans}:
        (root / folder).mkdir(parents=True, exist_ok=True)
    known = {name: arguments[name] for name in ("seed", "n_identities", "alikeness", "first_stands_out")}
    draw = partial(_draw_one, root=root, size=arguments["size"], identities=people(**known))
    items, rows = [(plan, whole.get(plan.path)) for plan in plans], []
    with corpus.noting(root, whole) as note:
        for row, found in in_order(draw, items, workers=workers or cores(), chunk=16):
            if row["path"] not in whole:
                note(row["path"], found)
            rows.append(row)
            if progress is not None:
                progress(len(rows), len(plans))
        truth = _named_bursts(pd.DataFrame(rows)).to_csv(index=False)
        note(TRUTH, corpus.save_bytes(truth.encode(), root / TRUTH))


def _draw_one(
    item: tuple[Plan, str | None], *, root: Path, size: int, identities: list[portrait.Person]
) -> tuple[dict[str, Any], str]:
    """Draw one picture unless its hash says that it is there; what it shows, and its hash."""
    plan, found = item
    generator = np.random.default_rng(plan.scene_seed)
    shot, shown = _shoot(plan, identities=identities, generator=generator)
    if plan.seed != plan.scene_seed:
        shot = photograph.moment_later(shot, generator=np.random.default_rng(plan.seed))
    if found is None:
        found = corpus.save_jpeg(photograph.take(shot, size=size), root / plan.path, quality=JPEG_QUALITY)
    yaw = round(shot.sitters[-1].look.yaw, 2) if shot.sitters else None
    copied = ("path", "split", "part", "kind", "artifact", "hard", "scene", "seed")
    named = {"identity": f"{plan.identity:04d}", "shown": shown, "yaw": yaw}
    return {name: getattr(plan, name) for name in copied} | named, found


def _shoot(
    plan: Plan, *, identities: list[portrait.Person], generator: np.random.Generator
) -> tuple[photograph.Shot, str]:
    """The shot of a plan, and the folder of the identity whose face is the most prominent ("" for none)."""
    person = identities[plan.identity]
    if plan.kind == "portrait":
        shot = photograph.solo(person, artifact=plan.artifact, hard=plan.hard, generator=generator)
        return shot, f"{plan.identity:04d}"
    if plan.kind == "group":
        others = [number for number in range(len(identities)) if number != plan.identity]
        n_costars = min(1 + int(generator.random() < 0.3), len(others))
        chosen = generator.choice(others, size=n_costars, replace=False)
        costars = [identities[number] for number in chosen]
        return photograph.group(person, costars=costars, generator=generator), f"{chosen[0]:04d}"
    return photograph.nonface(plan.kind, generator=generator), ""


def _plan_corpus(arguments: dict[str, Any]) -> Iterator[Plan]:
    """The plans of all pictures, in the order of the truth."""
    names = ("train_per_identity", "test_per_identity", "hard_per_identity", "group_per_identity")
    for number, (part, split) in enumerate(PLACES):
        for identity in range(arguments["n_identities"]):
            before: Plan | None = None
            times = arguments["first_times"] if identity == 0 and split == "train" else 1
            for index in range(times * arguments[names[number]]):
                sequence = seeds.sequence(seeds.Purpose.PICTURE, arguments["seed"], number, identity, index)
                place = {"identity": identity, "part": part, "split": split, "index": index}
                before = _plan_one(place, sequence=sequence, before=before, arguments=arguments)
                yield before


def _plan_one(
    place: dict[str, Any], *, sequence: np.random.SeedSequence, before: Plan | None, arguments: dict[str, Any]
) -> Plan:
    """The plan of the picture of a place: identity, part, split, index; `before` is the one before it in the folder."""
    seed = int(sequence.generate_state(1, np.uint64)[0] >> np.uint64(1))
    generator = np.random.default_rng(sequence)
    repeats = generator.random() < arguments["burst_rate"] and place["part"] == "normal"
    if repeats and before is not None:
        return replace(before, index=place["index"], seed=seed)
    kind, artifact, hard = _subject(place["part"], generator=generator, arguments=arguments)
    shown = {"kind": kind, "artifact": artifact, "hard": hard}
    return Plan(**place, **shown, scene=place["index"], scene_seed=seed, seed=seed)


def _subject(part: str, *, generator: np.random.Generator, arguments: dict[str, Any]) -> tuple[str, str, str]:
    """What a picture shows: its kind, artifact and difficulty."""
    chance, detail = generator.random(2)
    any_of = {
        names: names[generator.integers(len(names))]
        for names in (photograph.ARTIFACTS, photograph.HARD, photograph.NONFACE)
    }
    if part == "hard":
        return "portrait", "", any_of[photograph.HARD]
    if part == "group" or chance < arguments["group_rate"]:
        return "group", "", ""
    if chance < arguments["group_rate"] + arguments["nonface_rate"]:
        return any_of[photograph.NONFACE], "", ""
    if detail < arguments["artifact_rate"]:
        return "portrait", any_of[photograph.ARTIFACTS], ""
    if detail < arguments["artifact_rate"] + arguments["hard_rate"]:
        return "portrait", "", any_of[photograph.HARD]
    return "portrait", "", ""


def _named_bursts(rows: pd.DataFrame) -> pd.DataFrame:
    """The truth's columns, with an id for every scene that was taken more than once."""
    scene = rows["part"] + "-" + rows["split"] + "-" + rows["identity"] + "-" + rows["scene"].astype(str)
    repeated = scene.groupby(scene).transform("size") > 1
    return rows.assign(burst=scene.where(repeated, ""))[COLUMNS]
