"""How well an image fits its prompt, and how much it pleases: metrics on CLIP, BLIP and vision-language models.

Images are uint8 (N, 3, H, W), prompts a list of N texts; each metric gives float64 (N,). One pair is shown to a network
at a time, so that neither padding nor the other images of a batch change a value. The networks come from
`alignment_networks`.
"""

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from kpop_rca.image_metrics.alignment_networks import Network

CLIP_SCORE_WEIGHT = 2.5
CLIP_SCORE_PREFIX = "A photo depicts "
CLIP_IQA_PROMPTS = ("Good photo.", "Bad photo.")
VQA_QUESTION = 'Does this figure show "{}"? Please answer yes or no.'
LEVELS = ("excellent", "good", "fair", "poor", "bad")  # worth 5 to 1
LEVELS_QUESTION = "How would you rate the quality of this image?"
LEVELS_ANSWER = " The quality of the image is"
IMAGE_REWARD_MEAN, IMAGE_REWARD_SD = 0.16717862830052426, 1.0333394966054072  # over the images of its training


def clip_score(network: Network, images: Tensor, prompts: Sequence[str]) -> np.ndarray:
    """CLIPScore, 2.5 max(cos, 0), of CLIP's embeddings of image and prompt.

    Source: Hessel et al. (2021), equation 1 and its prefix "A photo depicts".
    """
    texts = [CLIP_SCORE_PREFIX + prompt for prompt in prompts]
    return CLIP_SCORE_WEIGHT * np.maximum(cosines(network, images, texts), 0)


def cosines(network: Network, images: Tensor, prompts: Sequence[str]) -> np.ndarray:
    """The cosine between CLIP's embeddings of image and prompt: HPSv2 where the network is HPSv2's.

    Source: Wu et al. (2023), "Human Preference Score v2", section 4.
    """
    return _each(lambda output: output.logits_per_image / network.model.logit_scale.exp(), network, images, prompts)


def pick_score(network: Network, images: Tensor, prompts: Sequence[str]) -> np.ndarray:
    """PickScore: the cosine of image and prompt by PickScore's CLIP, times its temperature.

    Source: Kirstain et al. (2023), equation 1.
    """
    return _each(lambda output: output.logits_per_image, network, images, prompts)


def preference_loss(first: np.ndarray, second: np.ndarray, preferred: np.ndarray) -> np.ndarray:
    """KL divergence between the preference for the first of two images and that which their scores predict.

    Args:
        first, second: scores of the two images of each prompt, (N,).
        preferred: 1 for the first, 0 for the second, 0.5 for a tie, (N,).

    Source: Kirstain et al. (2023), equation 2.

    >>> even = np.zeros(3)
    >>> preference_loss(even, even, np.array([1, 0, 0.5])).round(3).tolist()  # log 2 where a tie is predicted
    [0.693, 0.693, 0.0]
    """
    from scipy.special import xlogy

    preferred, gap = np.asarray(preferred, dtype=float), np.asarray(first, dtype=float) - second
    log_first, log_second = -np.logaddexp(0, -gap), -np.logaddexp(0, gap)
    entropy = xlogy(preferred, preferred) + xlogy(1 - preferred, 1 - preferred)
    return entropy - preferred * log_first - (1 - preferred) * log_second


def clip_iqa(network: Network, images: Tensor) -> np.ndarray:
    """CLIP-IQA, in [0, 1]: how much nearer an image is to "Good photo." than to "Bad photo.".

    Source: Wang et al. (2023), "Exploring CLIP for Assessing the Look and Feel of Images", equation 3; with a ViT,
    where the paper has a ResNet without positions.
    """
    good, bad = (pick_score(network, images, [prompt] * len(images)) for prompt in CLIP_IQA_PROMPTS)
    return 1 / (1 + np.exp(bad - good))


@torch.inference_mode()
def aesthetic_score(network: Network, images: Tensor) -> np.ndarray:
    """LAION's aesthetic score: the head's value of CLIP's image embedding of length 1; v1 and v2 differ by the head.

    Source: Schuhmann (2022), "LAION-Aesthetics".
    """
    found = []
    for image in images:
        pixels = network.encode(image, CLIP_IQA_PROMPTS[0])["pixel_values"]
        embedding = network.model.get_image_features(pixel_values=pixels).pooler_output
        found.append(network.head(embedding / embedding.norm(dim=-1, keepdim=True)))
    return _numbers(found)


def blip_score(network: Network, images: Tensor, prompts: Sequence[str]) -> np.ndarray:
    """BLIPScore: the cosine between BLIP's projected embeddings of image and prompt.

    Source: Li et al. (2022), image-text contrastive learning.
    """
    return _each(lambda output: output.itm_score, network, images, prompts, use_itm_head=False)


@torch.inference_mode()
def image_reward(network: Network, images: Tensor, prompts: Sequence[str]) -> np.ndarray:
    """ImageReward: a head on the first token of BLIP's text encoder, which attends to the image; standardised.

    Source: Xu et al. (2023), section 3; mean and standard deviation are those of its published code.
    """
    found = []
    for image, prompt in zip(images, prompts, strict=True):
        batch = network.encode(image, prompt)
        seen = network.model.vision_model(pixel_values=batch["pixel_values"]).last_hidden_state
        read = network.model.text_encoder(
            input_ids=batch["input_ids"],
            attention_mask=batch["attention_mask"],
            encoder_hidden_states=seen,
            encoder_attention_mask=torch.ones(seen.shape[:2], dtype=torch.long),
        )
        found.append(network.head(read.last_hidden_state[:, 0]))
    return (_numbers(found) - IMAGE_REWARD_MEAN) / IMAGE_REWARD_SD


def vqa_score(network: Network, images: Tensor, prompts: Sequence[str]) -> np.ndarray:
    """VQAScore, in [0, 1]: how probably a vision-language model says "Yes", the image shows the prompt.

    Source: Lin et al. (2024), equation 1.
    """
    logits = _next_token(network, images, [VQA_QUESTION.format(prompt) for prompt in prompts])
    return logits.softmax(dim=-1)[:, network.token("Yes")].numpy()


def yes_probability(network: Network, images: Tensor, questions: Sequence[str]) -> np.ndarray:
    """The probability of "Yes" against "No" as the answer to each question about its image, in [0, 1].

    Source: Wiles et al. (2025), "Revisiting Text-to-Image Evaluation with Gecko", whose questions a language model
    writes; ours are written by template (`avatars.truth.questions`).
    """
    logits = _next_token(network, images, questions)
    return logits[:, [network.token("Yes"), network.token("No")]].softmax(dim=-1)[:, 0].numpy()


def level_score(network: Network, images: Tensor) -> np.ndarray:
    """Q-Align's score, in [1, 5]: the mean of the levels by their probabilities as the next word.

    Source: Wu et al. (2024), "Q-Align", equations 4 and 5.
    """
    logits = _next_token(network, images, [LEVELS_QUESTION] * len(images), answer=LEVELS_ANSWER)
    chances = logits[:, [network.token(level) for level in LEVELS]].softmax(dim=-1).numpy()
    return (chances * np.arange(5.0, 0.0, -1.0)).sum(axis=1)  # row by row, so that the batch changes no bit


@torch.inference_mode()
def _next_token(network: Network, images: Tensor, questions: Sequence[str], *, answer: str = "") -> Tensor:
    """Logits of the token that follows the question and the begun answer, float64 (N, vocabulary)."""
    texts = [f"USER: <image>\n{question} ASSISTANT:{answer}" for question in questions]
    found = [
        network.model(**network.encode(image, text)).logits[:, -1] for image, text in zip(images, texts, strict=True)
    ]
    return torch.cat(found).double()


@torch.inference_mode()
def _each(value, network: Network, images: Tensor, prompts: Sequence[str], **options) -> np.ndarray:
    pairs = zip(images, prompts, strict=True)
    return _numbers([value(network.model(**network.encode(image, prompt), **options)) for image, prompt in pairs])


def _numbers(values: Sequence[Tensor]) -> np.ndarray:
    return np.array([float(value) for value in values])
