"""What a study found, as it is read: `metrics_json` writes it, `tables` show it, `answers` say it in two sentences.

`paper` has the published numbers. `pages` are a study's notebooks and first page as HTML.
`site` is the whole project as pages.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submodules={"paper"},
    submod_attrs={
        "answers": [
            "about_assumption",
            "about_copies",
            "about_correction",
            "about_groups",
            "about_identity",
            "about_quality",
            "about_quality_of_right",
            "about_recipe",
        ],
        "further": ["about_further", "further_trainings"],
        "metrics_json": ["assemble", "identity_part", "read_identity_part"],
        "tables": [
            "MEASURES",
            "UNDEFINED",
            "about_line",
            "beside_paper",
            "beside_real",
            "copying_beside_real",
            "copying_table",
            "identities_by_verdict",
            "interval_columns",
            "oracles_beside_paper",
            "over_oracles_by_class",
            "over_oracles_table",
            "read_metrics",
            "shown",
            "visual_table",
        ],
    },
)
