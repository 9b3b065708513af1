import unicodedata

import pytest

from kpop_rca.scoring.anonymous import renamer

PEOPLE = ["Ada", "Ada Lovelace", "김 다현", "Zoë", "O'Neill"]


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("a photo of Ada", "a photo of person 1"),
        ("gen/ada_lovelace/1.jpg", "gen/person 2/1.jpg"),
        ("ADA-LOVELACE", "person 2"),
        (unicodedata.normalize("NFD", "김 다현 웃음"), "person 3 웃음"),
        (unicodedata.normalize("NFD", "zoë"), "person 4"),
        ("o'neill, Adam", "person 5, Adam"),
        ("Straße: Ada", "strasse: person 1"),
    ],
)
def test_names_are_found_however_they_are_written(text, shown):
    assert renamer(PEOPLE)(text) == shown


def test_what_is_no_text_stays():
    assert renamer(PEOPLE)(None) is None
    assert renamer([])("Ada") == "Ada"
