"""The rule for the guidance weight, and that it looks at images and oracles that the study does not."""

from dataclasses import replace

import numpy as np
import pandas as pd
import torch

from kpop_rca.diffusion.generation import GenerationPlan, generate_batch
from kpop_rca.diffusion.guidance_rule import chosen_guidance
from kpop_rca.diffusion.objective import forward_process
from kpop_rca.diffusion.unet import build_unet
from kpop_rca.validity import guidance_choice

PLAN = GenerationPlan("ddim", 2, 1.0, 6, 4, seed=0)


def model():
    torch.manual_seed(0)
    unet = build_unet(image_size=16, channels=[8, 16], layers_per_block=1, attention_size=8, n_classes=2).eval()
    for weight in unet.parameters():
        torch.nn.init.normal_(weight, std=0.05)
    return unet, forward_process("squaredcos_cap_v2")


def test_every_model_makes_its_part_with_noise_that_the_study_has_not():
    one, other = model(), model()
    images, labels = guidance_choice.generated([one, other], PLAN, n_classes=2)
    assert labels.tolist() == [0] * 6 + [1] * 6 and images.shape == (12, 16, 16, 3)
    assert len(np.unique(images.reshape(12, -1), axis=0)) == 12
    of_study = generate_batch(*one, replace(PLAN, batch_size=6), (0, 0))
    assert not any((image == of_study).all(axis=(1, 2, 3)).any() for image in images)
    again, _ = guidance_choice.generated([one, other], replace(PLAN, guidance=0.0), n_classes=2)
    assert (again == guidance_choice.generated([one, other], replace(PLAN, guidance=0.0), n_classes=2)[0]).all()


def test_the_rule_takes_the_most_identity_of_those_near_the_best_distance():
    table = pd.DataFrame(
        {"guidance": [0.0, 0.5, 1.0, 2.5], "rca": [0.5, 0.7, 0.7, 0.9], "frechet": [5.0, 4.0, 5.0, 5.1]}
    )
    assert chosen_guidance(table) == 0.5
    assert chosen_guidance(table.assign(frechet=[5.0, 4.0, 5.0, 4.9])) == 2.5
