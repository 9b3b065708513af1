import shutil

import numpy as np
import pytest
import torch

from kpop_rca.system import devices

CPU, GPU = torch.device("cpu"), torch.device("cuda")


def network():
    torch.manual_seed(0)
    return torch.nn.Sequential(torch.nn.Linear(4, 4), torch.nn.SiLU())


def is_compiled(module):
    return module._compiled_call_impl is not None


@pytest.mark.skipif(shutil.which("g++") is None, reason="there is no C++ compiler here")
def test_a_compiled_network_gives_the_same_and_keeps_the_names_of_its_weights(monkeypatch):
    monkeypatch.setenv(devices.COMPILE, "on")
    plain, compiled, x = network(), network(), torch.randn(3, 4)
    devices.compile_where_it_pays(compiled, CPU, calls=1)
    assert is_compiled(compiled)
    assert list(compiled.state_dict()) == list(plain.state_dict())
    np.testing.assert_allclose(compiled(x).detach(), plain(x).detach(), rtol=1e-5, atol=1e-6)  # SiLU may be near 0


@pytest.mark.parametrize(
    ("asked", "device", "calls", "compiles"),
    [
        ("auto", CPU, 10**6, False),
        ("auto", GPU, 10**6, True),
        ("auto", GPU, 100, False),
        ("off", GPU, 10**6, False),
        ("on", GPU, 1, True),
    ],
)
def test_networks_are_compiled_where_it_pays(monkeypatch, asked, device, calls, compiles):
    monkeypatch.setenv(devices.COMPILE, asked)
    module = network()
    devices.compile_where_it_pays(module, device, calls=calls)
    assert is_compiled(module) == compiles


@pytest.fixture
def broken_compiler(monkeypatch, tmp_path):
    """A toolchain that seems to be there and compiles nothing."""
    from torch._inductor import config

    monkeypatch.setenv("TORCHINDUCTOR_CACHE_DIR", str(tmp_path))
    torch._dynamo.reset()
    with config.patch({"cpp.cxx": (shutil.which("false"),)}):
        yield
    torch._dynamo.reset()


def test_where_compiling_fails_one_line_says_so_and_all_goes_on(monkeypatch, broken_compiler):
    """The decision is a GPU's, the network and its broken compiler are the CPU's."""
    monkeypatch.setenv(devices.COMPILE, "auto")
    plain, module, x = network(), network(), torch.randn(3, 4, requires_grad=True)
    devices.compile_where_it_pays(module, GPU, calls=10**6)
    with pytest.warns(UserWarning, match="not compiled, and slower for it: .*; set KPOP_RCA_COMPILE=off") as said:
        made = module(x)
    assert len(said) == 1
    assert torch.equal(made, plain(x))
    made.sum().backward()
    assert module[0].weight.grad is not None


def test_where_compiling_was_asked_for_its_failure_is_an_error(monkeypatch, broken_compiler):
    monkeypatch.setenv(devices.COMPILE, "on")
    module = network()
    devices.compile_where_it_pays(module, CPU, calls=1)
    with pytest.raises(torch._dynamo.exc.TorchDynamoException):
        module(torch.randn(3, 4))


@pytest.mark.parametrize(
    ("asked", "device", "able", "used"),
    [
        ("bf16", GPU, True, "bf16"),
        ("bf16", GPU, False, "no"),
        ("fp16", GPU, False, "fp16"),
        ("no", GPU, False, "no"),
        ("bf16", CPU, False, "bf16"),
    ],
)
def test_no_gpu_emulates_bfloat16(monkeypatch, recwarn, asked, device, able, used):
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda including_emulation=True: able or including_emulation)
    assert devices.usable_precision(asked, device) == used
    assert [str(warning.message) for warning in recwarn] == (
        ["this GPU has no bfloat16: computing in float32; mixed_precision fp16 is faster here"] if used != asked else []
    )


def test_a_full_memory_is_told_from_other_errors():
    with pytest.raises(RuntimeError) as full:
        torch.empty(2**48)
    with pytest.raises(RuntimeError) as other:
        torch.zeros(2) @ torch.zeros(3)
    assert devices.is_out_of_memory(full.value)
    assert devices.is_out_of_memory(torch.OutOfMemoryError("CUDA out of memory"))
    assert not devices.is_out_of_memory(other.value)
