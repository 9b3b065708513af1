"""What people say of images: pages to rate them on, mean opinion scores, and which metric agrees with them."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submod_attrs={
        "rating_page": ["write_pages"],
        "stimuli": ["Stimulus", "of_study"],
    },
)
