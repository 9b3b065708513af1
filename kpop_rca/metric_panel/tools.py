"""What the metrics of the panel look through: the study's oracle, pretrained networks, and features of single images.

A tool whose weights cannot be had raises WeightsMissing, and the metrics behind it say so.
"""

from collections.abc import Callable, Mapping
from functools import cache, partial

import numpy as np
import torch
from torch import nn

from kpop_rca.errors import StudyError
from kpop_rca.image_metrics import alignment, alignment_networks, full_reference, no_reference
from kpop_rca.image_metrics.feature_extractors import EXTRACTORS, inception_features, load_inception
from kpop_rca.image_metrics.pretrained import WeightsMissing
from kpop_rca.metric_panel.samples import Tool
from kpop_rca.oracles import centroids, embeddings, face_quality, training
from kpop_rca.oracles.resnet import SmallImageResNet
from kpop_rca.system import parallel, seeds

FACE_NETWORK = "dlib"
SLOW = (FACE_NETWORK, "lpips_nearest", "q_align", "vqa_score", "questions")  # tools that are spared the ladders
SHORTLIST = 10  # training images by LPIPS, of those nearest by coarse pixels
BY_THEMSELVES = {
    "clip_iqa": alignment.clip_iqa,
    "aesthetic_v1": alignment.aesthetic_score,
    "aesthetic_v2": alignment.aesthetic_score,
    "q_align": alignment.level_score,
}
WITH_PROMPTS = {
    "clip_score": alignment.clip_score,
    "blip_score": alignment.blip_score,
    "vqa_score": alignment.vqa_score,
    "questions": alignment.yes_probability,
    "image_reward": alignment.image_reward,
    "hpsv2": alignment.cosines,
    "pick_score": alignment.pick_score,
}
PIECE = 25  # images that a thread takes at once


def of_study(
    oracle: SmallImageResNet, train: np.ndarray, *, seed: int, margin: float, device: torch.device
) -> dict[str, Tool]:
    """Every tool that needs no prompt, by name.

    Args:
        oracle: in evaluation mode.
        train: uint8 (T, H, W, 3), the generator's training images.
        seed: of the study, for SER-FIQ's subnetworks.
        margin: of the crops, see `images.crop_square`; for the face network.
    """
    subnetworks = partial(seeds.generator, seeds.Purpose.SUBNETWORKS, seed)
    on_networks = {name: _of_network(name, device=device) for name in ("dinov2", "efficientnet_lite0")}
    inception = _inception(device)
    return on_networks | {
        "oracle": lambda images: training.predict(oracle, images)[0],
        "oracle_features": lambda images: training.predict(oracle, images)[1],
        "inception": lambda images: inception(images)[0],
        "inception_logits": lambda images: inception(images)[1],
        "brisque": _in_pieces(no_reference.brisque),
        "mscn_moments": _in_pieces(no_reference.mscn_moments),
        "sharpness": no_reference.sharpness,
        "detector": _in_pieces(face_quality.detector_probability),
        "ser_fiq": lambda images: face_quality.oracle_ser_fiq(oracle, images, generator=subnetworks()),
        "lpips_nearest": lambda images: _lpips_to_nearest(images, train),
        **{name: _of_images(name, score) for name, score in BY_THEMSELVES.items()},
        FACE_NETWORK: _face_network(margin),
    }


def with_prompts() -> dict[str, Tool]:
    """The tools that take images, uint8 (N, H, W, 3), and a text of each."""
    return {name: _of_images(name, score) for name, score in WITH_PROMPTS.items()}


def but_slow(tools: Mapping[str, Tool]) -> dict[str, Tool]:
    """The same tools, of which the slow ones say no more than that they are."""

    def spared(*_: object) -> np.ndarray:
        raise WeightsMissing("its network is too slow for so many images")

    return {name: spared if name in SLOW else tool for name, tool in tools.items()}


def _of_images(name: str, score: Callable[..., np.ndarray]) -> Tool:
    """A metric of `alignment` on the network of that name."""
    network = cache(partial(alignment_networks.load, name))
    return lambda images, *texts: score(network(), torch.as_tensor(images).permute(0, 3, 1, 2), *texts)


def _in_pieces(tool: Tool) -> Tool:
    """A tool that looks at each image by itself, on all cores."""

    def on_all_cores(images: np.ndarray) -> np.ndarray:
        pieces = np.array_split(images, range(PIECE, len(images), PIECE))
        return np.concatenate(list(parallel.a_core_each(tool, pieces, device=torch.device("cpu"))))

    return on_all_cores


def _of_network(name: str, *, device: torch.device) -> Tool:
    extractor = EXTRACTORS[name]

    @cache
    def network() -> nn.Module:
        return extractor.load(device=device)

    def features(images: np.ndarray) -> np.ndarray:
        return _in_pieces(partial(extractor.features, network()))(images)

    return features


def _inception(device: torch.device) -> Callable[[np.ndarray], tuple[np.ndarray, np.ndarray]]:
    @cache
    def network() -> nn.Module:
        return load_inception(device=device)

    return lambda images: inception_features(network(), images)


def _lpips_to_nearest(images: np.ndarray, train: np.ndarray) -> np.ndarray:
    if why := full_reference.lpips_missing(min(images.shape[1:3])):
        raise WeightsMissing(why)
    return full_reference.lpips_to_nearest(images, train, shortlist=SHORTLIST)["lpips"].to_numpy()


def _face_network(margin: float) -> Tool:
    @cache
    def opened() -> embeddings.Embedding:
        try:
            return embeddings.open_embedding(FACE_NETWORK)
        except StudyError as error:
            raise WeightsMissing(str(error)) from None

    return lambda images: centroids.embed_crops(opened(), images, margin=margin)  # which several threads cannot share
