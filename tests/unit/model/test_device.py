from dataclasses import replace

import pytest
import torch

from tests.unit.model.makers import PLAIN_CPU, a_network, a_plan
from voxray.core.errors import ConfigError
from voxray.model import Compute, choose_compute

CUDA = "torch.cuda.is_available"
CAPABILITIES = "torch.cpu.get_capabilities"


@pytest.mark.skipif(torch.cuda.is_available(), reason="needs a machine without CUDA")
def test_auto_takes_the_processor_where_there_is_no_cuda():
    assert choose_compute("auto") == choose_compute("cpu")
    assert choose_compute("auto").device == "cpu"


@pytest.mark.skipif(torch.cuda.is_available(), reason="needs a machine without CUDA")
def test_cuda_is_refused_where_it_is_absent():
    with pytest.raises(ConfigError, match="no CUDA device is visible; use 'auto'"):
        choose_compute("cuda")


@pytest.mark.parametrize(
    ("capabilities", "precision"),
    [
        ({"amx_bf16": True}, "bf16-mixed"),
        ({"avx512_bf16": True}, "bf16-mixed"),
        ({"avx2": True, "avx512_f": True, "amx_bf16": False}, "32-true"),
        ({}, "32-true"),
    ],
)
def test_bfloat16_only_where_the_processor_has_it(monkeypatch, capabilities, precision):
    monkeypatch.setattr(CAPABILITIES, lambda: capabilities)
    assert choose_compute("cpu").precision == precision


@pytest.mark.parametrize(
    ("native", "precision", "compiled"),
    [(True, "bf16-mixed", True), (False, "16-mixed", False)],
)
def test_on_cuda_an_old_card_gets_half_precision(
    monkeypatch, native, precision, compiled
):
    monkeypatch.setattr(CUDA, lambda: True)
    monkeypatch.setattr("torch.cuda.get_device_name", lambda: "card")
    monkeypatch.setattr("torch.cuda.is_bf16_supported", lambda **_options: native)
    monkeypatch.setattr("voxray.model.device._can_compile", lambda: True)
    chosen = choose_compute("auto")
    assert (chosen.device, chosen.precision, chosen.compiled) == (
        "cuda",
        precision,
        compiled,
    )
    assert choose_compute("cpu").device == "cpu"


@pytest.mark.parametrize(
    ("device", "precision", "layout"),
    [
        ("cpu", "bf16-mixed", torch.contiguous_format),
        ("cpu", "32-true", torch.channels_last_3d),
        ("cuda", "bf16-mixed", torch.channels_last_3d),
        ("cuda", "16-mixed", torch.channels_last_3d),
    ],
)
def test_the_layout_follows_device_and_precision(device, precision, layout):
    compute = Compute(device, precision, compiled=False, reason="")
    assert compute.memory_format == layout


@pytest.mark.parametrize("precision", ["32-true", "bf16-mixed"])
def test_weights_and_batches_take_the_layout_and_keep_their_values(precision):
    compute = replace(PLAIN_CPU, precision=precision)
    network = a_network(a_plan())
    before = {name: value.clone() for name, value in network.state_dict().items()}
    placed = compute.place(network)
    batch = compute.send(torch.randn(2, 3, 4, 5, 6))
    assert batch.is_contiguous(memory_format=compute.memory_format)
    assert all(torch.equal(v, before[n]) for n, v in placed.state_dict().items())


def test_only_a_network_that_is_trained_is_compiled_where_that_pays(monkeypatch):
    network, calls = a_network(a_plan()), []
    monkeypatch.setattr(type(network), "compile", lambda _self: calls.append(1))
    pays = replace(PLAIN_CPU, compiled=True)
    assert pays.place(network) is network
    PLAIN_CPU.compile(network)
    assert calls == []
    pays.compile(network)
    assert calls == [1]


@pytest.mark.parametrize("missing", ["compiler", "headers"])
def test_without_a_compiler_a_gpu_trains_uncompiled_and_says_so(
    monkeypatch, tmp_path, missing
):
    monkeypatch.setattr(CUDA, lambda: True)
    monkeypatch.setattr("torch.cuda.get_device_name", lambda: "card")
    monkeypatch.setattr("torch.cuda.is_bf16_supported", lambda **_options: True)
    (tmp_path / "Python.h").touch()
    there = None if missing == "compiler" else "/usr/bin/cc"
    monkeypatch.setattr("shutil.which", lambda _name: there)
    include = tmp_path / "none" if missing == "headers" else tmp_path
    monkeypatch.setattr("sysconfig.get_path", lambda _name: str(include))

    chosen = choose_compute("auto")

    assert (chosen.precision, chosen.compiled) == ("bf16-mixed", False)
    assert "not compiled" in chosen.reason


def test_autocast_is_off_in_full_precision():
    half = PLAIN_CPU.__class__("cpu", "bf16-mixed", compiled=False, reason="")
    left, right = torch.ones(2, 2), torch.ones(2, 2)
    with PLAIN_CPU.autocast():
        assert (left @ right).dtype == torch.float32
    with half.autocast():
        assert (left @ right).dtype == torch.bfloat16
