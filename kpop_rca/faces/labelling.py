"""A small page for labelling images by hand, for what no rule finds: microphones, hands, masks, wrong people.

It shows photographs whatever `publish_images` says, to a browser on this machine alone. So no notebook of the study
runs it: JupyterLab may save what a page shows, and what a study's notebooks hold becomes its report.
"""

import io
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import ipywidgets as widgets
import pandas as pd
from PIL import Image, ImageDraw

from kpop_rca.data.images import UnreadableImage, read_rgb
from kpop_rca.errors import StudyError
from kpop_rca.faces.flags import FLAGS, doubt_order
from kpop_rca.faces.hand_labels import HAND_LABELS, read_hand_labels
from kpop_rca.system.files import atomic

MAX_SIDE = 480  # pixels, of the image as shown


@dataclass
class LabellingSession:
    """Images one after the other, the most doubtful first (`flags.doubt_order`), and the labels given to them so far.

    Every label is written at once to the CSV that 01 reads; a new session goes on with the first image without one.
    """

    flagged: pd.DataFrame
    root: Path
    csv_path: Path
    labels: dict[str, str] = field(init=False)
    position: int = field(init=False)

    def __post_init__(self) -> None:
        self.root, self.csv_path = Path(self.root), Path(self.csv_path)
        readable = self.flagged[~self.flagged["flag_unreadable"]]
        if readable.empty:
            raise StudyError("there is no readable image to label; run 01_data_audit on a folder with images")
        self.flagged = readable.iloc[doubt_order(readable)].reset_index(drop=True)
        known = read_hand_labels(self.csv_path) if self.csv_path.is_file() else None
        self.labels = {} if known is None else dict(zip(known["path"], known["label"], strict=True))
        todo = ~self.flagged["path"].isin(list(self.labels))
        self.position = int(todo.to_numpy().argmax()) if todo.any() else len(self.flagged) - 1

    @property
    def path(self) -> str:
        """The image shown, relative to the data folder."""
        return self.flagged["path"].iloc[self.position]

    def describe(self) -> str:
        """One line: where we are, the image, its flags, who else it may be, its label."""
        row = self.flagged.iloc[self.position]
        flags = ", ".join(name for name in FLAGS if row[f"flag_{name}"]) or "no flag"
        doubt = f"{row['likeliest_other']} {row['other_score']:.2f}, own {row['mismatch_score']:.2f} · "
        label = self.labels.get(self.path, "not labelled")
        other = doubt if row["other_score"] > row["mismatch_score"] else ""
        return f"{self.position + 1} of {len(self.flagged)} · {self.path} · {flags} · {other}{label}"

    def label(self, label: str) -> None:
        """Label the image shown, save, go on."""
        self.labels[self.path] = label
        self._save()
        self.move(1)

    def clear(self) -> None:
        """Take the label of the image shown back."""
        if self.labels.pop(self.path, None):
            self._save()

    def move(self, by: int) -> None:
        """Show another image, staying within the table."""
        self.position = min(max(self.position + by, 0), len(self.flagged) - 1)

    def _save(self) -> None:
        table = pd.DataFrame(sorted(self.labels.items()), columns=["path", "label"])
        with atomic(self.csv_path) as temporary:
            table.to_csv(temporary, index=False)

    def png(self) -> bytes:
        """The image shown, reduced to `MAX_SIDE`, with a frame around its most prominent face."""
        try:
            image = read_rgb(self.root / self.path)
        except UnreadableImage:  # it could be read when it was audited: moved or changed since
            image = Image.new("RGB", (MAX_SIDE, MAX_SIDE // 2), "lightgrey")
        scale = min(1.0, MAX_SIDE / max(image.size))
        image = image.resize([max(1, round(side * scale)) for side in image.size])
        for box in list(self.flagged["boxes"].iloc[self.position])[:1]:
            ImageDraw.Draw(image).rectangle([float(v) * scale for v in box], outline="yellow", width=2)
        buffer = io.BytesIO()
        image.save(buffer, "PNG")
        return buffer.getvalue()


class LabellingPage(widgets.VBox):
    """The page: image, its flags, a button for each label, back, skip, clear; a cell's last value shows it.

    Args:
        flagged: from `flags.flag_images`.
        root: the data folder.
        csv_path: where the labels go, `params.hand_labels_file`; labels that are there already are kept.
    """

    def __init__(self, flagged: pd.DataFrame, root: Path | str, csv_path: Path | str) -> None:
        self.session = LabellingSession(flagged, Path(root), Path(csv_path))
        self._image, self._caption = widgets.Image(format="png"), widgets.Label()
        session = self.session
        labels = [self._button(name, session.label, name, style="info") for name in HAND_LABELS]
        steps = [self._button(name, session.move, by) for name, by in (("back", -1), ("skip", 1))]
        steps.append(self._button("clear", session.clear))
        super().__init__([self._caption, self._image, widgets.HBox(labels), widgets.HBox(steps)])
        self._show()

    def _button(self, text: str, action: Callable, *arguments: object, style: str = "") -> widgets.Button:
        made = widgets.Button(description=text.replace("_", " "), button_style=style)
        made.on_click(lambda _: (action(*arguments), self._show()))
        return made

    def _show(self) -> None:
        self._image.value, self._caption.value = self.session.png(), self.session.describe()
