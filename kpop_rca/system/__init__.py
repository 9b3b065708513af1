"""The machine: `files` written whole, `locks`, `parallel` work, `devices`, `fonts`, the `console`, random `seeds`.

`finite` stops where a number is none. Nothing here knows what a study is.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submodules={"devices", "seeds"},
    submod_attrs={
        "console": ["bar", "named", "wrapped"],
        "files": ["read_json", "write_json"],
        "seeds": ["Purpose"],
    },
)
