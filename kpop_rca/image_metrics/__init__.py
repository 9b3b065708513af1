"""What images are worth apart from who is on them: distances of features, diversity, copies. Knows no oracle."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submod_attrs={
        "content_diversity": ["diversity_of_content"],
        "alignment": [
            "aesthetic_score",
            "blip_score",
            "clip_iqa",
            "clip_score",
            "cosines",
            "image_reward",
            "level_score",
            "pick_score",
            "preference_loss",
            "vqa_score",
            "yes_probability",
        ],
        "detection_scores": ["average_precision", "box_iou", "mean_average_precision"],
        "diversity": ["feature_diversity", "lpips_diversity"],
        "feature_panel": ["feature_measures", "measures_by_class"],
        "frechet": ["frechet_distance"],
        "full_reference": [
            "lpips_missing",
            "lpips_to_nearest",
            "psnr_warning",
            "psnr_warning_table",
        ],
        "inception": ["inception_measures", "network_measures"],
        "memorisation": ["copying", "nearest_pairs", "views"],
        "no_reference": ["Reference", "brisque", "mscn_moments", "niqe", "niqe_reference", "sharpness"],
        "prdc": ["neighbourhood_measures"],
        "segmentation_scores": ["boundary_iou", "landmark_mask", "mean_iou", "pixel_accuracy"],
    },
)
