"""The classifiers that tell who is on an image: training, predictions, calibration, agreement, CAS (04, 06 and 09).

`embeddings` are pretrained face networks, for people of whom there are a few photographs.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submod_attrs={
        "agreement": [
            "about_oracles",
            "by_difference",
            "effect_of_overlap",
            "headline_counts",
            "overidentification",
            "pairwise",
            "rca_by_oracle",
        ],
        "answers": ["about_calibration", "about_ceiling", "about_headline", "about_size", "ceiling"],
        "assumption": [
            "DENSITY_LIMIT",
            "MISLEADING",
            "Seen",
            "agreement_test",
            "assumption_summary",
            "feature_distances",
            "seen_by_all",
        ],
        "by_training": [
            "about_trainings",
            "class_rca_by_training",
            "person_verdicts",
            "rca_by_training",
            "recipe_summary",
            "trainings_summary",
        ],
        "calibration": ["confidence_gap"],
        "candidates": ["capped", "list_candidates"],
        "cas": ["classification_accuracy_scores"],
        "centroids": ["nearest_centroid"],
        "embeddings": ["EMBEDDINGS", "open_embedding"],
        "face_quality": [
            "detector_probability",
            "oracle_ser_fiq",
            "similarity_to_identity",
        ],
        "learning_curve": ["accuracy_by_size"],
        "prediction_tables": ["read_long", "study_table"],
        "predictions": ["load_predictions", "predict_all", "probabilities_of", "select", "trained"],
        "projection": ["projected"],
        "tables": ["comparison", "hard_case_accuracy", "over_seeds", "paired_comparisons", "reliability"],
        "training": ["OracleRecipe", "load_oracle", "predict", "read_history", "read_test_predictions", "train_all"],
    },
)
