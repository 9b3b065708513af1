"""All measures of how alike generated and real images are, on the features of one network.

None of them sees whether the right person was generated. Each comes with its counts and with the same figure for other
real images against the same reference, at an equal count:

    value               all generated images against the reference, the held-out real ones
    real_vs_real        n_other_real real images that are not in the reference, against it
    value_at_same_n     as many generated images, against it
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from kpop_rca.image_metrics.frechet import LINE_IMAGES, NO_SLOPE, Normal, frechet_line
from kpop_rca.image_metrics.kid import KERNEL_SUBSETS, kernel_distance, subset_size
from kpop_rca.image_metrics.prdc import DENSITY_NEIGHBOUR, PRECISION_NEIGHBOUR, Neighbourhoods, neighbourhood_measures

NEIGHBOURHOOD_LIMIT = 10_000  # images; beyond these, all pairs of distances take long and change little

# Images of each kind that a measure needs to have a value at all.
SMALLEST = {
    "frechet": 2,
    "kernel": 4,
    "precision": PRECISION_NEIGHBOUR + 1,
    "recall": PRECISION_NEIGHBOUR + 1,
    "density": DENSITY_NEIGHBOUR + 1,
    "coverage": DENSITY_NEIGHBOUR + 1,
    "frechet_infinity": LINE_IMAGES,
    "frechet_class_mean": 2,
}
COMPARED = ("value", "real_vs_real", "value_at_same_n")


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
        labels: int64 (N,), (M,) and (G,), of the three in this order; for generated images, the requested class.
        classes: K names.
        features: what the features are, in words.
        generator: of all random choices.

    Returns:
        By name, each with value, features, n_real, n_generated, real_vs_real, value_at_same_n and n_other_real:
        frechet; kernel, also with sd, subsets and subset_size; precision, recall, density and coverage, also with k;
        frechet_infinity, also with standard_error, slope, r_squared and points, see `frechet_line`; frechet_class_mean,
        also with per_class. A measure that needs more images than there are has value None and `why`.
    """
    sets, others = (real, other_real, generated), (other_real, generated)
    how = {"features": features, "generator": generator}
    found, smallest = {}, min(map(len, sets))
    if smallest >= SMALLEST["frechet"]:
        reference = Normal.of(real)
        found["frechet"] = frechet_measure(reference, *others, **how)
    if smallest >= SMALLEST["kernel"]:
        found["kernel"] = _kernel(*sets, **how)
    if smallest >= SMALLEST["precision"]:
        found |= _neighbourhoods(*sets, **how)
    if smallest >= SMALLEST["frechet_infinity"]:
        found["frechet_infinity"] = _frechet_infinity(reference, *others, **how)
    found["frechet_class_mean"] = frechet_by_class(*sets, labels=labels, classes=classes, **how)
    why = "it needs {} images of each kind, and of one kind there are " + str(smallest)
    counts = {"features": features, "n_real": len(real), "n_generated": len(generated)}
    return {name: found.get(name) or _absent(why.format(n), **counts) for name, n in SMALLEST.items()}


def absent_measures(why: str, *, features: str, n_real: int, n_generated: int) -> dict[str, dict[str, Any]]:
    """What `feature_measures` returns where there are no features: no values, and the reason, one line."""
    return {name: _absent(why, features=features, n_real=n_real, n_generated=n_generated) for name in SMALLEST}


def _absent(why: str, **counts: Any) -> dict[str, Any]:
    return {"value": None, "why": why} | counts | {"real_vs_real": None, "value_at_same_n": None}


def frechet_measure(
    real: np.ndarray | Normal,
    other_real: np.ndarray,
    generated: np.ndarray,
    *,
    features: str,
    generator: np.random.Generator,
) -> dict[str, Any]:
    """The entry `frechet` of `feature_measures`; `real` may be what was fitted to the features.

    The distance shrinks with the number of images, so generated and other real images are compared at the same number:
    the smaller of the two, chosen at random from the larger.
    """
    reference = Normal.of(real)

    def measure(part: np.ndarray) -> dict[str, float]:
        return {"frechet": reference.frechet_distance(part)}

    return _beside_real(measure, len(real), other_real, generated, features=features, generator=generator)["frechet"]


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
    """The Fréchet distance within each class, and its mean over the classes; Args as `feature_measures`.

    A class has few images, and few images make the distance large: only value_at_same_n and real_vs_real of a class
    compare, and neither compares with the distance over all images.

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
            entry |= dict.fromkeys(COMPARED) | counts
            entry["why"] = f"a kind of image occurs less than twice for identity {title!r}"
        else:
            entry |= frechet_measure(*parts, features=features, generator=generator)
            del entry["features"]
        per_class.append(entry)
    reasons = [entry["why"] for entry in per_class if "why" in entry]
    means = {name: None if reasons else float(np.mean([entry[name] for entry in per_class])) for name in COMPARED}
    counts = {"features": features, "n_real": len(real), "n_generated": len(generated)}
    return means | counts | {"per_class": per_class} | ({"why": reasons[0]} if reasons else {})


def measures_by_class(
    real: np.ndarray,
    other_real: np.ndarray,
    generated: np.ndarray,
    *,
    labels: tuple[np.ndarray, np.ndarray, np.ndarray],
    classes: Sequence[Any],
    features: str,
    generator: np.random.Generator,
) -> pd.DataFrame:
    """Every measure within each class; Args as `feature_measures`.

    A class has few images: a value compares with real_vs_real and value_at_same_n of its row alone.

    Returns:
        One row per class and measure: class, measure, value, real_vs_real, value_at_same_n, n_real, n_generated,
        n_other_real and why, which says why a value is missing.
    """
    rows = []
    for label, title in enumerate(classes):
        parts = [part[np.asarray(of) == label] for part, of in zip((real, other_real, generated), labels, strict=True)]
        one = tuple(np.zeros(len(part), dtype=np.int64) for part in parts)
        how = {"labels": one, "classes": [title], "features": features, "generator": generator}
        found = feature_measures(*parts, **how)
        del found["frechet_class_mean"]  # of one class the same as frechet
        for measure, entry in found.items():
            kept = {name: entry[name] for name in (*COMPARED, "n_real", "n_generated")}
            counts = {"n_other_real": min(len(parts[1]), len(parts[2]))}
            rows.append({"class": str(title), "measure": measure} | kept | counts | {"why": entry.get("why", "")})
    return pd.DataFrame(rows).astype(dict.fromkeys(COMPARED, np.float64))


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
    """Entries, by the names of the figures that `measure` returns of features against the reference.

    `value` is what `measure` finds of all generated images, where that is known.
    """
    n = min(len(other_real), len(generated))
    others, as_many = (part[generator.permutation(len(part))[:n]] for part in (other_real, generated))
    value = value or measure(generated)
    real_vs_real, at_same_n = measure(others), measure(as_many)
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


def _uncertainty(name: str, found: Mapping[str, Any]) -> dict[str, Any]:
    """The entry of an uncertainty as part of the entry that it is of."""
    return {name: found["value"]} | {f"{of}_{name}": found[of] for of in COMPARED[1:]}


def _kernel(real: np.ndarray, *others: np.ndarray, features: str, generator: np.random.Generator) -> dict[str, Any]:
    def measure(part: np.ndarray) -> dict[str, float]:
        return dict(zip(("kernel", "sd"), kernel_distance(real, part, generator=generator), strict=True))

    found = _beside_real(measure, len(real), *others, features=features, generator=generator)
    subsets = {"subsets": KERNEL_SUBSETS, "subset_size": subset_size(real, others[1])}
    return found["kernel"] | _uncertainty("sd", found["sd"]) | subsets


def _neighbourhoods(*sets: np.ndarray, features: str, generator: np.random.Generator) -> dict[str, dict[str, Any]]:
    """precision, recall, density and coverage, on NEIGHBOURHOOD_LIMIT images of each kind at most."""
    real, others, generated = (
        part if len(part) <= NEIGHBOURHOOD_LIMIT else part[generator.permutation(len(part))[:NEIGHBOURHOOD_LIMIT]]
        for part in sets
    )
    known = {"precision": ("recall", PRECISION_NEIGHBOUR), "density": ("coverage", DENSITY_NEIGHBOUR)}
    wanted = [name for name in known if min(map(len, (real, others, generated))) >= SMALLEST[name]]
    reference, found = Neighbourhoods(real), {}
    value = neighbourhood_measures(reference, generated, measures=wanted)
    for name in wanted:

        def measure(part: np.ndarray, name: str = name) -> dict[str, float]:
            return neighbourhood_measures(reference, part, measures=[name])

        how = {"features": features, "generator": generator, "value": value}
        both = _beside_real(measure, len(real), others, generated, **how)
        other, k = known[name]
        found |= {name: both[name] | {"k": k}, other: both[other] | {"k": k}}
    return found


def _frechet_infinity(
    real: Normal, *others: np.ndarray, features: str, generator: np.random.Generator
) -> dict[str, Any]:
    def measure(part: np.ndarray) -> dict[str, Any]:
        found = frechet_line(real, part, generator=generator)
        return {name: found[name] for name in ("value", "standard_error", "slope", "r_squared", "points")}

    found = _beside_real(measure, len(real), *others, features=features, generator=generator)
    line = _uncertainty("standard_error", found["standard_error"]) | {
        "slope": found["slope"]["value"],
        "r_squared": found["r_squared"]["value"],
        "points": found["points"]["value"],
        "real_vs_real_points": found["points"]["real_vs_real"],
    }
    return found["value"] | line | {f"{name}_why": NO_SLOPE for name, value in line.items() if value is None}
