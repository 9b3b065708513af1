"""What 03 and 05 found, in sentences computed from their tables."""

import numpy as np
import pandas as pd

from kpop_rca.diffusion.held_out_loss import ALL


def about_training(log: pd.DataFrame, difference: pd.DataFrame, *, n_faces: int) -> list[str]:
    """How far the loss fell, and whether it is higher on faces that were held out.

    Args:
        log: of all trainings: training, step, loss.
        difference: from `loss_difference`, held-out faces less training faces.
        n_faces: on either side.
    """
    last = log["step"].max()
    by_part = log.assign(part=np.where(log["step"] > 0.9 * last, "end", "before"))
    ends = by_part[by_part["part"] == "end"].groupby("training")["loss"].mean()
    first = log[log["step"] <= max(0.1 * last, log["step"].min())].groupby("training")["loss"].mean()
    reach = f"between {ends.min():.3f} and {ends.max():.3f}" if len(ends) > 1 else f"{ends.iloc[0]:.3f}"
    trainings = f"{len(ends)} trainings" if len(ends) > 1 else "One training"
    told = f"{trainings} of {last:,} steps: the loss falls from {first.mean():.3f} to {reach}."
    row = difference.set_index("t").loc[ALL]
    known = f"{row['difference']:+.4f} (95 % interval {row['low']:+.4f} to {row['high']:+.4f})"
    apart = row["low"] > 0 or row["high"] < 0
    verdict = "the mean difference is not 0" if apart else "the mean difference is not distinguishable from 0"
    single = difference[difference["t"] != ALL]
    n_apart = int((single["low"] > 0).sum())
    return [
        told,
        f"Held-out faces less training faces, the first training's loss differs by {known}.",
        f"With {n_faces} faces a side {verdict}; {(single['difference'] > 0).sum()} of {len(single)} timesteps are "
        f"above 0, {n_apart} of them with an interval that excludes it.",
    ]


def about_generation(
    conditions: np.ndarray, *, trainings: int, sampler: str, guidance: float, effects: tuple[float, float]
) -> list[str]:
    """What was generated, and whether the condition changes an image as much as the noise does.

    Args:
        conditions: requested identities, int64 (N,).
        effects: from `shown_samples.effect_of_class_and_noise`.

    >>> how = {"trainings": 1, "sampler": "ddim-20", "guidance": 0.0, "effects": (12.0, 24.0)}
    >>> print(*about_generation(np.array([0, 0, 1, 1]), **how), sep=chr(10))
    1 training(s) generated 4 images, 2 of each of 2 identities, by ddim-20 at guidance 0.
    From one noise, another identity changes a pixel by 12 grey levels; for one identity, other noise does by 24.
    """
    each = np.bincount(conditions)
    of_class, of_noise = effects
    return [
        f"{trainings} training(s) generated {len(conditions):,} images, {each.min():,} of each of {len(each)} "
        f"identities, by {sampler} at guidance {guidance:g}.",
        f"From one noise, another identity changes a pixel by {of_class:.0f} grey levels; for one identity, other "
        f"noise does by {of_noise:.0f}.",
    ]
