"""What images are worth apart from who is on them: distances of features, diversity, copies. Knows no oracle."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submod_attrs={
        "content_diversity": ["diversity_of_content"],
        "diversity": ["feature_diversity", "lpips_diversity"],
        "feature_panel": ["feature_measures"],
        "frechet": ["frechet_distance"],
        "full_reference": ["lpips_missing"],
        "inception": ["inception_measures", "network_measures"],
        "memorisation": ["copying", "nearest_pairs", "views"],
        "prdc": ["neighbourhood_measures"],
    },
)
