"""What a study is and what a stage leaves of it; it keeps the books and computes nothing.

`params` (checked by `schema`, read by `flat_yaml`) and `given` say what is asked, `stages` and `sweeps` what runs,
`paths` where it lies. `stage_run` is a stage at work, `manifests` its record and all comparison of records, in which
`checksums` say what it made and `fingerprint` by which code; `privacy` says who is shown. Notebooks call it `studies`,
since `study` is a parameter of theirs.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submod_attrs={
        "manifests": ["parameters_of"],
        "params": ["collect", "hand_labels_file", "parse_groups", "resolve"],
        "stage_run": ["begin"],
        "sweeps": ["RUNS"],
    },
)
