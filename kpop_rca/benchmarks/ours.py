"""Ours, through the functions that the notebooks call or that those go through: an adapter each."""

import queue
import threading
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from itertools import islice
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import torch
from lpips import LPIPS
from tqdm import tqdm

from kpop_rca.benchmarks import ceilings
from kpop_rca.benchmarks.setting import AVATAR_SIZE, N_CLASSES, NOISE_SCHEDULE, PAPER_IMAGES, Setting, random_features
from kpop_rca.benchmarks.timing import Work
from kpop_rca.data.images import read_rgb
from kpop_rca.diffusion.generation import GenerationPlan, generate
from kpop_rca.diffusion.objective import TIMESTEPS, forward_process
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

    `fit` takes the maker of a progress bar. What comes back takes so many steps, and raises what the training raised.
    """
    asked, done, cores = queue.SimpleQueue(), queue.SimpleQueue(), torch.get_num_threads()

    def handed_out(steps: Iterable) -> Iterator:
        steps = iter(steps)
        while True:
            yield from islice(steps, asked.get())
            done.put(None)

    def run() -> None:
        torch.set_num_threads(cores)  # a setting of each thread
        try:
            fit(lambda steps, **_: NO_BAR(handed_out(steps)))
        except Exception as error:
            done.put(error)

    def advance(steps: int) -> None:
        asked.put(steps)
        if error := done.get():
            raise error

    threading.Thread(target=run, daemon=True).start()
    advance(0)
    return advance


def train(setting: Setting) -> Work:
    """`bench_train_steps` steps of `Trainer.fit` per repeat, which is left before any checkpoint or sample grid."""
    # As the baselines train: what is timed is the loop, not the objective.
    alike = {"prediction": "eps", "timestep_sampling": "uniform", "optimizer": "adamw", "learning_rate": 1e-4}
    alike |= {"learning_rate_schedule": "constant", "noise_schedule": NOISE_SCHEDULE}
    recipe = DiffusionRecipe.of(setting.as_study(train_steps=FAR, **alike))
    trainer = Trainer(setting.new_unet(), recipe=recipe, folder=setting.scratch / "training", device=setting.device)
    advance = in_steps(lambda bar: trainer.fit(*setting.faces, bar=bar, checkpoint_minutes=1e6, sample_grids=1))
    n, flops = setting["bench_train_steps"], unet_flops(setting, training=True)
    data_bytes = sum(part.nbytes for part in setting.faces)
    return Work(lambda: advance(n), items=n * setting["batch_size"], flops=flops, data_bytes=data_bytes)


def unet_flops(setting: Setting, *, training: bool) -> float:
    """Floating-point operations of the study's UNet per image."""
    return ceilings.network_flops(setting.new_unet, setting["image_size"], beside=2, training=training)


def plan(setting: Setting, *, sampler: str, steps: int, images_per_identity: int) -> GenerationPlan:
    """As the study generates, guidance off."""
    size = setting["bench_sampling_batch_size"]
    sampling = {"sampler": sampler, "sampling_steps": steps, "sampling_batch_size": size, "guidance": 0.0}
    parameters = setting.as_study(images_per_identity=images_per_identity, **sampling)
    return GenerationPlan.of(parameters, mixed_precision=setting["mixed_precision"])


def paper_calls(setting: Setting, *, sampler: str) -> int:
    """Calls of the network for the paper's images, by DDPM in all of its steps: the run that a rate stands for."""
    steps = TIMESTEPS if sampler == "ddpm" else setting[f"bench_{sampler}_steps"]
    whole = plan(setting, sampler=sampler, steps=steps, images_per_identity=PAPER_IMAGES // N_CLASSES)
    return whole.network_calls(n_classes=N_CLASSES)


def sample(setting: Setting, *, sampler: str) -> Work:
    """`generate` of `bench_samples` images by "ddim" or "ddpm", to files; compiled where that pays for the paper's."""
    unet = setting.new_unet().to(setting.device, memory_format=torch.channels_last).eval()
    devices.compile_where_it_pays(unet, setting.device, calls=paper_calls(setting, sampler=sampler))
    steps, identities = setting[f"bench_{sampler}_steps"], setting["identities"]
    timed = plan(setting, sampler=sampler, steps=steps, images_per_identity=setting["bench_samples"] // identities)
    forward = forward_process(NOISE_SCHEDULE)

    def run() -> None:
        with TemporaryDirectory(dir=setting.scratch) as folder:
            generate(unet, forward, timed, n_classes=identities, folder=Path(folder), progress=NO_BAR)

    n, flops = timed.images_per_identity * identities, steps * unet_flops(setting, training=False)
    return Work(run, items=n, flops=flops, data_bytes=n * 3 * setting["image_size"] ** 2)


def detect(setting: Setting) -> Work:
    """`detection.detect_faces`: decoding, perceptual hash, MTCNN, and the second look at the largest face.

    The operations are those of MTCNN, the mean over a few avatars.
    """
    table, root = setting.avatars
    how = {"min_face_size": setting["min_face_size"], "device": setting.device}
    batches = {"max_side": setting["max_side"], "batch_size": setting["detector_batch_size"]}
    detector = detection.build_detector(**how)
    few = [read_rgb(root / path) for path in table["path"][:DETECTED_FOR_FLOPS]]
    with torch.inference_mode():
        flops = ceilings.counted_flops(lambda: [detector.detect(image, landmarks=True) for image in few]) / len(few)
    run = partial(detection.detect_faces, table, root, **how, **batches)
    return Work(run, items=len(table), flops=flops, data_bytes=len(table) * 3 * AVATAR_SIZE**2)


def on_features(setting: Setting, *, measure: Callable[[np.ndarray, np.ndarray], object]) -> Work:
    """A measure of the setting's features, real ones first."""
    measure(*random_features(*FEW_FEATURES, seed=0))
    return Work(partial(measure, *setting.features), items=1, data_bytes=setting.features.nbytes)


def all_measures(real: np.ndarray, generated: np.ndarray) -> None:
    """What stands behind one value of FID, of KID and of PRDC in `feature_measures`, once each."""
    frechet.frechet_distance(real, generated)
    kid.kernel_distance(real, generated, generator=np.random.default_rng(0))
    prdc.neighbourhood_measures(real, generated)


def oracle_recipe(setting: Setting, *, seed: int) -> training.OracleRecipe:
    """One epoch, as the study trains its oracles."""
    once = {"oracle_warmup_epochs": 0, "oracle_epochs": 1, "pretrained": False}
    return training.OracleRecipe.of(setting.as_study(seed=seed, **once))


def oracle(setting: Setting, *, seed: int = 0) -> SmallImageResNet:
    """The first of `architectures`, with random weights, on the CPU."""
    recipe = oracle_recipe(setting, seed=seed)
    return training.build_oracle(setting["architectures"][0], n_classes=N_CLASSES, recipe=recipe)[0]


def oracle_flops(setting: Setting, *, training: bool) -> float:
    """Floating-point operations of that oracle per image."""
    return ceilings.network_flops(partial(oracle, setting), setting["image_size"], training=training)


def train_oracles(setting: Setting) -> Work:
    """`train_side_by_side` of two oracles for an epoch, with their validation, their test and their files."""
    few = tuple(part[: training.EVALUATION_BATCH] for part in setting.faces)
    splits = {"train": setting.faces, "validation": few, "test": few}
    recipes = {str(seed): oracle_recipe(setting, seed=seed) for seed in range(N_ORACLES)}

    def run() -> None:
        with TemporaryDirectory(dir=setting.scratch) as folder:
            planned = [
                training.Training(setting["architectures"][0], splits, recipe, Path(folder) / name, notes={})
                for name, recipe in recipes.items()
            ]
            training.train_side_by_side(planned, device=setting.device, bar=NO_BAR)

    return Work(run, items=N_ORACLES * setting["bench_faces"], flops=oracle_flops(setting, training=True))


def classify(setting: Setting) -> Work:
    """`training.predict` of all faces by one oracle."""
    network, (images, _) = oracle(setting).to(setting.device, memory_format=torch.channels_last).eval(), setting.faces
    flops = oracle_flops(setting, training=False)
    return Work(partial(training.predict, network, images), items=len(images), flops=flops)


def lpips_of_pairs(setting: Setting) -> Work:
    """`feature_extractors.lpips_distances` of random pairs."""
    distance, images, pairs = pairs_of_faces(setting)
    return Work(lambda: feature_extractors.lpips_distances(distance, images, pairs), items=len(pairs))


def pairs_of_faces(setting: Setting) -> tuple[LPIPS, np.ndarray, np.ndarray]:
    """An LPIPS on a random AlexNet (as fast as the pretrained one), the faces, and `bench_pairs` pairs of indices."""
    distance = LPIPS(net="alex", pnet_rand=True, verbose=False).to(setting.device).eval()
    images, _ = setting.faces
    pairs = np.random.default_rng(setting["seed"]).integers(len(images), size=(setting["bench_pairs"], 2))
    return distance, images, pairs


def read(setting: Setting) -> Work:
    """`crops.crop_faces` with the whole avatar as the box."""
    table, root = setting.avatars
    whole = table.assign(boxes=[[(0.0, 0.0, AVATAR_SIZE, AVATAR_SIZE)]] * len(table))
    run = partial(crops.crop_faces, whole, root, margin=0.0, sizes=[setting["image_size"]])
    return Work(run, items=len(table), bytes=3.0 * AVATAR_SIZE**2)
