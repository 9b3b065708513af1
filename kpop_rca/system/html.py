"""Pages that need no other file: jinja templates with every value escaped, numbers for reading, images as text."""

import base64

import jinja2
import pandas as pd


def template(package: str, name: str) -> jinja2.Template:
    """A template in the folder `templates` of a package; values are escaped, since names of people are folder names."""
    loader = jinja2.PackageLoader(package, "templates")
    environment = jinja2.Environment(loader=loader, autoescape=True, undefined=jinja2.StrictUndefined)
    environment.filters["number"] = number
    return environment.get_template(name)


def number(value: float | None, digits: int = 2) -> str:
    """A number for reading: fixed digits, thousands marked, a dash for what could not be computed.

    >>> number(1234.5), number(1234), number(None)
    ('1,234.50', '1,234', '–')
    """
    if value is None or pd.isna(value):
        return "–"
    return f"{value:,}" if isinstance(value, int) else f"{value:,.{digits}f}"


def embedded(png: bytes) -> str:
    """A PNG as a data address."""
    return f"data:image/png;base64,{base64.b64encode(png).decode()}"
