import pytest

from kpop_rca.system import html


@pytest.mark.parametrize(
    ("value", "shown"), [(None, "–"), (float("nan"), "–"), (0, "0"), (12345, "12,345"), (0.267, "0.27")]
)
def test_numbers_are_readable(value, shown):
    assert html.number(value) == shown
