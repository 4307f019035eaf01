from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors import safe_open
from torch import Tensor

from evscli.encoders.files import LocalFolder
from evscli.encoders.processor import load_video_processor
from evscli.errors import ModelError
from evscli.models.parts.pixels import (
    QwenPixels,
    pixel_format,
    rechunk,
    repeat_last,
    resize_approximate,
    resize_exact,
)
from evscli.models.parts.rules import ProcessorRules
from evscli.models.registry import built_in
from evscli.records import FrameChunk, Sampling
from tests.encoders.layouts import chunks_of, random_frames

GOLDEN = Path(__file__).parents[2] / "data" / "golden"


@pytest.mark.parametrize("family", ["qwen2_5_vl", "qwen3_vl"])
def test_pixels_equal_those_of_the_transformers_processor(family: str, tmp_path: Path) -> None:
    with safe_open(GOLDEN / f"preprocess_{family}.safetensors", framework="pt") as golden:
        about = golden.metadata()
        frames, rows, grid = (
            golden.get_tensor(name) for name in ("frames", "pixel_rows", "video_grid_thw")
        )
    (tmp_path / "video_preprocessor_config.json").write_text(about["kwargs"])
    processor = load_video_processor(LocalFolder(tmp_path, name="golden"), built_in()[family])
    rules, form = ProcessorRules(processor, Sampling()), pixel_format(processor, model="golden")

    size = rules.resized_size(len(frames), *frames.shape[-2:])
    patches = form.patchify(resize_exact(frames, size, form.resample))

    assert [len(patches), size[0] // form.patch_size, size[1] // form.patch_size] == grid[
        0
    ].tolist()
    flat = patches.flatten(0, 1)
    assert len(flat) == int(about["rows_total"])
    assert (flat[:: int(about["row_stride"])] - rows).abs().max() <= 1e-6


@pytest.mark.parametrize("frames", [1, 2, 5])
@pytest.mark.parametrize("temporal_patch", [1, 2, 3])
def test_patches_equal_the_class_s_own_patchify(frames: int, temporal_patch: int) -> None:
    from transformers.models.qwen3_vl.video_processing_qwen3_vl import Qwen3VLVideoProcessor

    processor = Qwen3VLVideoProcessor(patch_size=4, temporal_patch_size=temporal_patch)
    form = pixel_format(processor, model="m")
    pixels = random_frames(frames, 24, 40)

    ours = form.patchify(pixels)

    normalised = (pixels.float() - form.mean[:, None, None]) / form.std[:, None, None]
    theirs, *grid = processor.patchify(normalised[None], 4, 2, temporal_patch)
    assert ours.shape[:2] == (grid[0], grid[1] * grid[2])
    assert torch.equal(ours.flatten(0, 1), theirs[0])


def test_memory_layout_of_frames_does_not_matter() -> None:
    form = _form()
    pixels = random_frames(4, 50, 70)
    packed = pixels.contiguous(memory_format=torch.channels_last)

    small = resize_exact(pixels, (32, 48), "bicubic")

    assert torch.equal(resize_exact(packed, (32, 48), "bicubic"), small)
    assert torch.equal(
        form.patchify(small.contiguous(memory_format=torch.channels_last)), form.patchify(small)
    )


@pytest.mark.parametrize("size", [(32, 48), (90, 120), (50, 48), (32, 70)])
@pytest.mark.parametrize(("mode", "levels"), [("bicubic", 1), ("lanczos", 2)])
def test_approximate_resize_is_within_levels_of_the_exact_one(
    size: tuple[int, int], mode: str, levels: int
) -> None:
    pixels = random_frames(3, 50, 70)

    exact = resize_exact(pixels, size, mode)
    close = resize_approximate(pixels, size, mode)

    assert close.dtype == torch.uint8
    assert (close.int() - exact.int()).abs().max() <= levels


@pytest.mark.parametrize("resize", [resize_exact, resize_approximate])
def test_frames_of_the_right_size_are_left_alone(resize: object) -> None:
    pixels = random_frames(2, 32, 48)

    assert callable(resize)
    assert resize(pixels, (32, 48), "bicubic") is pixels


def test_repeating_the_last_frame_fills_a_patch() -> None:
    pixels = random_frames(3, 4, 4)

    assert torch.equal(repeat_last(pixels, 2), pixels[[0, 1, 2, 2, 2]])
    assert repeat_last(pixels, 0) is pixels


@settings(deadline=None)
@given(st.lists(st.integers(1, 9), min_size=1, max_size=6), st.integers(1, 8))
def test_rechunking_keeps_every_frame_once_and_in_order(lengths: list[int], frames: int) -> None:
    pixels = torch.arange(sum(lengths))[:, None, None, None]

    chunks = list(rechunk(chunks_of(pixels, *lengths), frames))

    assert torch.equal(torch.cat(chunks), pixels)
    assert all(len(chunk) == frames for chunk in chunks[:-1])
    assert 0 < len(chunks[-1]) <= frames


def test_chunks_out_of_order_are_refused() -> None:
    pixels = random_frames(4, 4, 4)
    gap = [FrameChunk(start=0, pixels=pixels[:2]), FrameChunk(start=3, pixels=pixels[3:])]

    with pytest.raises(ValueError, match="expected frame 2 next, got a chunk at 3"):
        list(rechunk(gap, 8))


def test_unknown_resampling_is_refused() -> None:
    processor = SimpleNamespace(resample=4)

    with pytest.raises(ModelError, match="my-model: resampling 4 is not supported"):
        pixel_format(processor, model="my-model")


def _form() -> QwenPixels:
    constant: Tensor = torch.full((3,), 127.5)
    return QwenPixels(
        patch_size=8,
        temporal_patch_size=2,
        merge_size=2,
        resample="bicubic",
        mean=constant,
        std=constant,
    )
