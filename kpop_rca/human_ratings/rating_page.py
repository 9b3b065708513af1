"""Pages for rating images: one HTML file per rater that needs no server, and a key that only the researcher has.

A page asks nothing of the network. Its images have random ids, which `key.csv` translates; each rater has an order of
their own.
"""

import base64
import hashlib
import io
from collections.abc import Sequence
from dataclasses import dataclass, field
from importlib import resources
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from PIL import Image

from kpop_rca.errors import StudyError
from kpop_rca.human_ratings.raw_ratings import KEY
from kpop_rca.human_ratings.stimuli import AUTHENTICITY, CORRESPONDENCE, ID_FIDELITY, QUALITY, Stimulus
from kpop_rca.study import paths
from kpop_rca.system import files, html, seeds
from kpop_rca.system.seeds import Purpose

VERSION = 1  # of the files that raters send back
FOLDER = "ratings"  # of the project; git ignores it
PACKAGE, TEMPLATE = "kpop_rca.human_ratings", "rating_page"
MODES = {"rating": 1, "pairwise": 2, "triplet": 3}  # to the images that one question is about
COLUMNS = {
    "rating": ["rater", "image", "dimension", "rating", "trial", "seconds"],
    "pairwise": ["rater", "first", "second", "dimension", "answer", "trial", "seconds"],
    "triplet": ["rater", "image", "dimension", "rating", "trial", "seconds", "triplet"],
}
DIMENSIONS = {
    QUALITY: {"name": "Quality", "question": "How good is the image: colours, sharpness, noise, artefacts?"},
    AUTHENTICITY: {"name": "Authenticity", "question": "How much does it look like a real face in a real image?"},
    ID_FIDELITY: {
        "name": "ID fidelity",
        "question": "How well does it show the same person as the image beside it?",
        "beside": True,
    },
    CORRESPONDENCE: {
        "name": "Correspondence",
        "question": "How well does it match the description?",
        "prompt": True,
    },
}
COMPARED = {"name": "Face quality", "question": "Which face is the more plausible one, and then the better looking?"}
SECONDS = {"rating": 6, "pairwise": 7, "triplet": 12}  # that an answer takes, about
WIDEST = 360  # pixels of the screen, of one image
PRACTICE = 10  # images, as F-Bench has of each dimension
EXAMPLES = {"degraded": "Near 0", "real": "Near 5"}  # generators of what explains the scale, and which end each shows


@dataclass(frozen=True)
class Plan:
    """How the pages are made."""

    raters: int
    seed: int
    mode: str = "rating"  # a key of MODES
    repeats: int = 20  # questions that come twice
    practice: int = PRACTICE  # questions at the beginning that do not count
    pixelated: bool = True  # enlarged pixel by pixel; else as smoothly as the browser does
    contact: str = "the person who sent you this page"
    consent: list[str] = field(default_factory=list)  # paragraphs in place of the page's own text


def require_private(folder: Path, *, public: bool) -> None:
    """Refuse to write photographs of people where they might be committed.

    Args:
        folder: for the pages.
        public: whether the study's images may be published; see `privacy.may_show`.
    """
    root, folder = paths.project_root().resolve(), folder.resolve()
    ignored = folder.is_relative_to(root / FOLDER)
    if not public and folder.is_relative_to(root) and not ignored:
        raise StudyError(
            f"{folder} is within the project, and the pages show photographs of people (publish_images is false); "
            f"write them to {FOLDER}/, which git ignores, or outside of the project"
        )


def write_pages(stimuli: Sequence[Stimulus], folder: Path, plan: Plan) -> list[Path]:
    """Write a page for each rater, and the key, which no rater may see.

    Returns:
        The pages.

    Raises:
        StudyError: the folder holds pages of other images, whose key would be lost; or there are too few images.
    """
    asked = questions(stimuli, plan)
    if len(asked) <= plan.practice:
        raise StudyError(f"{len(stimuli)} images are too few: {plan.practice} are for practice; give more images")
    shown = _Shown(stimuli, seed=plan.seed)
    page = _page_id(shown, asked, plan)
    roles = dict.fromkeys((s.name for group in asked[: plan.practice] for s in group), "practice")
    roles |= dict.fromkeys((s.name for s in examples(stimuli, plan)), "example")
    key = shown.key(roles).assign(page=page)
    _require_same_key(folder / KEY, page)
    with files.atomic(folder / KEY) as temporary:
        key.to_csv(temporary, index=False)
    written = []
    for number in range(1, plan.raters + 1):
        path = folder / f"rater-{number:02d}.html"
        with files.atomic(path) as temporary:
            temporary.write_text(_page(shown, asked, plan, number=number, page=page), encoding="utf-8")
        written.append(path)
    return written


def _require_same_key(path: Path, page: str) -> None:
    if path.is_file() and (known := pd.read_csv(path, dtype=str)["page"].iloc[0]) != page:
        raise StudyError(
            f"{path} is the key of other pages ({known}), without which their ratings mean nothing; "
            "name another folder with --out, or move it away"
        )


class _Shown:
    """Every image that a page shows, once, by a random id."""

    def __init__(self, stimuli: Sequence[Stimulus], *, seed: int):
        self.stimuli = stimuli
        images = {name: image for s in stimuli for _, image, name in s.beside}
        images |= {s.name: s.image for s in stimuli}
        numbers = seeds.generator(Purpose.RATING_IDS, seed).choice(16**8, size=len(images), replace=False)
        self.ids = {name: f"{number:08x}" for name, number in zip(images, numbers, strict=True)}
        self.pngs = {self.ids[name]: _png(image) for name, image in images.items()}

    def addresses(self, ids: set[str]) -> dict[str, str]:
        return {name: html.embedded(self.pngs[name]) for name in sorted(ids)}

    def key(self, roles: dict[str, str]) -> pd.DataFrame:
        """One row per image: id, image, generator, level, identity, role, and the ids of what is beside it.

        Args:
            roles: by name, of images that are neither rated nor anchors.
        """
        rows, rated = [], {s.name for s in self.stimuli}
        for s in self.stimuli:
            role = roles.get(s.name, "anchor" if s.anchor else "rated")
            beside = " ".join(self.ids[name] for _, _, name in s.beside)
            rows.append((self.ids[s.name], s.name, s.generator, s.level, s.identity, role, beside))
        others = [(self.ids[name], name, "", "", "", "beside", "") for name in self.ids if name not in rated]
        columns = ["id", "image", "generator", "level", "identity", "role", "beside"]
        return pd.DataFrame(rows + others, columns=columns).sort_values("id", ignore_index=True)


def _png(image: np.ndarray) -> bytes:
    Image.fromarray(image).save(file := io.BytesIO(), "PNG", optimize=True)
    return file.getvalue()


def _page_id(shown: _Shown, questions: list[list[Stimulus]], plan: Plan) -> str:
    """Short hash of what is asked about what, the same for all raters."""
    told = [plan.mode, VERSION, [[shown.ids[s.name] for s in group] for group in questions]]
    content = [(name, hashlib.sha256(png).hexdigest()) for name, png in sorted(shown.pngs.items())]
    return hashlib.sha256(repr([told, content]).encode()).hexdigest()[:10]


def examples(stimuli: Sequence[Stimulus], plan: Plan) -> list[Stimulus]:
    """The images that explain the scale, one for each of EXAMPLES; [] where there is no scale or one is missing."""
    first = {s.generator: s for s in reversed(stimuli)}
    if plan.mode != "rating" or not EXAMPLES.keys() <= first.keys():
        return []
    return [first[generator] for generator in EXAMPLES]


def questions(stimuli: Sequence[Stimulus], plan: Plan) -> list[list[Stimulus]]:
    """The images of each question, those for practice first; the same for all raters.

    No example is asked about: its caption says what to answer. Pairs and triplets are of one identity, each image of
    another generator and level.
    """
    rng = seeds.generator(Purpose.RATING_ORDER, plan.seed, 0)
    told = {s.name for s in examples(stimuli, plan)}
    order = [stimuli[k] for k in rng.permutation(len(stimuli)) if stimuli[k].name not in told]
    size = MODES[plan.mode]
    if size == 1:
        order.sort(key=lambda s: s.anchor)  # stable; the anchors are not for practice
        return [[s] for s in order]
    groups: dict[str, dict[tuple[str, str], list[Stimulus]]] = {}
    for s in order:
        if not s.anchor:
            groups.setdefault(s.identity, {}).setdefault((s.generator, s.level), []).append(s)
    found = []
    for kinds in groups.values():
        for chosen in combinations(sorted(kinds), size):
            found += [list(group) for group in zip(*(kinds[kind] for kind in chosen), strict=False)]
    if len(found) <= plan.practice:
        raise StudyError(f"there are too few images of one identity for {plan.mode} questions; give more images")
    return [found[k] for k in rng.permutation(len(found))][: len(stimuli)]


def _ordered(questions: list[list[Stimulus]], plan: Plan, *, number: int) -> list[tuple[list[Stimulus], int]]:
    """What a rater is asked after the practice, each question with its trial; repeats come in the second half."""
    rng = seeds.generator(Purpose.RATING_ORDER, plan.seed, number)
    counted = questions[plan.practice :]
    order = [(counted[k], 0) for k in rng.permutation(len(counted))]
    early = max(1, len(order) // 3)
    for k in rng.choice(early, size=min(plan.repeats, early), replace=False):
        place = rng.integers(len(order) // 2, len(order) + 1)
        order.insert(int(place), (order[k][0], 1))
    return order


def _page(shown: _Shown, questions: list[list[Stimulus]], plan: Plan, *, number: int, page: str) -> str:
    """The HTML of a rater's page."""
    rng = seeds.generator(Purpose.RATING_ORDER, plan.seed, number, 0)

    def item(group: list[Stimulus], trial: int, practice: bool) -> dict[str, Any]:
        images = [shown.ids[group[k].name] for k in rng.permutation(len(group))]
        about = {"images": images, "trial": trial, "practice": practice, "beside": [], "prompt": ""}
        if plan.mode != "rating":
            return about | {"dimensions": [QUALITY], "name": "-".join(sorted(images))}
        (one,) = group
        beside = [(shown.ids[name], caption) for caption, _, name in one.beside]
        return about | {"dimensions": one.dimensions, "beside": beside, "prompt": one.prompt}

    items = [item(group, 0, True) for group in questions[: plan.practice]]
    items += [item(group, trial, False) for group, trial in _ordered(questions, plan, number=number)]
    told = [(shown.ids[s.name], EXAMPLES[s.generator]) for s in examples(shown.stimuli, plan)]
    asked = {name for one in items for name in one["dimensions"]}
    ids = {name for one in items for name in [*one["images"], *(other for other, _ in one["beside"])]}
    content = {
        "version": VERSION,
        "page": page,
        "rater": f"rater-{number:02d}",
        "mode": plan.mode,
        "noun": "Image" if plan.mode == "rating" else "Question",
        "columns": COLUMNS[plan.mode],
        "dimensions": {name: about for name, about in DIMENSIONS.items() if name in asked},
        "side": int(shown.stimuli[0].image.shape[0]),
        "widest": WIDEST,
        "pixelated": plan.pixelated,
        "examples": told,
        "items": items,
        "images": shown.addresses(ids | {name for name, _ in told}),
    }
    if plan.mode != "rating":
        content["dimensions"] = {QUALITY: COMPARED}
    style, script = _text("css"), _text("js")
    answers = sum(len(one["dimensions"]) for one in items)
    return html.template(PACKAGE, f"{TEMPLATE}.html").render(
        plan=content,
        style=style,
        script=script,
        style_hash=_source_hash(style),
        script_hash=_source_hash(script),
        contact=plan.contact,
        consent=plan.consent,
        n_images=len({name for one in items for name in one["images"]}),
        n_practice=plan.practice,
        minutes=max(5, round(answers * SECONDS[plan.mode] / 60 / 5) * 5),
    )


def _text(ending: str) -> str:
    return resources.files(PACKAGE).joinpath("templates", f"{TEMPLATE}.{ending}").read_text(encoding="utf-8")


def _source_hash(text: str) -> str:
    """As a content security policy names the one script, or style, that it lets run."""
    return f"sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}"
