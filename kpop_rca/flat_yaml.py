"""YAML as study files use it, `name: value` on each line, without what YAML means by more than it says.

Refused: a key given twice, of which the plain loader keeps the last without a word; anchors and references, by which
a file of a few lines stands for one of billions; and whole numbers that YAML reads otherwise than they look, such as
010 (8), 0x10 (16) and 1:30 (90).
"""

import re
from collections.abc import Hashable
from pathlib import Path
from typing import Any

import yaml

from kpop_rca.errors import StudyError

LARGEST = 64 * 1024  # bytes; the longest study file here has three thousand
LONGEST = 200  # characters of a library's message, or of a value, that an error repeats
WHOLE = re.compile(r"[-+]?(0|[1-9][0-9_]*)")
YAML_INT, YAML_FLOAT = "tag:yaml.org,2002:int", "tag:yaml.org,2002:float"


def read(path: Path, *, where: str) -> dict[str, Any]:
    """What a file says.

    Args:
        path: the file.
        where: what to call it in an error.

    Returns:
        Name to value, values as YAML has them; empty for an empty file.

    Raises:
        FileNotFoundError: there is no such file.
        StudyError: it can't be read, is no YAML of this kind, or no flat mapping.
    """
    try:
        with path.open("rb") as file:
            content = file.read(LARGEST + 1)
    except FileNotFoundError:
        raise
    except OSError as error:
        raise StudyError(f"{where}: can't be read ({error.strerror})") from None
    if len(content) > LARGEST:
        raise StudyError(f"{where}: larger than {LARGEST // 1024} kB, which no study file is")
    values = _readable(content, where=where)
    values = {} if values is None else values
    if not isinstance(values, dict) or not all(isinstance(key, str) for key in values):
        raise StudyError(f"{where}: expected lines of the form `name: value`")
    return values


def value_of(text: str, *, where: str) -> Any:
    """What a single value says, as it would behind `name:` in a study file; no text at all is the empty text.

    Raises:
        StudyError: it is no YAML of this kind.
    """
    return _readable(text.encode(errors="surrogateescape"), where=where) if text.strip() else ""


def shown(value: Any) -> str:
    """A value as an error repeats it: its beginning, where it is long."""
    try:
        return shortened(repr(value))
    except ValueError:  # Python writes no number of thousands of digits
        return "a number of thousands of digits"
    except RecursionError:
        return "brackets within brackets"


def shortened(text: str) -> str:
    """A text cut to what a line of an error can hold."""
    return text if len(text) <= LONGEST else f"{text[: LONGEST - 4]} ..."


def _readable(content: bytes, *, where: str) -> Any:
    try:
        return _load(content.decode("utf-8"))
    except RecursionError:
        raise StudyError(f"{where}: not readable as YAML: too many brackets within brackets") from None
    except (yaml.YAMLError, ValueError, TypeError) as error:  # the last two from dates, numbers and keys that are none
        raise StudyError(f"{where}: not readable as YAML: {shortened(' '.join(str(error).split()))}") from None


def _load(text: str) -> Any:
    loader = _FlatLoader(text)
    try:
        return loader.get_single_data()
    finally:
        loader.dispose()


class _FlatLoader(yaml.SafeLoader):
    """Safe YAML, less what the module's first lines name."""

    def compose_node(self, parent: yaml.Node | None, index: Any) -> yaml.Node | None:
        if getattr(self.peek_event(), "anchor", None) is not None:
            raise yaml.MarkedYAMLError(problem="anchors (&) and references (*) are not allowed")
        return super().compose_node(parent, index)

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict:
        known: set[Hashable] = set()
        for key_node, _ in node.value:
            key = self.construct_object(key_node, deep=True)
            if isinstance(key, Hashable) and key in known:
                raise yaml.MarkedYAMLError(problem=f"the key {shown(key)} is given twice")
            known |= {key} if isinstance(key, Hashable) else set()
        return super().construct_mapping(node, deep)

    def construct_plain_int(self, node: yaml.ScalarNode) -> int:
        """A whole number that is what it looks like."""
        if not WHOLE.fullmatch(node.value):
            raise yaml.MarkedYAMLError(
                problem=f"{shown(node.value)} is another number to YAML; write it in plain digits, or a name in quotes"
            )
        return self.construct_yaml_int(node)

    def construct_plain_float(self, node: yaml.ScalarNode) -> float:
        """A number that is what it looks like."""
        if ":" in node.value:
            raise yaml.MarkedYAMLError(
                problem=f"{shown(node.value)} is another number to YAML; quote it or write it plain"
            )
        return self.construct_yaml_float(node)


_FlatLoader.add_constructor(YAML_INT, _FlatLoader.construct_plain_int)
_FlatLoader.add_constructor(YAML_FLOAT, _FlatLoader.construct_plain_float)
