"""YAML 1.2 as study files use it: `name: value` on each line, where `no` is a word and 010 is ten."""

import json
from functools import cache
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML, YAMLError

from kpop_rca.errors import StudyError

LONGEST = 200  # characters of a value, or of a library's message, that an error repeats


def read(path: Path, *, where: str) -> dict[str, Any]:
    """Name to value of a file, which errors call `where`; empty for an empty file."""
    try:
        values = loads(path.read_bytes(), where=where) or {}
    except OSError as error:
        raise StudyError(f"{where}: can't be read ({error.strerror})") from None
    if not isinstance(values, dict) or not all(isinstance(name, str) for name in values):
        raise StudyError(f"{where}: expected lines of the form `name: value`")
    return values


@cache  # a sweep resolves its one file hundreds of times
def loads(content: bytes, *, where: str) -> Any:
    """What a YAML text says; anchors, by which a few lines can stand for billions of values, are refused."""
    reader = YAML(typ="safe", pure=True)  # the compiled reader knows YAML 1.1 alone
    try:
        text = content.decode("utf-8-sig")
        for event in reader.parse(text):
            if getattr(event, "anchor", None):
                raise YAMLError(f"line {event.start_mark.line + 1}: anchors (&) and references (*) are not read")
        return reader.load(text)
    except RecursionError:
        said = "too many brackets within brackets"
    except (YAMLError, ValueError, TypeError) as error:  # of dates, numbers, keys and bytes that are none, too
        mark = getattr(error, "problem_mark", None)
        said = f"line {mark.line + 1}: {error.problem}" if mark else str(error)
    raise StudyError(f"{where}: not readable as YAML: {' '.join(said.split())[:LONGEST]}")


def dumps(values: dict[str, Any]) -> str:
    """A text that `loads` reads as these values, one parameter a line; a value is written as in JSON."""
    return "".join(f"{name}: {json.dumps(value, ensure_ascii=False)}\n" for name, value in values.items())


def shown(value: Any) -> str:
    """A value as an error repeats it: its beginning, where it is long."""
    try:
        text = repr(value)
    except ValueError:  # Python writes no number of thousands of digits
        return "a number of thousands of digits"
    return text if len(text) <= LONGEST else f"{text[: LONGEST - 4]} ..."
