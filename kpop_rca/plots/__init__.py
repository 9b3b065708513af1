"""Every figure: arrays and tables in, figures out.

`charts` are curves, bars and matrices, `contact_sheets` show faces; `ratings`, `scoring`, `validity`, `claims` and
`benchmarks` are the figures of one notebook each.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submod_attrs={
        "audit": ["flag_scores", "flags_found"],
        "benchmarks": ["growth", "ratios", "speeds", "time_to_identity"],
        "charts": [
            "SPLIT_COLOURS",
            "beside_real",
            "confusion_matrices",
            "frechet_lines",
            "guidance_rule",
            "identity",
            "loss_by_timestep",
            "loss_curves",
            "oracle_histories",
            "people",
            "predicted_class_frequencies",
            "rca_by_oracle",
            "rca_by_training",
            "reliability_diagrams",
            "stacked_counts",
            "training_lengths",
            "use_style",
            "who_is_shown",
        ],
        "cascade": ["identity_by_level", "identity_by_method"],
        "claims": ["identity_loss", "levels", "verdicts"],
        "contact_sheets": [
            "crop_steps",
            "face_rows",
            "face_sizes",
            "mistaken_faces",
            "photographs",
            "real_beside_generated",
        ],
        "face_score": [
            "changes_by_tuning",
            "own_against_held_out",
            "pairs_and_ladders",
            "rewards_on_the_way",
            "score_and_identity",
        ],
        "metric_panel": ["taus_by_ladder", "what_is_seen"],
        "oracles": ["accuracy_by_size", "confidences", "embedding", "oracle_accuracies", "rca_by_quality"],
        "ratings": [
            "comparisons",
            "content_diversity",
            "inconsistencies",
            "metric_scatter",
            "mos_densities",
            "mos_of_classes",
            "mos_violins",
            "rankings",
            "raters",
            "ratings_answer",
            "within_groups",
        ],
        "scoring": ["dots", "intervals"],
        "validity": [
            "assumption_tests",
            "control_generators",
            "degradations",
            "dose_responses",
            "interval_widths",
            "mixture_trials",
            "seen_parts",
        ],
    },
)
