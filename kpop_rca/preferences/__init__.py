"""A face scorer from (win, loss) pairs: `pairs` are made without annotators, `scorer` learns from them."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submod_attrs={
        "pairs": ["Pairs", "degraded", "generated", "inpainted", "joined", "sharpness_matched"],
        "scorer": ["FaceScore", "ScorerRecipe", "fit_face_score", "score", "train_scorer"],
    },
)
