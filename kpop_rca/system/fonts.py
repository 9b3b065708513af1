"""Names in figures, in whatever script they are written: fonts beside matplotlib's own, a line where none helps."""

import logging
import warnings

import matplotlib
from matplotlib import font_manager
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties
from matplotlib.text import Text

# Fonts with Hangul, kana and Chinese letters, as Linux, macOS and Windows have them; matplotlib's own has none.
WIDER = (
    "Noto Sans CJK KR",
    "Noto Sans CJK JP",
    "Noto Sans KR",
    "NanumGothic",
    "Apple SD Gothic Neo",
    "Malgun Gothic",
    "Arial Unicode MS",
)


def use_installed() -> None:
    """Have matplotlib look for a letter in those of WIDER that are installed, too, and be silent where none has it."""
    installed = set(font_manager.get_font_names())
    matplotlib.rcParams["font.family"] = ["sans-serif", *(name for name in WIDER if name in installed)]
    logging.getLogger("matplotlib.font_manager").setLevel(logging.ERROR)  # that a font has no bold face
    warnings.filterwarnings("ignore", "Glyph .* missing from")  # `note` says it


def note(figure: Figure) -> str | None:
    """What to say of a figure with letters that no font has, which are boxes in it; None of another."""
    letters = {letter for text in figure.findobj(Text) for letter in text.get_text() if not letter.isascii()}
    families = matplotlib.rcParams["font.family"]
    fonts = [font_manager.get_font(font_manager.findfont(FontProperties(family=[name]))) for name in families]
    absent = "".join(sorted(a for a in letters if not any(font.get_char_index(ord(a)) for font in fonts)))
    if not absent:
        return None
    shown = absent if len(absent) <= 8 else f"{absent[:8]}…"
    return (
        f"note: no installed font has {shown}, boxes in the figure; install one that does, such as Noto Sans CJK, "
        f"remove {matplotlib.get_cachedir()}, and run again"
    )
