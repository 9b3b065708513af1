"""Every metric of the survey, and the study's own, by name: what each measures and needs, and how it is computed."""

from functools import partial
from math import inf
from typing import Any

from kpop_rca.image_metrics import segmentation_scores
from kpop_rca.image_metrics.detection_scores import average_precision, mean_average_precision
from kpop_rca.image_metrics.feature_extractors import LPIPS_SMALLEST
from kpop_rca.image_metrics.no_reference import BRISQUE_SMALLEST, MSCN_SMALLEST, NIQE_PATCH
from kpop_rca.metric_panel import values
from kpop_rca.metric_panel.metric import Metric, Needs, Property
from kpop_rca.metric_panel.values import of_boxes, of_masks

FRACTION, ANY, POSITIVE = (0.0, 1.0), (-inf, inf), (0.0, inf)
OPEN_CLIP = "MIT"
WITH_N = "a sample covariance, and so the distance, depends on the number of images"
BALLS = "a copy of an image lies in its own neighbourhood, which shrinks"
PAIRS_OF_COPIES = "copies are pairs without distance"
ONE_SIDED = {
    "precision": "balls are those of real images",
    "recall": "balls are those of generated images",
    "density": "balls are those of real images",
    "coverage": "balls are those of real images",
}
KYNKAANNIEMI, NAEEM = "Kynkäänniemi et al. (2019), eq. 1 to 3", "Naeem et al. (2020), eq. 3 and 4"


def _distances(tool: str, network: str, *, licence: str, names: dict[str, str]) -> dict[str, Metric]:
    """The distances and fractions of one network's features.

    Args:
        tool: that gives the features.
        network: in words, as tables have it.
        names: of the Fréchet distance and the kernel distance on this network.
    """
    every = {"needs": Needs.REFERENCE_SET, "weights": network, "licence": licence}
    found = {
        f"{tool}_frechet": Metric(
            title=names["frechet"],
            measures="fidelity and diversity",
            direction=-1,
            range=POSITIVE,
            source="Heusel et al. (2017); Dowson and Landau (1982)",
            value=values.frechet(tool),
            exceptions={Property.DUPLICATES: WITH_N},
            **every,
        ),
        f"{tool}_kernel": Metric(
            title=names["kernel"],
            measures="fidelity and diversity",
            direction=-1,
            range=ANY,
            source="Bińkowski et al. (2018)",
            value=values.kernel(tool),
            exceptions={Property.DUPLICATES: "a pair of copies counts as a pair"},
            **every,
        ),
    }
    sides = {"precision": "fidelity", "recall": "diversity", "density": "fidelity", "coverage": "diversity"}
    for name, measures in sides.items():
        exceptions = {Property.SYMMETRIC: ONE_SIDED[name]}
        if name == "recall":
            exceptions[Property.DUPLICATES] = BALLS
        found[f"{tool}_{name}"] = Metric(
            title=f"{name}, {network}",
            measures=measures,
            direction=1,
            range=POSITIVE if name == "density" else FRACTION,
            source=KYNKAANNIEMI if name in ("precision", "recall") else NAEEM,
            value=values.neighbourhood(tool, name),
            exceptions=exceptions,
            **every,
        )
    return found


def _beside_truth(title: str, **row: Any) -> Metric:
    return Metric(title=title, measures="full reference", needs=Needs.REFERENCE_IMAGE, of_image=True, **row)


def _identity(title: str, value: values.Of, source: str, **row: Any) -> Metric:
    every = {"measures": "identity", "direction": 1, "range": FRACTION, "needs": Needs.SET_AND_LABELS}
    return Metric(title=title, value=value, source=source, **(every | row))


def _by_itself(title: str, **row: Any) -> Metric:
    return Metric(title=title, measures="perception", needs=Needs.NOTHING, of_image=True, **row)


def _prompted(title: str, tool: str, source: str, **row: Any) -> Metric:
    every = {"measures": "alignment", "direction": 1, "needs": Needs.PROMPT, "of_image": True}
    every["value"] = values.prompted(tool)
    return Metric(title=title, source=source, **(every | row))


def _found(title: str, source: str, value: values.Of) -> Metric:
    """Of MTCNN's boxes, on avatars whose faces are known."""
    every = {"direction": 1, "range": FRACTION, "weights": "MTCNN", "licence": "MIT"}
    return Metric(title=f"{title}, MTCNN", measures="detection", needs=Needs.BOXES, source=source, value=value, **every)


def _outlined(title: str, source: str, value: values.Of) -> Metric:
    """Of the hull of MTCNN's landmarks, on avatars whose faces are known."""
    every = {"direction": 1, "range": FRACTION, "weights": "MTCNN", "licence": "MIT"}
    return Metric(
        title=f"{title}, MTCNN", measures="segmentation", needs=Needs.MASKS, source=source, value=value, **every
    )


MIXED_UP = "swapped, it is the inverse ratio"
OF_REAL = "the oracle's errors are those of the real side alone"

CLASSIFICATION = {
    "accuracy": Metric(
        title="accuracy of the oracle",
        measures="classification",
        needs=Needs.LABELS,
        direction=1,
        range=FRACTION,
        source="survey; Shmelkov et al. (2018), GAN-test",
        value=values.right,
        of_image=True,
        weights="the study's oracle",
    ),
    "macro_f1": Metric(
        title="macro F1 of the oracle",
        measures="classification",
        needs=Needs.LABELS,
        direction=1,
        range=FRACTION,
        source="survey; paper, Table 4",
        value=values.macro_f1,
        weights="the study's oracle",
    ),
}
DETECTION = {
    "ap_11_point": _found(
        "AP, 11 points", "Everingham et al. (2010)", of_boxes(partial(average_precision, eleven_points=True))
    ),
    "ap_all_points": _found("AP, all points", "Everingham et al. (2010)", of_boxes(average_precision)),
    "map_50": _found(
        "mAP@[.5]", "Lin et al. (2014)", of_boxes(lambda *boxes: mean_average_precision(*boxes)["map_50"])
    ),
    "map_50_95": _found(
        "mAP@[.5:.95]", "Lin et al. (2014)", of_boxes(lambda *boxes: mean_average_precision(*boxes)["map_50_95"])
    ),
    "iou": _found("IoU of boxes", "survey", of_boxes(values.best_iou)),
}
SEGMENTATION = {
    "mean_iou": _outlined("mIoU of face and background", "survey", of_masks(segmentation_scores.mean_iou)),
    "boundary_iou": _outlined("boundary IoU", "Cheng et al. (2021)", of_masks(segmentation_scores.boundary_iou)),
    "pixel_accuracy": _outlined("pixel accuracy", "survey", of_masks(segmentation_scores.pixel_accuracy)),
}
FULL_REFERENCE = {
    "psnr": _beside_truth(
        "PSNR, dB",
        direction=1,
        range=POSITIVE,
        source="survey",
        value=values.beside_truth("psnr"),
    ),
    "ssim": _beside_truth(
        "SSIM",
        direction=1,
        range=(-1.0, 1.0),
        smallest=11,
        source="Wang et al. (2004)",
        value=values.beside_truth("ssim"),
    ),
    "lpips": _beside_truth(
        "LPIPS to the true image",
        direction=-1,
        range=POSITIVE,
        smallest=LPIPS_SMALLEST,
        source="Zhang et al. (2018)",
        value=values.beside_truth("lpips"),
        weights="AlexNet",
        licence="BSD-3-Clause",
    ),
}
ON_INCEPTION = _distances("inception", "Inception-v3", licence="Apache-2.0", names={"frechet": "FID", "kernel": "KID"})
DISTRIBUTIONS = {
    "inception_score": Metric(
        title="Inception Score",
        measures="fidelity and diversity",
        needs=Needs.NOTHING,
        direction=1,
        range=(1.0, 1008.0),
        source="Salimans et al. (2016)",
        value=values.inception,
        weights="Inception-v3",
        licence="Apache-2.0",
    ),
    "fid": ON_INCEPTION.pop("inception_frechet"),
    "kid": ON_INCEPTION.pop("inception_kernel"),
    **ON_INCEPTION,
    **_distances(
        "dinov2",
        "DINOv2 ViT-S/14",
        licence="Apache-2.0",
        names={"frechet": "FD-DINOv2", "kernel": "kernel distance, DINOv2"},
    ),
    **_distances(
        "efficientnet_lite0",
        "EfficientNet-Lite0",
        licence="Apache-2.0",
        names={
            "frechet": "Fréchet distance, EfficientNet-Lite0",
            "kernel": "kernel distance, EfficientNet-Lite0",
        },
    ),
    **_distances(
        "oracle_features",
        "oracle",
        licence="",
        names={"frechet": "Fréchet distance, oracle", "kernel": "kernel distance, oracle"},
    ),
    "oracle_frechet_class_mean": Metric(
        title="Fréchet distance within identities, oracle",
        measures="fidelity, diversity and identity",
        needs=Needs.SET_AND_LABELS,
        direction=-1,
        range=POSITIVE,
        source="after Heusel et al. (2017)",
        value=values.frechet_by_class("oracle_features"),
        weights="the study's oracle",
        exceptions={Property.DUPLICATES: WITH_N},
    ),
}
DIVERSITY = {
    "lpips_diversity": Metric(
        title="LPIPS between images of an identity",
        measures="diversity",
        needs=Needs.LABELS,
        direction=0,
        range=POSITIVE,
        smallest=LPIPS_SMALLEST,
        source="paper, Table 3; Zhang et al. (2018)",
        value=values.lpips_spread,
        weights="AlexNet",
        licence="BSD-3-Clause",
        exceptions={Property.DUPLICATES: PAIRS_OF_COPIES},
    ),
    "lpips_nearest": Metric(
        title="LPIPS to the nearest training image",
        measures="diversity",
        needs=Needs.NOTHING,
        direction=0,
        range=POSITIVE,
        smallest=LPIPS_SMALLEST,
        source="survey; Zhang et al. (2018)",
        value=values.own("lpips_nearest"),
        of_image=True,
        weights="AlexNet",
        licence="BSD-3-Clause",
    ),
    "oracle_diversity": Metric(
        title="spread within an identity, oracle",
        measures="diversity",
        needs=Needs.LABELS,
        direction=0,
        range=POSITIVE,
        source="after the paper's Table 3",
        value=values.spread("oracle_features"),
        weights="the study's oracle",
        exceptions={Property.DUPLICATES: PAIRS_OF_COPIES},
    ),
    "copying": Metric(
        title="fraction of copies of training images",
        measures="diversity",
        needs=Needs.SET_AND_LABELS,
        direction=-1,
        range=ANY,
        source="after Carlini et al. (2023)",
        absent="it needs all training and held-out images; section 5 has it",
    ),
    "cas": Metric(
        title="Classification Accuracy Score, relative to real images",
        measures="fidelity and diversity",
        needs=Needs.SET_AND_LABELS,
        direction=1,
        range=POSITIVE,
        source="Ravuri and Vinyals (2019)",
        absent="it trains an oracle on the images; section 4 has it",
    ),
}
NO_REFERENCE = {
    "brisque": _by_itself(
        "BRISQUE",
        direction=-1,
        range=ANY,
        smallest=BRISQUE_SMALLEST,
        source="Mittal et al. (2012)",
        value=values.own("brisque"),
        weights="support vectors of the package brisque",
        licence="Apache-2.0",
    ),
    "mscn_distance": Metric(
        title="MSCN distance of an image",
        measures="perception",
        needs=Needs.REFERENCE_SET,
        direction=-1,
        range=POSITIVE,
        smallest=MSCN_SMALLEST,
        source="after Mittal et al. (2013)",
        value=values.mscn,
        of_image=True,
        exceptions={Property.SYMMETRIC: "the spread is that of real images"},
    ),
    "mscn_set_distance": Metric(
        title="MSCN distance of the set",
        measures="perception",
        needs=Needs.REFERENCE_SET,
        direction=-1,
        range=POSITIVE,
        smallest=MSCN_SMALLEST,
        source="Mittal et al. (2013), eq. 10, on other moments",
        value=values.mscn_of_set,
        exceptions={Property.SYMMETRIC: "the covariance of real images is shrunk, that of generated ones is not"},
    ),
    "niqe": Metric(
        title="NIQE, fitted to the study's real images",
        measures="perception",
        needs=Needs.REFERENCE_SET,
        direction=-1,
        range=POSITIVE,
        smallest=NIQE_PATCH,
        source="Mittal et al. (2013)",
        value=values.niqe,
        of_image=True,
        exceptions={Property.SYMMETRIC: "the spread is that of real images"},
    ),
    "sharpness": _by_itself(
        "sharpness (variance of the Laplacian)",
        direction=1,
        range=POSITIVE,
        source="Pech-Pacheco et al. (2000)",
        value=values.own("sharpness"),
    ),
    "clip_iqa": _by_itself(
        "CLIP-IQA",
        direction=1,
        range=FRACTION,
        source="Wang et al. (2023)",
        value=values.own("clip_iqa"),
        weights="CLIP",
        licence=OPEN_CLIP,
    ),
    "aesthetic_v1": _by_itself(
        "LAION aesthetic v1",
        direction=1,
        range=ANY,
        source="Schuhmann et al. (2022)",
        value=values.own("aesthetic_v1"),
        weights="CLIP ViT-L/14 and a linear layer",
        licence="MIT",
    ),
    "aesthetic_v2": _by_itself(
        "LAION aesthetic v2",
        direction=1,
        range=ANY,
        source="Schuhmann et al. (2022)",
        value=values.own("aesthetic_v2"),
        weights="CLIP ViT-L/14 and layers",
        licence="Apache-2.0",
    ),
    "q_align": _by_itself(
        "Q-Align",
        direction=1,
        range=(1.0, 5.0),
        source="Wu et al. (2024)",
        value=values.own("q_align"),
        weights="mPLUG-Owl2",
        licence="MIT",
    ),
}
FACE_QUALITY = {
    "ser_fiq": _by_itself(
        "SER-FIQ on the oracle",
        direction=1,
        range=FRACTION,
        source="Terhörst et al. (2020), eq. 1",
        value=values.own("ser_fiq"),
        weights="the study's oracle",
    ),
    "detector_probability": _by_itself(
        "MTCNN's probability of a face",
        direction=1,
        range=FRACTION,
        source="Zhang et al. (2016)",
        value=values.own("detector"),
        weights="MTCNN",
        licence="MIT",
    ),
}
ALIGNMENT = {
    "clip_score": _prompted(
        "CLIPScore",
        "clip_score",
        "Hessel et al. (2021)",
        range=(0.0, 2.5),
        weights="CLIP",
        licence=OPEN_CLIP,
    ),
    "blip_score": _prompted(
        "BLIPScore", "blip_score", "Li et al. (2022)", range=(-1.0, 1.0), weights="BLIP", licence="BSD-3-Clause"
    ),
    "vqa_score": _prompted(
        "VQAScore", "vqa_score", "Lin et al. (2024)", range=FRACTION, weights="LLaVA-1.5", licence="Llama 2"
    ),
    "template_questions": _prompted(
        "Gecko's questions, from a template",
        "questions",
        "after Wiles et al. (2025)",
        range=FRACTION,
        value=values.right_answers,
        weights="LLaVA-1.5",
        licence="Llama 2",
    ),
    "image_reward": _prompted(
        "ImageReward", "image_reward", "Xu et al. (2023)", range=ANY, weights="ImageReward", licence="Apache-2.0"
    ),
    "hps_v2": _prompted("HPS v2", "hpsv2", "Wu et al. (2023)", range=ANY, weights="HPS v2", licence="Apache-2.0"),
    "pick_score": _prompted(
        "PickScore", "pick_score", "Kirstain et al. (2023)", range=ANY, weights="PickScore v1", licence="MIT"
    ),
}
IDENTITY = {
    "rca": _identity(
        "RCA",
        values.relative_accuracy,
        "paper, eq. 5",
        range=POSITIVE,
        weights="the study's oracle",
        exceptions={Property.SYMMETRIC: MIXED_UP},
    ),
    "confusion_corrected_accuracy": _identity(
        "confusion-corrected accuracy",
        values.confusion_corrected,
        "Lipton et al. (2018), eq. 2",
        range=ANY,
        weights="the study's oracle",
        exceptions={Property.SYMMETRIC: OF_REAL},
    ),
    "oracle_similarity": _identity(
        "similarity, oracle",
        values.similarity("oracle_features"),
        "Liu et al. (2024), row ArcFace",
        range=(-1.0, 1.0),
        of_image=True,
        weights="the study's oracle",
    ),
    "oracle_true_accepts": _identity(
        "true accept rate at FAR 1 %, oracle",
        values.true_accepts("oracle_features"),
        "ISO/IEC 19795-1",
        of_image=True,
        weights="the study's oracle",
        exceptions={Property.SYMMETRIC: "the threshold is that of real images"},
    ),
    "embedding_similarity": _identity(
        "similarity, dlib",
        values.similarity("dlib"),
        "Liu et al. (2024), row ArcFace",
        range=(-1.0, 1.0),
        of_image=True,
        weights="dlib",
        licence="CC0-1.0",
    ),
    "true_accepts": _identity(
        "true accept rate at FAR 1 %, dlib",
        values.true_accepts("dlib"),
        "ISO/IEC 19795-1",
        of_image=True,
        weights="dlib",
        licence="CC0-1.0",
        exceptions={Property.SYMMETRIC: "the threshold is that of real images"},
    ),
}
SAFETY = {
    "fairness": Metric(
        title="fairness",
        measures="safety",
        needs=Needs.SET_AND_LABELS,
        direction=1,
        range=ANY,
        source="survey, which only names it",
        absent="what is measured of it is the oracle's own fairness, by any column of a CSV: kpop-rca score --by",
    ),
    "toxicity": Metric(
        title="toxicity",
        measures="safety",
        needs=Needs.NOTHING,
        direction=-1,
        range=FRACTION,
        source="survey, which only names it",
        absent="not measured: the model is conditioned on identities, and nothing else can be requested of it",
    ),
}
METRICS = {
    **CLASSIFICATION,
    **DETECTION,
    **SEGMENTATION,
    **FULL_REFERENCE,
    **DISTRIBUTIONS,
    **DIVERSITY,
    **NO_REFERENCE,
    **FACE_QUALITY,
    **ALIGNMENT,
    **IDENTITY,
    **SAFETY,
}
