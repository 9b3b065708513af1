"""Images made harder to recognise: arrays in, arrays of the same shape out."""

from kpop_rca.degradations.images import NOISE_SDS, blurred, compressed, noised, shifted

__all__ = ["NOISE_SDS", "blurred", "compressed", "noised", "shifted"]
