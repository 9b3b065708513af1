"""Avatars: rendered images of invented people, whose truth is known: who is shown, with which pose, light and flaw.

`dataset` renders a whole dataset into a `folder`. `portrait` invents people and `photograph` composes an image of them,
which `painter`, `scenery` and `creatures` paint on a `canvas`.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submod_attrs={
        "dataset": ["read_truth", "render_dataset"],
        "morphs": ["morphed", "people_of"],
        "truth": ["attributes", "face_boxes", "face_mask", "full_prompt", "prompts", "questions", "shots"],
    },
)
