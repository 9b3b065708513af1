"""Numbers in place of people's names, wherever a name is written: in a table, in a note, in a file's path."""

import re
import unicodedata
from collections.abc import Callable, Sequence
from typing import Any

PERSON = "person {}"


def renamer(people: Sequence[str]) -> Callable[[Any], Any]:
    """A function that replaces people's names in a text, and hands on whatever is no text.

    A name is found in either composition of its letters, in small letters and capitals, and with `_`, `-` or nothing
    where it has a space.

    >>> rename = renamer(["Ada L", "Bo"])
    >>> rename("a photograph of ada_l"), rename("Bob and Bo"), rename(0.5)
    ('a photograph of person 1', 'Bob and person 2', 0.5)
    """
    numbers = {_plain(name): PERSON.format(number) for number, name in enumerate(people, start=1)}
    longest_first = sorted(numbers, key=len, reverse=True)
    any_name = "|".join(r"[\s_-]*".join(map(re.escape, re.split(r"[\s_-]+", name))) for name in longest_first)
    pattern = re.compile(rf"(?<!\w)(?:{any_name})(?!\w)")

    def rename(value: Any) -> Any:
        if not isinstance(value, str):
            return value
        text = unicodedata.normalize("NFC", value)
        found = list(pattern.finditer(text.casefold()))
        if len(text.casefold()) != len(text):  # letters such as ß, of which places cannot be told: all is in small ones
            text = text.casefold()
        for match in reversed(found):
            text = text[: match.start()] + _number_of(match[0], numbers) + text[match.end() :]
        return text

    return rename if numbers else lambda value: value


def without_names(note: str) -> str:
    """A note on images without the names that it lists, also of people who are not scored.

    >>> without_names("no photographs, so 3 images of gan left out: 1 person (Bo)")
    'no photographs, so 3 images of gan left out: 1 person'
    >>> without_names("people/: no image in the folders of 2 people: Ada, Bo")
    'people/: no image in the folders of 2 people'
    """
    return re.sub(r" ?\(.*\)|(?<= people): .*|; is it .*\?", "", note)


def _plain(name: str) -> str:
    return unicodedata.normalize("NFC", name).casefold().strip()


def _number_of(found: str, numbers: dict[str, str]) -> str:
    def letters(name: str) -> str:
        return re.sub(r"[\s_-]+", "", name)

    return next(number for name, number in numbers.items() if letters(name) == letters(found))
