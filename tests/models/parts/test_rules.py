from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evscli.encoders.files import LocalFolder
from evscli.encoders.processor import load_video_processor
from evscli.errors import VideoError
from evscli.models.parts.rules import ProcessorRules
from evscli.models.registry import built_in
from evscli.records import Sampling

SAMPLED = json.loads((Path(__file__).parents[2] / "data/golden/sampling.json").read_text())
QWEN = ("qwen3_vl", "qwen2_5_vl")


def make_processor(family: str, folder: Path, **values: Any) -> Any:
    (folder / "video_preprocessor_config.json").write_text(json.dumps(values))
    return load_video_processor(LocalFolder(folder, name="m"), built_in()[family])


def rules_of(processor: Any, family: str, asked: Sampling) -> ProcessorRules:
    return ProcessorRules(processor, asked, built_in()[family].own_fps)


@pytest.fixture(scope="module")
def processors(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    return {name: make_processor(name, tmp_path_factory.mktemp(name)) for name in QWEN}


@pytest.mark.parametrize("family", QWEN)
@pytest.mark.parametrize(
    "case", SAMPLED, ids=lambda c: f"{c['total_frames']}f-{c['video_fps']}-{c['fps']}"
)
def test_frames_are_those_of_the_processor(
    case: dict[str, Any], family: str, processors: dict[str, Any]
) -> None:
    rules = ProcessorRules(processors[family], Sampling(fps=case["fps"]))
    expected = case[family]

    if "error" in expected:
        with pytest.raises(VideoError, match=r"cannot take .* use a longer video") as raised:
            rules.sample(case["total_frames"], case["video_fps"])
        assert raised.value.stage == "plan"
        assert "\n" not in str(raised.value)
        return
    index = rules.sample(case["total_frames"], case["video_fps"])
    assert index.dtype == np.int64
    assert (len(index), index.sum()) == (expected["count"], expected["sum"])
    assert index[:6].tolist() == expected["head"]
    if expected["indices"] is not None:
        assert index.tolist() == expected["indices"]


@pytest.mark.parametrize("family", QWEN)
def test_number_of_frames_is_taken_as_asked(family: str, processors: dict[str, Any]) -> None:
    rules = ProcessorRules(processors[family], Sampling(num_frames=12))

    assert len(rules.sample(300, 30.0)) == 12
    assert rules.sampling == Sampling(num_frames=12, max_frames=768)


@pytest.mark.parametrize("family", QWEN)
@pytest.mark.parametrize("asked", [{"fps": 10.0}, {"num_frames": 60}, {}])
def test_max_frames_caps_every_way_of_sampling(
    family: str, asked: dict[str, Any], processors: dict[str, Any]
) -> None:
    rules = rules_of(processors[family], family, Sampling(max_frames=8, **asked))

    assert len(rules.sample(300, 30.0)) == 8


def test_family_that_names_no_sampling_is_sampled_at_2_fps(processors: dict[str, Any]) -> None:
    rules = rules_of(processors["qwen2_5_vl"], "qwen2_5_vl", Sampling())

    assert rules.sampling == Sampling(fps=2.0, max_frames=768)
    assert len(rules.sample(300, 30.0)) == 20


@pytest.mark.parametrize("family", QWEN)
def test_checkpoint_s_own_values_are_the_default(family: str, tmp_path: Path) -> None:
    processor = make_processor(family, tmp_path, fps=4, max_frames=20)

    assert len(rules_of(processor, family, Sampling()).sample(120, 30.0)) == 16
    assert len(rules_of(processor, family, Sampling()).sample(300, 30.0)) == 20
    assert len(rules_of(processor, family, Sampling(fps=1)).sample(300, 30.0)) == 10


@pytest.mark.parametrize("family", QWEN)
def test_checkpoint_that_names_a_number_of_frames_is_followed(family: str, tmp_path: Path) -> None:
    processor = make_processor(family, tmp_path, num_frames=6)

    assert len(rules_of(processor, family, Sampling()).sample(300, 30.0)) == 6
    assert len(rules_of(processor, family, Sampling(fps=1)).sample(300, 30.0)) == 10


def test_a_step_past_the_last_frame_is_left_out(processors: dict[str, Any]) -> None:
    """The class steps in float32: of 88 frames its 60 are 61, and the last is no frame."""
    rules = ProcessorRules(processors["qwen2_5_vl"], Sampling(num_frames=60))

    assert (len(rules.sample(88, 25.0)), rules.sample(88, 25.0)[-1]) == (60, 86)


def test_more_frames_than_there_are_is_an_error_where_the_rule_says_so(
    processors: dict[str, Any],
) -> None:
    rules = ProcessorRules(processors["qwen2_5_vl"], Sampling(num_frames=64))

    with pytest.raises(VideoError, match=r"cannot take 64 frames.* from 10 frames at 30 per"):
        rules.sample(10, 30.0)


@settings(deadline=None, max_examples=40)
@given(
    frames=st.integers(2, 60),
    height=st.integers(20, 1200),
    width=st.integers(20, 1200),
    cap=st.booleans(),
)
def test_qwen3_size_agrees_with_the_class_s_own_patch_count(
    frames: int, height: int, width: int, cap: bool
) -> None:
    from transformers.models.qwen3_vl.video_processing_qwen3_vl import Qwen3VLVideoProcessor

    processor = Qwen3VLVideoProcessor(cap_pixels_per_frame=cap)
    rules = ProcessorRules(processor, Sampling())

    h, w = rules.resized_size(frames, height, width)

    assert (h % 32, w % 32) == (0, 0)
    patches = -(-frames // 2) * (h // 16) * (w // 16)
    assert patches == processor.get_num_of_video_patches(frames, height, width)


@pytest.mark.parametrize(("cap", "frames"), [(False, 8), (True, 8), (True, 768)])
def test_qwen2_5_size_follows_cap_and_number_of_frames(
    tmp_path: Path, cap: bool, frames: int
) -> None:
    size = {"shortest_edge": 3136, "longest_edge": 12845056}
    processor = make_processor("qwen2_5_vl", tmp_path, size=size, cap_pixels_per_frame=cap)

    h, w = ProcessorRules(processor, Sampling()).resized_size(frames, 1080, 1920)

    budget = int(128000 * 28 * 28 * 0.9) * 2 // frames if cap else size["longest_edge"]
    assert (h, w) == (1092, 1932) if budget >= 1092 * 1932 else h * w <= budget
    assert (h % 28, w % 28) == (0, 0)


@pytest.mark.parametrize("family", QWEN)
def test_one_frame_is_sized_as_a_whole_temporal_patch(
    family: str, processors: dict[str, Any]
) -> None:
    rules = ProcessorRules(processors[family], Sampling())

    assert rules.resized_size(1, 480, 640) == rules.resized_size(2, 480, 640)


def test_one_frame_video_can_be_sampled_by_qwen3(processors: dict[str, Any]) -> None:
    rules = ProcessorRules(processors["qwen3_vl"], Sampling())

    index = rules.sample(1, 30.0)

    assert index.tolist() == [0]
    assert rules.prompt_times(index, 30.0).tolist() == [0.0]


@pytest.mark.parametrize("family", QWEN)
def test_shape_the_rule_refuses_is_an_error_of_the_video(
    family: str, processors: dict[str, Any]
) -> None:
    rules = ProcessorRules(processors[family], Sampling())

    with pytest.raises(VideoError, match=r"cannot size 4 frames of 9000x40 pixels") as raised:
        rules.resized_size(4, 40, 9000)
    assert raised.value.stage == "plan"


@settings(deadline=None)
@given(
    index=st.lists(st.integers(0, 5000), min_size=1, max_size=9).map(sorted),
    fps=st.floats(0.5, 120),
    patch=st.sampled_from([1, 2, 3]),
)
def test_prompt_times_are_those_of_the_qwen3_processor(
    index: list[int], fps: float, patch: int
) -> None:
    from transformers.models.qwen3_vl.processing_qwen3_vl import Qwen3VLProcessor
    from transformers.models.qwen3_vl.video_processing_qwen3_vl import Qwen3VLVideoProcessor

    rules = ProcessorRules(Qwen3VLVideoProcessor(temporal_patch_size=patch), Sampling())

    times = rules.prompt_times(np.array(index), fps)

    theirs = Qwen3VLProcessor._calculate_timestamps(None, list(index), fps, patch)
    assert times.tolist() == theirs


def test_rules_leave_the_processor_as_it_was(processors: dict[str, Any]) -> None:
    processor = processors["qwen3_vl"]
    before = processor.to_dict()

    ProcessorRules(processor, Sampling(num_frames=3, max_frames=5)).sample(100, 25.0)

    assert processor.to_dict() == before
