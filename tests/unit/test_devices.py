import numpy as np
import pytest
import torch

from kpop_rca import devices

CPU, GPU = torch.device("cpu"), torch.device("cuda")


def network():
    torch.manual_seed(0)
    return torch.nn.Sequential(torch.nn.Linear(4, 4), torch.nn.SiLU())


def is_compiled(module):
    return module._compiled_call_impl is not None


@pytest.mark.skipif(devices._missing_compiler(CPU) is not None, reason="there is no C++ compiler here")
def test_a_compiled_network_gives_the_same_and_keeps_the_names_of_its_weights(monkeypatch):
    monkeypatch.setenv(devices.COMPILE, "on")
    plain, compiled, x = network(), network(), torch.randn(3, 4)
    devices.compile_where_it_pays(compiled, CPU, calls=1)
    assert is_compiled(compiled)
    assert list(compiled.state_dict()) == list(plain.state_dict())
    np.testing.assert_allclose(compiled(x).detach(), plain(x).detach(), rtol=1e-5)


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
    monkeypatch.setattr(devices, "_missing_compiler", lambda device: None)
    module = network()
    devices.compile_where_it_pays(module, device, calls=calls)
    assert is_compiled(module) == compiles


def test_without_a_compiler_one_line_says_so_and_all_goes_on(monkeypatch):
    monkeypatch.setenv(devices.COMPILE, "on")
    monkeypatch.setenv("PATH", "")
    monkeypatch.delenv("CXX", raising=False)
    module = network()
    with pytest.warns(UserWarning, match=r"not compiled, .* no C\+\+ compiler; set KPOP_RCA_COMPILE=off"):
        devices.compile_where_it_pays(module, CPU, calls=1)
    assert module(torch.zeros(1, 4)).shape == (1, 4)


def test_a_full_memory_is_told_from_other_errors():
    with pytest.raises(RuntimeError) as full:
        torch.empty(2**48)
    with pytest.raises(RuntimeError) as other:
        torch.zeros(2) @ torch.zeros(3)
    assert devices.is_out_of_memory(full.value)
    assert devices.is_out_of_memory(torch.OutOfMemoryError("CUDA out of memory"))
    assert not devices.is_out_of_memory(other.value)
