"""Tiny random networks of the published classes, and what prepares their input: for metrics of image and prompt."""

import zlib

import pytest
import torch
import torch.nn.functional as F

from kpop_rca.image_metrics.alignment_networks import Network, reward_head

transformers = pytest.importorskip("transformers", reason="the extra `prompts` is not installed")

WORDS = 60  # ids of words; 61 is the end, 62 an image
END, IMAGE = 61, 62
SMALL = {
    "hidden_size": 16,
    "intermediate_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "initializer_range": 0.3,
}


def word_id(word):
    return 1 + zlib.crc32(word.encode()) % (WORDS - 1)


class Processor:
    """Prepares as transformers' processors do: images resized to 16 pixels, one id per word."""

    def tokenizer(self, text, **options):
        return {"input_ids": [word_id(text)]}

    def __call__(self, *, images, text, **options):
        pixels = F.interpolate(torch.stack(images).float() / 127.5 - 1, size=(16, 16))
        ids = []
        for word in text[0].split():
            ids += [IMAGE] * 4 if word == "<image>" else [word_id(word)]
        ids = torch.tensor([[*ids, END]])
        return {"pixel_values": pixels, "input_ids": ids, "attention_mask": torch.ones_like(ids)}


def clip():
    torch.manual_seed(0)
    text = SMALL | {"vocab_size": 64, "max_position_embeddings": 40, "eos_token_id": END}
    config = transformers.CLIPConfig(
        text_config=text, vision_config=SMALL | {"image_size": 16, "patch_size": 8}, projection_dim=8
    )
    return Network(transformers.CLIPModel(config).eval(), Processor(), torch.nn.Linear(8, 1))


def blip():
    torch.manual_seed(0)
    text = SMALL | {"vocab_size": 64, "max_position_embeddings": 40, "encoder_hidden_size": 16}
    config = transformers.BlipConfig(
        text_config=text, vision_config=SMALL | {"image_size": 16, "patch_size": 8}, image_text_hidden_size=8
    )
    return Network(transformers.BlipForImageTextRetrieval(config).eval(), Processor(), reward_head(16).eval())


def llava():
    torch.manual_seed(0)
    config = transformers.LlavaConfig(
        vision_config=transformers.CLIPVisionConfig(**SMALL, image_size=16, patch_size=8),
        text_config=transformers.LlamaConfig(**SMALL, vocab_size=64, max_position_embeddings=64),
        image_token_index=IMAGE,
        image_token_id=IMAGE,
    )
    return Network(transformers.LlavaForConditionalGeneration(config).eval(), Processor())


BUILT = {  # by the name of the metric's network, see `alignment_networks.SOURCES`
    "clip_score": clip,
    "clip_iqa": clip,
    "pick_score": clip,
    "hpsv2": clip,
    "aesthetic_v1": clip,
    "aesthetic_v2": clip,
    "blip_score": blip,
    "image_reward": blip,
    "vqa_score": llava,
    "questions": llava,
    "q_align": llava,
}
