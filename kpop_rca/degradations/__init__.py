"""Images made harder to recognise: arrays in, arrays of the same shape out."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submod_attrs={
        "images": ["NOISE_SDS", "blurred", "compressed", "noised", "shifted", "without_part"],
        "pipelines": ["bicubic", "degraded", "frequencies", "write_degraded"],
    },
)
