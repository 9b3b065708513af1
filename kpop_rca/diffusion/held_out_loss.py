"""Is the loss higher on faces that the model was not trained on? The gap, with an interval over the faces."""

import numpy as np
import pandas as pd
import torch
from diffusers import DDPMScheduler, UNet2DModel
from scipy import stats

from kpop_rca.data import tensors
from kpop_rca.diffusion import objective
from kpop_rca.errors import StudyError
from kpop_rca.system import finite, seeds

TIMESTEPS = (10, 50, 100, 200, 350, 500, 700, 900)

CONFIDENCE = 0.95
ALL = "mean"  # over the timesteps


@torch.inference_mode()
def losses_of_each(
    unet: UNet2DModel, sets: dict[str, tuple[np.ndarray, np.ndarray]], *, forward: DDPMScheduler, seed: int
) -> pd.DataFrame:
    """The loss of every face at TIMESTEPS, the same noise for face i of every set.

    Args:
        unet: in evaluation mode.
        sets: name to images, uint8 (N, H, W, 3), and labels, int64 (N,), each one batch.
        forward: the forward process.
        seed: of the noise.

    Returns:
        faces (name of the set), image (0 to N - 1), t, loss: the squared error, mean over the pixels.

    Raises:
        StudyError: a loss is not finite.
    """
    tables = []
    for name, (images, labels) in sets.items():
        generator = torch.Generator().manual_seed(seeds.number(seeds.Purpose.COMPARED_NOISE, seed))
        x_0 = tensors.to_model(torch.as_tensor(images, device=unet.device))
        class_labels = torch.as_tensor(labels, device=unet.device)
        for timestep in TIMESTEPS:
            t = torch.full((len(x_0),), timestep, device=unet.device)
            eps = torch.randn(x_0.shape, generator=generator).to(unet.device)
            a, b = objective.levels(forward, t)
            task = objective.noised(forward.config.prediction_type, x_0, eps, class_labels, t=t, a=a, b=b)
            (predicted,) = unet(task.image, task.time, class_labels=task.class_labels, return_dict=False)
            errors = (predicted.float() - task.target).square().mean(dim=(1, 2, 3)).cpu()
            if finite.first_bad(errors) is not None:
                raise StudyError(f"the loss at t = {timestep} is not finite; train again with a lower learning_rate")
            found = {"faces": name, "image": np.arange(len(errors)), "t": timestep, "loss": errors.double().numpy()}
            tables.append(pd.DataFrame(found))
    return pd.concat(tables, ignore_index=True)


def mean_losses(losses: pd.DataFrame) -> pd.DataFrame:
    """The mean of `losses_of_each` over the faces: faces, t, loss."""
    return losses.groupby(["faces", "t"], sort=False)["loss"].mean().reset_index()


def loss_difference(losses: pd.DataFrame, *, of: str, less: str) -> pd.DataFrame:
    """Mean loss of one set of faces less that of another, with Welch's interval (95 %) over the faces.

    The two sets are other faces, so that nothing is paired. The last row is of each face's mean over the timesteps.

    Args:
        losses: from `losses_of_each`.
        of, less: names of the sets.

    Returns:
        t (text, ALL in the last row), difference, low, high; the ends are NaN with fewer than two faces in a set.

    Source: Welch (1947), as scipy's `ttest_ind`.

    >>> rows = [("new", 0, 10, 0.3), ("new", 1, 10, 0.5), ("old", 0, 10, 0.1), ("old", 1, 10, 0.3)]
    >>> table = pd.DataFrame(rows, columns=["faces", "image", "t", "loss"])
    >>> loss_difference(table, of="new", less="old").round(2).values.tolist()
    [['10', 0.2, -0.41, 0.81], ['mean', 0.2, -0.41, 0.81]]
    """
    wide = losses.pivot(index=["faces", "image"], columns="t", values="loss")
    wide.columns = wide.columns.astype(str)
    wide[ALL] = wide.mean(axis=1)
    rows = []
    for t, values in wide.items():
        one, other = values.loc[of].to_numpy(), values.loc[less].to_numpy()
        ends = (np.nan, np.nan)
        if min(len(one), len(other)) > 1:
            ends = stats.ttest_ind(one, other, equal_var=False).confidence_interval(CONFIDENCE)
        rows.append((t, one.mean() - other.mean(), *map(float, ends)))
    return pd.DataFrame(rows, columns=["t", "difference", "low", "high"])
