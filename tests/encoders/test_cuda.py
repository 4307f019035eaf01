"""The same encoding on a CUDA device; skipped where there is none."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from evscli.encoders import load_encoder
from evscli.encoders.arithmetic import computing
from evscli.encoders.scorer import expected_shapes
from evscli.pipeline import VideoPruner, encode_video
from evscli.pruners import check_selection, select_tokens, select_windows
from evscli.records import FrameChunk, PruneInputs, VideoInput
from tests.checkpoints import FAMILIES
from tests.encoders.layouts import chunks_of, make_plan, random_frames

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device"),
]


@pytest.mark.parametrize("family", FAMILIES)
def test_tokens_are_those_of_the_cpu_and_arrive_in_order(
    family: str, checkpoints: dict[str, Path]
) -> None:
    options = {"dtype": "float32", "chunk_frames": 4}
    slow = load_encoder(str(checkpoints[family]), device="cpu", **options)
    fast = load_encoder(str(checkpoints[family]), device="cuda", **options)
    plan = make_plan(slow, 23, 130, 200)
    chunks = chunks_of(random_frames(23, *plan.resized_size), 8, 8, 7)

    expected, tokens = slow.encode(chunks, plan), fast.encode(chunks, plan)

    assert tokens.embeds.device.type == "cpu"
    pairs = [(tokens.embeds, expected.embeds)]
    if tokens.deepstack is not None and expected.deepstack is not None:
        pairs.append((tokens.deepstack, expected.deepstack))
    for ours, theirs in pairs:
        assert (ours - theirs).abs().max() <= 1e-3 * theirs.abs().max()


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
@pytest.mark.parametrize("method", ["vcast", "stts"])
@pytest.mark.parametrize("family", [*FAMILIES, "molmo2"])
def test_pruning_inside_gives_the_tokens_of_the_cpu(
    family: str, method: str, dtype: str, checkpoints: dict[str, Path]
) -> None:
    """Attention of variable length in half precision, by length in float32."""
    encoder = load_encoder(str(checkpoints[family]), device="cuda", dtype=dtype, chunk_frames=4)
    plan = make_plan(encoder, 24, 130, 200)
    chunks = chunks_of(random_frames(24, *plan.resized_size), 8, 8, 8)
    shapes = expected_shapes(encoder.shape.width, 16).items()
    generator = torch.Generator().manual_seed(0)
    weights = {name: torch.randn(shape, generator=generator) for name, shape in shapes}
    scorer = {name: 0.2 * value.cuda() for name, value in weights.items()}
    inputs = PruneInputs(scorer=scorer, heads=encoder.shape.heads)

    prefix = encoder.begin(chunks, plan, after=0)
    choice = select_windows(check_selection(method, 0.5, prune_at=0), prefix.windows(), inputs)
    tokens = encoder.finish(prefix, choice)
    slow = load_encoder(str(checkpoints[family]), device="cpu", dtype=dtype, chunk_frames=4)
    expected = slow.finish(slow.begin(chunks, plan, after=0), choice)

    assert tokens.embeds.device.type == "cpu"
    near = 1e-3 if dtype == "float32" else 0.1
    difference = (tokens.embeds.float() - expected.embeds.float()).abs().max()
    assert difference <= near * expected.embeds.float().abs().max()


@pytest.mark.parametrize("method", ["vcast", "evs", "vidcom2", "divprune", "glean"])
def test_selections_on_the_device_are_repeated_and_about_those_of_the_cpu(
    method: str, clip: Path
) -> None:
    encoder, request = load_encoder("mini", device="cuda"), check_selection(method, 0.3)
    video = VideoInput(id="clip", path=clip, root=clip.parent)
    there, again = (VideoPruner(encoder, request)(video) for _ in range(2))
    kept = select_tokens(request, encode_video(video, encoder).tokens, PruneInputs())
    assert torch.equal(there.keep_mask, again.keep_mask)
    assert torch.equal(there.embeds, again.embeds)
    assert there.embeds.device.type == there.keep_mask.device.type == "cpu"
    differing = int((there.keep_mask != kept.mask).sum())
    assert differing <= 0.02 * kept.mask.numel()


def test_float32_convolutions_are_whole() -> None:
    """TF32 keeps 10 bits, and so an error of about a thousandth."""
    generator = torch.Generator().manual_seed(0)
    pixels = torch.rand(64, 3, 64, 64, generator=generator)
    weight = torch.rand(64, 3, 16, 16, generator=generator)
    exact = torch.nn.functional.conv2d(pixels.double(), weight.double(), stride=16)
    with computing():
        ours = torch.nn.functional.conv2d(pixels.cuda(), weight.cuda(), stride=16).cpu()
    assert (ours - exact).abs().max() <= 1e-5 * exact.abs().max()


def test_frames_can_be_resized_on_the_device(qwen3: Path) -> None:
    exact = load_encoder(str(qwen3), device="cpu")
    quick = load_encoder(str(qwen3), device="cuda", resize="device")
    plan = make_plan(exact, 8, 130, 200)
    chunk = FrameChunk(start=0, pixels=random_frames(8, 130, 200))

    resized = quick.resize(chunk, plan)
    levels = resized.pixels.cpu().int() - exact.resize(chunk, plan).pixels.int()

    assert resized.pixels.device.type == "cuda"
    assert levels.abs().max() <= 1
    assert quick.encode([resized], plan).grid_thw == plan.grid_thw
