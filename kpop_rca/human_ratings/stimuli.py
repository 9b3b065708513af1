"""What people are asked to rate: a study's real and generated images, restored ones, and anchors."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import combinations
from pathlib import Path

import numpy as np
import torch
from diffusers import DDPMScheduler, UNet2DModel
from PIL import ImageOps

from kpop_rca.data import identity_folders
from kpop_rca.data.images import crop_square, read_rgb
from kpop_rca.degradations import pipelines
from kpop_rca.diffusion import generated_images, restoration, samplers, trainer
from kpop_rca.diffusion.published_weights import PublishedWeights
from kpop_rca.diffusion.trainings import training_folders
from kpop_rca.errors import StudyError
from kpop_rca.faces import crops, detection
from kpop_rca.study import manifests, params
from kpop_rca.system import devices, seeds
from kpop_rca.system.seeds import Purpose

# Fractions of the images to rate. The last two are anchors: a degraded face has a low quality, and one beside an
# image of another person a low ID fidelity.
FRACTIONS = {
    ("real", "held out"): 0.2,
    ("ddpm", "all steps"): 0.25,
    ("ddpm", "quarter of the steps"): 0.15,
    ("bicubic", "restored"): 0.15,
    ("ddpm", "restored"): 0.15,
    ("degraded", "anchor"): 0.05,
    ("swapped", "anchor"): 0.05,
}
RESTORATION_STRENGTH = 0.5  # of the noise that the DDPM's restoration begins at
SMALL_FACTORS = (2, 4, 8)  # of downsampling, for the small faces of a study
LARGEST_SIDE, GIVEN = 128, "as given"  # pixels and level of images of the user's own generators
PHOTOGRAPH, SOMEBODY = "restored photograph", "somebody"  # level and identity of what has no truth
QUALITY, AUTHENTICITY, ID_FIDELITY, CORRESPONDENCE = "quality", "authenticity", "id_fidelity", "correspondence"


@dataclass(frozen=True, eq=False)
class Stimulus:
    """One image to rate, what is shown beside it, and, for the researcher alone, where it is from."""

    image: np.ndarray  # uint8 (H, W, 3)
    name: str  # of the image, unique
    generator: str
    level: str
    identity: str
    beside: list[tuple[str, np.ndarray, str]] = field(default_factory=list)  # caption, uint8 (h, w, 3), its name
    prompt: str = ""  # the description that the image was requested by
    restored: bool = False
    anchor: bool = False

    @property
    def dimensions(self) -> list[str]:
        """Those of F-Bench: a restored image is rated for quality and ID fidelity, a generated one for all that fit."""
        asked = [QUALITY] if self.restored else [QUALITY, AUTHENTICITY]
        return asked + [ID_FIDELITY] * bool(self.beside) + [CORRESPONDENCE] * bool(self.prompt)


def counts(n: int) -> dict[tuple[str, str], int]:
    """How many of n images are of each generator and level: FRACTIONS, rounded so that they add up.

    >>> sum(counts(31).values())
    31
    """
    ends = np.rint(np.cumsum([0.0, *FRACTIONS.values()]) * n).astype(int)
    return dict(zip(FRACTIONS, np.diff(ends).tolist(), strict=True))


def of_study(study: str, *, n_images: int) -> list[Stimulus]:
    """A sample of a finished study's images, as many of each kind as FRACTIONS has, the identities in turns.

    Raises:
        StudyError: the study has no images yet, or too few.
    """
    parameters = params.resolve(study)
    for stage in ("faces", "generated"):
        manifests.require(study, stage, parameters)
    folder = {stage: manifests.folder_of(study, stage) for stage in ("faces", "ddpm", "generated")}
    return _Sampled(parameters, folder).stimuli(counts(n_images))


def of_photographs(study: str, folder: Path, *, n_images: int) -> list[Stimulus]:
    """Faces of photographs as they are found, restored by bicubic interpolation and by the study's DDPM: no truth.

    A face is brought to half of the study's size, as one far from the camera would be, and nothing else is done to it;
    beside the restored image is that small one. Neither names nor files' names are kept.

    Args:
        study: whose model restores; of one with published weights nothing need have been run.
        folder: with photographs, at any depth, such as LFW.
        n_images: restored images, half of them by each.

    Raises:
        StudyError: no photograph is there, or in too few of them a face is found.
    """
    told = params.resolve(study)
    model = _model(study, told)
    size, wanted = told["image_size"], (n_images + 1) // 2
    paths = sorted(path for path in Path(folder).rglob("*") if path.suffix.lower() in (".jpg", ".jpeg", ".png"))
    small = []
    for place in seeds.generator(Purpose.PHOTOGRAPHS_RESTORED, told["seed"]).permutation(len(paths)):
        if len(small) == wanted:
            break
        image = read_rgb(paths[place])
        found = detection.faces_of(image, min_face_size=told["min_face_size"], min_side=0, max_side=told["max_side"])
        if len(found.boxes):
            crop = crop_square(image, found.boxes[0], margin=told["crop_margin"], size=size // 2)
            small.append(np.asarray(crop))
    if len(small) < wanted:
        raise StudyError(f"{folder}: a face was found in {len(small)} of {len(paths)} photographs, {wanted} are needed")
    enlarged = pipelines.bicubic(small, (size, size))
    how = {"sampler": told["sampler"], "steps": told["sampling_steps"], "seed": told["seed"]}
    of_ddpm = restoration.restore(*model, enlarged, strength=RESTORATION_STRENGTH, **how)
    return [
        Stimulus(
            image,
            name=f"{generator}/{PHOTOGRAPH}/{number}",
            generator=generator,
            level=PHOTOGRAPH,
            identity=SOMEBODY,
            beside=[("Low quality", small[number], f"photograph/{number}")],
            restored=True,
        )
        for generator, images in (("bicubic", enlarged), ("ddpm", of_ddpm))
        for number, image in enumerate(images)
    ]


def of_folders(generators: Mapping[str, Path], *, n_images: int, seed: int, side: int = LARGEST_SIDE) -> list[Stimulus]:
    """Images of any generators, each a folder with a folder per person: as many of each, the people in turns.

    Args:
        generators: name to folder; photographs of the people may be one of them.
        n_images: of all together, at most.
        side: pixels; images are cropped to a square about their middle, and brought to it.

    Raises:
        StudyError: a folder is missing or holds no image, or no person is in two of them.
    """
    found, of_each = [], max(1, n_images // len(generators))
    for generator, folder in generators.items():
        listed = identity_folders.scan(folder)
        order = _in_turns(listed["identity"].to_numpy(), seeds.generator(Purpose.RATED_IMAGES, seed))
        for row in listed.iloc[order[:of_each]].itertuples():
            image = np.asarray(ImageOps.fit(read_rgb(folder / row.path), (side, side)))
            name = f"{generator}/{row.path}"
            found.append(Stimulus(image, name=name, generator=generator, level=GIVEN, identity=row.identity))
    people = [{one.identity for one in found if one.generator == generator} for generator in generators]
    if len(people) > 1 and not any(one & other for one, other in combinations(people, 2)):
        raise StudyError("no person is in the folders of two generators; name their folders alike")
    return found


def _model(study: str, told: dict) -> tuple[UNet2DModel, DDPMScheduler]:
    """The network and forward process of a study's first training, or of the published weights that it names."""
    if told["weights"]:
        published = PublishedWeights.read(told["weights"])
        if (side := published.record["parameters"]["image_size"]) != told["image_size"]:
            raise StudyError(
                f"{told['weights']} are of {side} px; image_size is {told['image_size']}, set it to {side}"
            )
        return published.load()
    manifests.require(study, "ddpm", told)
    folder = training_folders(manifests.folder_of(study, "ddpm"))[0]
    return trainer.load_trained(folder, devices.choose(told["device"]))


class _Sampled:
    """A study's images, taken from in a random order of each identity."""

    def __init__(self, parameters: dict, folder: dict):
        size = parameters["image_size"]
        self.parameters, self.seed, self.ddpm = parameters, parameters["seed"], folder["ddpm"]
        self.real = crops.load_crops(folder["faces"], size=size, split="test")
        self.generated = generated_images.load(folder["generated"])
        self.names = crops.class_names(folder["faces"])
        self.references = _most_typical(*crops.load_crops(folder["faces"], size=size, split="train"))
        rng = seeds.generator(Purpose.RATED_IMAGES, self.seed)
        self.rows = _in_turns(self.real[1], rng)
        self.made = _in_turns(self.generated[1], rng)

    def stimuli(self, wanted: dict[tuple[str, str], int]) -> list[Stimulus]:
        sizes = iter(wanted.values())
        found = [self._of_real(row, "real", "held out") for row in self._take(next(sizes))]
        chosen = self._take_generated(next(sizes))
        found += [self._of_generated(row, self.generated[0][row], "all steps") for row in chosen]
        found += self._quarter_steps(self._take_generated(next(sizes)))
        n_bicubic, n_ddpm = next(sizes), next(sizes)
        found += self._restored(self._take(max(n_bicubic, n_ddpm)), n_bicubic=n_bicubic, n_ddpm=n_ddpm)
        found += self._degraded(self._take(next(sizes)))
        return found + [self._swapped(row) for row in self._take(next(sizes))]

    def _take(self, n: int) -> list[int]:
        return _first(self.rows, n, what="test faces")

    def _take_generated(self, n: int) -> list[int]:
        return _first(self.made, n, what="generated images")

    def _reference(self, label: int) -> list[tuple[str, np.ndarray, str]]:
        return [("Reference", self.references[label], f"reference/{label}")]

    def _of_real(self, row: int, generator: str, level: str, **how) -> Stimulus:
        label = int(self.real[1][row])
        how = {"image": self.real[0][row], "beside": self._reference(label)} | how
        return Stimulus(
            name=f"{generator}/{level}/{row}", generator=generator, level=level, identity=self.names[label], **how
        )

    def _of_generated(self, row: int, image: np.ndarray, level: str) -> Stimulus:
        label = int(self.generated[1][row])
        name, beside = f"generated/{level}/{row}", self._reference(label)
        return Stimulus(image, name=name, generator="ddpm", level=level, identity=self.names[label], beside=beside)

    def _network(self) -> tuple[UNet2DModel, DDPMScheduler]:
        """Of the first training."""
        device = devices.choose(self.parameters["device"])
        return trainer.load_trained(training_folders(self.ddpm)[0], device)

    def _quarter_steps(self, rows: list[int]) -> list[Stimulus]:
        """Images of the first training in a quarter of the study's sampling steps."""
        if not rows:
            return []
        told, labels = self.parameters, self.generated[1][rows]
        unet, forward = self._network()
        images = samplers.sample(
            unet,
            samplers.sampling_process(forward, told["sampler"]),
            torch.as_tensor(labels, device=unet.device),
            generators=[
                samplers.image_generator(seed=self.seed, label=int(labels[k]), index=k) for k in range(len(rows))
            ],
            steps=max(1, told["sampling_steps"] // 4),
            guidance=told["guidance"],
            guidance_interval=tuple(told["guidance_interval"]),
        )
        return [self._of_generated(row, image, "quarter of the steps") for row, image in zip(rows, images, strict=True)]

    def _restored(self, rows: list[int], *, n_bicubic: int, n_ddpm: int) -> list[Stimulus]:
        """Degraded real faces as bicubic interpolation and the DDPM restore them, beside the low quality and truth."""
        if not rows:
            return []
        originals = self.real[0][rows]
        low, _ = pipelines.degraded(originals, seed=self.seed, factors=small_factors(originals.shape[1]))
        enlarged = pipelines.bicubic(low, originals.shape[1:3])
        of_ddpm = enlarged[:0]
        if n_ddpm:
            told = self.parameters
            how = {"sampler": told["sampler"], "steps": told["sampling_steps"], "seed": self.seed}
            of_ddpm = restoration.restore(*self._network(), enlarged[:n_ddpm], strength=RESTORATION_STRENGTH, **how)
        found = []
        for generator, images in (("bicubic", enlarged[:n_bicubic]), ("ddpm", of_ddpm)):
            for row, image, small in zip(rows, images, low, strict=False):
                beside = [
                    ("Low quality", small, f"low/{row}"),
                    ("Original", self.real[0][row], f"real/held out/{row}"),
                ]
                found.append(self._of_real(row, generator, "restored", image=image, beside=beside, restored=True))
        return found

    def _degraded(self, rows: list[int]) -> list[Stimulus]:
        """Real faces of a quality that nobody can miss: the second-order pipeline at its largest factor."""
        found, largest = [], max(small_factors(self.real[0].shape[1]))
        for number, row in enumerate(rows):
            rng = seeds.generator(Purpose.RATED_IMAGES, self.seed, number)
            small, _ = pipelines.second_order(self.real[0][row], factor=largest, generator=rng)
            image = pipelines.bicubic([small], self.real[0].shape[1:3])[0]
            found.append(self._of_real(row, "degraded", "anchor", image=image, anchor=True))
        return found

    def _swapped(self, row: int) -> Stimulus:
        other = (int(self.real[1][row]) + 1) % len(self.names)
        return self._of_real(row, "swapped", "anchor", beside=self._reference(other), anchor=True)


def small_factors(side: int) -> Sequence[int]:
    """Factors of downsampling that leave an image of this side recognisable."""
    return pipelines.FACTORS if side >= 128 else tuple(f for f in SMALL_FACTORS if side // f >= 8) or (2,)


def _most_typical(images: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Of every class the image nearest to their mean: uint8 (K, H, W, 3)."""
    found = []
    for label in range(labels.max() + 1):
        own = images[labels == label].astype(np.float64)
        found.append(images[labels == label][((own - own.mean(0)) ** 2).sum(axis=(1, 2, 3)).argmin()])
    return np.stack(found)


def _in_turns(labels: np.ndarray, rng: np.random.Generator) -> list[int]:
    """All rows in a random order in which the identities take turns."""
    order = rng.permutation(len(labels))
    turn = np.empty(len(labels), dtype=int)
    for label in np.unique(labels):
        own = order[labels[order] == label]
        turn[own] = np.arange(len(own))
    return sorted(order.tolist(), key=lambda row: turn[row])


def _first(rows: list[int], n: int, *, what: str) -> list[int]:
    """Take n rows off the front of a list."""
    if n > len(rows):
        raise StudyError(f"the study has too few {what} for so many images to rate; lower --images")
    taken = rows[:n]
    del rows[:n]
    return taken
