"""The paper's claims as controlled experiments: runs of a sweep, what is measured on them, and verdicts."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submod_attrs={
        "design": [
            "about_claims",
            "about_shared_faces",
            "committed_parameters",
            "configuration",
            "with_detectable",
        ],
        "level_faces": ["generated_levels", "rendered_levels"],
        "margin_tables": ["HOPED", "by_kind", "committed_margins"],
        "runs": ["collect", "committed_runs"],
        "verdicts": ["mean_over_oracles", "means_by_level", "shared_faces", "shared_images", "verdict_table"],
    },
)
