"""How fast the study is beside its baselines and beside what the machine can do, and how its cost grows (90).

A time alone means nothing on a shared machine. Ours and the baselines take turns at the same work, repeat by repeat,
together with a large matrix product and a large copy; the results are ratios within a repeat.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submod_attrs={
        "answers": ["about_speed"],
        "collection": ["MACHINE", "SCALING", "committed", "measure", "metrics", "summary"],
        "record": [
            "LARGEST_FRECHET",
            "LEAST_RCA",
            "best_guidance",
            "committed_record",
            "in_words",
            "ratios",
            "reported",
        ],
        "recipes": ["by_change", "by_recipe", "committed_recipes", "with_intervals"],
        "timing": ["OURS"],
    },
)
