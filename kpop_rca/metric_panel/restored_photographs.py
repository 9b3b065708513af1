"""Faces of photographs as a study's model and bicubic interpolation restore them, measured without a truth.

    python -m kpop_rca.metric_panel.restored_photographs --photographs data/lfw

Only numbers are kept: no image, and no name of a person or a file.
"""

import argparse
import sys
from pathlib import Path

import numpy as np
import pandas as pd
from scipy import stats

from kpop_rca.errors import StudyError, said_in_a_line
from kpop_rca.human_ratings import of_photographs
from kpop_rca.image_metrics import no_reference
from kpop_rca.metric_panel.rated import of_each_image
from kpop_rca.metric_panel.registry import METRICS
from kpop_rca.oracles import face_quality
from kpop_rca.study import paths
from kpop_rca.system import files

TOOLS = {
    "brisque": no_reference.brisque,
    "sharpness": no_reference.sharpness,
    "detector": face_quality.detector_probability,
}
BLIND = ("brisque", "sharpness", "detector_probability")  # metrics that need those alone
DIFFERENCE = "ddpm less bicubic"
TABLE = "restored_photographs.csv"


def measured(study: str, photographs: Path, *, n_images: int) -> pd.DataFrame:
    """Each metric of each restoration: generator, metric, title, better, n, mean, low, high (95 %, Student's).

    The last rows, `DIFFERENCE`, are of paired differences on the same faces.

    Args:
        study: whose model restores; see `human_ratings.of_photographs`.
        photographs: a folder, such as LFW.
        n_images: restored ones, half of them by each.
    """
    shown = of_photographs(study, photographs, n_images=n_images)
    images = np.stack([one.image for one in shown])
    nothing = images[:1], np.zeros(1, dtype=int)  # beside which none of these metrics looks
    metrics = {name: METRICS[name] for name in BLIND}
    values, _ = of_each_image(shown, [], nothing, tools=TOOLS, metrics=metrics)
    kinds = {kind: values[[one.generator == kind for one in shown]].to_numpy() for kind in ("bicubic", "ddpm")}
    kinds[DIFFERENCE] = kinds["ddpm"] - kinds["bicubic"]
    rows = []
    for kind, found in kinds.items():
        half = stats.t.ppf(0.975, len(found) - 1) * found.std(axis=0, ddof=1) / np.sqrt(len(found))
        for name, mean, width in zip(values, found.mean(axis=0), half, strict=True):
            better = "higher" if METRICS[name].direction > 0 else "lower"
            rows.append((kind, name, METRICS[name].title, better, len(found), mean, mean - width, mean + width))
    return pd.DataFrame(rows, columns=["generator", "metric", "title", "better", "n", "mean", "low", "high"])


def about_photographs(study: str) -> list[str]:
    """What the committed table of a study of ratings says, in sentences.

    Raises:
        StudyError: it left none.
    """
    path = paths.report_folder(study) / "tables" / TABLE
    if not path.is_file():
        raise StudyError(f"there is no {TABLE} in reports/{study}; see kpop_rca.metric_panel.restored_photographs")
    table = pd.read_csv(path)
    n = table["n"].iloc[0]
    said = [f"A committed run on photographs, {n} faces each; the DDPM less bicubic interpolation, 95 %:"]
    for row in table[table["generator"] == DIFFERENCE].itertuples():
        said.append(f"{row.title} ({row.better} is better): {row.mean:.3g} [{row.low:.3g}, {row.high:.3g}]")
    return said


@said_in_a_line
def main(arguments: list[str] | None = None) -> int:
    """Command line; returns the exit status."""
    parser = argparse.ArgumentParser(prog="python -m kpop_rca.metric_panel.restored_photographs", description=__doc__)
    parser.add_argument("--study", default="showcase", help="whose model restores (default: showcase)")
    parser.add_argument("--photographs", type=Path, required=True, help="a folder with photographs, such as LFW")
    parser.add_argument("--images", type=int, default=200, help="restored images, half by each (default: 200)")
    parser.add_argument("--out", type=Path, help="folder of the table (default: reports/ratings/tables)")
    options = parser.parse_args(arguments)
    table = measured(options.study, options.photographs, n_images=options.images)
    with files.atomic((options.out or paths.report_folder("ratings") / "tables") / TABLE) as temporary:
        table.to_csv(temporary, index=False)
    print(table.round(3).to_string(index=False))
    return 0


if __name__ == "__main__":
    sys.exit(main())
