"""The networks behind `alignment`: which weights each metric needs, at which pinned revision, and how they are loaded.

They are read from the local cache of the Hugging Face Hub alone: gigabytes are not fetched unasked, and no code from
there is run.
"""

from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor, nn

from kpop_rca.image_metrics import pretrained

HEAD_WIDTHS = (1024, 128, 64, 16, 1)
CLIP_B = ("openai/clip-vit-base-patch32", "3d74acf9a28c67741b2f4f2ea7635f0aaf6f0268")
CLIP_L = ("openai/clip-vit-large-patch14", "32bd64288804d66eefd0ccbe215aa642df71cc41")
PICK_SCORE = ("yuvalkirstain/PickScore_v1", "a4e4367c6dfa7288a00c550414478f865b875800")
CLIP_H = ("laion/CLIP-ViT-H-14-laion2B-s32B-b79K", "1c2b8495b28150b8a4922ee1c8edee224c284c0c")
BLIP = ("Salesforce/blip-itm-base-coco", "7eaa90c11850c0b17fc38c6a11e7d88bd6ac231f")
LLAVA = ("llava-hf/llava-1.5-7b-hf", "b234b804b114d9e37bb655e11cbbb5f5e971b7a9")


@dataclass(frozen=True)
class Source:
    """The weights of one metric.

    Attributes:
        repository, revision: on the Hugging Face Hub.
        licence: of the weights.
        model: the class in transformers.
        processor: repository and revision of what prepares images and texts; None for the model's own.
        head: name of the head in `pretrained`; "" for none.
        reason: why the weights cannot be used; "" where they can.
    """

    repository: str
    revision: str
    licence: str
    model: str = "CLIPModel"
    processor: tuple[str, str] | None = None
    head: str = ""
    reason: str = ""


SOURCES = {
    "clip_score": Source(*CLIP_B, "MIT"),
    "clip_iqa": Source(*CLIP_B, "MIT"),
    "pick_score": Source(*PICK_SCORE, "MIT", processor=CLIP_H),
    "aesthetic_v1": Source(*CLIP_L, "MIT", reason="the publisher of its head gives no checksum"),
    "aesthetic_v2": Source(*CLIP_L, "Apache-2.0", head="aesthetic_v2"),
    "hpsv2": Source("xswu/HPSv2", "", "Apache-2.0", reason="its weights are in OpenCLIP's format, not transformers'"),
    "blip_score": Source(*BLIP, "BSD-3-Clause", "BlipForImageTextRetrieval"),
    "image_reward": Source(
        "zai-org/ImageReward",
        "",
        "Apache-2.0",
        "BlipForImageTextRetrieval",
        reason="its weights are in BLIP's original format, not transformers'",
    ),
    "vqa_score": Source(*LLAVA, "Llama 2", "LlavaForConditionalGeneration"),
    "questions": Source(*LLAVA, "Llama 2", "LlavaForConditionalGeneration"),
    "q_align": Source(
        "q-future/one-align",
        "",
        "MIT",
        "LlavaForConditionalGeneration",
        reason="its network is code beside the weights, which is not run",
    ),
}


@dataclass(frozen=True)
class Network:
    """A network with what prepares its input.

    Attributes:
        processor: called with `images`, `text` and options of transformers' processors; gives a batch of one.
        head: from an embedding (1, D) to a value (1, 1); None for none.
    """

    model: nn.Module
    processor: Callable[..., dict[str, Tensor]]
    head: nn.Module | None = None

    def encode(self, image: Tensor, text: str) -> dict[str, Tensor]:
        """One image, uint8 (3, H, W), and one text as the network's input."""
        return self.processor(images=[image], text=[text], return_tensors="pt", truncation=True)

    def token(self, word: str) -> int:
        """The first token of a word that follows a space."""
        return self.processor.tokenizer(word, add_special_tokens=False)["input_ids"][0]


def reward_head(width: int) -> nn.Module:
    """The head of LAION's aesthetic score v2 (on 768) and of ImageReward (on 768): five linear layers in a row.

    Dropout between them is part of training, and nothing here trains it; indices of the layers are the publishers'.
    """
    first, second, third, fourth, fifth = (nn.Linear(*pair) for pair in pairwise((width, *HEAD_WIDTHS)))
    return nn.Sequential(first, nn.Identity(), second, nn.Identity(), third, nn.Identity(), fourth, fifth)


def load(metric: str) -> Network:
    """The network of a metric in `SOURCES`, on the CPU.

    Raises:
        pretrained.WeightsMissing: it cannot be had; one line says why.
    """
    source = SOURCES[metric]
    if source.reason:
        raise pretrained.WeightsMissing(f"{metric}: {source.reason}")
    try:
        import transformers
    except ImportError:
        raise pretrained.WeightsMissing(f"{metric} needs transformers; install the extra `prompts`") from None
    options: dict[str, Any] = {"local_files_only": True}
    repository, revision = source.processor or (source.repository, source.revision)
    try:
        model = getattr(transformers, source.model).from_pretrained(
            source.repository, revision=source.revision, weights_only=True, **options
        )
        processor = transformers.AutoProcessor.from_pretrained(repository, revision=revision, **options)
    except OSError:
        place = f"{source.repository}@{source.revision[:8]}"
        raise pretrained.WeightsMissing(f"{place} is missing; fetch it with `hf download`") from None
    return Network(model.eval(), processor, _head(source.head) if source.head else None)


def _head(name: str) -> nn.Module:
    state = pretrained.load(name)
    with torch.random.fork_rng(devices=[]):
        head = reward_head(768)
    head.load_state_dict({key.removeprefix("layers."): value for key, value in state.items()})
    return head.eval()
