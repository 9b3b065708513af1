"""Ours, through the functions that the notebooks call or that those go through: an adapter each."""

import queue
import shutil
import tempfile
import threading
import warnings
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from functools import cache, partial
from itertools import islice
from pathlib import Path

import numpy as np
import torch
from lpips import LPIPS
from tqdm import tqdm

from kpop_rca.benchmarks import ceilings
from kpop_rca.benchmarks.setting import (
    N_CLASSES,
    NOISE_SCHEDULE,
    PAPER_IMAGES,
    PHOTOGRAPH,
    Setting,
    quiet,
    warm_up_features,
)
from kpop_rca.benchmarks.timing import Work
from kpop_rca.data.images import read_rgb
from kpop_rca.diffusion.generation import GenerationPlan, generate
from kpop_rca.diffusion.objective import TIMESTEPS, forward_process
from kpop_rca.diffusion.trainer import DiffusionRecipe, Trainer
from kpop_rca.faces import crops, detection
from kpop_rca.image_metrics import feature_extractors, frechet, kid, prdc
from kpop_rca.oracles import training
from kpop_rca.oracles.candidates import Faces
from kpop_rca.oracles.resnet import SmallImageResNet
from kpop_rca.system import devices

FAR = 10_000_000  # steps: the end of a training that is left before
DETECTED_FOR_FLOPS = 8  # photographs whose operations are counted
N_ORACLES = 2  # trained in a repeat; on a CPU side by side


def recipe(setting: Setting, *, steps: int) -> DiffusionRecipe:
    """As the study trains; the rate is constant, so that the number of steps changes none of them."""
    return DiffusionRecipe(
        steps=steps,
        batch_size=setting["batch_size"],
        learning_rate=1e-4,
        learning_rate_schedule="constant",
        label_dropout=0.1,
        ema_half_life=50_000,
        ema_ramp_up=0.1,
        gradient_clip=1.0,
        weight_decay=0.01,
        flip=True,
        noise_schedule=NOISE_SCHEDULE,
        mixed_precision=setting["mixed_precision"],
        seed=setting["seed"],
    )


class _Enough(Exception):
    """Thrown into a training to leave it."""


class Stepwise:
    """A training in a thread of its own that moves only while `advance` waits: set up once, it takes turns."""

    def __init__(self, fit: Callable[[Callable], object]):
        """Let the training run to its first step; `fit` takes the maker of a progress bar."""
        self._asked, self._done = queue.SimpleQueue(), queue.SimpleQueue()
        # How many cores torch may use is a setting of each thread.
        self._thread = threading.Thread(target=self._run, args=(fit, torch.get_num_threads()), daemon=True)
        self._thread.start()
        self._wait()

    def advance(self, steps: int) -> None:
        """Take so many steps, and wait until the training asks for the next; raises what it raised."""
        self._asked.put(steps)
        self._wait()

    def close(self) -> None:
        """Leave the training where it stands."""
        self._asked.put(0)
        self._thread.join()

    def _wait(self) -> None:
        if error := self._done.get():
            raise error

    def _run(self, fit: Callable[[Callable], object], threads: int) -> None:
        torch.set_num_threads(threads)
        try:
            fit(lambda steps, **_: tqdm(self._handed_out(steps), disable=True))
            self._done.put(RuntimeError("the training ended too early"))
        except _Enough:
            pass
        except Exception as error:
            self._done.put(error)

    def _handed_out(self, steps: Iterable) -> Iterator:
        steps = iter(steps)
        self._done.put(None)
        while count := self._asked.get():
            yield from islice(steps, count)
            self._done.put(None)
        raise _Enough


def training_steps(setting: Setting, *, steps: int = FAR) -> Work:
    """`bench_train_steps` steps of `Trainer.fit` a repeat, the first of `steps`, which say whether compiling pays.

    It is left before the last: no checkpoint and no sample grid comes before that.
    """
    folder = Path(tempfile.mkdtemp(dir=setting.scratch))
    trainer = Trainer(setting.new_unet(), recipe=recipe(setting, steps=steps), folder=folder, device=setting.device)
    fit = partial(trainer.fit, *setting.faces, checkpoint_minutes=1e6, sample_grids=1)
    loop = Stepwise(lambda bar: fit(bar=bar))
    return Work(
        run=lambda: loop.advance(setting["bench_train_steps"]),
        items=setting["bench_train_steps"] * setting["batch_size"],
        flops=setting.unet_flops(training=True),
        close=loop.close,
    )


def paper_plan(setting: Setting, *, sampler: str) -> GenerationPlan:
    """The paper's images, guidance off, by DDPM in all of its steps: the run that a rate stands for."""
    return GenerationPlan(
        sampler=sampler,
        steps=TIMESTEPS if sampler == "ddpm" else setting[f"bench_{sampler}_steps"],
        guidance=0.0,
        images_per_identity=PAPER_IMAGES // N_CLASSES,
        batch_size=setting["bench_sampling_batch_size"],
        seed=setting["seed"],
        mixed_precision=setting["mixed_precision"],
    )


def paper_calls(setting: Setting, *, sampler: str) -> int:
    """Calls of the network in `paper_plan`."""
    return paper_plan(setting, sampler=sampler).network_calls(n_classes=N_CLASSES)


def generation(setting: Setting, *, sampler: str, calls: int | None = None, identities: int = 1) -> Work:
    """`generate` of `bench_samples` images, written to files; guidance off.

    Args:
        setting: what to draw with.
        sampler: "ddim" or "ddpm".
        calls: of the network in the run that this one stands for, None for `paper_calls`: it is compiled where that
            pays in such a run.
        identities: among which the images are shared evenly.
    """
    unet = setting.new_unet().to(setting.device, memory_format=torch.channels_last).eval()
    calls = paper_calls(setting, sampler=sampler) if calls is None else calls
    devices.compile_where_it_pays(unet, setting.device, calls=calls)
    plan = replace(
        paper_plan(setting, sampler=sampler),
        steps=setting[f"bench_{sampler}_steps"],
        images_per_identity=setting["bench_samples"] // identities,
    )
    return Work(
        run=partial(_generate, unet, plan, setting.scratch, identities),
        items=plan.images_per_identity * identities,
        flops=plan.steps * setting.unet_flops(training=False),
    )


def _generate(unet: torch.nn.Module, plan: GenerationPlan, scratch: Path, identities: int) -> None:
    folder = Path(tempfile.mkdtemp(dir=scratch))
    forward = forward_process(NOISE_SCHEDULE)
    generate(unet, forward, plan, n_classes=identities, folder=folder, progress=quiet)
    shutil.rmtree(folder)


def detected(setting: Setting) -> Work:
    """`detection.detect_faces`: decoding, perceptual hash, MTCNN, and the second look at the largest face."""
    table, root = setting.photographs
    find = partial(
        detection.detect_faces,
        table,
        root,
        min_face_size=setting["min_face_size"],
        batch_size=setting["detector_batch_size"],
        max_side=setting["max_side"],
        device=setting.device,
    )
    return Work(run=find, items=len(table), flops=detection_flops(setting))


@cache
def detection_flops(setting: Setting) -> float:
    """Floating-point operations that MTCNN spends on a photograph, the mean over a few."""
    table, root = setting.photographs
    detector = detection.build_detector(min_face_size=setting["min_face_size"], device=setting.device)
    paths = table["path"][:DETECTED_FOR_FLOPS]
    with torch.inference_mode():
        images = [read_rgb(root / path) for path in paths]
        counted = ceilings.counted_flops(lambda: [detector.detect(image, landmarks=True) for image in images])
    return counted / len(images)


def measured(setting: Setting) -> Work:
    """Fréchet and kernel distance, precision, recall, density and coverage on the same features."""
    all_measures(*warm_up_features())
    return Work(run=partial(all_measures, *setting.features), items=1)


def all_measures(real: np.ndarray, generated: np.ndarray) -> None:
    """What stands behind one value of FID, of KID and of PRDC in `feature_measures`, once each."""
    frechet.frechet_distance(real, generated)
    kid.kernel_distance(real, generated, generator=np.random.default_rng(0))
    prdc.neighbourhood_measures(real, generated)


def oracle(setting: Setting, *, seed: int = 0) -> SmallImageResNet:
    """The first of `architectures`, with random weights, on the CPU."""
    return training.build_oracle(
        setting["architectures"][0], n_classes=N_CLASSES, recipe=oracle_recipe(setting, seed=seed)
    )[0]


def oracle_recipe(setting: Setting, *, seed: int) -> training.OracleRecipe:
    """One epoch, as the study trains its oracles."""
    return training.OracleRecipe(
        width=setting["oracle_width"],
        warmup_epochs=0,
        epochs=1,
        batch_size=setting["oracle_batch_size"],
        learning_rate=setting["oracle_learning_rate"],
        weight_decay=0.05,
        colour_jitter=setting["oracle_colour_jitter"],
        pretrained=False,
        seed=seed,
    )


def oracles_trained(setting: Setting) -> Work:
    """`oracle.train_side_by_side` of two oracles for an epoch, with their validation, their test and their files."""
    images, labels = setting.faces
    few = images[: training.EVALUATION_BATCH], labels[: training.EVALUATION_BATCH]
    splits = {"train": (images, labels), "validation": few, "test": few}
    return Work(
        run=partial(_train_oracles, setting, splits),
        items=N_ORACLES * len(images),
        flops=setting.oracle_flops(training=True),
    )


def _train_oracles(setting: Setting, splits: dict[str, Faces]) -> None:
    folder = Path(tempfile.mkdtemp(dir=setting.scratch))
    trainings = [
        training.Training(
            setting["architectures"][0], splits, recipe=oracle_recipe(setting, seed=k), folder=folder / str(k), notes={}
        )
        for k in range(N_ORACLES)
    ]
    training.train_side_by_side(trainings, device=setting.device, bar=partial(tqdm, disable=True))
    shutil.rmtree(folder)


def predicted(setting: Setting) -> Work:
    """`oracle.predict` of all faces by one oracle."""
    images, _ = setting.faces
    network = oracle(setting).to(setting.device, memory_format=torch.channels_last).eval()
    return Work(
        run=lambda: training.predict(network, images),
        items=len(images),
        flops=setting.oracle_flops(training=False),
    )


def perceptual(setting: Setting) -> Work:
    """`networks.lpips_distances` of random pairs."""
    images, pairs = pairs_of_faces(setting)
    distance = untrained_lpips(setting)
    return Work(run=lambda: feature_extractors.lpips_distances(distance, images, pairs), items=len(pairs))


def pairs_of_faces(setting: Setting) -> tuple[np.ndarray, np.ndarray]:
    """The pictures, and `bench_pairs` pairs of indices."""
    images, _ = setting.faces
    return images, np.random.default_rng(setting["seed"]).integers(len(images), size=(setting["bench_pairs"], 2))


def untrained_lpips(setting: Setting) -> LPIPS:
    """LPIPS on a random AlexNet: as fast as on the pretrained one, whose weights must be fetched."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # lpips asks torchvision in an outdated way
        distance = LPIPS(net="alex", pnet_rand=True, verbose=False)
    return distance.to(setting.device).eval()


def read(setting: Setting) -> Work:
    """`faces.crop_faces` with the whole photograph as the box."""
    table, root = setting.photographs
    whole = table.assign(boxes=[[(0.0, 0.0, PHOTOGRAPH, PHOTOGRAPH)]] * len(table))
    run = partial(crops.crop_faces, whole, root, margin=0.0, sizes=[setting["image_size"]])
    return Work(run=run, items=len(table), bytes=3.0 * PHOTOGRAPH**2)
