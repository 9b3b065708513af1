"""The study's images: photographs, faces, and what was generated from them. Each is a `Sheet` with a caption.

This is the one module that shows images. Names are of people, and come from folders: they are shown as they are.
"""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.patches import Rectangle
from numpy.typing import ArrayLike

from kpop_rca.plots.charts import GENERATED, WIDTH, as_text
from kpop_rca.study.privacy import Sheet


def _sheet(width: float, height: float, *, shows: str) -> Sheet:
    """An empty sheet, in inches, with what it is going to show."""
    sheet = Sheet(figsize=(width, height))
    sheet.shows = shows
    return sheet


def _show(ax: Axes, image: ArrayLike, *, interpolation: str | None = "nearest") -> None:
    ax.imshow(image, interpolation=interpolation)
    ax.set(xticks=[], yticks=[])
    ax.grid(False)
    ax.spines[:].set_visible(False)


def face_rows(
    images: np.ndarray, names: Sequence[str], *, title: str, columns: Sequence[str] = (), width: float = WIDTH
) -> Sheet:
    """Faces, uint8 (rows, columns, H, W, 3), with names of the rows, and of the columns if they have any."""
    padded = np.pad(images, ((0, 0), (0, 0), (1, 1), (1, 1), (0, 0)), constant_values=255)
    n_rows, n_columns, high, wide, _ = padded.shape
    shows = f"{title}: {n_rows * n_columns} faces in {n_rows} rows"
    figure = _sheet(width, width * n_rows / n_columns + 0.4, shows=shows)
    ax = figure.subplots()
    _show(ax, padded.transpose(0, 2, 1, 3, 4).reshape(n_rows * high, n_columns * wide, 3))
    ax.set_yticks((np.arange(n_rows) + 0.5) * high, labels=[as_text(name) for name in names])
    ax.set_xticks((np.arange(len(columns)) + 0.5) * wide, labels=[as_text(name) for name in columns])
    ax.tick_params(left=False)
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
    """Faces generated for one identity and predicted as another, `most` of them, between real faces of the two.

    Args:
        pair: numbers of the requested and of the predicted identity.
        generated: uint8 (G, H, W, 3), the requested identities (G,) and those predicted (G,).
        real: uint8 (N, H, W, 3) and labels (N,).
    """
    (images, conditions, predictions), (faces, labels), (requested, predicted) = generated, real, pair
    mistaken = images[(conditions == requested) & (predictions == predicted)]
    rows = [faces[labels == requested], mistaken, faces[labels == predicted]]
    length = min(most, *map(len, rows))
    about = f"{title}: requested {names[requested]}, predicted {names[predicted]}"
    beside = [f"real {names[requested]}", "generated", f"real {names[predicted]}"]
    return face_rows(np.stack([row[:length] for row in rows]), beside, title=about)


def face_sizes(faces: dict[int, np.ndarray], names: Sequence[str]) -> Sheet:
    """The same faces at several sizes, enlarged alike: side in pixels to uint8 (K, 1, side, side, 3)."""
    largest = np.arange(max(faces))
    nearest = {size: largest * size // len(largest) for size in faces}  # the pixel that each of the largest size shows
    rows = [faces[size][:, 0][:, place][:, :, place] for size, place in nearest.items()]
    return face_rows(np.stack(rows), [f"{size} px" for size in faces], columns=names, title="Faces at each size")


def real_beside_generated(real: np.ndarray, generated: np.ndarray, names: Sequence[str], *, title: str) -> Sheet:
    """Real faces left, uint8 (K, m, H, W, 3), generated ones right, (K, n, H, W, 3): one row per identity."""
    (rows, m), n = real.shape[:2], generated.shape[1]
    gap = np.full_like(real[:, :1], 255)
    columns = [""] * (m + 1 + n)
    columns[m // 2], columns[m + 1 + n // 2] = "real, held out", "generated"
    figure = face_rows(np.concatenate([real, gap, generated], axis=1), names, title=title, columns=columns)
    figure.shows = f"{title}: {rows * m} real, held-out and {rows * n} generated faces of {rows} identities"
    return figure


def photographs(images: Sequence[ArrayLike], rows: pd.DataFrame, *, title: str, columns: int = 6) -> Sheet:
    """Photographs with the detected faces boxed: the most prominent one, which is cropped, in red.

    Args:
        images: as `data.images.read_all` reads them. None gives a figure with a title alone.
        rows: of the audit's table: identity, the caption, and boxes of each.
    """
    lines = max(1, -(-len(rows) // columns))
    shows = f"{title}: {len(rows)} photographs of {rows['identity'].nunique()} identities"
    figure = _sheet(WIDTH, lines * WIDTH / columns * 1.15 + 0.4, shows=shows)
    axes = figure.subplots(lines, columns, squeeze=False).flat
    for ax, image, row in zip(axes, images, rows.itertuples(), strict=False):
        _show(ax, image, interpolation=None)
        for number, (x0, y0, x1, y1) in enumerate(row.boxes):
            colour, line = (GENERATED, 2) if number == 0 else ("white", 1)
            ax.add_patch(Rectangle((x0, y0), x1 - x0, y1 - y0, fill=False, edgecolor=colour, linewidth=line))
        ax.set_xlabel(as_text(row.identity), fontsize="small")
    for ax in axes[len(rows) :]:
        ax.set_visible(False)
    figure.suptitle(as_text(title if len(rows) else f"{title}: none"), fontweight="bold", x=0.01, ha="left")
    figure.tight_layout()
    return figure


def crop_steps(
    images: Sequence[ArrayLike],
    boxes: np.ndarray,
    areas: np.ndarray,
    crops: dict[int, np.ndarray],
    names: Sequence[str],
    *,
    title: str,
) -> Sheet:
    """From image to crop, a column each: the image with the face's box and the area that is cropped, then the crops.

    Args:
        images: as they were read.
        boxes: (N, 4) x0, y0, x1, y1 in pixels, in red.
        areas: (N, 4) squares of the crops, dashed.
        crops: side in pixels to uint8 (N, side, side, 3), a row each.
        names: of the columns.
    """
    n, rows = len(names), 1 + len(crops)
    figure = _sheet(WIDTH, rows * WIDTH / n + 0.5, shows=f"{title}: {n} images and their crops")
    axes = figure.subplots(rows, n, squeeze=False)
    for column, (image, box, area) in enumerate(zip(images, boxes, areas, strict=True)):
        _show(axes[0, column], image, interpolation=None)
        for (x0, y0, x1, y1), look in ((box, {"edgecolor": GENERATED, "lw": 2}), (area, {"edgecolor": "white"})):
            line = "-" if "lw" in look else "--"
            axes[0, column].add_patch(Rectangle((x0, y0), x1 - x0, y1 - y0, fill=False, linestyle=line, **look))
        axes[0, column].set_title(as_text(names[column]), fontsize="small", fontweight="normal")
        for row, faces in enumerate(crops.values(), 1):
            _show(axes[row, column], faces[column])
    for row, name in enumerate(["image", *(f"{size} px" for size in crops)]):
        axes[row, 0].set_ylabel(name)
    figure.suptitle(as_text(title), fontweight="bold", x=0.01, ha="left")
    figure.tight_layout(pad=0.4)
    return figure
