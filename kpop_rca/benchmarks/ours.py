"""Ours, through the functions that the notebooks call or that those go through: an adapter each."""

import queue
import threading
import warnings
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from functools import partial
from itertools import islice
from pathlib import Path
from tempfile import TemporaryDirectory, mkdtemp

import numpy as np
import torch
from lpips import LPIPS
from tqdm import tqdm

from kpop_rca.benchmarks import ceilings
from kpop_rca.benchmarks.setting import AVATAR_SIZE, N_CLASSES, NOISE_SCHEDULE, PAPER_IMAGES, Setting, random_features
from kpop_rca.benchmarks.timing import Work
from kpop_rca.data.images import read_rgb
from kpop_rca.diffusion.generation import GenerationPlan, generate
from kpop_rca.diffusion.samplers import TIMESTEPS, forward_process
from kpop_rca.diffusion.trainer import DiffusionRecipe, Trainer
from kpop_rca.faces import crops, detection
from kpop_rca.image_metrics import feature_extractors, frechet, kid, prdc
from kpop_rca.oracles import training
from kpop_rca.oracles.resnet import SmallImageResNet
from kpop_rca.system import devices

NO_BAR = partial(tqdm, disable=True)
FAR = 10_000_000  # steps: the end of a training that is left before
DETECTED_FOR_FLOPS = 8  # images whose operations are counted
N_ORACLES = 2  # trained in a repeat; on a CPU side by side
FEW_FEATURES = (24, 16)  # on which a measure loads what it needs before it is timed: whole repeats take minutes


def in_steps(fit: Callable[[Callable], object]) -> Callable[[int], None]:
    """A training that is set up once and takes turns: it lives in a thread that moves only while it is waited for.

    `fit` takes the maker of a progress bar. What comes back takes so many steps, and raises what the training raised;
    after the last call the thread waits until the process ends.
    """
    asked, done, cores = queue.SimpleQueue(), queue.SimpleQueue(), torch.get_num_threads()

    def handed_out(steps: Iterable) -> Iterator:
        steps = iter(steps)
        while True:
            done.put(None)
            yield from islice(steps, asked.get())

    def run() -> None:
        torch.set_num_threads(cores)  # a setting of each thread
        try:
            fit(lambda steps, **_: NO_BAR(handed_out(steps)))
        except Exception as error:
            done.put(error)

    def wait() -> None:
        if error := done.get():
            raise error

    def advance(steps: int) -> None:
        asked.put(steps)
        wait()

    threading.Thread(target=run, daemon=True).start()
    wait()
    return advance


def train(setting: Setting) -> Work:
    """`bench_train_steps` steps of `Trainer.fit` per repeat, which is left before any checkpoint or sample grid.

    As the study trains, but for a constant rate.
    """
    recipe = DiffusionRecipe(
        steps=FAR,
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
    folder = Path(mkdtemp(dir=setting.scratch))
    trainer = Trainer(setting.new_unet(), recipe=recipe, folder=folder, device=setting.device)
    fit = partial(trainer.fit, *setting.faces, checkpoint_minutes=1e6, sample_grids=1)
    advance = in_steps(lambda bar: fit(bar=bar))
    return Work(
        run=lambda: advance(setting["bench_train_steps"]),
        items=setting["bench_train_steps"] * setting["batch_size"],
        flops=unet_flops(setting, training=True),
        data_bytes=sum(part.nbytes for part in setting.faces),
    )


def unet_flops(setting: Setting, *, training: bool) -> float:
    """Floating-point operations of the study's UNet per image."""
    return ceilings.network_flops(setting.new_unet, image_size=setting["image_size"], beside=2, training=training)


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


def sample(setting: Setting, *, sampler: str) -> Work:
    """`generate` of `bench_samples` images by "ddim" or "ddpm", to files; guidance off.

    The network is compiled where that pays in the run that this one stands for.
    """
    unet = setting.new_unet().to(setting.device, memory_format=torch.channels_last).eval()
    whole, identities = paper_plan(setting, sampler=sampler), setting["identities"]
    devices.compile_where_it_pays(unet, setting.device, calls=whole.network_calls(n_classes=N_CLASSES))
    steps, each = setting[f"bench_{sampler}_steps"], setting["bench_samples"] // identities
    plan, forward = replace(whole, steps=steps, images_per_identity=each), forward_process(NOISE_SCHEDULE)

    def run() -> None:
        with TemporaryDirectory(dir=setting.scratch) as folder:
            generate(unet, forward, plan, n_classes=identities, folder=Path(folder), progress=NO_BAR)

    n_images = each * identities
    return Work(
        run=run,
        items=n_images,
        flops=steps * unet_flops(setting, training=False),
        data_bytes=n_images * 3 * setting["image_size"] ** 2,
    )


def detect(setting: Setting) -> Work:
    """`detection.detect_faces`: decoding, perceptual hash, MTCNN, and the second look at the largest face."""
    table, root = setting.avatars
    find = partial(
        detection.detect_faces,
        table,
        root,
        min_face_size=setting["min_face_size"],
        batch_size=setting["detector_batch_size"],
        max_side=setting["max_side"],
        device=setting.device,
    )
    return Work(run=find, items=len(table), flops=detection_flops(setting), data_bytes=len(table) * 3 * AVATAR_SIZE**2)


def detection_flops(setting: Setting) -> float:
    """Floating-point operations that MTCNN spends on an avatar, the mean over a few."""
    table, root = setting.avatars
    detector = detection.build_detector(min_face_size=setting["min_face_size"], device=setting.device)
    images = [read_rgb(root / path) for path in table["path"][:DETECTED_FOR_FLOPS]]
    with torch.inference_mode():
        counted = ceilings.counted_flops(lambda: [detector.detect(image, landmarks=True) for image in images])
    return counted / len(images)


def on_features(setting: Setting, *, measure: Callable[[np.ndarray, np.ndarray], object]) -> Work:
    """A measure of the setting's features, real ones first."""
    measure(*random_features(*FEW_FEATURES, seed=0))
    return Work(run=partial(measure, *setting.features), items=1, data_bytes=setting.features.nbytes)


def all_measures(real: np.ndarray, generated: np.ndarray) -> None:
    """What stands behind one value of FID, of KID and of PRDC in `feature_measures`, once each."""
    frechet.frechet_distance(real, generated)
    kid.kernel_distance(real, generated, generator=np.random.default_rng(0))
    prdc.neighbourhood_measures(real, generated)


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


def oracle(setting: Setting, *, seed: int = 0) -> SmallImageResNet:
    """The first of `architectures`, with random weights, on the CPU."""
    recipe = oracle_recipe(setting, seed=seed)
    return training.build_oracle(setting["architectures"][0], n_classes=N_CLASSES, recipe=recipe)[0]


def oracle_flops(setting: Setting, *, training: bool) -> float:
    """Floating-point operations of that oracle per image."""
    build, image_size = partial(oracle, setting), setting["image_size"]
    return ceilings.network_flops(build, image_size=image_size, beside=0, training=training)


def train_oracles(setting: Setting) -> Work:
    """`train_side_by_side` of two oracles for an epoch, with their validation, their test and their files."""
    images, labels = setting.faces
    few = images[: training.EVALUATION_BATCH], labels[: training.EVALUATION_BATCH]
    splits = {"train": (images, labels), "validation": few, "test": few}

    def run() -> None:
        with TemporaryDirectory(dir=setting.scratch) as folder:
            planned = [
                training.Training(
                    setting["architectures"][0],
                    splits,
                    recipe=oracle_recipe(setting, seed=k),
                    folder=Path(folder) / str(k),
                    notes={},
                )
                for k in range(N_ORACLES)
            ]
            training.train_side_by_side(planned, device=setting.device, bar=NO_BAR)

    return Work(run=run, items=N_ORACLES * len(images), flops=oracle_flops(setting, training=True))


def classify(setting: Setting) -> Work:
    """`training.predict` of all faces by one oracle."""
    images, _ = setting.faces
    network = oracle(setting).to(setting.device, memory_format=torch.channels_last).eval()
    run = partial(training.predict, network, images)
    return Work(run=run, items=len(images), flops=oracle_flops(setting, training=False))


def lpips_of_pairs(setting: Setting) -> Work:
    """`feature_extractors.lpips_distances` of random pairs."""
    distance, images, pairs = pairs_of_faces(setting)
    return Work(run=lambda: feature_extractors.lpips_distances(distance, images, pairs), items=len(pairs))


def pairs_of_faces(setting: Setting) -> tuple[LPIPS, np.ndarray, np.ndarray]:
    """An LPIPS on a random AlexNet (as fast as the pretrained one), the faces, and `bench_pairs` pairs of indices."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # lpips asks torchvision in an outdated way
        distance = LPIPS(net="alex", pnet_rand=True, verbose=False).to(setting.device).eval()
    images, _ = setting.faces
    pairs = np.random.default_rng(setting["seed"]).integers(len(images), size=(setting["bench_pairs"], 2))
    return distance, images, pairs


def read(setting: Setting) -> Work:
    """`crops.crop_faces` with the whole avatar as the box."""
    table, root = setting.avatars
    whole = table.assign(boxes=[[(0.0, 0.0, AVATAR_SIZE, AVATAR_SIZE)]] * len(table))
    run = partial(crops.crop_faces, whole, root, margin=0.0, sizes=[setting["image_size"]])
    return Work(run=run, items=len(table), bytes=3.0 * AVATAR_SIZE**2)
