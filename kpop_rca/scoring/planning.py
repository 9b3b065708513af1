"""How many photographs and images an interval, or a difference of two generators, needs."""

import numpy as np
import pandas as pd
from scipy.stats import norm

from kpop_rca import rca
from kpop_rca.errors import StudyError
from kpop_rca.scoring.cross_fitting import FEWEST_PHOTOGRAPHS

ORACLES = (0.8, 0.9, 0.97, 0.99)  # accuracies on photographs
TRUTHS = (0.5, 0.9)  # fractions of the images that show the requested person
POWER = 0.8
# What a plan is read at when nothing else is known: dlib names .997 of the photographs of 20 people of LFW right, and
# at a truth of a half independent images say least.
TYPICAL = (0.99, 0.5)


def standard_errors(
    accuracy_real: float, truth: float, *, people: int, photos: int, images: float = 1
) -> tuple[float, float]:
    """Of the confusion-corrected accuracy: from the generated images, and from the photographs.

        truth (1 / a - truth) / (people images)    and    truth^2 (1 / a - 1) / (people (photos - 2))

    the squares, with a the accuracy on photographs, of an oracle that errs evenly; photographs as in `estimates`.

    Source: the delta method for a ratio of means.

    >>> [round(error, 4) for error in standard_errors(0.8, 0.5, people=10, photos=12, images=30)]
    [0.0354, 0.025]
    """
    of_images = truth * (1 / accuracy_real - truth) / (people * images)
    of_photographs = truth**2 * (1 / accuracy_real - 1) / (people * (photos - 2))
    return float(np.sqrt(of_images)), float(np.sqrt(of_photographs))


def plan(people: int, photos: int, width: float) -> pd.DataFrame:
    """Images of each person that an interval of this width needs, and a difference as large between two generators.

    Args:
        people: K, 2 or more.
        photos: photographs of each person.
        width: of the 95 % interval of the confusion-corrected accuracy, and the difference, in (0, 1).

    Returns:
        A row for each of ORACLES and TRUTHS: accuracy_real, truth, narrowest (the width with images without end),
        images_for_width (missing where not even these suffice), images_for_difference (of each generator, to call the
        difference one in 80 % of the cases at 5 %, images being independent: its errors on photographs are common).

    >>> table = plan(people=20, photos=15, width=0.1)
    >>> table[table["truth"] == 0.9][["accuracy_real", "images_for_width"]].values.tolist()
    [[0.8, <NA>], [0.9, 32], [0.97, 11], [0.99, 8]]
    """
    if people < 2 or photos < FEWEST_PHOTOGRAPHS or not 0 < width < 1:
        raise StudyError(
            f"a plan needs 2 people or more, {FEWEST_PHOTOGRAPHS} photographs of each or more and a width between 0 "
            f"and 1, not {people}, {photos} and {width:g}"
        )
    z = norm.isf((1 - rca.CONFIDENCE) / 2)
    rows = []
    for accuracy_real in ORACLES:
        for truth in TRUTHS:
            of_image, of_photographs = standard_errors(accuracy_real, truth, people=people, photos=photos)
            left = (width / (2 * z)) ** 2 - of_photographs**2
            needed = 2 * ((z + norm.ppf(POWER)) * of_image / width) ** 2
            row = {"accuracy_real": accuracy_real, "truth": truth, "narrowest": 2 * z * of_photographs}
            row["images_for_width"] = int(np.ceil(of_image**2 / left)) if left > 0 else pd.NA
            rows.append(row | {"images_for_difference": int(np.ceil(needed))})
    return pd.DataFrame(rows).astype({"images_for_width": "Int64"})


def planned(table: pd.DataFrame, *, width: float) -> str:
    """The answer of a `plan` in a sentence, at TYPICAL."""
    accuracy_real, truth = TYPICAL
    row = table[table["accuracy_real"].eq(accuracy_real) & table["truth"].eq(truth)].iloc[0]
    for_width = f"no number of images is enough, photographs leave {row['narrowest']:.2f}"
    if pd.notna(row["images_for_width"]):
        for_width = f"{row['images_for_width']:.0f} images of each person"
    return (
        f"For a 95 % interval {width:g} wide: {for_width}. To see a difference of {width:g} between two generators: "
        f"{row['images_for_difference']:.0f} of each person by each.\n"
        f"That is with an oracle that names {accuracy_real:g} of photographs right, as dlib does, where {truth:.0%} of "
        "the images show the requested person."
    )
