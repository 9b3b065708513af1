"""How good an image looks by itself: BRISQUE, MSCN moments beside real images, NIQE, and sharpness.

All are on luminance and in float64. Each image is computed by itself, so that no value depends on the others.

MSCN: each grey level without the mean and over the standard deviation of its neighbourhood (mean subtracted, contrast
normalised). Of photographs these are nearly normal; blur, noise and compression change their shape.
"""

import json
from dataclasses import dataclass
from functools import cache
from importlib import resources

import numpy as np
from scipy.ndimage import correlate1d, laplace
from scipy.special import gammaln
from sklearn.covariance import ledoit_wolf

LUMINANCE = np.array([0.2125, 0.7154, 0.0721])  # of R, G and B (BT.709), as BRISQUE's parameters were made with
WINDOW_SD, WINDOW_REACH = 7 / 6, 3  # pixels: a Gaussian of 7 by 7
CONTRAST_FLOOR = 1 / 255  # one grey level, so that flat areas are 0
HALVING = np.array([-3, 19, 19, -3]) / 32  # cubic interpolation (a = -0.75) half-way between two pixels
SHAPES = np.arange(0.2, 10.001, 0.001)  # of generalised Gaussians, from sharp peaks to nearly uniform
NEIGHBOURS = ((0, 1), (1, 0), (1, 1), (1, -1))  # right, below, and the two diagonals
BRISQUE_SMALLEST, BRISQUE_ENLARGED_TO = 16, 64  # pixels
MSCN_SMALLEST = 16  # pixels
N_MOMENTS = 17
NIQE_PATCH = 96  # pixels
NIQE_SHARP = 0.75  # of the sharpest patch of an image: below that, a patch of the reference is left out


def sharpness(images: np.ndarray) -> np.ndarray:
    """Variance of the Laplacian of luminance in squared grey levels, float64 (N,), of uint8 (N, H, W, 3): 0 or more.

    Higher is sharper, and noisier too: noise has a larger Laplacian than any edge.

    Source: Pech-Pacheco et al. (2000).

    >>> line = np.zeros((1, 5, 5, 3), dtype=np.uint8)
    >>> line[:, :, 2] = 90  # Laplacian 0, 90, -180, 90, 0 in each row
    >>> sharpness(line).tolist()
    [9720.0]
    """
    return np.array([laplace(255 * grey, mode="nearest").var() for grey in _luminance(images)]).round(9)


def brisque(images: np.ndarray) -> np.ndarray:
    """BRISQUE, float64 (N,), of images uint8 (N, H, W, 3) of 16 pixels or more: about 0 (good) to 100 (bad).

    Support vector regression on 36 features: shapes and spreads of the MSCN and of products of neighbours, at full and
    at half size. It was trained on large photographs and on people's ratings of their blur, noise and compression.
    Values below 0 and above 100 occur. NaN for a black image, which has no features.

    Pixels of an image below 64 pixels are repeated until it has as many. On the default study's faces of 32 pixels
    Kendall's tau with the level of a degradation is then .96 for blur, .98 for noise and .73 for JPEG; as they are,
    or enlarged smoothly, noise or JPEG is not ordered. Compare values at one size only.

    Raises:
        ValueError: images below 16 pixels.

    Source: Mittal et al. (2012); parameters of the package brisque (Apache-2.0), in `parameters/`.
    """
    _require(images, BRISQUE_SMALLEST, "BRISQUE")
    return np.array([_regressed(brisque_features(_enlarged(grey))) for grey in _luminance(images)])


def _enlarged(grey: np.ndarray) -> np.ndarray:
    """Each pixel repeated in both directions until the shorter side has BRISQUE_ENLARGED_TO."""
    times = -(-BRISQUE_ENLARGED_TO // min(grey.shape))
    return np.kron(grey, np.ones((times, times)))


def _regressed(features: np.ndarray) -> float:
    """The support vector regression's answer to 36 features."""
    fitted = _brisque_parameters()
    scaled = 2 * (features - fitted["smallest"]) / (fitted["largest"] - fitted["smallest"]) - 1
    kernel = np.exp(-fitted["gamma"] * ((fitted["support_vectors"] - scaled) ** 2).sum(axis=1))
    return float((fitted["weights"] * kernel).sum() - fitted["rho"])


@cache
def _brisque_parameters() -> dict[str, np.ndarray]:
    path = resources.files("kpop_rca.image_metrics").joinpath("parameters", "brisque.json")
    found = json.loads(path.read_text(encoding="utf-8"))
    names = ("smallest", "largest", "weights", "support_vectors", "gamma", "rho")
    return {name: np.asarray(found[name], dtype=np.float64) for name in names}


def brisque_features(grey: np.ndarray) -> np.ndarray:
    """The 36 features of one image, float (H, W) in [0, 1]: 18 at full size, 18 at half; NaN of a black image."""
    return np.concatenate([_shape_features(mscn(part, mode="constant")[0]) for part in (grey, _halved(grey))])


def mscn(grey: np.ndarray, *, mode: str = "reflect") -> tuple[np.ndarray, np.ndarray]:
    """MSCN coefficients of an image, float (H, W) in [0, 1], and the local standard deviation, (H, W) each.

    `mode` is how the image goes on beyond its border, as in scipy.ndimage: BRISQUE has zeros there.
    """
    mean, square = (_smoothed(values, mode=mode) for values in (grey, grey**2))
    spread = np.sqrt(np.abs(square - mean**2))
    return (grey - mean) / (spread + CONTRAST_FLOOR), spread


def _smoothed(values: np.ndarray, *, mode: str) -> np.ndarray:
    window = np.exp(-(np.arange(-WINDOW_REACH, WINDOW_REACH + 1) ** 2) / (2 * WINDOW_SD**2))
    window /= window.sum()
    return correlate1d(correlate1d(values, window, axis=0, mode=mode), window, axis=1, mode=mode)


def _halved(grey: np.ndarray) -> np.ndarray:
    """Half as high and wide by cubic interpolation, without smoothing before it, as OpenCV does."""
    for axis in (0, 1):
        size = round(grey.shape[axis] / 2)
        blended = correlate1d(grey, HALVING, axis=axis, mode="nearest", origin=-1)
        grey = blended.take(np.arange(0, 2 * size, 2).clip(max=grey.shape[axis] - 1), axis=axis)
    return grey


def _products(coefficients: np.ndarray) -> list[np.ndarray]:
    """Products of each coefficient and its neighbour, in four directions."""
    found = []
    for down, right in NEIGHBOURS:
        first = coefficients[: len(coefficients) - down, max(0, -right) : coefficients.shape[1] - max(0, right)]
        second = coefficients[down:, max(0, right) : coefficients.shape[1] - max(0, -right)]
        found.append(first * second)
    return found


def _shape_features(coefficients: np.ndarray) -> np.ndarray:
    """Shape and variance of MSCN; of the products in each direction shape, mean, variance on the left and right."""
    shape, _, left, right = asymmetric_gaussian(coefficients)
    found = [shape, (left + right) / 2]
    for products in _products(coefficients):
        found.extend(asymmetric_gaussian(products))
    return np.array(found)


def asymmetric_gaussian(values: np.ndarray) -> tuple[float, float, float, float]:
    """An asymmetric generalised Gaussian fitted by its moments: shape, mean, variance on the left and on the right.

    The shape is 2 for a normal distribution and 1 for a Laplace one, and lies in [0.2, 10]. All are NaN where no value
    is below 0, or all others are 0.

    Source: Lasmar et al. (2009); Mittal et al. (2012), eq. 4 to 9.
    """
    left, right = values[values < 0], values[values >= 0]
    if not len(left) or not right.any():
        return (np.nan,) * 4
    left, right = np.mean(left**2), np.mean(right**2)
    gamma = np.sqrt(left / right)
    ratio = np.mean(np.abs(values)) ** 2 / np.mean(values**2)
    ratio *= (gamma**3 + 1) * (gamma + 1) / (gamma**2 + 1) ** 2
    shape = float(np.interp(ratio, _moment_ratio(SHAPES), SHAPES))
    first, second, third = (gammaln(k / shape) for k in (1, 2, 3))
    mean = (np.sqrt(right) - np.sqrt(left)) * np.exp(second - (first + third) / 2)
    return shape, float(mean), float(left), float(right)


def _moment_ratio(shape: np.ndarray) -> np.ndarray:
    """Square of the mean of |x| over the mean of x^2, of a generalised Gaussian of this shape."""
    return np.exp(2 * gammaln(2 / shape) - gammaln(1 / shape) - gammaln(3 / shape))


def mscn_moments(images: np.ndarray) -> np.ndarray:
    """Seventeen moments of the MSCN of images uint8 (N, H, W, 3) of 16 pixels or more: float64 (N, 17).

    Standard deviation, skewness and kurtosis of the coefficients; mean, standard deviation and skewness of the products
    of neighbours in four directions; mean and standard deviation of the logarithm of the local contrast. Fits of a
    shape, as BRISQUE has them, are too noisy at 32 pixels.

    Raises:
        ValueError: images below 16 pixels.
    """
    _require(images, MSCN_SMALLEST, "MSCN moments")
    return np.array([_moments(grey) for grey in _luminance(images)]).reshape(-1, N_MOMENTS)


def _moments(grey: np.ndarray) -> np.ndarray:
    coefficients, spread = mscn(grey)
    found = [*_spread_and_shape(coefficients)[1:], _kurtosis(coefficients)]
    for products in _products(coefficients):
        found.extend(_spread_and_shape(products))
    contrast = np.log(spread + CONTRAST_FLOOR)
    return np.array([*found, contrast.mean(), contrast.std()])


def _spread_and_shape(values: np.ndarray) -> tuple[float, float, float]:
    """Mean, standard deviation and skewness, which is 0 where all values are equal."""
    mean, sd = values.mean(), values.std()
    return mean, sd, ((values - mean) ** 3).mean() / max(sd**3, np.finfo(float).tiny)


def _kurtosis(values: np.ndarray) -> float:
    """Of a normal distribution 0."""
    return ((values - values.mean()) ** 4).mean() / max(values.var() ** 2, np.finfo(float).tiny) - 3


@dataclass(frozen=True)
class Reference:
    """The normal distribution of real images' features, beside which others are set.

    Attributes:
        mean: float64 (D,).
        covariance: float64 (D, D).
    """

    mean: np.ndarray
    covariance: np.ndarray

    @classmethod
    def of(cls, features: np.ndarray) -> "Reference":
        """From features, float (N, D), of 2 images or more; the covariance is shrunk, since they may be few.

        Source: Ledoit and Wolf (2004), on features of equal spread.
        """
        if len(features) < 2:
            raise ValueError(f"need 2 or more real images, got {len(features)}")
        spread = features.std(axis=0)
        spread[spread == 0] = 1
        covariance, _ = ledoit_wolf((features - features.mean(axis=0)) / spread)
        return cls(features.mean(axis=0), covariance * np.outer(spread, spread))

    def distance(self, features: np.ndarray) -> float:
        """Of features, float (n, D), with mean m and covariance c: 0 or more.

        d^2 = (m - mean)^T ((c + covariance) / 2)^-1 (m - mean)

        A single row has no covariance, and gets the reference's: that is its Mahalanobis distance. NaN of no row.

        Source: Mittal et al. (2013), eq. 10.
        """
        if not len(features):
            return np.nan
        apart = features.mean(axis=0) - self.mean
        own = np.cov(features, rowvar=False, bias=True) if len(features) > 1 else self.covariance
        return float(np.sqrt(apart @ np.linalg.pinv((self.covariance + own) / 2, hermitian=True) @ apart))

    def distance_of_each(self, features: np.ndarray) -> np.ndarray:
        """The Mahalanobis distance of each row of features, float (N, D): float64 (N,).

        With MSCN moments about 3 to 4 for a real image; larger is less like one, be it too smooth or too rough.
        """
        return np.array([self.distance(row[None]) for row in features])


def niqe_reference(real: np.ndarray) -> Reference:
    """NIQE's model fitted to these real images, uint8 (N, H, W, 3) of 96 pixels or more: its own, not the published.

    Of each image only patches count that are nearly as sharp as the sharpest.
    """
    return Reference.of(np.concatenate([_patch_features(grey, sharp=NIQE_SHARP) for grey in _niqe_luminance(real)]))


def niqe(images: np.ndarray, reference: Reference) -> np.ndarray:
    """NIQE beside one's own real images, float64 (N,), of uint8 (N, H, W, 3) of 96 pixels or more: 0 (best) or more.

    Features as BRISQUE's, of patches of 96 pixels. Values don't compare with NIQE of the published model. NaN for an
    image without structure.

    Raises:
        ValueError: images below 96 pixels.

    Source: Mittal et al. (2013).
    """
    return np.array([reference.distance(_patch_features(grey)) for grey in _niqe_luminance(images)])


def _niqe_luminance(images: np.ndarray) -> np.ndarray:
    _require(images, NIQE_PATCH, "NIQE")
    return _luminance(images)


def _patch_features(grey: np.ndarray, *, sharp: float = 0.0) -> np.ndarray:
    """36 features of every whole patch of an image that is as sharp as that fraction of the sharpest; none of black."""
    down, right = (side // NIQE_PATCH for side in grey.shape)
    found, spreads = [], []
    for scale, part in ((1, grey), (2, _halved(grey))):
        side, (coefficients, spread) = NIQE_PATCH // scale, mscn(part)
        patches = [
            (slice(row * side, (row + 1) * side), slice(column * side, (column + 1) * side))
            for row in range(down)
            for column in range(right)
        ]
        found.append([_shape_features(coefficients[patch]) for patch in patches])
        spreads.append([spread[patch].mean() for patch in patches])
    features, sharpnesses = np.concatenate(found, axis=1), np.array(spreads[0])
    kept = np.isfinite(features).all(axis=1) & (sharpnesses >= sharp * sharpnesses.max())
    return features[kept]


def _require(images: np.ndarray, smallest: int, name: str) -> None:
    if images.ndim != 4 or images.shape[-1] != 3 or images.dtype != np.uint8:
        raise ValueError(f"need uint8 (N, H, W, 3), got {images.dtype} {images.shape}")
    if min(images.shape[1:3]) < smallest:
        raise ValueError(f"{name} needs {smallest} pixels, the images have {min(images.shape[1:3])}")


def _luminance(images: np.ndarray) -> np.ndarray:
    """float64 (N, H, W) in [0, 1]; the sum is written out, since a matrix product depends on the number of images."""
    red, green, blue = np.moveaxis(images / 255, -1, 0)
    return LUMINANCE[0] * red + LUMINANCE[1] * green + LUMINANCE[2] * blue
