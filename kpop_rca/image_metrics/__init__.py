"""What images are worth apart from who is on them: distances of features, diversity, copies. Knows no oracle."""

from kpop_rca.image_metrics.diversity import feature_diversity, lpips_diversity
from kpop_rca.image_metrics.feature_panel import feature_measures
from kpop_rca.image_metrics.frechet import frechet_distance
from kpop_rca.image_metrics.inception import inception_measures, network_measures
from kpop_rca.image_metrics.memorisation import copying, nearest_pairs, views
from kpop_rca.image_metrics.prdc import neighbourhood_measures

__all__ = [
    "copying",
    "feature_diversity",
    "feature_measures",
    "frechet_distance",
    "inception_measures",
    "lpips_diversity",
    "nearest_pairs",
    "neighbourhood_measures",
    "network_measures",
    "views",
]
