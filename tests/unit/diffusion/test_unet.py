import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from kpop_rca.diffusion.unet import SpaceToDepthUNet, build_unet, load_unet, no_class


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


def tiny(**changed):
    torch.manual_seed(0)
    settings = {"image_size": 16, "channels": [8, 16], "layers_per_block": 1, "attention_size": 4, "n_classes": 2}
    return build_unet(**settings | changed).eval()


def predicted(unet):
    x_t = torch.randn((1, 3, 16, 16), generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        return unet(x_t, torch.tensor(12.5), class_labels=torch.tensor([1])).sample


def test_a_network_of_flow_begins_with_nothing():
    assert not predicted(tiny(prediction="flow")).any()
    assert predicted(tiny()).any()


@pytest.mark.parametrize("stem", ["pixels", "space_to_depth"])
def test_a_network_with_either_stem_is_loaded_as_it_was_saved(tmp_path, stem):
    unet = tiny(stem=stem)
    unet.save_pretrained(tmp_path)
    loaded = load_unet(tmp_path)
    assert type(loaded) is type(unet)
    assert predicted(loaded).shape == (1, 3, 16, 16)
    torch.testing.assert_close(predicted(loaded), predicted(unet))


def test_the_stem_halves_the_side_of_every_level():
    unet, sides = tiny(stem="space_to_depth"), []
    assert isinstance(unet, SpaceToDepthUNet)
    assert (unet.config.in_channels, unet.config.sample_size) == (3, 16)
    assert unet.config.down_block_types == ("DownBlock2D", "AttnDownBlock2D")  # at 8 and 4 px
    unet.mid_block.register_forward_hook(lambda module, given, made: sides.append(made.shape[-1]))
    predicted(unet)
    assert sides == [4]
