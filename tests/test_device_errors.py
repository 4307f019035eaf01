from __future__ import annotations

import subprocess
import sys
import weakref
from pathlib import Path

import pytest
import torch
from torch import Tensor

from evscli.device_errors import breaks_device, device_errors, free_tensors, lacks_memory
from evscli.errors import DeviceError, DeviceLostError, VideoError
from evscli.records import VideoInput
from evscli.video_errors import video_errors

ILLEGAL = (
    "CUDA error: an illegal memory access was encountered\n"
    "CUDA kernel errors might be asynchronously reported at some other API call."
)
BROKEN = [
    torch.AcceleratorError(ILLEGAL),
    RuntimeError(ILLEGAL),
    RuntimeError("CUDA error: device-side assert triggered"),
    RuntimeError("CUDA error: CUBLAS_STATUS_EXECUTION_FAILED when calling `cublasGemmEx(...)`"),
    RuntimeError("cuDNN error: CUDNN_STATUS_INTERNAL_ERROR"),
    RuntimeError("cuDNN error: CUDNN_STATUS_EXECUTION_FAILED_CUDART"),
    RuntimeError("cusolver error: CUSOLVER_STATUS_INTERNAL_ERROR, when calling `...`"),
    RuntimeError("Triton Error [CUDA]: an illegal memory access was encountered"),
]
MEMORY = [
    torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB."),
    torch.AcceleratorError("CUDA error: out of memory"),
    RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`"),
    RuntimeError("cuDNN error: CUDNN_STATUS_ALLOC_FAILED"),
    RuntimeError("[enforce fail at alloc_cpu.cpp:121] . DefaultCPUAllocator: can't allocate"),
    MemoryError(),
]
OTHER = [
    RuntimeError("mat1 and mat2 shapes cannot be multiplied"),
    RuntimeError("CUDA error: CUBLAS_STATUS_NOT_SUPPORTED when calling `cublasGemmEx(...)`"),
    RuntimeError("cuDNN error: CUDNN_STATUS_NOT_SUPPORTED. This error may appear ..."),
    ValueError(ILLEGAL),
    torch.linalg.LinAlgError("cusolver error: CUSOLVER_STATUS_EXECUTION_FAILED, if it holds NaN"),
]


@pytest.fixture
def video(tmp_path: Path) -> VideoInput:
    return VideoInput(id="v", path=tmp_path / "v.mp4", root=tmp_path)


@pytest.mark.parametrize("error", BROKEN, ids=str)
def test_an_error_that_breaks_the_device_is_not_that_of_a_video(
    error: Exception, video: VideoInput
) -> None:
    assert breaks_device(error)
    assert not lacks_memory(error)
    with (
        pytest.raises(
            DeviceLostError, match=r"v\.mp4: the device failed \(.*run the same"
        ) as caught,
        video_errors("open", video),
        video_errors("encode", video),
    ):
        raise error
    assert "\n" not in str(caught.value)
    assert caught.value.reason == str(error).partition("\n")[0]


@pytest.mark.parametrize("error", MEMORY, ids=str)
def test_too_little_memory_is_an_error_of_one_video(error: Exception, video: VideoInput) -> None:
    assert lacks_memory(error)
    assert not breaks_device(error)
    with (
        pytest.raises(VideoError, match="out of memory in encode; choose smaller or fewer frames"),
        video_errors("encode", video),
    ):
        raise error


@pytest.mark.parametrize("error", OTHER, ids=str)
def test_other_errors_are_neither(error: Exception, video: VideoInput) -> None:
    assert not lacks_memory(error)
    assert not breaks_device(error)
    with pytest.raises(VideoError, match="run again with --debug"), video_errors("encode", video):
        raise error


def fail_holding(kept: list[weakref.ref[Tensor]]) -> None:
    big = torch.zeros(10)
    kept.append(weakref.ref(big))
    raise torch.OutOfMemoryError("CUDA out of memory.")


def test_an_error_that_is_kept_keeps_no_tensors_of_the_calls_it_ended(video: VideoInput) -> None:
    kept: list[weakref.ref[Tensor]] = []
    with pytest.raises(VideoError) as caught, video_errors("encode", video):
        fail_holding(kept)
    assert kept[0]() is None
    assert caught.value.kind == "OutOfMemoryError"

    try:
        fail_holding(kept)
    except torch.OutOfMemoryError as error:
        assert kept[1]() is not None
        free_tensors(error)
        assert kept[1]() is None


@pytest.mark.parametrize(
    ("error", "kind", "words"),
    [
        (MEMORY[0], DeviceError, "cpu has too little memory for weights: buy some"),
        (BROKEN[0], DeviceLostError, "cpu: the device failed"),
        (OTHER[0], RuntimeError, "mat1"),
    ],
)
def test_errors_while_something_is_loaded_are_those_of_the_device(
    error: Exception, kind: type[Exception], words: str
) -> None:
    device = torch.device("cpu")
    with (
        pytest.raises(kind, match=words) as caught,
        device_errors(device, "for weights", "buy some"),
    ):
        raise error
    assert type(caught.value) is kind


GPU_TESTS = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device"),
]
ASSERTED = """
import torch
from evscli.device_errors import breaks_device, lacks_memory
try:
    torch.zeros(2, device="cuda")[torch.tensor([5], device="cuda")].cpu()
except Exception as error:
    assert breaks_device(error), repr(error)
try:
    torch.zeros(2, device="cuda").sum().item()
except Exception as error:
    assert breaks_device(error), repr(error)
else:
    raise AssertionError("the device still works")
"""


@pytest.mark.parametrize("code", [pytest.param(ASSERTED, id="assert", marks=GPU_TESTS)])
def test_an_assertion_on_a_gpu_breaks_it_for_its_process(code: str) -> None:
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("size", [pytest.param(1 << 50, marks=GPU_TESTS)])
def test_a_gpu_that_lacks_memory_goes_on(size: int) -> None:
    with pytest.raises(RuntimeError) as caught:
        torch.empty(size, dtype=torch.uint8, device="cuda")
    assert lacks_memory(caught.value)
    assert int(torch.ones(2, device="cuda").sum()) == 2
