"""A dataset of avatars in KoIn's layout, rendered from a seed, with the truth about every image beside it.

Each image depends on the dataset's seed, its identity, split, part and number alone, not on how many others there are.
At given rates the dataset contains what the paper found in its data (sections 5.1 and 5.2: contextual artifacts, hard
cases, identity mismatches, non-facial false positives), and near-duplicates.
"""

import hashlib
import io
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from kpop_rca.avatars import canvas, creatures, folder, head, painter, photograph, portrait, scenery
from kpop_rca.avatars.folder import TRUTH
from kpop_rca.errors import StudyError
from kpop_rca.system import files, seeds
from kpop_rca.system.parallel import cores, in_order

JPEG_QUALITY = 92
PLACES = (("normal", "train"), ("normal", "test"), ("hard", "test"), ("group", "test"))
FOLDERS = {"normal": "normal_cases", "hard": "hard_cases", "group": "Group_cases"}
PAPER_GROUP = (0, 1, 2, 7, 8)  # of its ten identities, one of the two groups of look-alikes
COLUMNS = ["path", "identity", "split", "part", "kind", "artifact", "hard", "shown", "burst", "yaw", "seed"]


@dataclass(frozen=True)
class ImagePlan:
    """What one image is to show; most fields are columns of the truth."""

    identity: int
    part: str
    split: str
    index: int
    kind: str
    artifact: str
    hard: str
    scene: int  # the number of the image that a burst began with; its own otherwise
    scene_seed: int
    seed: int

    @property
    def path(self) -> str:
        return f"{FOLDERS[self.part]}/{self.split}/{self.identity:04d}/{self.index}.jpg"


def people(*, seed: int, n_identities: int, alikeness: float, first_stands_out: float = 0.0) -> list[portrait.Person]:
    """The identities of a dataset, in the order of their folders; see `portrait.invent_people`.

    They are of two groups of look-alikes, with long and with short hair: for ten identities the paper's groups, for any
    other number the first half, rounded up, and the rest.
    """
    with_long_hair = PAPER_GROUP if n_identities == 10 else range((n_identities + 1) // 2)
    return portrait.invent_people(
        styles=["long" if number in with_long_hair else "short" for number in range(n_identities)],
        alikeness=alikeness,
        first_stands_out=first_stands_out,
        generator=seeds.generator(seeds.Purpose.PEOPLE, seed),
    )


def render_dataset(
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
    """Render a dataset, or what is missing or damaged of one that was rendered with the same arguments.

    Args:
        root: folder to write; a dataset of other arguments or other code is replaced, any other folder refused.
        seed: of the whole dataset, >= 0.
        n_identities: >= 2.
        train_per_identity, test_per_identity: images in `normal_cases`.
        hard_per_identity: images in `hard_cases`, all of them hard.
        group_per_identity: images in `Group_cases`, all of them group shots.
        size: side of the images, px, >= 48.
        alikeness: in [0, 1]; 1 makes the identities of one group identical.
        artifact_rate, hard_rate: fraction of the avatars in `normal_cases` with an artifact, a difficulty.
        group_rate, nonface_rate: fraction of the images of `normal_cases` that are group shots, that show no person.
        burst_rate: fraction of the images of `normal_cases` that repeat the one before, a moment later.
        first_times: how many times as many training images the first identity has, >= 1.
        first_stands_out: in [0, 1]; how far the first identity departs from its group.
        workers: processes; None for one a core that this process may use.
        progress: called with (rendered, of how many).

    Returns:
        The truth: one row per image, columns `COLUMNS`.

    Raises:
        StudyError: fewer than two identities, or rates that add up to more than 1; or `root` is a folder of something
            else.
    """
    arguments = {name: value for name, value in locals().items() if name not in ("root", "workers", "progress")}
    if n_identities < 2:
        raise StudyError(f"n_identities is {n_identities}; a study needs two identities or more")
    for first, second in (("artifact_rate", "hard_rate"), ("group_rate", "nonface_rate")):
        if arguments[first] + arguments[second] > 1:
            raise StudyError(f"{first} and {second} add up to more than 1; lower one of them")
    record = arguments | {"code": _code_hash()}
    plans = list(_plans(arguments))
    if not (folder.is_from(root, record) and _is_whole(plans, folder.whole_files(root))):
        with files.writing(root), folder.alone(root):
            folder.begin(root, record)
            _render_missing(root, plans, arguments=arguments, workers=workers, progress=progress)
    return read_truth(root)


def read_truth(root: Path) -> pd.DataFrame:
    """The truth about a rendered dataset, one row per image; empty strings stay empty strings."""
    text = [column for column in COLUMNS if column not in ("yaw", "seed")]
    return pd.read_csv(root / TRUTH, dtype=dict.fromkeys(text, str), keep_default_na=False, na_values={"yaw": [""]})


def _is_whole(plans: list[ImagePlan], whole: dict[str, str]) -> bool:
    return whole.keys() >= {TRUTH, *(plan.path for plan in plans)}


def _code_hash() -> str:
    """Hash of the source that decides what is rendered."""
    modules = (canvas, head, portrait, painter, scenery, creatures, photograph, seeds)
    sources = [Path(module.__file__).read_bytes() for module in modules] + [Path(__file__).read_bytes()]
    return hashlib.sha256(b"\0".join(sources)).hexdigest()[:16]


def _render_missing(
    root: Path,
    plans: list[ImagePlan],
    *,
    arguments: dict[str, Any],
    workers: int | None,
    progress: Callable[[int, int], None] | None,
) -> None:
    """Render what is not there as it was rendered, and write the truth about all of it."""
    whole = folder.whole_files(root)
    if _is_whole(plans, whole):  # another process was at it meanwhile
        return
    folder.say_what_is_damaged(root, whole)
    for parent in {(root / plan.path).parent for plan in plans}:
        parent.mkdir(parents=True, exist_ok=True)
    known = {name: arguments[name] for name in ("seed", "n_identities", "alikeness", "first_stands_out")}
    render = partial(_render_one, root=root, size=arguments["size"], identities=people(**known))
    items, rows = [(plan, whole.get(plan.path)) for plan in plans], []
    with folder.noting(root, whole) as note:
        for row, found in in_order(render, items, workers=workers or cores(), chunk=16):
            if row["path"] not in whole:
                note(row["path"], found)
            rows.append(row)
            if progress is not None:
                progress(len(rows), len(plans))
        truth = _named_bursts(pd.DataFrame(rows)).to_csv(index=False)
        note(TRUTH, folder.save(truth.encode(), root / TRUTH))


def _render_one(
    item: tuple[ImagePlan, str | None], *, root: Path, size: int, identities: list[portrait.Person]
) -> tuple[dict[str, Any], str]:
    """Render one image unless its hash says that it is there; what it shows, and its hash."""
    plan, found = item
    generator = np.random.default_rng(plan.scene_seed)
    shot, shown = _shoot(plan, identities=identities, generator=generator)
    if plan.seed != plan.scene_seed:
        shot = photograph.moment_later(shot, generator=np.random.default_rng(plan.seed))
    if found is None:
        encoded = io.BytesIO()
        photograph.take(shot, size=size).save(encoded, format="JPEG", quality=JPEG_QUALITY)
        found = folder.save(encoded.getvalue(), root / plan.path)
    yaw = round(shot.sitters[-1].look.yaw, 2) if shot.sitters else None
    copied = ("path", "split", "part", "kind", "artifact", "hard", "scene", "seed")
    named = {"identity": f"{plan.identity:04d}", "shown": shown, "yaw": yaw}
    return {name: getattr(plan, name) for name in copied} | named, found


def _shoot(
    plan: ImagePlan, *, identities: list[portrait.Person], generator: np.random.Generator
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


def _plans(arguments: dict[str, Any]) -> Iterator[ImagePlan]:
    """The plans of all images, in the order of the truth."""
    names = ("train_per_identity", "test_per_identity", "hard_per_identity", "group_per_identity")
    for number, (part, split) in enumerate(PLACES):
        for identity in range(arguments["n_identities"]):
            before: ImagePlan | None = None
            times = arguments["first_times"] if identity == 0 and split == "train" else 1
            for index in range(times * arguments[names[number]]):
                sequence = seeds.sequence(seeds.Purpose.PICTURE, arguments["seed"], number, identity, index)
                place = {"identity": identity, "part": part, "split": split, "index": index}
                before = _plan_one(place, sequence=sequence, before=before, arguments=arguments)
                yield before


def _plan_one(
    place: dict[str, Any], *, sequence: np.random.SeedSequence, before: ImagePlan | None, arguments: dict[str, Any]
) -> ImagePlan:
    """The plan of the image of a place: identity, part, split, index; `before` is the one before it in the folder."""
    seed = int(sequence.generate_state(1, np.uint64)[0] >> np.uint64(1))
    generator = np.random.default_rng(sequence)
    repeats = generator.random() < arguments["burst_rate"] and place["part"] == "normal"
    if repeats and before is not None:
        return replace(before, index=place["index"], seed=seed)
    kind, artifact, hard = _subject(place["part"], generator=generator, arguments=arguments)
    shown = {"kind": kind, "artifact": artifact, "hard": hard}
    return ImagePlan(**place, **shown, scene=place["index"], scene_seed=seed, seed=seed)


def _subject(part: str, *, generator: np.random.Generator, arguments: dict[str, Any]) -> tuple[str, str, str]:
    """What an image shows: its kind, artifact and difficulty."""
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
