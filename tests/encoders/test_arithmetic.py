from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from torch import Tensor

from evscli.encoders import load_encoder
from evscli.encoders.arithmetic import computing, shortened, whole_float32
from tests.encoders.layouts import chunks_of, make_plan, random_frames


def precisions() -> list[str]:
    return [setting.fp32_precision for setting in shortened()]


@pytest.fixture(autouse=True)
def _restored() -> Iterator[None]:
    before = precisions()
    yield
    for setting, value in zip(shortened(), before, strict=True):
        setting.fp32_precision = value


def test_float32_is_whole_and_what_was_set_is_restored() -> None:
    torch.set_float32_matmul_precision("high")
    before = precisions()
    assert "tf32" in before
    with whole_float32():
        assert precisions() == ["ieee", "ieee"]
    assert precisions() == before
    assert torch.get_float32_matmul_precision() == "high"
    torch.set_float32_matmul_precision("highest")
    with computing():
        assert torch.is_inference_mode_enabled()
        assert precisions() == ["ieee", "ieee"]
    with pytest.raises(ValueError, match="x"), whole_float32():
        raise ValueError("x")
    assert not torch.is_inference_mode_enabled()
    assert torch.get_float32_matmul_precision() == "highest"


def test_a_tower_runs_in_whole_float32_and_callers_between_chunks_do_not(
    qwen3: Path,
) -> None:
    encoder = load_encoder(str(qwen3), chunk_frames=4)
    plan = make_plan(encoder, 8, 130, 200)
    seen: list[list[str]] = []

    def patchify(pixels: Tensor) -> Tensor:
        seen.append(precisions())
        return type(encoder.form).patchify(encoder.form, pixels)

    encoder.form.__dict__["patchify"] = patchify
    before = precisions()
    chunks = chunks_of(random_frames(8, *plan.resized_size), 4, 4)

    def between() -> Iterator[object]:
        for chunk in chunks:
            assert precisions() == before
            yield chunk

    encoder.encode(between(), plan)  # type: ignore[arg-type]
    assert seen == [["ieee", "ieee"]] * 2


def test_constants_are_copied_to_a_device_once_and_towers_made_once_for_a_grid(
    qwen3: Path,
) -> None:
    encoder = load_encoder(str(qwen3), chunk_frames=4)
    meta = torch.device("meta")
    first = encoder.form.scale_on(meta)  # type: ignore[attr-defined]
    assert all(one.device == meta for one in first)
    again = encoder.form.scale_on(meta)  # type: ignore[attr-defined]
    assert all(one is other for one, other in zip(first, again, strict=True))
    small, large = make_plan(encoder, 8, 130, 200), make_plan(encoder, 8, 200, 200)
    assert encoder._tower(small) is encoder._tower(small)
    assert encoder._tower(small).cells != encoder._tower(large).cells
