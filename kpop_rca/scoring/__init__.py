"""Images of any generator, scored on one's own photographs.

`inputs` reads what the user gives, `found` finds and embeds the faces in it.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submod_attrs={"found": ["Found", "find"], "inputs": ["Inputs", "neutralised", "read"]},
)
