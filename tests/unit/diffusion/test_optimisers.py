import math

import pytest
import torch
from small_training import small_unet

from kpop_rca.diffusion import optimisers


@pytest.mark.parametrize("shape", [(24, 24), (24, 216), (96, 24)])
def test_singular_values_become_nearly_one_and_directions_stay(shape):
    matrix = torch.randn(shape, generator=torch.Generator().manual_seed(0))
    found = optimisers.orthogonalised(matrix)
    values = torch.linalg.svdvals(found)
    assert values.min() > 0.5 and values.max() < 1.3
    u, _, v = torch.linalg.svd(matrix, full_matrices=False)
    inner = u.T @ found @ v.T
    torch.testing.assert_close(inner, torch.diag(inner.diagonal()), atol=1e-4, rtol=0)
    assert (inner.diagonal() > 0).all()
    assert (found * (u @ v)).sum() / (found.norm() * (u @ v).norm()) > 0.97


def test_the_scale_of_a_gradient_changes_no_direction():
    matrix = torch.randn((8, 20), generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(optimisers.orthogonalised(1e3 * matrix), optimisers.orthogonalised(matrix))
    assert torch.equal(optimisers.orthogonalised(0 * matrix), 0 * matrix)


def test_two_steps_of_muon_by_hand():
    first, second = torch.randn((2, 6, 2, 1, 1), generator=torch.Generator().manual_seed(0)).unbind()
    weight = torch.nn.Parameter(torch.ones(6, 2, 1, 1))
    bias = torch.nn.Parameter(torch.ones(3))
    alone = torch.nn.Parameter(torch.ones(3))
    optimizer = optimisers.Muon([{"params": [weight]}, {"params": [bias]}], lr=0.1, weight_decay=0.5)
    adamw = torch.optim.AdamW([alone], lr=0.1, weight_decay=0.5)
    for gradient in (first, second):
        weight.grad, bias.grad, alone.grad = gradient.clone(), torch.arange(3.0), torch.arange(3.0)
        optimizer.step()
        adamw.step()
        optimizer.zero_grad()
    expected, rate = torch.ones(6, 2), 0.1 * math.sqrt(3)
    first, second = first.flatten(1), second.flatten(1)
    expected = 0.95 * expected - rate * optimisers.orthogonalised(first)
    momentum = 0.95 * 0.05 * first + 0.05 * second
    expected = 0.95 * expected - rate * optimisers.orthogonalised(0.05 * second + 0.95 * momentum)
    torch.testing.assert_close(weight.detach().flatten(1), expected)
    assert torch.equal(bias, alone)


def test_muon_has_the_hidden_weights_and_adamw_all_others():
    unet = small_unet(n_classes=3)
    optimizer = optimisers.build_optimizer(unet, "muon", learning_rate=2e-3, muon_learning_rate=0.02, weight_decay=0.01)
    names = {weight: name for name, weight in unet.named_parameters()}
    hidden, rest = ({names[weight] for weight in group["params"]} for group in optimizer.param_groups)
    assert hidden | rest == set(names.values()) and not hidden & rest
    assert all(name.endswith("weight") for name in hidden)
    assert "time_embedding.linear_1.weight" in hidden and "mid_block.resnets.0.conv1.weight" in hidden
    assert {"conv_in.weight", "conv_out.weight", "class_embedding.weight", "conv_norm_out.weight"} <= rest
    assert [group["relative_rate"] for group in optimizer.param_groups] == [10.0, 1.0]


def test_the_scale_of_half_precision_is_undone_before_a_step():
    """A step by a gradient of another scale would spoil the momentum; one that is not finite is left out."""
    moved = []
    for scale in (1.0, 1024.0):
        weight = torch.nn.Parameter(torch.eye(3))
        optimizer = optimisers.Muon([{"params": [weight]}, {"params": []}], lr=0.1, weight_decay=0.0, fused=True)
        scaler = torch.amp.GradScaler("cpu", init_scale=scale)
        for number in range(3):
            gradient = torch.randn((3, 3), generator=torch.Generator().manual_seed(number))
            gradient[0, 0] = float("inf") if number == 1 else 1.0
            optimizer.zero_grad()
            weight.grad = scaler.scale(gradient)
            scaler.step(optimizer)
            scaler.update()
        moved.append(weight.detach())
    torch.testing.assert_close(*moved)
    assert torch.isfinite(moved[0]).all()
