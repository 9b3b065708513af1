"""How far the estimators can be trusted: trials in which what a generator shows is known."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submod_attrs={
        "assumption": [
            "Altered",
            "about_assumption",
            "about_density",
            "about_parts",
            "agreement_trial",
            "altered_trial",
            "density_limit",
            "morphs",
            "pooled_rates",
        ],
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
        "controls": [
            "about_swapped_pair",
            "class_blind_by_oracle",
            "control_trial",
            "copy_trial",
            "disguise_trial",
            "swapped_pair_coverage",
        ],
        "degraded": [
            "REMEDIES",
            "degradation_trial",
            "middle",
            "missed_levels",
            "oracles_of_parts",
            "parts_trial",
            "retrained_on_blurred",
        ],
        "estimators": ["halves"],
        "mixtures": [
            "COVERAGE_WANTED",
            "about_mixtures",
            "coverage_findings",
            "mixture_trial",
            "trial_summary",
            "worst_classes",
        ],
        "sample_sizes": ["balanced_generated", "interval_widths", "recommendation", "with_own"],
    },
)
