"""The paper's claims as controlled experiments: runs of a sweep, what is measured on them, and verdicts."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submod_attrs={
        "answers": ["about_claims", "about_explanations", "about_shared_faces", "about_undecided"],
        "design": ["FURTHER", "about_flat", "committed_parameters", "configuration", "with_detectable"],
        "level_faces": ["SHEET", "committed_levels", "generated_levels", "rendered_levels"],
        "margin_tables": ["HOPED", "by_kind", "committed_margins"],
        "runs": ["committed_runs"],
        "small_studies": ["run_all"],
        "verdicts": ["mean_over_oracles", "means_by_level", "shared_faces", "shared_images", "verdict_table"],
    },
)
