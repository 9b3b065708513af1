"""How alike generated and real images are, on any features: Fréchet, kernel distance, precision, recall, and more.

Features are float arrays of one row an image, from the judge, Inception, DINOv2 or FaceNet; `feature_measures` takes
all measures on them in one call. None of them sees whether the right person was drawn. Each comes with its counts and
with the same figure for other real images against the same reference, at an equal count:

    value               all generated images against the reference, the held-out real ones
    real_vs_real        n_other_real real images that are not in the reference, against it
    value_at_same_n     as many generated images, against it

Everything goes features -> statistics -> value. What is known of the reference, its covariance's root and its
neighbourhoods, is computed once for all that is compared with it.
"""

import warnings
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from scipy.stats import linregress
from torch import Tensor, nn
from torchmetrics.image.kid import KernelInceptionDistance

from kpop_rca.neighbourhoods import DENSITY_NEIGHBOUR, PRECISION_NEIGHBOUR, Neighbourhoods, compare
from kpop_rca.normals import Normal

KERNEL_SUBSETS = 100
KERNEL_SUBSET_SIZE = 1000  # images, or half of those that there are
NEIGHBOURHOOD_LIMIT = 10_000  # images; beyond these, all pairs of distances take long and change little
KERNEL_ROWS = 1000  # of kernel values held at once
LINE_POINTS = 10
LINE_SMALLEST = 0.25  # of the images; Chong and Forsyth have 0.1 of 50,000

# Images of each kind that a measure needs to have a value at all.
SMALLEST = {
    "frechet": 2,
    "kernel": 4,
    "precision": PRECISION_NEIGHBOUR + 1,
    "recall": PRECISION_NEIGHBOUR + 1,
    "density": DENSITY_NEIGHBOUR + 1,
    "coverage": DENSITY_NEIGHBOUR + 1,
    "frechet_infinity": 12,
    "frechet_class_mean": 2,
}


def as_features(features: np.ndarray) -> nn.Module:
    """A stand-in for torchmetrics' network: features go in and come out, so that they are computed once.

    Args:
        features: float (N, D).
    """
    network = nn.Identity()
    network.num_features = features.shape[1]
    return network


def frechet_distance(features_a: np.ndarray, features_b: np.ndarray) -> float:
    """Fréchet distance of the normal distributions fitted to two sets of features, in float64.

    d^2 = |mean_a - mean_b|^2 + Tr(cov_a + cov_b - 2 (cov_a cov_b)^(1/2))

    It is biased upward on few images, the more the more features there are: compare it only at equal counts.

    Args:
        features_a: float (N, D), N of 2 or more.
        features_b: float (M, D), M of 2 or more.

    Returns:
        0 or more. With Inception's pooled features this is FID.

    Raises:
        ValueError: fewer than two images, or features of other lengths.

    Source: Dowson and Landau (1982); Heusel et al. (2017).

    >>> round(frechet_distance(np.array([[0.0], [2.0]]), np.array([[3.0], [5.0]])), 6)  # equal spread, 3 apart
    9.0
    """
    if features_a.shape[1:] != features_b.shape[1:] or min(len(features_a), len(features_b)) < 2:
        raise ValueError(f"need 2 or more rows of equal length, got {features_a.shape} and {features_b.shape}")
    return Normal.of(features_a).frechet_distance(features_b)


def kernel_distance(
    features_a: np.ndarray, features_b: np.ndarray, *, generator: np.random.Generator
) -> tuple[float, float]:
    """Squared maximum mean discrepancy with the cubic kernel of KID, in float64; unbiased at any number of images.

    k(x, y) = (x . y / D + 1)^3,  MMD^2 = mean k(a, a') + mean k(b, b') - 2 mean k(a, b), on random subsets

    A subset holds 1,000 images, or half of the smaller set: were it all of them, every subset would be the same.

    Args:
        features_a: float (N, D), N of 4 or more.
        features_b: float (M, D), M of 4 or more.
        generator: of the subsets.

    Returns:
        Mean over 100 subsets, about 0 (and as often below as above) for sets from one distribution, and the standard
        deviation over the subsets, which overlap: it is no standard error. With Inception's pooled features, KID.

    Raises:
        ValueError: fewer than four images.

    Source: Bińkowski et al. (2018). The subsets are those of torchmetrics, which also computes it where there are so
    many images that kernel values of all pairs would be more work than those of the subsets.

    >>> a, b = np.array([[-1.0]] * 4), np.array([[1.0]] * 4)  # k(a, a) = k(b, b) = 8, k(a, b) = 0
    >>> kernel_distance(a, b, generator=np.random.default_rng(0))
    (16.0, 0.0)
    """
    size = min(KERNEL_SUBSET_SIZE, len(features_a) // 2, len(features_b) // 2)
    if size < 2:
        raise ValueError(f"need 4 or more rows, got {features_a.shape} and {features_b.shape}")
    sets = [torch.as_tensor(part, dtype=torch.float64) for part in (features_a, features_b)]
    with torch.random.fork_rng(devices=[]):  # the subsets are drawn from torch's own state
        torch.manual_seed(int(generator.integers(2**31)))
        mean, sd = (_by_pairs if max(map(len, sets)) ** 2 <= KERNEL_SUBSETS * size**2 else _by_subsets)(*sets, size)
    return mean.item(), sd.item()


def _by_subsets(a: Tensor, b: Tensor, size: int) -> tuple[Tensor, Tensor]:
    """Mean and standard deviation over the subsets, each with its own kernel values."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # it keeps all features
        metric = KernelInceptionDistance(as_features(a), subsets=KERNEL_SUBSETS, subset_size=size)
    metric.update(a, real=True)
    metric.update(b, real=False)
    return metric.compute()


def _by_pairs(a: Tensor, b: Tensor, size: int) -> tuple[Tensor, Tensor]:
    """The same from one kernel value for each pair of images, most of which are in several subsets."""
    drawn = torch.zeros(2, KERNEL_SUBSETS, max(len(a), len(b)), dtype=a.dtype)
    for subset in range(KERNEL_SUBSETS):
        for side, part in enumerate((a, b)):
            drawn[side, subset, torch.randperm(len(part))[:size]] = 1
    of_a, of_b = drawn[0, :, : len(a)], drawn[1, :, : len(b)]
    within = sum(_kernel_sums(part, part, of, of, same=True) for part, of in ((a, of_a), (b, of_b)))
    scores = within / (size * (size - 1)) - 2 * _kernel_sums(a, b, of_a, of_b) / size**2
    return scores.mean(), scores.std(unbiased=False)


def _kernel_sums(a: Tensor, b: Tensor, of_a: Tensor, of_b: Tensor, *, same: bool = False) -> Tensor:
    """Sum of the kernel over the pairs of each subset.

    Args:
        a: float64 (N, D).
        b: float64 (M, D).
        of_a: (subsets, N) of 1 for images in the subset and 0 for others.
        of_b: (subsets, M), likewise.
        same: whether the two sets are one: no image is then paired with itself, and half of the pairs tell all.

    Returns:
        float64 (subsets,).
    """
    total = torch.zeros(len(of_a), dtype=a.dtype)
    for start in range(0, len(a), KERNEL_ROWS):
        rows, first = slice(start, start + KERNEL_ROWS), start if same else 0
        values = (a[rows] @ b[first:].T / a.shape[1] + 1) ** 3
        if same:
            values = 2 * values.triu(1)
        total += ((of_a[:, rows] @ values) * of_b[:, first:]).sum(dim=1)
    return total


def precision_recall(real: np.ndarray, generated: np.ndarray) -> dict[str, float]:
    """How much of the generated lies among the real images, and the other way round.

    precision = share of generated images within the ball of some real image that reaches to its third neighbour
    recall    = share of real images within the ball of some generated image, likewise

    Args:
        real: float (N, D), N of 4 or more.
        generated: float (G, D), G of 4 or more.

    Returns:
        precision and recall in [0, 1]. Balls shrink as images are added: compare them only at equal counts.

    Raises:
        ValueError: too few images.

    Source: Kynkäänniemi et al. (2019), eq. 1 to 3, k = 3.

    >>> real, generated = np.arange(8.0)[:, None], np.array([[3.0], [3.1], [3.2], [3.3]])  # all in the middle
    >>> precision_recall(real, generated)
    {'precision': 1.0, 'recall': 0.125}
    """
    _need(PRECISION_NEIGHBOUR + 1, real, generated)
    return compare(Neighbourhoods(real), Neighbourhoods(generated), measures=["precision"])


def density_coverage(real: np.ndarray, generated: np.ndarray) -> dict[str, float]:
    """How densely generated images lie among the real ones, and how many real ones have one beside them.

    density  = (1 / k G) sum over generated g and real x of 1[g lies within x's ball]
    coverage = share of real images x with a generated one within x's ball,  ball of x: to its k-th real neighbour

    Unlike precision and recall they have known values where both sets come from one distribution: 1, and
    1 - (N-1)...(N-k) / ((N+G-1)...(N+G-k)), which is 0.97 for N = G.

    Args:
        real: float (N, D), N of 6 or more.
        generated: float (G, D).

    Returns:
        density, 0 or more and possibly above 1; coverage in [0, 1].

    Raises:
        ValueError: too few images.

    Source: Naeem et al. (2020), eq. 3 and 4, k = 5.

    >>> real, generated = np.arange(12.0)[:, None], np.array([[0.0], [0.0], [0.0], [0.0], [50.0], [50.0]])
    >>> {name: round(value, 3) for name, value in density_coverage(real, generated).items()}
    {'density': 0.533, 'coverage': 0.333}
    """
    _need(DENSITY_NEIGHBOUR + 1, real)
    _need(1, generated)
    return compare(Neighbourhoods(real), Neighbourhoods(generated), measures=["density"])


def neighbourhood_measures(real: np.ndarray, generated: np.ndarray) -> dict[str, float]:
    """`precision_recall` and `density_coverage` together, at about half the cost.

    Args:
        real: float (N, D), N of 6 or more.
        generated: float (G, D), G of 4 or more.

    Returns:
        precision, recall, density and coverage.

    Raises:
        ValueError: too few images.
    """
    _need(DENSITY_NEIGHBOUR + 1, real)
    _need(PRECISION_NEIGHBOUR + 1, generated)
    return compare(Neighbourhoods(real), Neighbourhoods(generated))


def _need(n: int, *sets: np.ndarray) -> None:
    if min(map(len, sets)) < n:
        raise ValueError(f"need {n} or more rows, got {' and '.join(str(part.shape) for part in sets)}")


def frechet_line(real: np.ndarray | Normal, generated: np.ndarray, *, generator: np.random.Generator) -> dict[str, Any]:
    """The Fréchet distance carried on to infinitely many generated images (FID-infinity).

    d^2(n) = d^2(infinity) + slope / n, fitted by least squares to ten sizes n from a quarter of the images to all

    The reference stays as it is, so that its own share of the bias remains. With fewer images than features the
    points bend away from a line: look at them.

    Args:
        real: float (N, D), the reference, or what was fitted to it.
        generated: float (G, D), G of 12 or more; each size is drawn from these without replacement.
        generator: of the draws.

    Returns:
        value (the line at 1/n = 0; a good set may come out below 0), standard_error (of the line's end, with the
        points taken as independent: they share images and the reference, so it is too small), slope, r_squared, and
        points, a list of {n, frechet}.

    Raises:
        ValueError: too few images.

    Source: Chong and Forsyth (2020), section 3 and algorithm 1, here with random draws in place of Sobol' sequences.

    >>> rng = np.random.default_rng(0)
    >>> line = frechet_line(rng.normal(size=(5000, 4)), rng.normal(size=(400, 4)), generator=rng)
    >>> line["value"] < line["points"][-1]["frechet"] < line["points"][0]["frechet"]
    True
    """
    _need(SMALLEST["frechet_infinity"], generated)
    reference = _fitted(real)
    sizes = np.linspace(LINE_SMALLEST * len(generated), len(generated), LINE_POINTS).round().astype(int)
    distances = [reference.frechet_distance(generated[generator.permutation(len(generated))[:n]]) for n in sizes]
    fit = linregress(1 / sizes, distances)
    return {
        "value": float(fit.intercept),
        "standard_error": float(fit.intercept_stderr),
        "slope": float(fit.slope),
        "r_squared": float(fit.rvalue**2),
        "points": [{"n": int(n), "frechet": value} for n, value in zip(sizes, distances, strict=True)],
    }


def _fitted(real: np.ndarray | Normal) -> Normal:
    return real if isinstance(real, Normal) else Normal.of(real)


def _beside_real(
    measure: Callable[[np.ndarray], Mapping[str, Any]],
    n_real: int,
    other_real: np.ndarray,
    generated: np.ndarray,
    *,
    features: str,
    generator: np.random.Generator,
    value: Mapping[str, Any] | None = None,
) -> dict[str, dict[str, Any]]:
    """Figures of generated images, and at an equal count of these and of other real images.

    Args:
        measure: takes features, and returns figures of them against the reference, by name.
        n_real: images of the reference.
        other_real, generated, features, generator: see `frechet_measure`.
        value: what `measure` finds of all generated images, where that is known.

    Returns:
        By the names of the figures, each as `frechet_measure` returns it.
    """
    n = min(len(other_real), len(generated))
    others, drawn = (part[generator.permutation(len(part))[:n]] for part in (other_real, generated))
    value = value or measure(generated)
    real_vs_real, at_same_n = measure(others), measure(drawn)
    return {
        name: {
            "value": value[name],
            "features": features,
            "n_real": n_real,
            "n_generated": len(generated),
            "real_vs_real": real_vs_real[name],
            "value_at_same_n": at_same_n[name],
            "n_other_real": n,
        }
        for name in real_vs_real
    }


def frechet_measure(
    real: np.ndarray | Normal,
    other_real: np.ndarray,
    generated: np.ndarray,
    *,
    features: str,
    generator: np.random.Generator,
) -> dict[str, Any]:
    """The Fréchet distance of generated images to real ones, beside that of other real images to the same ones.

    The distance shrinks with the number of images, so the two are compared at the same number: the smaller of
    `other_real` and `generated`, drawn from the larger.

    Args:
        real: float (N, D), features of the reference, the held-out real images, or what was fitted to them.
        other_real: float (M, D), features of real images that are not in the reference.
        generated: float (G, D), features of the generated images.
        features: what the features are, in words.
        generator: of the draw.

    Returns:
        value (all generated images), features, n_real, n_generated, real_vs_real and value_at_same_n (both on
        n_other_real images against the reference), n_other_real.
    """
    reference = _fitted(real)

    def measure(part: np.ndarray) -> dict[str, float]:
        return {"frechet": reference.frechet_distance(part)}

    return _beside_real(measure, len(real), other_real, generated, features=features, generator=generator)["frechet"]


def _kernel(
    real: np.ndarray, *others: np.ndarray, features: str, generator: np.random.Generator
) -> dict[str, dict[str, Any]]:
    def measure(part: np.ndarray) -> dict[str, float]:
        return dict(zip(("kernel", "sd"), kernel_distance(real, part, generator=generator), strict=True))

    found = _beside_real(measure, len(real), *others, features=features, generator=generator)
    size = min(KERNEL_SUBSET_SIZE, len(real) // 2, len(others[1]) // 2)
    spread = {
        "sd": found["sd"]["value"],
        "real_vs_real_sd": found["sd"]["real_vs_real"],
        "value_at_same_n_sd": found["sd"]["value_at_same_n"],
    }
    return {"kernel": found["kernel"] | spread | {"subsets": KERNEL_SUBSETS, "subset_size": size}}


def _neighbourhoods(*sets: np.ndarray, features: str, generator: np.random.Generator) -> dict[str, dict[str, Any]]:
    """precision, recall, density and coverage, on NEIGHBOURHOOD_LIMIT images of each kind at most."""
    real, others, generated = (
        part if len(part) <= NEIGHBOURHOOD_LIMIT else part[generator.permutation(len(part))[:NEIGHBOURHOOD_LIMIT]]
        for part in sets
    )
    known = {"precision": ("recall", PRECISION_NEIGHBOUR), "density": ("coverage", DENSITY_NEIGHBOUR)}
    wanted = [name for name in known if min(map(len, (real, others, generated))) >= SMALLEST[name]]
    reference, found = Neighbourhoods(real), {}
    value = compare(reference, Neighbourhoods(generated), measures=wanted)
    for name in wanted:

        def measure(part: np.ndarray, name: str = name) -> dict[str, float]:
            return compare(reference, Neighbourhoods(part), measures=[name])

        how = {"features": features, "generator": generator, "value": value}
        both = _beside_real(measure, len(real), others, generated, **how)
        other, k = known[name]
        found |= {name: both[name] | {"k": k}, other: both[other] | {"k": k}}
    return found


def _frechet_infinity(
    real: Normal, *others: np.ndarray, features: str, generator: np.random.Generator
) -> dict[str, dict[str, Any]]:
    def measure(part: np.ndarray) -> dict[str, Any]:
        return frechet_line(real, part, generator=generator)

    found = _beside_real(measure, len(real), *others, features=features, generator=generator)
    spread = {
        "standard_error": found["standard_error"]["value"],
        "real_vs_real_standard_error": found["standard_error"]["real_vs_real"],
        "value_at_same_n_standard_error": found["standard_error"]["value_at_same_n"],
        "slope": found["slope"]["value"],
        "r_squared": found["r_squared"]["value"],
        "points": found["points"]["value"],
        "real_vs_real_points": found["points"]["real_vs_real"],
    }
    return {"frechet_infinity": found["value"] | spread}


def frechet_by_class(
    real: np.ndarray,
    other_real: np.ndarray,
    generated: np.ndarray,
    *,
    labels: tuple[np.ndarray, np.ndarray, np.ndarray],
    classes: Sequence[Any],
    features: str,
    generator: np.random.Generator,
) -> dict[str, Any]:
    """The Fréchet distance within each class, and its mean over the classes.

    A class has few images, and few images make the distance large: only value_at_same_n and real_vs_real of a class
    compare, and neither compares with the distance over all images.

    Args:
        real: float (N, D), features of the reference, the held-out real images.
        other_real: float (M, D), features of real images that are not in the reference.
        generated: float (G, D), features of the generated images.
        labels: int64 (N,), (M,) and (G,), of the three in this order; for generated images, the class asked for.
        classes: K names.
        features: what the features are, in words.
        generator: of the draws.

    Returns:
        As `frechet_measure`, with means over the classes and without n_other_real, and per_class, a list of {class,
        value, n_real, n_generated, real_vs_real, value_at_same_n, n_other_real}. Where a class has fewer than two
        images of a kind, its figures and the means are None, and `why` says so: a mean over others is another figure.
    """
    sets, per_class = (real, other_real, generated), []
    for label, title in enumerate(classes):
        parts = [part[np.asarray(of) == label] for part, of in zip(sets, labels, strict=True)]
        entry = {"class": str(title)}
        if min(map(len, parts)) < SMALLEST["frechet_class_mean"]:
            counts = {"n_real": len(parts[0]), "n_generated": len(parts[2]), "n_other_real": len(parts[1])}
            entry |= {"value": None, "real_vs_real": None, "value_at_same_n": None} | counts
            entry["why"] = f"a kind of image occurs less than twice for identity {title!r}"
        else:
            entry |= frechet_measure(*parts, features=features, generator=generator)
            del entry["features"]
        per_class.append(entry)
    reasons = [entry["why"] for entry in per_class if "why" in entry]
    means = {
        name: None if reasons else float(np.mean([entry[name] for entry in per_class]))
        for name in ("value", "real_vs_real", "value_at_same_n")
    }
    counts = {"features": features, "n_real": len(real), "n_generated": len(generated)}
    return means | counts | {"per_class": per_class} | ({"why": reasons[0]} if reasons else {})


def absent_measures(why: str, *, features: str, n_real: int, n_generated: int) -> dict[str, dict[str, Any]]:
    """What `feature_measures` returns where there are no features: no values, and the reason.

    Args:
        why: the reason, one line.
        features: what the features would be, in words.
        n_real: images of the reference.
        n_generated: generated images.
    """
    return {name: _absent(why, features=features, n_real=n_real, n_generated=n_generated) for name in SMALLEST}


def _absent(why: str, **counts: Any) -> dict[str, Any]:
    return {"value": None, "why": why} | counts | {"real_vs_real": None, "value_at_same_n": None}


def feature_measures(
    real: np.ndarray,
    other_real: np.ndarray,
    generated: np.ndarray,
    *,
    labels: tuple[np.ndarray, np.ndarray, np.ndarray],
    classes: Sequence[Any],
    features: str,
    generator: np.random.Generator,
) -> dict[str, dict[str, Any]]:
    """All measures on one set of features, as `metrics.json` holds them.

    Args:
        real: float (N, D), features of the reference, the held-out real images.
        other_real: float (M, D), features of real images that are not in the reference.
        generated: float (G, D), features of the generated images.
        labels: int64 (N,), (M,) and (G,), of the three in this order; for generated images, the class asked for.
        classes: K names.
        features: what the features are, in words.
        generator: of all draws.

    Returns:
        By name, each with value, features, n_real, n_generated, real_vs_real, value_at_same_n and n_other_real:
        frechet; kernel, also with sd, subsets and subset_size; precision, recall, density and coverage, also with k;
        frechet_infinity, also with standard_error, slope, r_squared and points; frechet_class_mean, also with
        per_class. A measure that needs more images than there are has value None and `why`.
    """
    sets, others = (real, other_real, generated), (other_real, generated)
    say = {"features": features, "generator": generator}
    found, smallest = {}, min(map(len, sets))
    if smallest >= SMALLEST["frechet"]:
        reference = Normal.of(real)
        found["frechet"] = frechet_measure(reference, *others, **say)
    if smallest >= SMALLEST["kernel"]:
        found |= _kernel(*sets, **say)
    if smallest >= SMALLEST["precision"]:
        found |= _neighbourhoods(*sets, **say)
    if smallest >= SMALLEST["frechet_infinity"]:
        found |= _frechet_infinity(reference, *others, **say)
    found["frechet_class_mean"] = frechet_by_class(*sets, labels=labels, classes=classes, **say)
    why = "it needs {} images of each kind, and of one kind there are " + str(smallest)
    counts = {"features": features, "n_real": len(real), "n_generated": len(generated)}
    return {name: found.get(name) or _absent(why.format(n), **counts) for name, n in SMALLEST.items()}
