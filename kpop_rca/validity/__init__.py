"""How far the estimators can be trusted: trials in which what a generator shows is known."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submod_attrs={
        "cascaded": [
            "PLAIN",
            "Enlarged",
            "cascade_answer",
            "classifier",
            "enlarged_every_way",
            "face_network",
            "fidelity",
            "fidelity_targets",
            "identity_changes",
            "label_effect",
            "level_sentences",
            "oracle_of_large_faces",
            "rca_changes",
            "recognised",
            "write_summary",
        ],
        "controls": ["class_blind_by_oracle", "control_trial", "copy_trial", "disguise_trial"],
        "degraded": ["REMEDIES", "degradation_trial", "middle", "missed_levels", "retrained_on_blurred"],
        "estimators": ["halves"],
        "mixtures": ["COVERAGE_WANTED", "coverage_findings", "mixture_trial", "trial_summary", "worst_classes"],
        "sample_sizes": ["balanced_generated", "interval_widths", "recommendation", "with_own"],
    },
)
