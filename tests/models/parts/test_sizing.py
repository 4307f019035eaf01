from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import example, given, settings
from hypothesis import strategies as st

from evscli.encoders import load_encoder
from evscli.encoders.processor import import_class
from evscli.errors import UsageError
from evscli.models.parts.rules import ProcessorRules, size_only
from evscli.models.registry import built_in
from evscli.records import Sampling
from tests.checkpoints import make_checkpoint

QWEN2 = import_class(built_in()["qwen2_5_vl"].video_processors[0])
QWEN3 = import_class(built_in()["qwen3_vl"].video_processors[0])
BOTH = import_class(built_in()["video_llama_3"].video_processors[0])
OF_FRAME = {"shortest_edge": 3136, "longest_edge": 12845056}
OF_VIDEO = {"shortest_edge": 4096, "longest_edge": 25165824}
OF_BOTH = {"shortest_edge": 100352, "longest_edge": 10**9}
MADE = {
    "a frame": (QWEN2, OF_FRAME),
    "the video": (QWEN3, OF_VIDEO),
    "both": (BOTH, OF_BOTH),
}
"""Classes by what their edges bound."""

SHAPES = [(2, 90, 160), (8, 720, 1280), (9, 480, 640), (64, 1080, 1920), (768, 360, 640)]


def size_of(processor: Any, frames: int, height: int, width: int, *, cap: bool) -> Any:
    """The size that the class itself resizes to."""
    return size_only(processor).resize(
        videos=torch.empty((1, frames, 3, height, width), device="meta"),
        size=processor.size,
        resample=processor.resample,
        factor=processor.patch_size * processor.merge_size,
        temporal_factor=processor.temporal_patch_size,
        cap_pixels_per_frame=cap,
    )


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("cap", [None, False, True])
def test_without_numbers_sizes_are_those_of_the_checkpoint(
    shape: tuple[int, int, int], cap: bool | None
) -> None:
    for processor in (
        QWEN2(size=OF_FRAME, cap_pixels_per_frame=cap),
        QWEN3(size=OF_VIDEO, cap_pixels_per_frame=cap),
        BOTH(size=OF_BOTH),
    ):
        ours = ProcessorRules(processor, Sampling()).resized_size(*shape)

        assert ours == size_of(processor, *shape, cap=bool(cap))


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize(
    ("asked", "edges"),
    [
        (Sampling(max_pixels=200704), {"longest_edge": 200704}),
        (Sampling(min_pixels=400000), {"shortest_edge": 400000}),
        (
            Sampling(min_pixels=50176, max_pixels=100352),
            {"shortest_edge": 50176, "longest_edge": 100352},
        ),
    ],
)
def test_pixels_of_a_frame_are_qwen2_5_s_edges(
    asked: Sampling, edges: dict[str, int], shape: tuple[int, int, int]
) -> None:
    ours = ProcessorRules(QWEN2(size=OF_FRAME), asked).resized_size(*shape)

    assert ours == size_of(QWEN2(size=OF_FRAME | edges), *shape, cap=False)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("total", [2_000_000, 100_000_000])
def test_pixels_of_the_video_are_qwen3_s_longest_edge(
    total: int, shape: tuple[int, int, int]
) -> None:
    ours = ProcessorRules(QWEN3(size=OF_VIDEO), Sampling(total_pixels=total)).resized_size(*shape)

    assert ours == size_of(QWEN3(size=OF_VIDEO | {"longest_edge": total}), *shape, cap=False)


@pytest.mark.parametrize("shape", SHAPES)
def test_pixels_of_a_frame_are_qwen3_s_edges_over_whole_patches(
    shape: tuple[int, int, int],
) -> None:
    frames = shape[0] + shape[0] % 2
    edges = {"shortest_edge": 20480 * frames, "longest_edge": 65536 * frames}
    asked = Sampling(min_pixels=20480, max_pixels=65536, total_pixels=10**9)

    ours = ProcessorRules(QWEN3(size=OF_VIDEO), asked).resized_size(*shape)

    assert ours == size_of(QWEN3(size=edges), frames, *shape[1:], cap=False)


def test_more_pixels_than_a_video_may_have_are_not_asked_of_its_frames() -> None:
    asked = Sampling(min_pixels=50000, max_pixels=90000, total_pixels=400_000)
    rules = ProcessorRules(BOTH(size=OF_BOTH), asked)

    assert rules.resized_size(8, 180, 320) == (140, 280)  # of 50,000 pixels
    assert rules.resized_size(2, 90, 160) == (168, 308)
    assert rules.resized_size(500_000, 90, 160) == (28, 28)


@settings(deadline=None, max_examples=100)
@example("both", None, 90, 200, 200, None, None, 10**7)
@given(
    bounded=st.sampled_from([*MADE]),
    cap=st.sampled_from([None, True]),
    frames=st.integers(1, 200),
    height=st.integers(200, 1200),
    width=st.integers(200, 1200),
    least=st.none() | st.integers(5_000, 30_000),
    most=st.none() | st.integers(60_000, 600_000),
    total=st.none() | st.integers(10**7, 10**8),
)
def test_what_is_asked_of_frames_and_videos_holds_for_every_class(
    bounded: str,
    cap: bool | None,
    frames: int,
    height: int,
    width: int,
    least: int | None,
    most: int | None,
    total: int | None,
) -> None:
    made, size = MADE[bounded]
    asked = Sampling(min_pixels=least, max_pixels=most, total_pixels=total)

    rules = ProcessorRules(
        made(size=size, **({} if made is BOTH else {"cap_pixels_per_frame": cap})), asked
    )
    h, w = rules.resized_size(frames, height, width)

    assert h % rules.patch_size == w % rules.patch_size == 0
    if most is not None:
        assert h * w <= most
    if total is not None:
        # The class counts frames in whole temporal patches, and may leave an odd one out.
        assert max(frames // 2 * 2, 1) * h * w <= total
    if least is not None and total is None:
        assert h * w >= least


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        (Sampling(max_pixels=255), r"--max-pixels 255 is less than one token .*\(256 pixels\)"),
        (Sampling(total_pixels=255), r"--total-pixels 255 is less than one token"),
        (
            Sampling(min_pixels=40000),
            r"--min-pixels 40000 is more than .* lets a frame have \(36864 pixels\); give --max-p",
        ),
    ],
)
def test_pixels_that_contradict_are_refused(asked: Sampling, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        load_encoder("mini", device="cpu", sampling=asked)


@pytest.mark.parametrize("name", ["min_pixels", "max_pixels", "total_pixels"])
def test_model_with_one_size_has_no_pixels_to_ask_for(name: str, tmp_path: Path) -> None:
    folder = make_checkpoint(tmp_path / "m", "molmo2")

    with pytest.raises(UsageError, match=r"pixels says nothing to this model, .* at 126x126"):
        load_encoder(str(folder), device="cpu", sampling=Sampling(**{name: 99999}))


def test_settings_name_pixels_only_where_they_are_given() -> None:
    plain = load_encoder("mini", device="cpu").settings["sampling"]
    asked = load_encoder("mini", device="cpu", sampling=Sampling(max_pixels=20000)).settings

    assert list(plain) == ["fps", "num_frames", "max_frames", "min_frames"]
    assert json.loads(json.dumps(asked["sampling"])) == {**plain, "max_pixels": 20000}
