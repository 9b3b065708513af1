"""How the metrics of the registry are computed of a sample, beside real images, from what tools see of both.

Each function here gives, or is, a metric's `value`: of two samples a number, or one number per image.
"""

from collections.abc import Callable

import numpy as np

from kpop_rca import rca
from kpop_rca.image_metrics.detection_scores import box_iou
from kpop_rca.image_metrics.diversity import feature_diversity, lpips_diversity
from kpop_rca.image_metrics.frechet import Normal
from kpop_rca.image_metrics.full_reference import full_reference, lpips_missing
from kpop_rca.image_metrics.inception import inception_score
from kpop_rca.image_metrics.kid import whole_kernel_distance
from kpop_rca.image_metrics.no_reference import Reference, niqe_reference
from kpop_rca.image_metrics.no_reference import niqe as niqe_beside
from kpop_rca.image_metrics.prdc import Neighbourhoods, neighbourhood_measures
from kpop_rca.image_metrics.pretrained import WeightsMissing
from kpop_rca.metric_panel.metric import Value
from kpop_rca.metric_panel.samples import Sample
from kpop_rca.oracles.face_quality import similarity_to_identity
from kpop_rca.rca.counts import accuracy, classwise_report
from kpop_rca.scoring.similarity import FALSE_ACCEPT_RATES
from kpop_rca.scoring.verification import normalised, threshold_at, unsupported
from kpop_rca.system import devices, seeds

Of = Callable[[Sample, Sample], Value]
FALSE_ACCEPT_RATE = FALSE_ACCEPT_RATES[0]
PAIRS = 500  # of images of one identity, for their diversity
MEASURED_ONCE = 0  # seed of a metric's own random choices, which are the same for every sample


def own(tool: str) -> Of:
    """What a tool says of each image: (n,)."""
    return lambda sample, _: sample.by(tool)


def prompted(tool: str) -> Of:
    """What a tool says of each image and its prompt: (n,). The tool is found by its name, and takes both."""
    return lambda sample, _: sample.seen.tool(tool)(sample.images, sample.about["prompt"])


def frechet(tool: str) -> Of:
    def value(sample: Sample, real: Sample) -> float:
        return _normal(real, tool).frechet_distance(sample.by(tool))

    return value


def _normal(real: Sample, tool: str) -> Normal:
    return real.kept((Normal, tool), lambda: Normal.of(real.by(tool)))


def frechet_by_class(tool: str) -> Of:
    """Mean over the identities of the Fréchet distance within each."""

    def value(sample: Sample, real: Sample) -> float:
        labels = np.unique(real.labels)
        own_real = real.kept("by class", lambda: [real.part(np.flatnonzero(real.labels == label)) for label in labels])
        features = sample.by(tool)
        distances = [
            _normal(of_class, tool).frechet_distance(features[sample.labels == label])
            for label, of_class in zip(labels, own_real, strict=True)
        ]
        return float(np.mean(distances))

    return value


def kernel(tool: str) -> Of:
    def value(sample: Sample, real: Sample) -> float:
        return whole_kernel_distance(real.by(tool), sample.by(tool))

    return value


def neighbourhood(tool: str, name: str) -> Of:
    """Precision, recall, density or coverage."""
    pair = "precision" if name in ("precision", "recall") else "density"

    def value(sample: Sample, real: Sample) -> float:
        near = real.kept((Neighbourhoods, tool), lambda: Neighbourhoods(real.by(tool)))
        found = sample.kept((tool, pair), lambda: neighbourhood_measures(near, sample.by(tool), measures=[pair]))
        return found[name]

    return value


def inception(sample: Sample, _: Sample) -> float:
    return inception_score(sample.by("inception_logits"))


def mscn(sample: Sample, real: Sample) -> np.ndarray:
    """Distance of each image's MSCN moments from those of real images."""
    return _mscn_reference(real).distance_of_each(sample.by("mscn_moments"))


def mscn_of_set(sample: Sample, real: Sample) -> float:
    return _mscn_reference(real).distance(sample.by("mscn_moments"))


def _mscn_reference(real: Sample) -> Reference:
    return real.kept(Reference, lambda: Reference.of(real.by("mscn_moments")))


def niqe(sample: Sample, real: Sample) -> np.ndarray:
    """NIQE of each image, beside real images of the same size."""
    return niqe_beside(sample.images, real.kept("niqe", lambda: niqe_reference(real.images)))


def beside_truth(name: str) -> Of:
    """PSNR, SSIM or LPIPS of each image beside the true one."""

    def value(sample: Sample, _: Sample) -> np.ndarray:
        if name == "lpips" and (why := lpips_missing()):
            raise WeightsMissing(why)
        return sample.kept(full_reference, lambda: full_reference(sample.images, sample.true_images))[name].to_numpy()

    return value


def right(sample: Sample, _: Sample) -> np.ndarray:
    """Whether the oracle predicts the requested identity, of each image."""
    return (sample.by("oracle").argmax(axis=1) == sample.labels).astype(float)


def _counts(sample: Sample) -> np.ndarray:
    probabilities = sample.by("oracle")
    return rca.confusion_counts(sample.labels, probabilities.argmax(axis=1), probabilities.shape[1])


def macro_f1(sample: Sample, _: Sample) -> float:
    return float(classwise_report(_counts(sample), kind="generated")["f1"].mean())


def relative_accuracy(sample: Sample, real: Sample) -> float:
    """RCA."""
    return accuracy(_counts(sample)) / accuracy(_counts(real))


def confusion_corrected(sample: Sample, real: Sample) -> float:
    return float(rca.confusion_corrected_accuracy(_counts(real), _counts(sample)).mean())


def similarity(tool: str) -> Of:
    """Mean cosine of each image with the real images of its requested identity."""

    def value(sample: Sample, real: Sample) -> np.ndarray:
        return similarity_to_identity(sample.by(tool), sample.labels, real.by(tool), real.labels)

    return value


def true_accepts(tool: str) -> Of:
    """Of each image, the fraction of real images of its identity with which it is matched at FALSE_ACCEPT_RATE.

    Raises:
        ValueError: too few real images for a threshold.
    """

    def threshold(real: Sample) -> float:
        unit = normalised(real.by(tool))
        of_two = np.triu(real.labels[:, None] != real.labels)
        if why := unsupported(FALSE_ACCEPT_RATE, int(of_two.sum())):
            raise ValueError(why)
        return threshold_at((unit @ unit.T)[of_two], FALSE_ACCEPT_RATE)

    def value(sample: Sample, real: Sample) -> np.ndarray:
        accepted = normalised(sample.by(tool)) @ normalised(real.by(tool)).T > real.kept(
            (threshold, tool), lambda: threshold(real)
        )
        same = sample.labels[:, None] == real.labels
        return (accepted & same).sum(axis=1) / same.sum(axis=1)

    return value


def spread(tool: str) -> Of:
    """Mean distance of features between images of one identity."""

    def value(sample: Sample, _: Sample) -> float:
        found = feature_diversity(sample.by(tool), sample.labels, words=tool, **_pairs(sample))
        return _or_refuse(found)

    return value


def lpips_spread(sample: Sample, _: Sample) -> float:
    found = lpips_diversity(sample.images, sample.labels, device=devices.choose("cpu"), **_pairs(sample))
    return _or_refuse(found)


def of_boxes(measure: Callable[..., float]) -> Of:
    """A measure of found boxes, their probabilities and the true boxes, lists with an array per image."""

    def value(sample: Sample, _: Sample) -> float:
        boxes = sample.about["boxes"]
        return measure([of.found for of in boxes], [of.probability for of in boxes], [of.true for of in boxes])

    return value


def best_iou(found: list[np.ndarray], _: list[np.ndarray], true: list[np.ndarray]) -> float:
    """Mean over all true boxes of the IoU with the nearest found one; 0 of one without."""
    best = [box_iou(boxes, others).max(axis=1, initial=0.0) for boxes, others in zip(true, found, strict=True)]
    return float(np.concatenate(best).mean())


def of_masks(measure: Callable[[np.ndarray, np.ndarray], np.ndarray]) -> Of:
    """Mean of a measure of found and true masks over the images in which it has a value: those with a face."""

    def value(sample: Sample, _: Sample) -> float:
        found, true = (np.stack([getattr(of, side) for of in sample.about["mask"]]) for side in ("found", "true"))
        return float(np.nanmean(measure(found, true)))

    return value


def right_answers(sample: Sample, _: Sample) -> np.ndarray:
    """Of each image, the mean probability of the right answers to its questions; the tool gives that of yes."""
    ask, found = sample.seen.tool("questions"), []
    for image, questions in zip(sample.images, sample.about["questions"], strict=True):
        yes = ask(np.stack([image] * len(questions)), [question.text for question in questions])
        found.append(np.mean(np.where([question.answer for question in questions], yes, 1 - yes)))
    return np.array(found)


def _pairs(sample: Sample) -> dict:
    generator = seeds.generator(seeds.Purpose.DIVERSITY, MEASURED_ONCE)
    return {"classes": range(int(sample.labels.max()) + 1), "n_pairs": PAIRS, "generator": generator}


def _or_refuse(found: dict) -> float:
    if found["mean"] is None:
        raise ValueError(found["why"])
    return found["mean"]
