"""Avatars: rendered portraits of invented people, whose truth is known: who is shown, with which pose, light and flaw.

`dataset` renders a whole dataset into a `folder`. `portrait` invents people and `photograph` composes an image of them,
which `painter`, `scenery` and `creatures` paint on a `canvas`.
"""

from kpop_rca.avatars.dataset import read_truth, render_dataset

__all__ = ["read_truth", "render_dataset"]
