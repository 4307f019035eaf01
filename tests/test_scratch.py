from __future__ import annotations

from pathlib import Path

import pytest
import torch

from evscli import scratch


@pytest.fixture(autouse=True)
def _folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr(scratch, "free_memory", lambda: 0)


def test_a_small_tensor_stays_in_memory() -> None:
    tensor = scratch.allocate((3, 4), torch.bfloat16)
    assert tensor.shape == (3, 4)
    assert tensor.dtype == torch.bfloat16


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.uint8, torch.bool])
def test_a_large_tensor_lives_in_a_file_that_has_no_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, dtype: torch.dtype
) -> None:
    monkeypatch.setattr(scratch, "IN_MEMORY_BYTES", 1000)
    tensor = scratch.allocate((10, 200), dtype)
    tensor.fill_(1)
    assert list(tmp_path.iterdir()) == []
    assert f"{tmp_path}/.evs-scratch-" in Path("/proc/self/maps").read_text()
    assert tensor.sum() == 2000


def test_a_full_disk_is_an_error_and_not_a_crash(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(scratch.os, "posix_fallocate", full)
    monkeypatch.setattr(scratch, "IN_MEMORY_BYTES", 0)
    with pytest.raises(OSError, match="No space left"):
        scratch.allocate((10,), torch.uint8)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("free", "workers", "in_memory"),
    [
        (8 * 2000, 1, True),
        (8 * 2000 - 1, 1, False),
        (8 * 2000, 2, False),
        (16 * 2000, 2, True),
        (None, 1, False),
    ],
)
def test_a_large_tensor_stays_in_memory_where_each_worker_has_several_times_its_size_free(
    monkeypatch: pytest.MonkeyPatch, free: int | None, workers: int, in_memory: bool
) -> None:
    monkeypatch.setattr(scratch, "IN_MEMORY_BYTES", 1000)
    monkeypatch.setattr(scratch, "free_memory", lambda: free)
    monkeypatch.setattr(scratch, "_workers", 1)
    scratch.share_memory(workers)
    tensor = scratch.allocate((10, 200), torch.uint8).fill_(1)
    assert (".evs-scratch-" in Path("/proc/self/maps").read_text()) is not in_memory
    assert tensor.sum() == 2000


def test_what_is_free_is_not_looked_up_for_small_tensors(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(scratch, "free_memory")
    assert scratch.allocate((10,), torch.uint8).shape == (10,)
