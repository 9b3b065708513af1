"""Sentences for the output of a notebook, where JupyterLab would break a long line in the middle of a word."""

import textwrap
from collections.abc import Iterable

COLUMNS = 110


def wrapped(sentences: Iterable[str]) -> str:
    """Each on lines of its own, none longer than COLUMNS.

    >>> print(wrapped(["one", "two " * 40]).count(chr(10)))
    2
    """
    return "\n".join(textwrap.fill(sentence, COLUMNS, break_on_hyphens=False) for sentence in sentences)
