"""Avatars between two identities: their traits interpolated, all else as in one image."""

from dataclasses import replace

import numpy as np

from kpop_rca.avatars import dataset, photograph, portrait
from kpop_rca.system import seeds

DOSES = (0.0, 0.25, 0.5, 0.75, 1.0)  # fraction of the way from one identity to the other


def between(one: portrait.Person, other: portrait.Person, dose: float) -> portrait.Person:
    """A person a fraction of the way from one to the other; the style, which has no middle, is the nearer one's.

    >>> one, other = portrait.Person("long", {"jaw": 1.0}), portrait.Person("short", {"jaw": 2.0})
    >>> between(one, other, 0.25)
    Person(style='long', traits={'jaw': 1.25})
    """
    traits = {name: (1 - dose) * value + dose * other[name] for name, value in one.traits.items()}
    return portrait.Person((one if dose <= 0.5 else other).style, traits)


def morphed(
    people: list[portrait.Person],
    towards: np.ndarray,
    *,
    doses: tuple[float, ...] = DOSES,
    n: int,
    size: int,
    seed: int,
) -> dict[float, np.ndarray]:
    """Images of each person on the way to another one; pose, light, clothes and backdrop are the same at every dose.

    Args:
        people: K.
        towards: int (K,), whom each becomes.
        n: images of each.
        size: pixels.
        seed: image j of person k follows from (seed, k, j) alone.

    Returns:
        By dose: uint8 (K n, size, size, 3), n of each person in their order.
    """
    images: dict[float, list[np.ndarray]] = {dose: [] for dose in doses}
    for number, person in enumerate(people):
        for index in range(n):
            generator = seeds.generator(seeds.Purpose.MORPHS, seed, number, index)
            shot = photograph.solo(person, artifact="", hard="", generator=generator)
            sitter = shot.sitters[0]
            changed = {name: sitter.person[name] - value for name, value in person.traits.items()}  # on that day
            for dose in doses:
                middle = between(person, people[towards[number]], dose)
                shown = portrait.Person(middle.style, {name: v + changed[name] for name, v in middle.traits.items()})
                taken = replace(shot, sitters=(replace(sitter, person=shown),))
                images[dose].append(np.asarray(photograph.take(taken, size=size)))
    return {dose: np.stack(of) for dose, of in images.items()}


def people_of(parameters: dict) -> list[portrait.Person]:
    """The avatars of a study, from the parameters of its audit."""
    return dataset.people(
        seed=parameters["seed"],
        n_identities=parameters["n_identities"],
        alikeness=parameters["idols_alikeness"],
        first_stands_out=parameters["idols_first_stands_out"],
    )
