"""Images of any generator, scored on one's own photographs: does each image show the person that was requested?

`scores` is the whole of it: `inputs` reads the folders, `found` finds and embeds the faces, `cross_fitting` classifies
them, `estimates`, `similarity`, `comparison`, `by_column` and `gate` measure, and `report` writes it down.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submod_attrs={
        "found": ["Found", "find"],
        "inputs": ["Inputs", "neutralised", "read"],
        "demonstration": ["demonstrate", "of_parameters"],
        "planning": ["plan", "planned"],
        "pipeline": ["score", "score_shard"],
        "report": ["compared", "forest", "similarities"],
        "scores": ["MEASURES", "Scores"],
    },
)
