from __future__ import annotations

import pytest
import torch

from evscli.encoders.device import (
    arithmetic_dtype,
    common_units,
    resolve_device,
    resolve_dtype,
    units_of,
    worker_devices,
)
from evscli.errors import DeviceError, UsageError

CPU = torch.device("cpu")


@pytest.fixture
def cuda(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """A machine with two CUDA devices, the second of them current."""
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    monkeypatch.setattr(torch.cuda, "current_device", lambda: 1)
    return monkeypatch


@pytest.fixture
def no_cuda(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)


@pytest.mark.usefixtures("no_cuda")
def test_auto_is_the_cpu_without_cuda() -> None:
    assert resolve_device("auto") == torch.device("cpu")
    assert resolve_device("cpu") == torch.device("cpu")


@pytest.mark.usefixtures("no_cuda")
@pytest.mark.parametrize("name", ["cuda", "cuda:0"])
def test_cuda_that_is_not_there_is_refused(name: str) -> None:
    with pytest.raises(DeviceError, match="this machine has no CUDA device; use --device cpu"):
        resolve_device(name)


@pytest.mark.usefixtures("cuda")
def test_cuda_names_resolve_to_one_device() -> None:
    assert resolve_device("auto") == resolve_device("cuda") == torch.device("cuda", 1)
    assert resolve_device("cuda:0") == torch.device("cuda", 0)
    assert resolve_device("cpu") == torch.device("cpu")


@pytest.mark.usefixtures("cuda")
def test_a_cuda_number_too_high_is_refused_with_the_count() -> None:
    with pytest.raises(DeviceError, match="cuda:2: this machine has 2 CUDA device"):
        resolve_device("cuda:2")


@pytest.mark.usefixtures("cuda")
def test_a_run_uses_every_gpu_unless_one_is_named() -> None:
    assert worker_devices("auto") == worker_devices("cuda") == ["cuda:0", "cuda:1"]
    assert worker_devices("cuda:1") == ["cuda:1"]
    assert worker_devices("cpu") == ["cpu"]
    assert worker_devices("auto", 3) == ["cuda:0", "cuda:1", "cuda:0"]
    assert worker_devices("cuda:1", 2) == ["cuda:1", "cuda:1"]


@pytest.mark.usefixtures("no_cuda")
def test_without_a_gpu_there_is_one_worker_unless_more_are_asked_for() -> None:
    assert worker_devices("auto") == ["cpu"]
    assert worker_devices("auto", 2) == ["cpu", "cpu"]
    with pytest.raises(DeviceError, match="no CUDA device"):
        worker_devices("cuda", 2)


@pytest.mark.parametrize("name", ["gpu", "cuda:", "cuda:x", "mps", ""])
def test_unknown_device_is_refused_with_the_allowed_ones(name: str) -> None:
    with pytest.raises(UsageError, match=r"auto, cpu, cuda or cuda:N"):
        resolve_device(name)


def test_auto_dtype_is_the_stored_one() -> None:
    assert resolve_dtype("auto", stored=torch.bfloat16) == torch.bfloat16
    assert resolve_dtype("float16", stored=torch.bfloat16) == torch.float16


def test_unknown_dtype_is_refused_with_the_allowed_ones() -> None:
    with pytest.raises(UsageError, match="'int8' is unknown; use auto, float32, bfloat16, float16"):
        resolve_dtype("int8", stored=torch.float32)


class TestArithmetic:
    @pytest.mark.parametrize("kept", [torch.bfloat16, torch.float16])
    def test_is_float32_where_a_device_has_no_units_for_the_checkpoints_dtype(
        self, kept: torch.dtype
    ) -> None:
        few, all_ = {"float32"}, {"float32", "bfloat16", "float16"}
        assert arithmetic_dtype("auto", kept=kept, device=CPU, units=few) == torch.float32
        assert arithmetic_dtype("auto", kept=kept, device=CPU, units=all_) == kept

    def test_is_in_the_dtype_that_is_asked_for_whatever_the_units(self) -> None:
        kept = torch.bfloat16
        assert arithmetic_dtype("bfloat16", kept=kept, device=CPU, units={"float32"}) == kept

    def test_of_a_float32_checkpoint_is_float32(self) -> None:
        assert arithmetic_dtype("auto", kept=torch.float32, device=CPU) == torch.float32


class TestUnits:
    @pytest.mark.parametrize(
        ("onednn", "avx2", "avx512_bf16", "has"),
        [
            (False, True, False, False),  # AVX2 only
            (True, True, False, False),  # AVX-512 without units: oneDNN emulates them
            (True, True, True, True),
            (True, False, False, True),  # Arm
        ],
    )
    def test_for_bfloat16_of_a_cpu(
        self,
        monkeypatch: pytest.MonkeyPatch,
        onednn: bool,
        avx2: bool,
        avx512_bf16: bool,
        has: bool,
    ) -> None:
        monkeypatch.setattr(torch.ops.mkldnn, "_is_mkldnn_bf16_supported", lambda: onednn)
        monkeypatch.setattr(torch.cpu, "_is_avx2_supported", lambda: avx2)
        monkeypatch.setattr(torch.cpu, "_is_avx512_bf16_supported", lambda: avx512_bf16)
        assert ("bfloat16" in units_of(CPU)) == has

    @pytest.mark.parametrize("onednn", [True, False])
    def test_for_float16_of_a_cpu(self, monkeypatch: pytest.MonkeyPatch, onednn: bool) -> None:
        monkeypatch.setattr(torch.ops.mkldnn, "_is_mkldnn_fp16_supported", lambda: onednn)
        assert ("float16" in units_of(CPU)) == onednn

    @pytest.mark.parametrize(
        ("capability", "names"),
        [
            ((6, 1), {"float32"}),
            ((7, 5), {"float32", "float16"}),
            ((9, 0), {"float32", "float16", "bfloat16"}),
        ],
    )
    def test_of_a_gpu_follow_from_its_compute_capability(
        self, cuda: pytest.MonkeyPatch, capability: tuple[int, int], names: set[str]
    ) -> None:
        cuda.setattr(torch.cuda, "get_device_capability", lambda _: capability)
        assert units_of(torch.device("cuda", 1)) == names

    def test_of_several_devices_are_those_that_all_have(self, cuda: pytest.MonkeyPatch) -> None:
        older = {0: (9, 0), 1: (7, 5)}
        cuda.setattr(torch.cuda, "get_device_capability", lambda device: older[device.index])
        assert "bfloat16" in common_units(["cuda:0"])
        assert common_units(["cuda:0", "cuda:1"]) == {"float32", "float16"}
