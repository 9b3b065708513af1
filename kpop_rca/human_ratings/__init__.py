"""What people say of images: pages to rate them on, MOS, outliers, agreement, and metrics that agree with them."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submod_attrs={
        "agreement": ["krippendorff_alpha", "points_by_majority", "sos"],
        "correlation": ["agreement_table", "by_group", "correlations", "fitted"],
        "maximum_likelihood": ["Fit", "fit"],
        "mos": ["LEAST_RATINGS", "by_image", "group_means", "group_replicates", "long", "z_scores"],
        "outliers": ["bt500", "inconsistent", "screen"],
        "iqa_networks": ["committed", "trained_on"],
        "pairs": ["bradley_terry", "by_annotator", "compared", "of_folder", "order_and_repeats"],
        "rating_page": ["write_pages"],
        "raw_ratings": ["COLUMNS", "SCALE", "checked", "matrix", "pseudonymous", "read_folder", "self_consistency"],
        "reference_answers": [
            "OUTLIERS",
            "agiqa3k",
            "facescore_table1",
            "fbench_not_measured",
            "fbench_tables",
            "human_error_rates",
            "model_ranking",
            "nflx",
        ],
        "simulated": ["NOTE", "Panel", "targets", "trial_table"],
        "stimuli": ["PHOTOGRAPH", "Stimulus", "of_photographs", "of_study"],
        "study_ratings": [
            "about_pairs",
            "about_triplets",
            "attributes_of",
            "effect_of_steps",
            "images_of",
            "known_qualities",
            "means_by_class",
            "of_people",
            "parse_groups",
            "ranked_by_people",
            "scored",
            "sentences",
            "simulated_comparisons",
            "simulated_names",
            "simulated_ratings",
            "triplets",
            "valid_ratings",
        ],
    },
)
