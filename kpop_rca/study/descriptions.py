"""What a figure shows, in words: its alternative text, from its own titles and axes."""

from matplotlib.axes import Axes
from matplotlib.figure import Figure

MOST_PANELS = 6  # that are named; of more, their number is said


def described(figure: Figure) -> str:
    """A figure's titles, and of each panel what is on its axes; of images of people, what the sheet says of itself.

    >>> figure = Figure()
    >>> left, right = figure.subplots(1, 2)
    >>> _ = figure.suptitle("Cost"), right.set(title="Memory")
    >>> _ = left.set(title="Time", xlabel="images", ylabel="seconds")
    >>> described(figure)
    'Cost: Time (seconds, by images); Memory'
    """
    if of_people := getattr(figure, "shows", ""):
        return _in_a_line(of_people)
    panels = list(dict.fromkeys(filter(None, map(_panel, figure.axes))))
    named = "; ".join(panels[:MOST_PANELS])
    more = len(panels) - MOST_PANELS
    said = f"{named}; and {more} more panels" if more > 0 else named
    title = figure.get_suptitle()
    return _in_a_line(": ".join(filter(None, [title, said])) or "Figure")


def _panel(ax: Axes) -> str:
    """One panel: its title, with what is on its axes."""
    title = next(filter(None, (ax.get_title(loc) for loc in ("left", "center", "right"))), "")
    x, y = ax.get_xlabel(), ax.get_ylabel()
    axes = f"{y}, by {x}" if x and y else x or y
    return f"{title} ({axes})" if title and axes else title or axes


def _in_a_line(text: str) -> str:
    return " ".join(text.split())
