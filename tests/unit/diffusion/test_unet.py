import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from kpop_rca.diffusion.unet import build_unet, no_class


def test_the_networks_have_the_paper_levels_and_one_label_more(unet):
    assert unet.config.num_class_embeds == 4
    assert no_class(unet) == 3
    assert unet.config.down_block_types == ("DownBlock2D", "AttnDownBlock2D")
    assert unet.config.up_block_types == ("AttnUpBlock2D", "UpBlock2D")


def test_the_paper_unet_has_its_published_cost():
    """12.8 GFLOP an image forward and backward: 4.27 forward, of which the convolutions alone are nearly all."""
    paper = build_unet(image_size=32, channels=[64, 128, 256], layers_per_block=2, attention_size=16, n_classes=10)
    with FlopCounterMode(display=False) as counter, torch.inference_mode():
        paper(torch.zeros(1, 3, 32, 32), 0, class_labels=torch.tensor([0]))
    assert counter.get_total_flops() / 1e9 == pytest.approx(4.27, rel=0.1)
