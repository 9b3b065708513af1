"""Metrics of image and prompt, on tiny random networks of the published classes, against numbers by hand."""

import numpy as np
import pytest
import torch
from small_networks import Processor, blip, clip, llava, word_id

from kpop_rca.image_metrics import alignment, alignment_networks, pretrained
from kpop_rca.image_metrics.alignment_networks import Network, reward_head

transformers = pytest.importorskip("transformers", reason="the extra `prompts` is not installed")

PROMPTS = ["a portrait of a person", "a person wearing sunglasses", "long dark hair"]


def images(n=3):
    return torch.randint(0, 256, (n, 3, 24, 24), generator=torch.Generator().manual_seed(0), dtype=torch.uint8)


def unit(vectors):
    return vectors / vectors.norm(dim=-1, keepdim=True)


@torch.inference_mode()
def cosines_by_hand(network, prompts):
    found = []
    for image, prompt in zip(images(), prompts, strict=True):
        batch = network.encode(image, prompt)
        model = network.model
        seen = model.visual_projection(model.vision_model(batch["pixel_values"]).pooler_output)
        ids = {name: batch[name] for name in ("input_ids", "attention_mask")}
        read = model.text_projection(model.text_model(**ids).pooler_output)
        found.append(float((unit(seen) * unit(read)).sum()))
    return np.array(found)


def test_clip_score_is_the_cosine_above_zero_times_two_and_a_half():
    network = clip()
    expected = cosines_by_hand(network, [f"A photo depicts {prompt}" for prompt in PROMPTS])
    assert alignment.clip_score(network, images(), PROMPTS) == pytest.approx(2.5 * expected.clip(0), abs=1e-6)
    assert alignment.cosines(network, images(), PROMPTS) == pytest.approx(cosines_by_hand(network, PROMPTS), abs=1e-6)
    network.model.visual_projection.weight.data *= -1  # turns every cosine round
    expected = 2.5 * (-expected).clip(0)
    assert alignment.clip_score(network, images(), PROMPTS) == pytest.approx(expected, abs=1e-6)


def test_pick_score_and_clip_iqa_scale_the_cosine_by_the_temperature():
    network = clip()
    network.model.logit_scale.data.fill_(np.log(20.0))
    assert alignment.pick_score(network, images(), PROMPTS) == pytest.approx(
        20 * cosines_by_hand(network, PROMPTS), abs=1e-5
    )
    good, bad = (np.exp(20 * cosines_by_hand(network, [text] * 3)) for text in ("Good photo.", "Bad photo."))
    assert alignment.clip_iqa(network, images()) == pytest.approx(good / (good + bad), abs=1e-5)


def test_a_tie_is_half_a_preference_for_either():
    first, second = np.array([1.0, 1.0, 2.0]), np.array([1.0, 0.0, 0.0])
    chance = 1 / (1 + np.exp(-2.0))
    expected = [0, -np.log(1 / (1 + np.exp(-1.0))), np.log(0.5) - 0.5 * (np.log(chance) + np.log(1 - chance))]
    assert alignment.preference_loss(first, second, np.array([0.5, 1, 0.5])) == pytest.approx(expected)


@torch.inference_mode()
def test_the_aesthetic_head_sees_an_embedding_of_length_one():
    network = clip()
    found = alignment.aesthetic_score(network, images())
    pixels = torch.cat([network.encode(image, "")["pixel_values"] for image in images()])
    seen = network.model.visual_projection(network.model.vision_model(pixels).pooler_output)
    expected = unit(seen) @ network.head.weight[0] + network.head.bias
    assert found == pytest.approx(expected.numpy(), abs=1e-6)


@torch.inference_mode()
def test_blip_score_is_the_cosine_of_its_projections():
    network = blip()
    model, expected = network.model, []
    for image, prompt in zip(images(), PROMPTS, strict=True):
        batch = network.encode(image, prompt)
        seen = model.vision_proj(model.vision_model(batch["pixel_values"]).last_hidden_state[:, 0])
        read = model.text_encoder(batch["input_ids"], batch["attention_mask"]).last_hidden_state[:, 0]
        expected.append(float((unit(seen) * unit(model.text_proj(read))).sum()))
    assert alignment.blip_score(network, images(), PROMPTS) == pytest.approx(expected, abs=1e-6)


def test_image_reward_is_the_heads_value_standardised_and_depends_on_both_sides():
    network = blip()
    steady = Network(network.model, network.processor, torch.nn.Linear(16, 1))
    torch.nn.init.zeros_(steady.head.weight)
    torch.nn.init.ones_(steady.head.bias)
    assert alignment.image_reward(steady, images(), PROMPTS) == pytest.approx((1 - 0.16717863) / 1.03333950)
    summed = Network(network.model, network.processor, lambda first_token: first_token[:, :1] * 100)
    plain = alignment.image_reward(summed, images(), PROMPTS)
    assert (plain != alignment.image_reward(summed, images().flip(0), PROMPTS))[[0, 2]].all()
    assert (plain != alignment.image_reward(summed, images(), PROMPTS[::-1]))[[0, 2]].all()


@torch.inference_mode()
def last_logits(network, texts):
    pairs = zip(images(), texts, strict=True)
    return np.stack([network.model(**network.encode(*pair)).logits[0, -1].double().numpy() for pair in pairs])


def test_answers_are_probabilities_of_the_next_token():
    network = llava()
    yes, no = word_id("Yes"), word_id("No")
    asked = [f'USER: <image>\nDoes this figure show "{p}"? Please answer yes or no. ASSISTANT:' for p in PROMPTS]
    chances = np.exp(last_logits(network, asked))
    expected = chances[:, yes] / chances.sum(axis=1)
    assert alignment.vqa_score(network, images(), PROMPTS) == pytest.approx(expected)
    questions = ["Is the hair long?"] * 3
    chances = np.exp(last_logits(network, ["USER: <image>\nIs the hair long? ASSISTANT:"] * 3))
    expected = chances[:, yes] / (chances[:, yes] + chances[:, no])
    assert alignment.yes_probability(network, images(), questions) == pytest.approx(expected)


def test_levels_are_worth_five_to_one():
    network = llava()
    text = "USER: <image>\nHow would you rate the quality of this image? ASSISTANT: The quality of the image is"
    levels = [word_id(word) for word in ("excellent", "good", "fair", "poor", "bad")]
    chances = np.exp(last_logits(network, [text] * 3)[:, levels])
    expected = (chances * [5, 4, 3, 2, 1]).sum(axis=1) / chances.sum(axis=1)
    assert alignment.level_score(network, images()) == pytest.approx(expected)


METRICS = {
    "clip_score": (clip, alignment.clip_score),
    "hpsv2": (clip, alignment.cosines),
    "pick_score": (clip, alignment.pick_score),
    "clip_iqa": (clip, lambda network, images, prompts: alignment.clip_iqa(network, images)),
    "aesthetic": (clip, lambda network, images, prompts: alignment.aesthetic_score(network, images)),
    "blip_score": (blip, alignment.blip_score),
    "image_reward": (blip, alignment.image_reward),
    "vqa_score": (llava, alignment.vqa_score),
    "questions": (llava, alignment.yes_probability),
    "q_align": (llava, lambda network, images, prompts: alignment.level_score(network, images)),
}


@pytest.mark.parametrize("name", METRICS)
def test_what_else_is_in_a_batch_changes_no_value(name):
    build, metric = METRICS[name]
    network = build()
    together = metric(network, images(), PROMPTS)
    alone = [metric(network, images()[i : i + 1], PROMPTS[i : i + 1])[0] for i in range(3)]
    assert together.shape == (3,) and together.tolist() == alone


@pytest.mark.parametrize("name", alignment_networks.SOURCES)
def test_weights_that_cannot_be_had_give_one_line(monkeypatch, name):
    def absent(repository, **options):
        raise OSError("not in the cache")

    model = getattr(transformers, alignment_networks.SOURCES[name].model)
    monkeypatch.setattr(model, "from_pretrained", absent)
    with pytest.raises(pretrained.WeightsMissing) as missing:
        alignment_networks.load(name)
    assert len(str(missing.value).splitlines()) == 1


def test_the_head_has_the_layers_of_the_published_one():
    shapes = {name: tuple(value.shape) for name, value in reward_head(768).state_dict().items() if "weight" in name}
    assert shapes == {
        "0.weight": (1024, 768),
        "2.weight": (128, 1024),
        "4.weight": (64, 128),
        "6.weight": (16, 64),
        "7.weight": (1, 16),
    }


def test_a_network_is_read_from_the_pinned_revision_of_the_local_cache(monkeypatch):
    asked = []

    def found(value):
        def from_pretrained(repository, **options):
            asked.append((repository, options["revision"], options["local_files_only"]))
            return value

        return from_pretrained

    network, processor = clip().model, Processor()
    monkeypatch.setattr(transformers.CLIPModel, "from_pretrained", found(network))
    monkeypatch.setattr(transformers.AutoProcessor, "from_pretrained", found(processor))
    state = {f"layers.{name}": value for name, value in reward_head(768).state_dict().items()}
    monkeypatch.setattr(pretrained, "load", lambda name: state)
    loaded = alignment_networks.load("aesthetic_v2")
    assert loaded.model is network and loaded.processor is processor
    assert torch.equal(loaded.head[7].bias, state["layers.7.bias"])
    assert asked == [(*alignment_networks.CLIP_L, True)] * 2
    asked.clear()
    assert alignment_networks.load("pick_score").head is None
    assert asked == [(*alignment_networks.PICK_SCORE, True), (*alignment_networks.CLIP_H, True)]
