"""What a study found, as it is read: `metrics_json` writes it, `tables` show it, `paper` has the published numbers.

`pages` are the notebooks and the first page as HTML.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submodules={"paper"},
    submod_attrs={
        "metrics_json": ["assemble"],
        "tables": [
            "UNDEFINED",
            "beside_paper",
            "copying_table",
            "identities_by_verdict",
            "interval_columns",
            "line_table",
            "read_metrics",
            "visual_table",
        ],
    },
)
