"""The study's pictures: photographs, faces, and what was generated from them. Each is a `Sheet` and says what it shows.

This is the one module that draws images. Names are of people, and come from folders: they are shown as they are.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.patches import Rectangle

from kpop_rca.data import images as image_files
from kpop_rca.figures import GENERATED, WIDTH, as_text
from kpop_rca.privacy import Sheet


def _sheet(width: float, height: float, *, shows: str) -> Sheet:
    """An empty sheet, in inches, with what it is going to show."""
    sheet = Sheet(figsize=(width, height))
    sheet.shows = shows
    return sheet


def _without_axes(ax: Axes) -> None:
    ax.set(xticks=[], yticks=[])
    ax.grid(False)
    for spine in ax.spines.values():
        spine.set_visible(False)


def _tile(images: np.ndarray, *, gap: int = 1) -> np.ndarray:
    """uint8 (rows, columns, H, W, 3) to one white-gapped picture."""
    padded = np.pad(images, ((0, 0), (0, 0), (gap, gap), (gap, gap), (0, 0)), constant_values=255)
    rows, columns, height, width, _ = padded.shape
    return padded.transpose(0, 2, 1, 3, 4).reshape(rows * height, columns * width, 3)


def _name_rows(ax: Axes, images: np.ndarray, names: Sequence[str]) -> None:
    """Names beside the rows of tiled images."""
    height = images.shape[2] + 2
    ax.set_yticks((np.arange(len(images)) + 0.5) * height, labels=[as_text(name) for name in names])
    ax.tick_params(left=False)


def face_rows(images: np.ndarray, names: Sequence[str], *, title: str, width: float = WIDTH) -> Sheet:
    """A sheet of faces: a row for each name.

    Args:
        images: uint8 (rows, columns, H, W, 3).
        names: a label for each row.
        title: of the figure.
        width: inches.
    """
    rows, columns = images.shape[:2]
    figure = _sheet(width, width * rows / columns + 0.4, shows=f"{title}: {rows * columns} faces in {rows} rows")
    ax = figure.subplots()
    ax.imshow(_tile(images), interpolation="nearest")
    _without_axes(ax)
    _name_rows(ax, images, names)
    ax.set_title(as_text(title), loc="left")
    return figure


def mistaken_faces(
    pair: tuple[int, int],
    generated: tuple[np.ndarray, np.ndarray, np.ndarray],
    real: tuple[np.ndarray, np.ndarray],
    names: Sequence[str],
    *,
    title: str,
    most: int = 10,
) -> Sheet:
    """Faces generated for one identity and taken for another, between real faces of the two.

    Args:
        pair: number of the identity asked for, and of the one that it is taken for.
        generated: uint8 (G, H, W, 3), the identities asked for (G,) and those judged (G,).
        real: uint8 (N, H, W, 3) and labels (N,).
        names: K identities.
        title: of the figure, which goes on with the two names.
        most: faces in a row.
    """
    (images, conditions, says), (faces, labels), (asked, taken) = generated, real, pair
    rows = [faces[labels == asked], images[(conditions == asked) & (says == taken)], faces[labels == taken]]
    length = min(most, *map(len, rows))
    about = f"{title}: asked for {names[asked]}, taken for {names[taken]}"
    beside = [f"real {names[asked]}", "generated", f"real {names[taken]}"]
    return face_rows(np.stack([row[:length] for row in rows]), beside, title=about)


def face_sizes(faces: dict[int, np.ndarray], names: Sequence[str]) -> Sheet:
    """The same faces at several sizes, enlarged alike: a row a size, a column an identity.

    Args:
        faces: side in pixels to uint8 (K, 1, side, side, 3).
        names: K identities.
    """
    shows = f"Faces of {len(names)} identities at {' and '.join(f'{size} px' for size in faces)}"
    figure = _sheet(WIDTH, len(faces) * WIDTH / len(names) + 0.5, shows=shows)
    figure.set_layout_engine("constrained")
    axes = figure.subplots(len(faces), len(names), squeeze=False)
    for line, (size, images) in zip(axes, faces.items(), strict=True):
        for ax, face in zip(line, images[:, 0], strict=True):
            ax.imshow(face, interpolation="nearest")
            _without_axes(ax)
        line[0].set_ylabel(f"{size} px")
    for ax, name in zip(axes[0], names, strict=True):
        ax.set_title(as_text(name), fontsize="small")
    return figure


def real_beside_generated(real: np.ndarray, generated: np.ndarray, names: Sequence[str], *, title: str) -> Sheet:
    """Real faces left, generated ones right, a row an identity.

    Args:
        real: uint8 (K, m, H, W, 3).
        generated: uint8 (K, n, H, W, 3).
        names: K identities.
        title: of the figure.
    """
    (rows, m), n = real.shape[:2], generated.shape[1]
    shows = f"{title}: {rows * m} real and {rows * n} generated faces of {rows} identities"
    figure = _sheet(WIDTH, WIDTH * rows / (m + n) + 0.6, shows=shows)
    figure.set_layout_engine("constrained")
    axes = figure.subplots(ncols=2, width_ratios=[m, n])
    for ax, faces, label in zip(axes, (real, generated), ("real, held out", "generated"), strict=True):
        ax.imshow(_tile(faces), interpolation="nearest")
        _without_axes(ax)
        ax.set_title(label, loc="left")
    _name_rows(axes[0], real, names)
    figure.suptitle(as_text(title), fontweight="bold")
    return figure


def photographs(rows: pd.DataFrame, root: Path, captions: Sequence[str], *, title: str, columns: int = 6) -> Sheet:
    """Photographs with the detected faces boxed: the most prominent one, which is cropped, in red.

    Args:
        rows: of the audit's table: path, identity, boxes. None at all gives a figure that says so.
        root: the data folder.
        captions: a line under each photograph.
        title: of the figure.
        columns: photographs in a row.
    """
    lines = max(1, -(-len(rows) // columns))
    shows = f"{title}: {len(rows)} photographs of {rows['identity'].nunique()} identities"
    figure = _sheet(WIDTH, lines * WIDTH / columns * 1.15 + 0.4, shows=shows)
    axes = figure.subplots(lines, columns, squeeze=False)
    for ax in axes.flat:
        ax.set_visible(False)
    for ax, row, caption in zip(axes.flat, rows.itertuples(), captions, strict=False):
        ax.set_visible(True)
        _photograph(ax, root / row.path, row.boxes)
        ax.set_xlabel(as_text(caption), fontsize="small")
    figure.suptitle(as_text(title if len(rows) else f"{title}: none"), fontweight="bold", x=0.01, ha="left")
    figure.tight_layout()
    return figure


def _photograph(ax: Axes, path: Path, boxes: Sequence[Sequence[float]]) -> None:
    ax.imshow(image_files.read_rgb(path))
    for number, (x0, y0, x1, y1) in enumerate(boxes):
        colour, line = (GENERATED, 2) if number == 0 else ("white", 1)
        ax.add_patch(Rectangle((x0, y0), x1 - x0, y1 - y0, fill=False, edgecolor=colour, linewidth=line))
    _without_axes(ax)


def process_strip(states: np.ndarray, labels: Sequence[str], names: Sequence[str], *, title: str) -> Sheet:
    """A process step by step: a row an image, a column a state.

    Args:
        states: uint8 (states, B, H, W, 3).
        labels: one for each state.
        names: one for each image.
        title: of the figure.
    """
    figure = face_rows(states.swapaxes(0, 1), names, title=title)
    figure.shows = f"{title}: {states.shape[1]} faces in {len(states)} steps"
    width = states.shape[3] + 2
    figure.axes[0].set_xticks((np.arange(len(states)) + 0.5) * width, labels=labels)
    return figure
