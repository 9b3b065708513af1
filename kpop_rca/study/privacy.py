"""Who is shown: of real people no picture reaches a notebook's outputs or a report unless the study asks for it.

Pictures of people, photographs and generated ones, are drawn on a `Sheet`. Neither pyplot nor a notebook's cell shows
a sheet by itself; `StageRun.save_figure` does, which knows where the study's faces came from. So a new picture is left
out of a study of real people without anybody having to think of it.
"""

import io

import matplotlib.pyplot as plt
from IPython.core.getipython import get_ipython
from IPython.display import Image, display
from matplotlib.figure import Figure
from matplotlib.image import AxesImage, BboxImage, FigureImage

from kpop_rca.study import descriptions, paths
from kpop_rca.system import pictures

DRAWN = "idols"  # the data source that is nobody's face


class Sheet(Figure):
    """A figure with pictures of people."""

    shows: str = "pictures"  # which and how many, such as "Fig. 1: 18 photographs of 3 identities"

    def _ipython_display_(self) -> None:
        """In place of the picture, where a cell ends with a sheet: whether it may be shown `save_figure` knows."""
        print(f"{self.shows}; shown by stage.save_figure")


def may_show(source: str | None, *, publish_images: bool) -> bool:
    """Whether people of a `data_source` may be shown: drawn ones always, others (None: not known) where it is asked."""
    return source == DRAWN or publish_images


def has_pictures(figure: Figure) -> bool:
    """Whether a figure holds any picture, on a `Sheet` or not; the fields of a heatmap are none."""
    return bool(figure.findobj(lambda part: isinstance(part, AxesImage | BboxImage | FigureImage)))


def leave_out(figure: Figure) -> None:
    """Print what a figure would have shown, and close it, so that no cell shows it."""
    plt.close(figure)
    print(f"{getattr(figure, 'shows', Sheet.shows)} are left out here; set publish_images: true to show them")


def show(figure: Figure) -> None:
    """Show a figure below the cell that runs, with its description as alternative text; a chart in a notebook alone."""
    alt = descriptions.described(figure)
    if isinstance(figure, Sheet):
        picture = io.BytesIO()
        figure.savefig(picture, format="png", bbox_inches="tight")
        display(Image(pictures.small_png(picture.getvalue()), alt=alt))
    elif getattr(get_ipython(), "kernel", None):
        display(figure, metadata={"image/png": {"alt": alt}})
        plt.close(figure)  # else it is shown once more when the cell ends


def remove_pictures(study: str, notebook: str) -> None:
    """Remove what an earlier run that showed people may have left in the report: a notebook's figures, and all pages.

    The run that begins saves its figures again, but for those of people; the pages are written again after it.
    """
    report = paths.report_folder(study)
    for path in (*(report / "figures").glob(f"{notebook[:2]}_*"), *report.glob("*.html")):
        path.unlink()
