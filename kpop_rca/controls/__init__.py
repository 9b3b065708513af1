"""Generators whose truth is known: real faces play one that errs as we choose, or one that copies."""

from kpop_rca.controls.copies import JPEG_QUALITY, disguised
from kpop_rca.controls.known_truth import control_conditions, most_confused
from kpop_rca.controls.mixtures import draw_mixture, mixture_size, swap_patterns

__all__ = [
    "JPEG_QUALITY",
    "control_conditions",
    "disguised",
    "draw_mixture",
    "mixture_size",
    "most_confused",
    "swap_patterns",
]
