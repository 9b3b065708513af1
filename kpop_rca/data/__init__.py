"""Images as they come: a study's data folder, who is in it, near-duplicates, and decoding to sRGB or tensors.

`sources` gives the data folder of a study, `identity_folders` says who is in it, `images` reads a file (`colour`
follows its colour profile), `tensors` is what networks see of it.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submod_attrs={
        'identity_folders': ['identities_left_out', 'scan'],
        'images': ['read_all', 'read_rgb'],
        'sources': ['prepare'],
    },
)
