"""A generator tuned by preferences (DPO), and its controls: winners only, random pairs, real faces, best of n.

Low-rank adapters are a few lines here: diffusers' UNet cannot be imported where peft is installed without transformers.
"""

import copy
import io
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
import torch.nn.functional as F
from diffusers import DDPMScheduler, UNet2DModel
from torch import Tensor, nn
from torch.nn.utils import parametrize

from kpop_rca.data import tensors
from kpop_rca.diffusion import objective
from kpop_rca.diffusion.trainer import FORWARD, UNET, batch_indices, load_trained
from kpop_rca.diffusion.unet import no_class
from kpop_rca.errors import StudyError
from kpop_rca.oracles import training
from kpop_rca.oracles.resnet import SmallImageResNet
from kpop_rca.preferences.scorer import Scorer
from kpop_rca.study import checksums
from kpop_rca.system import files, parallel, seeds
from kpop_rca.system.parallel import one_thread
from kpop_rca.system.seeds import Purpose

Reward = Callable[[np.ndarray, np.ndarray], np.ndarray]  # images, requested identities (N,): float64 (N,)
Images = tuple[np.ndarray, np.ndarray, np.ndarray]  # winners and losers, uint8 (n, H, W, 3), and labels (n,)
ADAPTED = ("to_q", "to_k", "to_v", "to_out.0", "conv1", "conv2")  # layers of the UNet, by the ends of their names
LOG, WATCHED, CHECKPOINT, RESULT = "log.csv", "watched.csv", "tuning.pt", "tuned"
LOG_EVERY = 10  # steps between two lines of the log, each of which may end the tuning


@dataclass(frozen=True)
class TuningRecipe:
    """How a generator is tuned.

    Attributes:
        objective: "dpo", or "winners": the training's own loss on the winners alone.
        adapter: "lora", or "full" for all weights.
        warm_up: steps over which the learning rate rises.
        largest_rise: of the winners' error over the reference's, at which the tuning stops.
        candidates: so many times as many images can make pairs as are scored in the end.
        fraction: of a class's candidates that can win, and that can lose.
        rounds: tunings one after the other, of so many steps each at most. Each has the generator that the one before
            has left as its reference, and that one's images as its candidates: DPO on policy. `tune` is one of them.
    """

    objective: str = "dpo"
    adapter: str = "lora"
    steps: int = 100
    batch_size: int = 16
    learning_rate: float = 3e-4
    beta: float = 2000.0
    rank: int = 8
    timestep_sampling: str = "logit_normal"
    largest_rise: float = 0.003
    warm_up: int = 0
    candidates: int = 1
    fraction: float = 0.35
    rounds: int = 1
    seed: int = 0


class LowRank(nn.Module):
    """A weight plus a matrix of low rank, which is 0 at first: W + up down (Hu et al. 2021)."""

    def __init__(self, weight: Tensor, rank: int, *, generator: torch.Generator):
        super().__init__()
        down = torch.randn(rank, weight[0].numel(), generator=generator) / weight[0].numel() ** 0.5
        self.down = nn.Parameter(down.to(weight.device))
        self.up = nn.Parameter(weight.new_zeros(len(weight), rank))

    def forward(self, weight: Tensor) -> Tensor:
        return weight + (self.up @ self.down).view(weight.shape)


def add_adapters(unet: UNet2DModel, rank: int, *, seed: int) -> None:
    """Freeze a network, and give the layers ADAPTED a trainable matrix of low rank each."""
    generator = torch.Generator().manual_seed(seeds.number(Purpose.ADAPTERS, seed))
    unet.requires_grad_(False)
    for module in [module for name, module in unet.named_modules() if name.endswith(ADAPTED)]:
        parametrize.register_parametrization(module, "weight", LowRank(module.weight, rank, generator=generator))


def merge_adapters(unet: UNet2DModel) -> UNet2DModel:
    """Add each adapter to its weight, in place: an ordinary network again."""
    for module in [module for module in unet.modules() if parametrize.is_parametrized(module)]:
        parametrize.remove_parametrizations(module, "weight")
    return unet


def dpo_loss(win: Tensor, loss: Tensor, reference_win: Tensor, reference_loss: Tensor, *, beta: float) -> Tensor:
    """-log sigmoid(-beta / 2 ((win - reference_win) - (loss - reference_loss))), a scalar: the mean over pairs.

    Each argument holds the mean squared errors (B,) of a network's predictions of winners or losers. The factor of 1/2
    is that of the published code (Wallace et al. 2024), where beta is 2000 to 5000; the paper's T is within beta. With
    a loss without 1/2, as in diffusers' example, the same beta is twice as strong.

    Source: Wallace et al. (2024), eq. 14; Liao et al. (2024), "FaceScore", eq. 4.
    """
    return F.softplus(0.5 * beta * ((win - reference_win) - (loss - reference_loss))).mean()


def errors(unet: nn.Module, task: objective.NoisedBatch) -> Tensor:
    """The mean squared error of each prediction, (B,)."""
    (predicted,) = unet(task.image, task.time, class_labels=task.class_labels, return_dict=False)
    return (predicted.float() - task.target).square().mean(dim=(1, 2, 3))


def alike_noised(
    images: Images, rows: np.ndarray, *, unet: UNet2DModel, forward: DDPMScheduler, sampling: str, number: int
) -> list[objective.NoisedBatch]:
    """Winners and losers at the same timesteps and with the same noise, which follow from a number."""
    labels = torch.as_tensor(images[2][rows], device=unet.device)
    return [
        objective.training_task(
            tensors.to_model(torch.as_tensor(side[rows], device=unet.device)),
            labels,
            forward=forward,
            no_class=no_class(unet),
            label_dropout=0.0,
            flip=False,
            timestep_sampling=sampling,
            generator=torch.Generator(unet.device).manual_seed(number),
        )
        for side in images[:2]
    ]


def tune(
    unet: UNet2DModel,
    forward: DDPMScheduler,
    images: Images,
    *,
    recipe: TuningRecipe,
    folder: Path,
    bar: Callable = iter,
    watch: Callable[[UNet2DModel], dict[str, float]] | None = None,
    watch_every: int = 20,
    steps_at_most: int | None = None,
) -> pd.DataFrame:
    """Tune a copy of a generator, from the last checkpoint of the folder if there is one.

    Every step follows from the recipe's seed and its number, so a stopped tuning goes on as if it had not been stopped.

    Args:
        unet: the reference, in evaluation mode; it stays as it is.
        forward: the forward process that it was trained on.
        images: see `Images`; a tuning of the objective "winners" has no use for the losers.
        folder: of the tuning; `load_tuned` reads it.
        bar: wraps the steps, `tqdm` for example.
        watch: measures the network before the first step and every `watch_every`; what it finds is in `watched`.
        steps_at_most: end sooner, without a result, as if it had been stopped.

    Returns:
        The log: step; loss; win and lose, the errors less the reference's; all means since the line before.

    Raises:
        StudyError: there is no pair, or the loss is not finite.
    """
    if not len(images[2]):
        raise StudyError("a generator cannot be tuned without pairs; generate more images, or score them otherwise")
    if checksums.is_whole(folder / RESULT):
        return pd.read_csv(folder / LOG)
    policy = copy.deepcopy(unet).train()
    if recipe.adapter == "lora":
        add_adapters(policy, recipe.rank, seed=recipe.seed)
    else:
        policy.requires_grad_(True)
    free = [weight for weight in policy.parameters() if weight.requires_grad]
    optimizer = torch.optim.AdamW(free, lr=recipe.learning_rate, weight_decay=0.0)
    state = _read_checkpoint(folder, free, optimizer)
    done, lines, watched = state["step"], state["log"], state["watched"]
    stopped = bool(lines) and lines[-1][2] > recipe.largest_rise
    window: list[list[float]] = []
    with one_thread(unet.device):
        for step in bar(range(done, done if stopped else min(recipe.steps, steps_at_most or recipe.steps))):
            if watch and step % watch_every == 0 and len(watched) <= step // watch_every:
                watched.append({"step": step} | watch(policy.eval()))
                policy.train()
            window.append(_step(policy, unet, forward, images, recipe, optimizer, step))
            if (step + 1) % LOG_EVERY == 0 or step + 1 == recipe.steps:
                lines.append([step + 1, *np.mean(window, axis=0).tolist()])
                window = []
                _write_checkpoint(folder, free, optimizer, {"step": step + 1, "log": lines, "watched": watched})
                if lines[-1][2] > recipe.largest_rise:
                    break
        else:
            if steps_at_most:
                return _log(lines)
        if watch:
            watched.append({"step": lines[-1][0]} | watch(policy.eval()))
    _write_result(folder, merge_adapters(policy.eval()), forward, _log(lines), pd.DataFrame(watched))
    return _log(lines)


def tune_each(
    unet: UNet2DModel,
    forward: DDPMScheduler,
    images: Mapping[str, Images],
    *,
    folder: Path,
    named: Callable[[str], Callable],
    **how: Any,
) -> dict[str, Path]:
    """`tune` one generator by each of several sets of images, a core each: the folders of the tunings.

    Args:
        folder: of all tunings.
        named: the bar of a tuning by its name.
        how: the other arguments of `tune`.
    """
    folders = {name: folder / name.replace(" ", "_") for name in images}

    def tune_by(name: str) -> pd.DataFrame:
        return tune(unet, forward, images[name], folder=folders[name], bar=named(name), **how)

    for _ in parallel.a_core_each(tune_by, images, device=unet.device):
        pass
    return folders


def _step(
    policy: nn.Module,
    reference: UNet2DModel,
    forward: DDPMScheduler,
    images: Images,
    recipe: TuningRecipe,
    optimizer: torch.optim.Optimizer,
    step: int,
) -> list[float]:
    """One step; its loss, and the errors of winners and losers less the reference's."""
    rows = batch_indices(step, n=len(images[2]), batch_size=recipe.batch_size, seed=recipe.seed)
    number = seeds.number(Purpose.TUNING_STEP, recipe.seed, step)
    how = {"unet": reference, "forward": forward, "sampling": recipe.timestep_sampling, "number": number}
    sides = alike_noised(images, rows, **how)
    with torch.no_grad():
        before = [errors(reference, task) for task in sides]
    of_winner = errors(policy, sides[0])
    if recipe.objective == "winners":
        with torch.no_grad():
            of_loser = errors(policy, sides[1])
        loss = of_winner.mean()
    else:
        of_loser = errors(policy, sides[1])
        loss = dpo_loss(of_winner, of_loser, *before, beta=recipe.beta)
    if not loss.isfinite():
        raise StudyError(f"the loss of step {step + 1} of a tuning is not finite; lower its learning rate or beta")
    optimizer.zero_grad()
    loss.backward()
    optimizer.param_groups[0]["lr"] = recipe.learning_rate * min(1.0, (step + 1) / (recipe.warm_up or 1))
    optimizer.step()
    rises = [(own - other).mean().item() for own, other in zip((of_winner, of_loser), before, strict=True)]
    return [loss.item(), *rises]


def _log(lines: list[list[float]]) -> pd.DataFrame:
    return pd.DataFrame(lines, columns=["step", "loss", "win", "lose"])


def _read_checkpoint(folder: Path, free: list[Tensor], optimizer: torch.optim.Optimizer) -> dict[str, Any]:
    """Where a tuning stands; its weights and optimiser are loaded."""
    path = folder / CHECKPOINT
    if not checksums.is_whole(path):
        return {"step": 0, "log": [], "watched": []}
    state = torch.load(io.BytesIO(path.read_bytes()), weights_only=True)
    with torch.no_grad():
        for weight, saved in zip(free, state["weights"], strict=True):
            weight.copy_(saved)
    optimizer.load_state_dict(state["optimizer"])
    return state


def _write_checkpoint(
    folder: Path, free: list[Tensor], optimizer: torch.optim.Optimizer, progress: dict[str, Any]
) -> None:
    weights = [weight.detach() for weight in free]
    with checksums.recorded(folder / CHECKPOINT) as temporary:
        torch.save(progress | {"weights": weights, "optimizer": optimizer.state_dict()}, temporary)


def _write_result(
    folder: Path, tuned: UNet2DModel, forward: DDPMScheduler, log: pd.DataFrame, watched: pd.DataFrame
) -> None:
    for name, table in ((LOG, log), (WATCHED, watched)):
        with files.atomic(folder / name) as temporary:
            table.to_csv(temporary, index=False)
    with files.writing(folder):
        tuned.save_pretrained(folder / RESULT / UNET)
        forward.save_pretrained(folder / RESULT / FORWARD)
    checksums.record(folder / RESULT)
    checksums.remove(folder / CHECKPOINT)


def load_tuned(folder: Path, device: torch.device) -> tuple[UNet2DModel, DDPMScheduler]:
    """The tuned network in evaluation mode, and its forward process."""
    return load_trained(folder / RESULT, device)


def read_watched(folder: Path) -> pd.DataFrame:
    """What a tuning's `watch` found: step, and its columns."""
    return pd.read_csv(folder / WATCHED)


def face_reward(scorer: Scorer) -> Reward:
    """The face score, whoever was requested."""
    return lambda images, labels: scorer(images)


def identity_reward(oracle: SmallImageResNet) -> Reward:
    """The logarithm of the oracle's probability of the requested identity."""

    def reward(images: np.ndarray, labels: np.ndarray) -> np.ndarray:
        probabilities = training.predict(oracle, images)[0].astype(np.float64)
        return np.log(probabilities[np.arange(len(labels)), labels].clip(min=np.finfo(np.float32).tiny))

    return reward


def committee_reward(oracles: Sequence[SmallImageResNet]) -> Reward:
    """The mean of `identity_reward` over oracles: what fools one of them counts less."""
    each = [identity_reward(oracle) for oracle in oracles]
    return lambda images, labels: np.mean([reward(images, labels) for reward in each], axis=0)


def summed_reward(*rewards: Reward) -> Reward:
    """The sum of rewards, each in standard deviations over the images that are compared."""

    def reward(images: np.ndarray, labels: np.ndarray) -> np.ndarray:
        values = np.stack([one(images, labels) for one in rewards])
        return ((values - values.mean(axis=1, keepdims=True)) / values.std(axis=1, keepdims=True)).sum(axis=0)

    return reward


def ranked_pairs(
    rewards: np.ndarray,
    labels: np.ndarray,
    *,
    n: int,
    generator: np.random.Generator,
    fraction: float = TuningRecipe.fraction,
) -> tuple[np.ndarray, np.ndarray]:
    """Indices of n winners and n losers, int (n,) each: of one class, out of its top and bottom fraction by reward.

    Random rewards give random pairs, the control.

    Raises:
        StudyError: a class has fewer than two images.
    """
    tops, bottoms = [], []
    for label in np.unique(labels):
        order = np.flatnonzero(labels == label)
        if len(order) < 2:
            raise StudyError(f"identity {label} has a single image to rank; generate more of each")
        order = order[np.argsort(rewards[order], kind="stable")]
        most = max(1, int(fraction * len(order)))
        tops.append(order[-most:])
        bottoms.append(order[:most])
    classes = np.arange(n) % len(tops)
    return tuple(np.array([generator.choice(side[k]) for k in classes], dtype=int) for side in (tops, bottoms))


def best_of_n(rewards: np.ndarray, labels: np.ndarray, *, n: int) -> np.ndarray:
    """Indices of the best image of every n of one class, in their order: preferences without a tuning.

    >>> best_of_n(np.array([1.0, 3.0, 2.0, 0.0, 5.0, 4.0]), np.array([0, 0, 0, 0, 1, 1]), n=2).tolist()
    [1, 2, 4]
    """
    chosen = []
    for label in np.unique(labels):
        own = np.flatnonzero(labels == label)
        groups = own[: len(own) // n * n].reshape(-1, n)
        chosen.append(groups[np.arange(len(groups)), rewards[groups].argmax(axis=1)])
    return np.concatenate(chosen)
