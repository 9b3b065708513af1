"""Random degradations as photographs meet them: a first-order pipeline, and a second-order one with a sinc filter.

Each image comes back small, with a table of what was done to it. Image i follows from the seed and i alone.
"""

import io
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from PIL import Image
from scipy.ndimage import correlate, median_filter
from scipy.special import j1

from kpop_rca.errors import StudyError
from kpop_rca.system import files, seeds

BLURS = ("gaussian", "average", "median", "motion")
INTERPOLATIONS = {
    "nearest": Image.Resampling.NEAREST,
    "linear": Image.Resampling.BILINEAR,
    "area": Image.Resampling.BOX,
    "cubic": Image.Resampling.BICUBIC,
}
FACTORS = (4, 8, 16)  # of downsampling, for images of 512 px; smaller ones want smaller factors
CHANCES = {"blur": 0.7, "noise": 0.2, "jpeg": 0.7}  # of the first order, where downsampling is certain
SECOND_BLUR, FINAL_SINC = 0.8, 0.8  # chances of the second order, where the first blur is certain
SINC_FOR_BLUR = 0.1  # chance that a blur of the second order is a sinc filter
LARGEST_NOISE = 15.0  # grey levels
QUALITIES = (30, 95)  # of JPEG
RESIZES = ((0.15, 1.5), (0.3, 1.2))  # factors of the first and the second resizing of the second order
GREY_NOISE = 0.4  # chance that the three channels share their noise
LEAST_SIDE = 4  # pixels, of a degraded image
ORDERS = ("first", "second")
TRUTH = "truth.csv"
Step = tuple[str, str, float]  # operation, kind, value


def gaussian_kernel(size: int, sigma: float) -> np.ndarray:
    """float64 (size, size), of sum 1; size is odd."""
    line = np.exp(-0.5 * ((np.arange(size) - size // 2) / sigma) ** 2)
    return np.outer(line, line) / line.sum() ** 2


def motion_kernel(size: int, angle: float) -> np.ndarray:
    """A line of `size` pixels through the middle, at an angle in radians; float64 (size, size), of sum 1.

    >>> motion_kernel(3, 0.0).round(2).tolist()
    [[0.0, 0.0, 0.0], [0.33, 0.33, 0.33], [0.0, 0.0, 0.0]]
    """
    along = np.linspace(-(size // 2), size // 2, 8 * size + 1)
    rows, columns = (np.rint(along * part).astype(int) + size // 2 for part in (np.sin(angle), np.cos(angle)))
    kernel = np.zeros((size, size))
    kernel[rows, columns] = 1
    return kernel / kernel.sum()


def sinc_kernel(size: int, cutoff: float) -> np.ndarray:
    """The circular low-pass filter, which rings at edges; float64 (size, size), of sum 1.

        k(r) = cutoff J_1(cutoff r) / (2 pi r)

    with the cutoff in radians per pixel, up to pi.

    Source: Wang et al. (2021), "Real-ESRGAN", eq. 6.
    """
    offsets = np.arange(size) - size // 2
    distance = np.hypot(*np.meshgrid(offsets, offsets))
    away = np.where(distance == 0, 1, distance)
    kernel = np.where(distance == 0, cutoff**2 / (4 * np.pi), cutoff * j1(cutoff * away) / (2 * np.pi * away))
    return kernel / kernel.sum()


def filtered(image: np.ndarray, kernel: np.ndarray) -> np.ndarray:
    """uint8 (H, W, 3) through a kernel, borders mirrored."""
    soft = correlate(image.astype(np.float64), kernel[:, :, None], mode="reflect")
    return np.rint(soft).clip(0, 255).astype(np.uint8)


def resized(image: np.ndarray, size: tuple[int, int], interpolation: str) -> np.ndarray:
    """uint8 (H, W, 3) at a size (height, width), by one of INTERPOLATIONS."""
    return np.asarray(Image.fromarray(image).resize(size[::-1], INTERPOLATIONS[interpolation]))


def as_jpeg(image: np.ndarray, quality: int) -> np.ndarray:
    """uint8 (H, W, 3) as a JPEG keeps it."""
    Image.fromarray(image).save(file := io.BytesIO(), "JPEG", quality=quality)
    return np.asarray(Image.open(file))


class Pipeline:
    """One image on its way through a pipeline, and what was done to it.

    A kernel is at most a sixteenth of the image's side wide, and at least 3 pixels.
    """

    def __init__(self, image: np.ndarray, *, generator: np.random.Generator):
        self.image, self.generator, self.steps = image, generator, list[Step]()
        self.largest = max(3, (image.shape[0] // 16) | 1)

    def _did(self, operation: str, kind: str, value: float, image: np.ndarray) -> None:
        self.steps.append((operation, kind, round(float(value), 3)))
        self.image = image

    def happens(self, chance: float) -> bool:
        return self.generator.random() < chance

    def blur(self) -> None:
        kind, size = str(self.generator.choice(BLURS)), int(self.generator.choice(np.arange(3, self.largest + 1, 2)))
        if kind == "median":
            image = median_filter(self.image, size=(size, size, 1), mode="reflect")
        elif kind == "average":
            image = filtered(self.image, np.full((size, size), 1 / size**2))
        elif kind == "motion":
            image = filtered(self.image, motion_kernel(size, self.generator.uniform(0, np.pi)))
        else:
            image = filtered(self.image, gaussian_kernel(size, sigma=size / 4))
        self._did("blur", kind, size, image)

    def sinc(self) -> None:
        cutoff = self.generator.uniform(np.pi / 3, np.pi)
        self._did("sinc", "low-pass", cutoff, filtered(self.image, sinc_kernel(max(7, self.largest), cutoff)))

    def resize(self, size: tuple[int, int], *, operation: str, factor: float) -> None:
        kind = str(self.generator.choice(list(INTERPOLATIONS)))
        self._did(operation, kind, factor, resized(self.image, size, kind))

    def resize_by(self, low: float, high: float) -> None:
        factor = self.generator.uniform(low, high)
        height, width = (max(LEAST_SIDE, round(side * factor)) for side in self.image.shape[:2])
        self.resize((height, width), operation="resize", factor=factor)

    def noise(self) -> None:
        sd, grey = self.generator.uniform(1, LARGEST_NOISE), self.happens(GREY_NOISE)
        noise = self.generator.normal(scale=sd, size=(*self.image.shape[:2], 1 if grey else 3))
        noisy = np.rint(self.image + noise).clip(0, 255).astype(np.uint8)
        self._did("noise", "grey" if grey else "colour", sd, noisy)

    def jpeg(self) -> None:
        quality = int(self.generator.integers(QUALITIES[0], QUALITIES[1] + 1))
        self._did("jpeg", "", quality, as_jpeg(self.image, quality))


def _low_size(image: np.ndarray, factor: int) -> tuple[int, int]:
    height, width = (side // factor for side in image.shape[:2])
    if min(height, width) < LEAST_SIDE:
        raise StudyError(
            f"an image of {image.shape[1]}x{image.shape[0]} px cannot be downsampled by {factor}: "
            f"its smaller side would be under {LEAST_SIDE} px; give smaller factors"
        )
    return height, width


def first_order(image: np.ndarray, *, factor: int, generator: np.random.Generator) -> tuple[np.ndarray, list[Step]]:
    """Blurred, downsampled, with noise, then as a JPEG; each but the second by its chance in CHANCES.

        I_low = [(I * k) downsampled by r + n] as a JPEG

    Args:
        image: uint8 (H, W, 3).
        factor: of downsampling.

    Returns:
        uint8 (H // factor, W // factor, 3), and the steps.

    Source: F-Bench, appendix A.1, eq. 4.
    """
    way, size = Pipeline(image, generator=generator), _low_size(image, factor)
    if way.happens(CHANCES["blur"]):
        way.blur()
    way.resize(size, operation="downsample", factor=factor)
    if way.happens(CHANCES["noise"]):
        way.noise()
    if way.happens(CHANCES["jpeg"]):
        way.jpeg()
    return way.image, way.steps


def second_order(image: np.ndarray, *, factor: int, generator: np.random.Generator) -> tuple[np.ndarray, list[Step]]:
    """Twice blurred, resized, with noise and as a JPEG; the second JPEG comes before or after the last sinc filter.

    Arguments and results are those of `first_order`.

    Source: Wang et al. (2021), "Real-ESRGAN", section 3; F-Bench, appendix A.1.
    """
    way, size = Pipeline(image, generator=generator), _low_size(image, factor)

    def blur() -> None:
        way.sinc() if way.happens(SINC_FOR_BLUR) else way.blur()

    def last_filter() -> None:
        way.resize(size, operation="downsample", factor=factor)
        if way.happens(FINAL_SINC):
            way.sinc()

    blur()
    way.resize_by(*RESIZES[0])
    way.noise()
    way.jpeg()
    if way.happens(SECOND_BLUR):
        blur()
    way.resize_by(*RESIZES[1])
    way.noise()
    ends: list[Callable[[], None]] = [last_filter, way.jpeg]
    for end in ends if way.happens(0.5) else reversed(ends):
        end()
    return way.image, way.steps


def degraded(
    images: np.ndarray, *, seed: int, factors: Sequence[int] = FACTORS
) -> tuple[list[np.ndarray], pd.DataFrame]:
    """Images of even number through the first-order pipeline, those of odd number through the second.

    Args:
        images: uint8 (N, H, W, 3).
        seed: of the study.
        factors: of downsampling, one of which is chosen for each image.

    Returns:
        The small images, uint8 (h, w, 3) each, and the truth, one row per image and step: image, order ("first" or
        "second"), factor, step (from 0), operation, kind, value (pixels, factor, grey levels, quality or cutoff).
    """
    low, rows = [], []
    for number, (image, order) in enumerate(zip(images, _orders(), strict=False)):
        generator = seeds.generator(seeds.Purpose.DEGRADATION_PIPELINE, seed, number)
        factor = int(generator.choice(factors))
        pipeline = first_order if order == "first" else second_order
        small, steps = pipeline(image, factor=factor, generator=generator)
        low.append(small)
        rows += [(number, order, factor, k, *step) for k, step in enumerate(steps)]
    return low, pd.DataFrame(rows, columns=["image", "order", "factor", "step", "operation", "kind", "value"])


def _orders() -> Iterator[str]:
    while True:
        yield from ORDERS


def bicubic(low: Sequence[np.ndarray], size: tuple[int, int]) -> np.ndarray:
    """Small images at a size (height, width), the plainest of restorations: uint8 (N, H, W, 3)."""
    return np.stack([resized(image, size, "cubic") for image in low])


def write_degraded(folder: Path, images: np.ndarray, *, seed: int, factors: Sequence[int] = FACTORS) -> pd.DataFrame:
    """A dataset for restoration: `high/` and `low/` with one PNG per image, and the truth in `truth.csv`.

    Arguments and the table are those of `degraded`.
    """
    low, truth = degraded(images, seed=seed, factors=factors)
    for name, arrays in (("high", images), ("low", low)):
        for number, image in enumerate(arrays):
            with files.atomic(folder / name / f"{number:05d}.png") as temporary:
                Image.fromarray(image).save(temporary)
    with files.atomic(folder / TRUTH) as temporary:
        truth.to_csv(temporary, index=False)
    return truth


def frequencies(truth: pd.DataFrame) -> pd.DataFrame:
    """How often the first-order pipeline took each step, beside its chance: operation, images, fraction, chance.

    Args:
        truth: from `degraded`.
    """
    first = truth[truth["order"] == "first"]
    number = first["image"].nunique()
    rows = []
    for operation, chance in {"downsample": 1.0, **CHANCES}.items():
        taken = first.loc[first["operation"] == operation, "image"].nunique()
        rows.append((operation, number, taken / number if number else np.nan, chance))
    return pd.DataFrame(rows, columns=["operation", "images", "fraction", "chance"])
