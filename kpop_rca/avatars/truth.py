"""What the renderer knows of an image beyond its plan: faces' boxes and masks, attributes, prompts, questions.

Nothing is painted: the shots of a rendered dataset are composed again from its arguments, as they were for rendering.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import Image, ImageDraw

from kpop_rca.avatars import dataset, folder
from kpop_rca.avatars.canvas import Placement
from kpop_rca.avatars.head import Head
from kpop_rca.avatars.photograph import Shot, Sitter, moment_later
from kpop_rca.system import files

FOREHEAD = -0.62  # height in the head's units at which a face begins; above it is hair, or soon
HAIR_NAMES = ("black", "dark brown", "brown", "light brown", "dark blond", "blond")  # as the colours in portrait.HAIR
SMILING = 0.6  # of Look.smile, above which a smile is called one
TURNED = 25.0  # degrees of yaw, beyond which a face is called turned
PROPS = ("microphone", "phone", "v_sign", "mask", "hat", "sunglasses")
PHRASES = {
    "microphone": "holding a microphone",
    "phone": "holding a phone",
    "v_sign": "making a V sign",
    "mask": "wearing a medical mask",
    "hat": "wearing a hat",
    "sunglasses": "wearing sunglasses",
}
QUESTIONS = {
    "microphone": "Does the person hold a microphone?",
    "phone": "Does the person hold a phone?",
    "v_sign": "Does the person make a V sign with the fingers?",
    "mask": "Does the person wear a mask over nose and mouth?",
    "hat": "Does the person wear a hat?",
    "sunglasses": "Does the person wear sunglasses?",
    "long_hair": "Is the hair of the person long?",
    "smiling": "Does the person smile?",
    "winking": "Is one eye of the person closed?",
    "turned": "Is the face of the person turned to the side?",
}


class Question(NamedTuple):
    """A yes-or-no question about an image, with its true answer."""

    attribute: str
    text: str
    answer: bool


def shots(root: Path) -> Iterator[tuple[str, Shot]]:
    """Path and shot of every image of a rendered dataset, in the order of its truth."""
    arguments = files.read_json(root / folder.ARGUMENTS)
    known = {name: arguments[name] for name in ("seed", "n_identities", "alikeness", "first_stands_out")}
    identities = dataset.people(**known)
    # Private, as a changed line of `dataset` would have every rendered folder rendered again.
    for plan in dataset._plans(arguments):
        generator = np.random.default_rng(plan.scene_seed)
        shot, _ = dataset._shoot(plan, identities=identities, generator=generator)
        if plan.seed != plan.scene_seed:
            shot = moment_later(shot, generator=np.random.default_rng(plan.seed))
        yield plan.path, shot


def face_boxes(shot: Shot, *, size: int) -> np.ndarray:
    """The faces of a shot, the most prominent first: x0, y0, x1, y1 in pixels of an image of size x size, (n, 4).

    A face reaches from the forehead to the chin and from cheek to cheek; what hides a part of it changes nothing.
    """
    outlines = [_outline(shot, sitter, size=size) for sitter in reversed(shot.sitters)]
    boxes = [np.concatenate([outline.min(axis=0), outline.max(axis=0)]) for outline in outlines]
    return np.array(boxes).reshape(-1, 4).clip(0, size)


def face_mask(shot: Shot, *, size: int) -> np.ndarray:
    """Where the faces of a shot are, bool (size, size); what hides a part of a face changes nothing."""
    mask = Image.new("1", (size, size))
    for sitter in shot.sitters:
        ImageDraw.Draw(mask).polygon(_outline(shot, sitter, size=size).ravel().tolist(), fill=1)
    return np.asarray(mask)


def _outline(shot: Shot, sitter: Sitter, *, size: int) -> np.ndarray:
    """The outline of a face below the forehead, in pixels, (n, 2)."""
    look, person = sitter.look, sitter.person
    shape = {name: person[name] for name in ("face_width", "jaw", "chin")}
    outline = Head(**shape, yaw=look.yaw, pitch=look.pitch).outline()
    outline[:, 1] = np.maximum(outline[:, 1], FOREHEAD)
    x, y = sitter.x + shot.shift[0], sitter.y + shot.shift[1]
    return Placement(x * size, y * size, sitter.unit * size, np.radians(look.roll))(outline)


def attributes(shot: Shot) -> dict[str, bool | str]:
    """Attributes of the most prominent person: yes or no, and hair_colour; a shot of nobody has none."""
    if not shot.sitters:
        return {}
    person, look = shot.sitters[-1].person, shot.sitters[-1].look
    place = round(float(np.clip(person["hair_shade"], 0, 1)) * (len(HAIR_NAMES) - 1))
    return {
        **{name: shot.prop == name for name in PROPS},
        "long_hair": person.style == "long",
        "hair_colour": HAIR_NAMES[place],
        "smiling": look.smile > SMILING,
        "winking": look.wink != 0,
        "turned": abs(look.yaw) > TURNED,
        "neckline": look.neckline,
    }


def prompts(shot: Shot) -> dict[str, str]:
    """Prompts that are true of a shot's most prominent person, by F-Bench's category; {} for a shot of nobody.

    Of its nine categories two are never there: avatars have no named background, and one style. Of the others those
    that the shot has something of: every person has the general one, facial attributes, a view and clothes.

    Source: F-Bench, section 3.1.1 and Table 6.
    """
    found = attributes(shot)
    if not found:
        return {}
    general = "a portrait of a person"
    hair = f"with {'long' if found['long_hair'] else 'short'} {found['hair_colour']} hair"
    held = [PHRASES[name] for name in ("microphone", "phone", "v_sign") if found[name]]
    worn = [PHRASES[name] for name in ("mask", "hat", "sunglasses") if found[name]]
    shown = [word for name, word in (("winking", "winking"), ("smiling", "smiling")) if found[name]]
    necks = {"v": "a top with a V neck", "crew": "a top with a round neck", "collar": "a shirt with a collar"}
    clothes = necks.get(found["neckline"], f"a {found['neckline']}")
    if found["neckline"] == "hood":
        clothes = "a hooded top"
    return {
        "general": general,
        "facial_attributes": f"{general} {hair}",
        "view": f"{general} {'turned to the side' if found['turned'] else 'seen from the front'}",
        "clothes": f"{general} wearing {clothes}",
        **({"action": f"{general} {held[0]}"} if held else {}),
        **({"accessories": f"{general} {worn[0]}"} if worn else {}),
        **({"expression": f"{general} {' and '.join(shown)}"} if shown else {}),
    }


def full_prompt(shot: Shot) -> str:
    """One prompt of hair, expression and what is held or worn; "" for a shot of nobody."""
    of_category = prompts(shot)
    general = of_category.get("general", "")
    named = [of_category.get(name) for name in ("facial_attributes", "expression", "accessories", "action")]
    return general + "".join(prompt.removeprefix(general) for prompt in named if prompt)


def questions(shot: Shot) -> list[Question]:
    """Yes-or-no questions on the most prominent person's attributes, with their true answers; none for nobody."""
    found = attributes(shot)
    return [Question(name, text, bool(found[name])) for name, text in QUESTIONS.items()] if found else []
