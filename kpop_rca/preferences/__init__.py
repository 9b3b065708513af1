"""A face scorer from (win, loss) pairs, a generator tuned by preferences, and the controls that show when either lies.

`pairs` are made without annotators, `scorer` learns from them, `benchmark` sets scorers beside ladders of known
quality; `dpo` and `guidance` turn a generator towards a score. `experiments` is a study of its own.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submod_attrs={
        "benchmark": ["ladder_accuracy", "ladders", "ordered_fraction", "over_seeds", "scorer_table"],
        "dpo": ["TuningRecipe", "best_of_n", "ranked_pairs", "tune"],
        "guidance": ["guided_sample"],
        "pairs": ["Pairs", "degraded", "generated", "inpainted", "joined", "sharpness_matched"],
        "scorer": ["FaceScore", "ScorerRecipe", "fit_face_score", "score", "train_scorer"],
    },
)
