"""What makes libraries load faster: a study starts two processes a notebook, and each loads them anew."""

import gc
from collections.abc import Iterator
from contextlib import contextmanager
from sys import modules

# The first line that a kernel runs. A million objects are made while the libraries load, nearly all of them to stay;
# Python looks through them for garbage again and again, which is a sixth of the time.
NO_GARBAGE_YET = "import gc; gc.disable()"
# What the libraries that run a notebook load where they find it, and a study has no use for. With the first, jsonschema
# builds forty parsers of web addresses, in 1.6 seconds, and a notebook's schema has none; the second is papermill's
# way to notebooks on Hadoop.
IDLE = ("rfc3987_syntax", "pyarrow")


@contextmanager
def left_out(*names: str) -> Iterator[None]:
    """Let what is imported within the block do without some packages: it does not find them.

    Args:
        names: of packages that those who import them can do without.

    >>> with left_out("this"):
    ...     import this
    Traceback (most recent call last):
    ModuleNotFoundError: import of this halted; None in sys.modules
    """
    before = {name: modules[name] for name in names if name in modules}
    modules.update(dict.fromkeys(names))  # None, Python's own way to say that there is no such package
    try:
        yield
    finally:
        for name in names:
            del modules[name]
        modules.update(before)


def done() -> None:
    """Look for garbage from here on, among what is made from here on; nothing happens where that was never left off."""
    if not gc.isenabled():
        gc.freeze()
        gc.enable()
