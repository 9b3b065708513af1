"""Images as they come: a study's data folder, who is in it, near-duplicates, and decoding to sRGB or tensors.

`sources` gives the data folder of a study, `identity_folders` says who is in it, `images` reads a file (`colour`
follows its colour profile), `tensors` is what networks see of it.
"""

from kpop_rca.data.identity_folders import identities_left_out, scan
from kpop_rca.data.images import read_all, read_rgb
from kpop_rca.data.sources import prepare

__all__ = ["identities_left_out", "prepare", "read_all", "read_rgb", "scan"]
