"""Trials of scorers and of tunings on one generator: every recipe of pairs, every control, what each costs."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cache, cached_property, partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from diffusers import DDPMScheduler, UNet2DModel

from kpop_rca import rca
from kpop_rca.diffusion import generated_images
from kpop_rca.diffusion.generation import GenerationPlan, Model, generate_batch
from kpop_rca.diffusion.samplers import image_generator
from kpop_rca.diffusion.trainer import LOG, DiffusionRecipe, Trainer, load_trained, trained_precision
from kpop_rca.diffusion.trainings import seed_of, training_folder
from kpop_rca.diffusion.unet import NETWORK, build_unet
from kpop_rca.errors import StudyError
from kpop_rca.faces import crops, load_audit
from kpop_rca.image_metrics import alignment, alignment_networks, copying, frechet_distance, views
from kpop_rca.image_metrics.no_reference import Reference, brisque, mscn_moments, sharpness
from kpop_rca.image_metrics.pretrained import WeightsMissing
from kpop_rca.oracles import predictions, training
from kpop_rca.oracles.candidates import Faces
from kpop_rca.oracles.centroids import embed_crops
from kpop_rca.oracles.embeddings import open_embedding
from kpop_rca.oracles.face_quality import oracle_ser_fiq
from kpop_rca.oracles.resnet import SmallImageResNet
from kpop_rca.preferences import benchmark, dpo, guidance, pairs
from kpop_rca.preferences.pairs import ADAPTIVE, Pairs
from kpop_rca.preferences.scorer import FaceScore, Scorer, ScorerRecipe, fit_face_score, score, train_head, train_scorer
from kpop_rca.rca.estimators import usable
from kpop_rca.study import manifests
from kpop_rca.system import parallel, seeds
from kpop_rca.system.seeds import Purpose

TRAINING, DEVELOPMENT, HELD_OUT = "training", "development", "held out"  # faces of a trial of scorers
# Scorers by the pairs that they are trained on.
PAPER, FIXED_LOW, FIXED_HIGH, WHOLE = "paper (adaptive)", "local, 0.1", "local, 0.4", "whole picture, 0.4"
MATCHED, REAL, MIXED = "sharpness-matched", "real above generated", "mixed losers"
SPLITS = {TRAINING: "oracle", DEVELOPMENT: "validation", HELD_OUT: "test"}  # of the study's faces
LARGEST_BATCH = 20  # of generated images
TRAINED = (PAPER, FIXED_LOW, FIXED_HIGH, WHOLE, MATCHED, REAL, MIXED)
FACE_SCORE, MSCN, SHARPNESS, RANDOM = "face_score", "MSCN moments", "Laplacian variance", "random"
BRISQUE = "BRISQUE"
IN_FACE_SCORE = (PAPER, MIXED)
# Ladders that are no degradation of pixels.
TRAININGS, SAMPLING = "training steps", "sampling steps"
OF_GENERATORS = (TRAININGS, SAMPLING)
SAMPLING_STEPS = (16, 8, 4, 2)
ADAPTIVE_PAIRS, HIGH_PAIRS, MATCHED_PAIRS = "adaptive", "strength 0.4", "sharpness-matched"
GENERATORS_MEAN = "ladders of generators, mean"
BASE = "base"
PROMPT = "a portrait of a person"  # of scores that compare an image with a text
INVERTED = 0.5  # below that fraction of a ladder's steps ordered right a scorer is upside down on it


@dataclass(frozen=True)
class Material:
    """What a trial of scorers needs.

    Attributes:
        model: the generator that inpaints, in evaluation mode, and its forward process.
        oracle: that the scorers start from.
        faces: real faces by TRAINING, DEVELOPMENT and HELD_OUT.
        landmarks: of these, float (N, 10) each; NaN for none.
        made: images of the generator.
        n_pairs: of each kind for training; half as many for development, and for each held-out set.
        recipe: of the scorers.
        seed: of everything random.
    """

    model: Model
    oracle: SmallImageResNet
    faces: dict[str, Faces]
    landmarks: dict[str, np.ndarray]
    made: Faces
    n_pairs: int
    recipe: ScorerRecipe
    seed: int

    def generator(self, *indices: int) -> np.random.Generator:
        return seeds.generator(Purpose.PAIRS, self.seed, *indices)


def material_of(
    folders: dict[str, Path], *, training_number: int, oracle: str, n_pairs: int, seed: int, device: torch.device
) -> Material:
    """The material of a study's trials.

    Scorers are trained on the oracles' own faces, which the generator has not seen, where the study keeps some.

    Args:
        folders: of the stages "audit", "faces", "ddpm", "oracle" and "generated", by these names.
        training_number: of the generator that inpaints.
        oracle: that the scorers start from.
    """
    index, parameters = crops.load_index(folders["faces"]), manifests.read(folders["faces"])["parameters"]
    size = training_parameters(folders["ddpm"])["image_size"]
    audit, how = load_audit(folders["audit"])[0], {"margin": parameters["crop_margin"], "size": size}
    splits = SPLITS if (index["split"] == "oracle").any() else SPLITS | {TRAINING: "train"}
    landmarks = {
        part: pairs.landmarks_in_crops(audit, index.loc[index["split"] == split, "path"], **how)
        for part, split in splits.items()
    }
    return Material(
        load_trained(training_folder(folders["ddpm"], training_number), device),
        training.load_oracle(folders["oracle"] / oracle, device),
        {part: crops.load_crops(folders["faces"], size=size, split=split) for part, split in splits.items()},
        landmarks,
        generated_images.load(folders["generated"]),
        n_pairs,
        ScorerRecipe(),
        seed,
    )


def plan_of(generated: Path, *, images_per_identity: int) -> GenerationPlan:
    """How a study's images were generated, for another number of them by one training."""
    parameters = manifests.read(generated)["parameters"]
    batch = min(images_per_identity, LARGEST_BATCH)
    changed = {"images_per_identity": images_per_identity, "sampling_batch_size": batch, "trainings": 1}
    precision = trained_precision(manifests.folder_of(parameters["study"], "ddpm"))
    return GenerationPlan.of(parameters | changed, mixed_precision=precision)


def sharpness_table(own: dict[str, Pairs]) -> pd.DataFrame:
    """How sharp winners and losers are: pairs, n, winner, loser (means), sharper (fraction of pairs)."""
    rows = []
    for name, one in own.items():
        win, loss = sharpness(one.win), sharpness(one.loss)
        fraction = benchmark.ordered_fraction(win, loss)
        rows.append({"pairs": name, "n": len(one), "winner": win.mean(), "loser": loss.mean(), "sharper": fraction})
    return pd.DataFrame(rows)


def inpainted(material: Material, part: str, *, strength: float | str = ADAPTIVE, **how: Sequence[str]) -> Pairs:
    """Inpainted pairs of a part of the faces, of the same faces whatever the strength."""
    n = material.n_pairs if part == TRAINING else material.n_pairs // 2
    number = (TRAINING, DEVELOPMENT, HELD_OUT).index(part)
    available = len(material.faces[part][1])
    rows = material.generator(number).choice(available, n, replace=n > available)
    seed, landmarks = seeds.number(Purpose.PAIRS, material.seed, number), material.landmarks[part]
    found = pairs.inpainted(
        *material.model, material.faces[part], rows, landmarks=landmarks, strength=strength, seed=seed, **how
    )
    return found


def training_pairs(material: Material, names: Sequence[str] = TRAINED) -> dict[str, Pairs]:
    """The pairs that each of some scorers is trained on."""
    own, n = material.faces[TRAINING], material.n_pairs
    adaptive = inpainted(material, TRAINING)
    generated = partial(pairs.generated, own, material.made, generator=material.generator(3))
    mixed = [
        adaptive[np.arange(n // 3)],
        generated(n=n // 3),
        pairs.degraded(own, n=n // 3, generator=material.generator(4)),
    ]
    make = {
        PAPER: lambda: adaptive,
        FIXED_LOW: lambda: inpainted(material, TRAINING, strength=0.1),
        FIXED_HIGH: lambda: inpainted(material, TRAINING, strength=0.4),
        WHOLE: lambda: inpainted(material, TRAINING, strength=0.4, masks=["whole"]),
        MATCHED: lambda: pairs.sharpness_matched(adaptive),
        REAL: lambda: generated(n=n),
        MIXED: lambda: pairs.joined(mixed),
    }
    return {name: make[name]() for name in names}


def held_out_pairs(material: Material) -> dict[str, Pairs]:
    """Inpainted pairs of faces that no scorer has seen, adaptive and at 0.4; and the first of these, as sharp."""
    adaptive = inpainted(material, HELD_OUT)
    high = inpainted(material, HELD_OUT, strength=0.4)
    return {ADAPTIVE_PAIRS: adaptive, HIGH_PAIRS: high, MATCHED_PAIRS: pairs.sharpness_matched(adaptive)}


def development_pairs(material: Material) -> Pairs:
    """Pairs by which the face score weighs its parts: inpainted, generated, blurred and noised."""
    own, n = material.faces[DEVELOPMENT], material.n_pairs // 2
    return pairs.joined(
        [
            inpainted(material, DEVELOPMENT),
            inpainted(material, DEVELOPMENT, strength=0.4),
            pairs.generated(own, material.made, n=n, generator=material.generator(5)),
            pairs.degraded(own, n=n, generator=material.generator(6)),
        ]
    )


def other_development_pairs(material: Material) -> dict[str, Pairs]:
    """Inpainted pairs of development faces that no part is weighed on: another draw of faces, masks and noise."""
    other = replace(material, seed=seeds.number(Purpose.PAIRS, material.seed, 9))
    high = inpainted(other, DEVELOPMENT, strength=0.4)
    return {ADAPTIVE_PAIRS: inpainted(other, DEVELOPMENT), HIGH_PAIRS: high}


def trained_scorers(material: Material, own: dict[str, Pairs]) -> dict[str, SmallImageResNet]:
    """A scorer by the pairs that it is trained on."""
    return {
        name: train_scorer(material.oracle, given, recipe=material.recipe, seed=material.seed)
        for name, given in own.items()
    }


def face_score(material: Material, scorers: dict[str, SmallImageResNet]) -> FaceScore:
    """The study's face score from its two scorers, weighed on the development faces."""
    parts = [scorers[name] for name in IN_FACE_SCORE]
    return fit_face_score(parts, material.faces[TRAINING][0], development_pairs(material))


def baselines(material: Material) -> dict[str, Scorer]:
    """Scores that no pair of the study has trained, each higher for better."""
    real = material.faces[TRAINING][0]
    texture = Reference.of(mscn_moments(real))
    features = Reference.of(training.predict(material.oracle, real)[1].astype(np.float64))

    def of_features(images: np.ndarray) -> np.ndarray:
        return training.predict(material.oracle, images)[1].astype(np.float64)

    return {
        RANDOM: benchmark.random_scorer(material.seed),
        SHARPNESS: sharpness,
        MSCN: lambda images: -texture.distance_of_each(mscn_moments(images)),
        BRISQUE: lambda images: -brisque(images),
        "oracle's largest probability": lambda images: training.predict(material.oracle, images)[0].max(axis=1),
        "SER-FIQ (oracle)": lambda images: oracle_ser_fiq(material.oracle, images, generator=material.generator(7)),
        "embedding norm": lambda images: np.linalg.norm(of_features(images), axis=1),
        "Mahalanobis": lambda images: -features.distance_of_each(of_features(images)),
        **pretrained_scorers()[0],
    }


@cache
def pretrained_scorers() -> tuple[dict[str, Scorer], dict[str, str]]:
    """Scores of other people's networks, each higher for better; and why there is none of the others, by name.

    Those that want a prompt have PROMPT. FaceScore's own checkpoint is ImageReward's, trained further.
    """
    found, absent = {}, {}
    for title, (name, score_of) in PRETRAINED.items():
        try:
            found[title] = partial(_by_network, alignment_networks.load(name), score_of)
        except WeightsMissing as missing:
            absent[title] = " ".join(str(missing).split())
    return found, absent | {"FaceScore's checkpoint": absent.get("ImageReward", "its file is not read here")}


def _by_network(network: alignment_networks.Network, score_of: Callable, images: np.ndarray) -> np.ndarray:
    return score_of(network, torch.as_tensor(images).permute(0, 3, 1, 2))


def _prompted(score_of: Callable) -> Callable:
    return lambda network, images: score_of(network, images, [PROMPT] * len(images))


PRETRAINED = {
    "LAION aesthetic v2": ("aesthetic_v2", alignment.aesthetic_score),
    "LAION aesthetic v1": ("aesthetic_v1", alignment.aesthetic_score),
    "CLIP-IQA": ("clip_iqa", alignment.clip_iqa),
    "ImageReward": ("image_reward", _prompted(alignment.image_reward)),
    "HPS v2": ("hpsv2", _prompted(alignment.cosines)),
}


def head_on_embedding(material: Material, *, name: str, margin: float, most: int) -> pd.DataFrame:
    """A head on a pretrained face network, trained on the paper's pairs, beside held-out pairs and held-out ladders.

    Where the network cannot be used here, a row without a fraction says why.

    Args:
        name: of the embedding.
        margin: of the crops.
        most: pairs that it is trained on, half as many that it is tried on: such a network is slow.
    """
    scorer = f"head on {name}"
    try:
        embedding = open_embedding(name)
    except StudyError as error:
        return pd.DataFrame([{"scorer": scorer, "kind": "pairs", "name": ADAPTIVE_PAIRS, "n": 0, "why": str(error)}])
    first = np.arange(min(most, material.n_pairs))
    small = replace(material, n_pairs=len(first))
    embed = partial(embed_crops, embedding, margin=margin)
    head = train_head(embed, inpainted(small, TRAINING))
    own = inpainted(small, HELD_OUT)
    steps = benchmark.ladders(own.win, generator=material.generator(8))
    judged = {ladder: rungs for ladder, rungs in steps.items() if ladder not in benchmark.DEVELOPMENT}
    return benchmark.scorer_table({scorer: head}, {ADAPTIVE_PAIRS: own}, judged).assign(why="")


def shorter_training(
    parameters: dict[str, Any],
    faces: Faces,
    *,
    steps: int,
    number: int,
    folder: Path,
    device: torch.device,
    bar: Callable,
) -> Model:
    """A generator by a study's recipe in fewer steps, trained unless it was: training `number` of the study.

    Args:
        parameters: those of 03.
        faces: that the study's generators are trained on.
    """
    if not (folder / LOG).is_file():
        seed, n_classes = seed_of(number, seed=parameters["seed"]), int(faces[1].max()) + 1
        torch.manual_seed(seeds.number(Purpose.NETWORK, seed))
        unet = build_unet(**{name: parameters[name] for name in NETWORK}, n_classes=n_classes)
        recipe = DiffusionRecipe.of(parameters | {"seed": seed, "train_steps": steps})
        trainer = Trainer(unet, recipe=recipe, folder=folder, device=device)
        trainer.fit(*faces, checkpoint_minutes=1.0, sample_grids=1, bar=bar)
    return load_trained(folder, device)


def sampled(model: Model, plan: GenerationPlan, *, n_classes: int) -> Faces:
    """Every image of a plan by one model, and the requested identities; the same noise whatever the model."""
    plan = replace(plan, trainings=1)
    batches = [(label, first) for label in range(n_classes) for first in plan.first_images]
    made = list(parallel.a_core_each(lambda b: generate_batch(*model, plan, b), batches, device=model[0].device))
    return np.concatenate(made), np.repeat([label for label, _ in batches], [len(part) for part in made])


def some_real(material: Material, n: int, part: str = HELD_OUT) -> np.ndarray:
    """Faces of a part drawn from all people, uint8 (n, H, W, 3): the crops themselves come person by person."""
    real = material.faces[part][0]
    return real[seeds.generator(Purpose.BENCHMARK_IMAGES, material.seed).permutation(len(real))[:n]]


def all_ladders(
    material: Material,
    plan: GenerationPlan,
    models: Sequence[Model],
    *,
    n_images: int,
    n_classes: int,
    part: str = HELD_OUT,
) -> dict[str, list[np.ndarray]]:
    """Degraded faces of a part, and images of generators trained longer to shorter, and sampled in many to few steps.

    Args:
        plan: of the images of a generator.
        models: from the longest trained to the shortest.
        n_images: real faces.
    """
    rng = seeds.generator(Purpose.BENCHMARK_IMAGES, material.seed, 1)
    found = benchmark.ladders(some_real(material, n_images, part), generator=rng)
    found[TRAININGS] = [sampled(model, plan, n_classes=n_classes)[0] for model in models]
    by_steps = [replace(plan, steps=steps) for steps in SAMPLING_STEPS]
    found[SAMPLING] = [sampled(models[0], own, n_classes=n_classes)[0] for own in by_steps]
    return found


def by_generator(steps: dict[str, benchmark.Ladder], *, real: np.ndarray, full_steps: int) -> dict[str, np.ndarray]:
    """The rungs of the ladders of generators under names of their own, beside real faces.

    Args:
        steps: from `all_ladders`, with the full training and a half, a quarter ... of its steps.
        full_steps: of that training.
    """
    trained = {f"{full_steps // 2**k} training steps": images for k, images in enumerate(steps[TRAININGS])}
    by_steps = zip(SAMPLING_STEPS, steps[SAMPLING], strict=True)
    return {"real faces": real} | trained | {f"{n} sampling steps": images for n, images in by_steps}


def with_means(table: pd.DataFrame) -> pd.DataFrame:
    """`benchmark.scorer_table` with the mean over each scorer's ladders, all and those of generators alone."""
    ladder = table[table["kind"] == "ladder"]
    means = []
    for name, chosen in (
        ("ladders, mean", ladder),
        (GENERATORS_MEAN, ladder[ladder["name"].isin(OF_GENERATORS)]),
    ):
        mean = chosen.groupby("scorer", sort=False)["fraction"].mean().reset_index()
        means.append(mean.assign(kind="mean", name=name, n=chosen["n"].min()))
    return pd.concat([table, *means], ignore_index=True)[table.columns]


def answer(table: pd.DataFrame) -> list[str]:
    """Whether the accuracy on held-out pairs alone ships an inverted metric, in sentences, from `with_means`.

    >>> rows = [("paper (adaptive)", "adaptive", 0.8), ("paper (adaptive)", "noise", 0.1)]
    >>> rows += [("Laplacian variance", "adaptive", 0.9), ("Laplacian variance", "noise", 0.0)]
    >>> rows += [("face_score", "adaptive", 0.7), ("face_score", "noise", 0.9)]
    >>> kinds = ["pairs", "ladder"] * 3
    >>> print(*answer(pd.DataFrame(rows, columns=["scorer", "name", "fraction"]).assign(kind=kinds)), sep=chr(10))
    Yes: FaceScore's recipe orders 80 % of its own held-out pairs right, and less than half of the steps of: noise.
    Laplacian variance, which has learned nothing, orders 90 % of the same pairs right.
    face_score orders 70 % of the pairs right, and less than half of the steps of: none.
    """
    fraction = table.set_index(["scorer", "name"])["fraction"]

    def inverted(scorer: str) -> str:
        own = table[(table["scorer"] == scorer) & (table["kind"] == "ladder") & (table["fraction"] < INVERTED)]
        return ", ".join(own["name"]) or "none"

    upside_down = inverted(PAPER)
    yes = "No" if upside_down == "none" else "Yes"
    return [
        f"{yes}: FaceScore's recipe orders {fraction[PAPER, ADAPTIVE_PAIRS]:.0%} of its own held-out pairs right, and "
        f"less than half of the steps of: {upside_down}.".replace("%", " %"),
        f"{SHARPNESS}, which has learned nothing, orders {fraction[SHARPNESS, ADAPTIVE_PAIRS]:.0%} of the same pairs "
        "right.".replace("%", " %"),
        f"{FACE_SCORE} orders {fraction[FACE_SCORE, ADAPTIVE_PAIRS]:.0%} of the pairs right, and less than half of the "
        f"steps of: {inverted(FACE_SCORE)}.".replace("%", " %"),
    ]


@dataclass(frozen=True)
class Observers:
    """Who looks at images of a tuned generator.

    Attributes:
        own: rewards by name, by which tunings may be rewarded.
        held_out: the same rewards by other networks, which no tuning has seen.
        oracles: kind ("rewarding", "held out", "other photographs") to oracles.
        real: held-out faces.
        reference: MSCN moments of real faces.
        train: faces that the generator was trained on, to look for copies of; None for no look.
        answers: `real_counts` where they are known; None to ask the oracles.
    """

    own: dict[str, dpo.Reward]
    held_out: dict[str, dpo.Reward]
    oracles: dict[str, list[SmallImageResNet]]
    real: Faces
    reference: Reference
    train: Faces | None = None
    answers: dict[str, list[np.ndarray]] | None = None

    @cached_property
    def real_counts(self) -> dict[str, list[np.ndarray]]:
        """Each oracle's answers to the real faces, int (K, K), by its kind."""
        if self.answers is not None:
            return self.answers
        return {kind: [_counts(oracle, self.real) for oracle in oracles] for kind, oracles in self.oracles.items()}

    @cached_property
    def real_features(self) -> np.ndarray:
        """Of the first held-out oracle, float64 (N, D)."""
        return training.predict(self.oracles["held out"][0], self.real[0])[1].astype(np.float64)


def identity_observers(folder: Path, *, rewarding: str, material: Material, device: torch.device) -> Observers:
    """Observers of a tuning for identity: the rewarding oracle, and all others of the study, one of which rewards, too.

    Args:
        folder: `artifacts/<study>/oracle`.
        rewarding: name of the rewarding oracle.
    """
    oracles = oracles_by_kind(folder, rewarding=rewarding, device=device)
    first, second = oracles["rewarding"][0], oracles["held out"][0]
    rewards = ({"identity": dpo.identity_reward(oracle)} for oracle in (first, second))
    texture = Reference.of(mscn_moments(material.faces[TRAINING][0]))
    return Observers(*rewards, oracles, material.faces[HELD_OUT], texture)


def oracles_by_kind(folder: Path, *, rewarding: str, device: torch.device) -> dict[str, list[SmallImageResNet]]:
    """The rewarding oracle, the others that share its faces, and those that were trained on the generator's.

    Raises:
        StudyError: none shares its faces.
    """
    names = names_by_kind(folder, rewarding=rewarding)
    return {kind: [training.load_oracle(folder / name, device) for name in own] for kind, own in names.items()}


def names_by_kind(folder: Path, *, rewarding: str) -> dict[str, list[str]]:
    """The names of `oracles_by_kind`."""
    table = predictions.trained(folder)
    held_out = table.loc[table["eligible"] & (table["oracle"] != rewarding), "oracle"]
    if held_out.empty:
        raise StudyError(f"{rewarding} is the only oracle of its faces, and none is held out; set oracle_seeds to 2")
    return {
        "rewarding": [rewarding],
        "held out": [*held_out],
        "other photographs": [*table.loc[~table["eligible"], "oracle"]],
    }


def answers_by_kind(folder: Path, *, rewarding: str) -> dict[str, list[np.ndarray]]:
    """The answers of `oracles_by_kind` to the real test faces, int (K, K) each, as the study has kept them."""
    names, found = names_by_kind(folder, rewarding=rewarding), {}
    for kind, own in names.items():
        tables = [training.read_test_predictions(folder / name) for name in own]
        answers = [(table["label"], predictions.probabilities_of(table)) for table in tables]
        found[kind] = [rca.confusion_counts(label, p.argmax(axis=1), p.shape[1]) for label, p in answers]
    return found


def rewards_seen(observers: Observers, made: Faces) -> dict[str, float]:
    """The mean of each reward over images, by the network that rewards and by the one that does not."""
    kinds = (("own", observers.own), ("held_out", observers.held_out))
    return {
        f"{name}_{kind}": float(reward(*made).mean()) for kind, rewards in kinds for name, reward in rewards.items()
    }


def measured(observers: Observers, made: Faces) -> dict[str, float]:
    """Rewards, RCA by kind of oracle, and under the held-out ones what else is known of images.

    confusion_corrected is the mean over identities and held-out oracles; frechet and diversity are by the features of
    the first of these, diversity the mean distance of two images of one identity; mscn is the distance of the set from
    real faces, copied the excess of images at training faces (see `memorisation.copying`).
    """
    found = rewards_seen(observers, made)
    counts = {kind: [_counts(oracle, made) for oracle in oracles] for kind, oracles in observers.oracles.items()}
    for kind, of_kind in counts.items():
        both = zip(of_kind, observers.real_counts[kind], strict=True)
        ratios = [rca.accuracy(own) / rca.accuracy(real) for own, real in both]
        found[f"rca_{kind.replace(' ', '_')}"] = float(np.mean(ratios)) if ratios else np.nan
    own = training.predict(observers.oracles["held out"][0], made[0])[1].astype(np.float64)
    found["confusion_corrected"] = _confusion_corrected(observers.real_counts["held out"], counts["held out"])
    if observers.train is not None:
        found["copied"] = _copied(observers, made)
    return found | {
        "frechet": float(frechet_distance(observers.real_features, own)),
        "diversity": _diversity(own, made[1]),
        "mscn": observers.reference.distance(mscn_moments(made[0])),
        "sharpness": float(sharpness(made[0]).mean()),
    }


def _counts(oracle: SmallImageResNet, faces: Faces) -> np.ndarray:
    answers = training.predict(oracle, faces[0])[0]
    return rca.confusion_counts(faces[1], answers.argmax(1), answers.shape[1])


def _confusion_corrected(of_real: Sequence[np.ndarray], of_made: Sequence[np.ndarray]) -> float:
    """The mean over oracles; NaN where none of them can be inverted."""
    both = zip(of_real, of_made, strict=True)
    values = [rca.confusion_corrected_accuracy(real, made).mean() for real, made in both if usable(real)]
    return float(np.mean(values)) if values else np.nan


def _copied(observers: Observers, made: Faces) -> float:
    """The estimated fraction of images that are copies of training faces, on coarse pixels."""
    train, real = observers.train, observers.real
    found = copying(
        views(made[0]),
        views(train[0])[0],
        views(real[0])[0],
        labels=(train[1], real[1]),
        features="pixels",
        features_saw_training=False,
        generator=seeds.generator(Purpose.TUNED_COPIES, 0),
    )
    return found["excess"]


def _diversity(features: np.ndarray, labels: np.ndarray) -> float:
    """The mean distance of two images of one identity, over identities."""
    means = []
    for label in np.unique(labels):
        own = features[labels == label]
        distances = np.linalg.norm(own[:, None] - own[None], axis=2)
        means.append(distances.sum() / (len(own) * (len(own) - 1)))
    return float(np.mean(means))


def gap_closed(base: float, tuned: float) -> float:
    """The fraction of the way from a generator's RCA to that of real faces, 1, that a tuning went.

    >>> gap_closed(0.6, 0.7).__round__(3)
    0.25
    """
    return (tuned - base) / (1 - base)


def guided_images(
    model: Model,
    plan: GenerationPlan,
    towards: guidance.Score,
    *,
    strength: float,
    n_classes: int,
    largest: float = guidance.LARGEST,
) -> Faces:
    """`sampled` with each estimate moved towards a score."""

    def of_batch(batch: tuple[int, int]) -> np.ndarray:
        label, first = batch
        rows = range(first, first + plan.batch_size)
        return guidance.guided_sample(
            *model,
            torch.full((plan.batch_size,), label, device=model[0].device),
            towards,
            strength=strength,
            generators=[image_generator(seed=plan.seed, label=label, index=i) for i in rows],
            sampler=plan.sampler,
            steps=plan.steps,
            guidance=plan.guidance,
            guidance_interval=plan.guidance_interval,
            largest=largest,
        )[: plan.images_per_identity - first]

    plan = replace(plan, trainings=1)
    batches = [(label, first) for label in range(n_classes) for first in plan.first_images]
    made = list(map(of_batch, batches))
    return np.concatenate(made), np.repeat([label for label, _ in batches], [len(part) for part in made])


def as_scorers(scorers: dict[str, SmallImageResNet]) -> dict[str, Callable]:
    """Trained networks as functions of images."""
    return {name: partial(score, network) for name, network in scorers.items()}


def training_parameters(ddpm: Path) -> dict[str, Any]:
    """The parameters of 03 by which a study's generators were trained."""
    return manifests.read(ddpm)["parameters"]


def training_faces(folders: dict[str, Path]) -> Faces:
    """The faces that a study's generators are trained on."""
    size = training_parameters(folders["ddpm"])["image_size"]
    return crops.load_crops(folders["faces"], size=size, split="train")


def other_noise(plan: GenerationPlan, number: int = 1) -> GenerationPlan:
    """The same plan with other noise, for images by which a generator is tuned and not measured."""
    return replace(plan, seed=seeds.number(Purpose.PREFERENCE_PAIRS, plan.seed, number))


@dataclass(frozen=True)
class Watch:
    """`rewards_seen` of a network at work, for `dpo.tune`."""

    observers: Observers
    forward: DDPMScheduler
    plan: GenerationPlan
    n_classes: int

    def __call__(self, unet: UNet2DModel) -> dict[str, float]:
        return rewards_seen(self.observers, sampled((unet, self.forward), self.plan, n_classes=self.n_classes))
