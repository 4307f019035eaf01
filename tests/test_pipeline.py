"""The stages together, on real files: what a language model gets equals its own forward."""

from __future__ import annotations

import json
import resource
import sys
from collections.abc import Generator
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor
from torch.nn.functional import interpolate
from transformers import AutoModelForImageTextToText, AutoTokenizer

from evscli import open_store, prefill, prune_video
from evscli.bundled import MINI_FOLDER
from evscli.encoders import load_encoder
from evscli.errors import ModelError, StoreError, UsageError, VideoError
from evscli.models.qwen2_5_vl.prompt import temporal_interval
from evscli.pipeline import Extras, VideoPruner, encode_video
from evscli.pipeline.frames import ahead
from evscli.pipeline.record import refuse_infinite
from evscli.pruners import check_selection, select_tokens
from evscli.pruners.seeds import video_seed
from evscli.records import (
    FrameChunk,
    PrunedVideo,
    RunConfig,
    Sampling,
    VideoInput,
    VideoTokens,
)
from evscli.store import StoreWriter
from evscli.video_errors import video_errors
from tests.checkpoints import copy_mini
from tests.language.reference import Clip, reference_inputs
from tests.store.processes import finish, start
from tests.videos import cut_out, sequential_pixels, write_video

MESSAGES = [
    {
        "role": "user",
        "content": [{"type": "video"}, {"type": "text", "text": "What happens in the video?"}],
    }
]


CHUNKS = {64: 0.0, 4: 1e-5}
"""The largest difference of logits, of the largest, for each number of frames encoded at once."""


def pixel_values(path: Path, record: PrunedVideo, config: dict[str, list[float]]) -> Tensor:
    """The processor's pixel values made by hand: [patches, channels x time x height x width]."""
    frames = torch.stack([torch.from_numpy(frame) for frame in sequential_pixels(path)])
    chosen = frames[record.source_index].permute(0, 3, 1, 2)
    chosen = interpolate(chosen, record.info.resized_size, mode="bicubic", antialias=True)
    mean, std = (torch.tensor(config[name]).view(3, 1, 1) for name in ("image_mean", "image_std"))
    values = (chosen.float() - 255 * mean) / (255 * std)
    if len(values) % 2:
        values = torch.cat([values, values[-1:]])
    size = record.info.model.patch_size
    t, h, w = record.info.grid_thw
    blocks = values.view(t, 2, 3, h, 2, size, w, 2, size)
    return blocks.permute(0, 3, 6, 4, 7, 2, 1, 5, 8).reshape(4 * t * h * w, -1)


def test_at_budget_one_logits_of_mini_equal_its_own_forward(clip: Path, tmp_path: Path) -> None:
    folder = MINI_FOLDER
    records = {
        chunk_frames: through_a_store(
            prune_video(
                clip,
                method="none",
                model=str(folder),
                dtype="float32",
                chunk_frames=chunk_frames,
                sampling=Sampling(fps=5.0),
            ),
            tmp_path / str(chunk_frames),
        )
        for chunk_frames in CHUNKS
    }
    record = records[64]
    model = AutoModelForImageTextToText.from_pretrained(folder, dtype=torch.float32).eval()
    tokenizer = AutoTokenizer.from_pretrained(folder)
    config = json.loads((folder / "video_preprocessor_config.json").read_text())
    own = Clip(
        pixels=pixel_values(clip, record, config),
        grid=record.info.grid_thw,
        indices=record.source_index.tolist(),
        fps=record.info.source_fps,
        frames=record.info.source_frames,
    )
    with torch.no_grad():
        expected = model(
            **reference_inputs(model.config.model_type, tokenizer, [own], MESSAGES)
        ).logits
    assert record.info.source_frames == 48
    for chunk_frames, tolerance in CHUNKS.items():
        with torch.no_grad():
            ready = prefill(records[chunk_frames], tokenizer, MESSAGES, model=model)
            got = model(**ready).logits
        assert got.shape == expected.shape
        assert (got - expected).abs().max() <= tolerance * expected.abs().max(), chunk_frames


def through_a_store(record: PrunedVideo, folder: Path) -> PrunedVideo:
    """What a reader gets of `record`."""
    with StoreWriter(folder / "store", RunConfig(settings={})) as writer:
        writer.add(record)
    return open_store(folder / "store")[record.id]


@pytest.fixture(scope="module")
def full(clip: Path) -> PrunedVideo:
    return prune_video(clip, method="none")


@pytest.mark.parametrize("method", ["evs", "vcast", "uniform-frames", "uniform-grid", "random"])
def test_kept_rows_are_those_of_the_unpruned_video(
    clip: Path, full: PrunedVideo, method: str
) -> None:
    record = prune_video(clip, method=method, budget=0.3)
    rows = record.keep_mask.flatten()
    assert record.info.kept == record.info.expected == int(rows.sum())
    assert torch.equal(record.embeds, full.embeds[rows])
    assert record.deepstack is not None
    assert full.deepstack is not None
    assert torch.equal(record.deepstack, full.deepstack[:, rows])
    assert torch.equal(record.position_ids, record.keep_mask.nonzero().int())


def test_without_units_the_mask_follows_from_tokens_as_they_are_stored(
    clip: Path, tmp_path: Path
) -> None:
    encoder = load_encoder("mini", device="cpu", units={"float32"})
    video = VideoInput(id="clip", path=clip, root=clip.parent)
    asked = check_selection("none"), check_selection("vcast", 0.3)
    full, record = (VideoPruner(encoder, request)(video) for request in asked)
    stored = through_a_store(full, tmp_path).embeds.view(*record.info.grid_thw, -1)
    assert stored.dtype == torch.bfloat16
    again = select_tokens(asked[1], VideoTokens.from_embeds(stored))
    assert torch.equal(again.mask, record.keep_mask)


def test_one_encoding_can_be_pruned_again_and_again(clip: Path) -> None:
    video = VideoInput(id=clip.stem, path=clip, root=clip.parent)
    extras = Extras(seed=video_seed(5, clip.stem))
    encoded = encode_video(video, load_encoder("mini"), pixels=True, extras=extras)
    for method, options in (("vcast", {}), ("random", {}), ("evs", {"space": "rgb"})):
        once = prune_video(clip, method=method, budget=0.3, options=options, seed=5)
        again = encoded.prune(check_selection(method, 0.3, options))
        assert again.info == once.info
        for name, value in once.tensors().items():
            assert torch.equal(again.tensors()[name], value), name


def test_pixel_scores_see_what_moves(tmp_path: Path) -> None:
    still = write_video(tmp_path / "still.mp4", static=True)
    moving = write_video(tmp_path / "moving.mp4")
    options = {"space": "rgb"}
    for path, busy in ((still, False), (moving, True)):
        record = prune_video(path, method="evs", budget=0.5, options=options, store_scores=True)
        assert record.scores is not None
        assert (record.scores[1:].float().mean() > 0.1) == busy


def test_a_rotated_phone_clip_has_the_grid_a_viewer_sees(tmp_path: Path) -> None:
    path = write_video(tmp_path / "phone.mp4", size=(72, 128), rotation=90)
    info = prune_video(path, method="vcast", budget=0.3).info
    assert info.source_size == (128, 72)
    assert info.rotation == 90
    assert info.grid_thw[1] > info.grid_thw[2]


def test_a_wrong_selection_is_refused_before_anything_is_opened() -> None:
    with pytest.raises(UsageError, match="vcst"):
        prune_video("gone.mp4", method="vcst", budget=0.3, model="gone")


@pytest.mark.parametrize("weight", ["merger.linear_fc2", "deepstack_merger_list.1.linear_fc2"])
def test_values_that_are_not_finite_are_not_stored(tmp_path: Path, clip: Path, weight: str) -> None:
    folder = copy_mini(tmp_path / "model")
    weights = load_file(folder / "model.safetensors")
    weights[f"model.visual.{weight}.bias"][0] = float("inf")
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(VideoError, match="not finite in bfloat16; try --dtype float32"):
        prune_video(clip, method="vcast", budget=0.3, model=str(folder))


def test_any_failure_of_one_video_names_it_and_its_stage(tmp_path: Path) -> None:
    video = VideoInput(id="v", path=tmp_path / "v.mp4", root=tmp_path)
    for raised, words in (
        (RuntimeError("boom\nmore"), "RuntimeError while in encode: boom; run again with --debug"),
        (torch.OutOfMemoryError("x"), "out of memory"),
        (PermissionError(13, "Permission denied"), "Permission denied"),
        (ModelError("no weights; get them"), "no weights"),
    ):
        with pytest.raises(VideoError, match=words) as caught, video_errors("encode", video):
            raise raised
        assert caught.value.stage == "encode"
        assert "v.mp4" in str(caught.value)


def test_a_full_scratch_disk_ends_the_run(tmp_path: Path) -> None:
    video = VideoInput(id="v", path=tmp_path / "v.mp4", root=tmp_path)
    with pytest.raises(StoreError, match="TMPDIR"), video_errors("encode", video):
        raise OSError(28, "No space left on device")


def counted(closed: list[bool], *, fail_at: int = -1) -> Generator[FrameChunk]:
    """Ten chunks that tell when their generator is closed."""
    try:
        for start in range(10):
            if start == fail_at:
                raise VideoError("damaged", stage="decode")
            yield FrameChunk(start=start, pixels=torch.zeros(1, 3, 2, 2, dtype=torch.uint8))
    finally:
        closed.append(True)


def test_chunks_made_ahead_come_in_order_and_the_file_is_closed() -> None:
    closed: list[bool] = []
    assert [chunk.start for chunk in ahead(counted(closed))] == list(range(10))
    assert closed == [True]


def test_stopping_early_closes_the_file() -> None:
    closed: list[bool] = []
    chunks = ahead(counted(closed))
    assert next(chunks).start == 0
    chunks.close()
    assert closed == [True]


def test_an_error_while_decoding_ahead_reaches_the_caller_in_its_place() -> None:
    closed: list[bool] = []
    chunks = ahead(counted(closed, fail_at=3))
    assert [next(chunks).start for _ in range(3)] == [0, 1, 2]
    with pytest.raises(VideoError, match="damaged"):
        next(chunks)
    assert closed == [True]


@pytest.mark.parametrize("method", ["vcast", pytest.param("evs", marks=pytest.mark.slow)])
def test_a_part_is_what_a_file_of_it_alone_would_be(tmp_path: Path, method: str) -> None:
    whole = write_video(tmp_path / "whole.mp4", frames=96, bframes=0, gop=24)
    alone = prune_video(
        cut_out(whole, tmp_path / "alone.mp4", range(24, 72)), method=method, budget=0.3
    )
    record = prune_video(whole, method=method, budget=0.3, start=1.0, end=3.0)
    assert record.id == "whole@1-3"
    assert record.info.part is not None
    assert record.info.part.first_frame == 24
    assert record.info.part.source_seconds == pytest.approx(4.0)
    assert (record.info.duration, record.info.source_frames) == (2.0, 48)
    assert torch.equal(record.source_index, alone.source_index + 24)
    assert torch.allclose(record.frame_times, alone.frame_times + 1.0)
    one, other = record.tensors(), alone.tensors()
    for name in one.keys() - {"source_index", "frame_times"}:
        assert torch.equal(one[name], other[name]), name
    assert temporal_interval(timed(record)) == temporal_interval(timed(alone))


def timed(record: PrunedVideo) -> PrunedVideo:
    """The same of a family whose temporal ids depend on the frames that were sampled."""
    model = replace(record.info.model, tokens_per_second=2.0)
    return replace(record, info=replace(record.info, model=model))


def look_for_infinities() -> None:
    """With room for a quarter of what is looked at."""
    torch.set_num_threads(1)
    tokens = torch.ones(64 << 20, dtype=torch.bfloat16)
    status = Path("/proc/self/status").read_text().splitlines()
    data = next(int(line.split()[1]) << 10 for line in status if line.startswith("VmData"))
    resource.setrlimit(resource.RLIMIT_DATA, (data + (32 << 20), resource.RLIM_INFINITY))
    video = VideoInput(id="v", path=Path("v.mp4"), root=Path())
    refuse_infinite([tokens, None, tokens[:0]], video)
    tokens[-1] = float("nan")
    with pytest.raises(VideoError, match="not finite in bfloat16"):
        refuse_infinite([tokens], video)


@pytest.mark.skipif(sys.platform != "linux", reason="limits anonymous memory as Linux does")
def test_tokens_that_may_be_in_a_file_are_not_copied_to_be_looked_at() -> None:
    finish(start(look_for_infinities))
