"""Checkpoints whose processor or vision values are not those of a published one."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from evscli.bundled import MINI_FOLDER
from evscli.encoders import VideoEncoder, load_encoder
from evscli.encoders.files import LocalFolder
from evscli.encoders.processor import load_video_processor
from evscli.errors import ModelError, UsageError
from evscli.models.registry import built_in
from evscli.records import Sampling
from tests.checkpoints import copy_mini, make_checkpoint
from tests.encoders.layouts import copy_checkpoint, edit_json
from tests.models.parts.test_sizing import QWEN2, size_of

VIDEO = "video_preprocessor_config.json"
IMAGE = "preprocessor_config.json"
SAVED = json.loads((MINI_FOLDER / VIDEO).read_text())
OF_IMAGES = json.loads((MINI_FOLDER / IMAGE).read_text())
VISION = json.loads((MINI_FOLDER / "config.json").read_text())["vision_config"]
EVERY = list(range(60))
NAN = float("nan")


@pytest.fixture
def mini(tmp_path: Path) -> Path:
    """A copy of mini to change."""
    return copy_mini(tmp_path / "model")


def changed(folder: Path, file: str = VIDEO, /, **values: Any) -> Path:
    path = folder / file
    path.write_text(json.dumps(json.loads(path.read_text()) | values))
    return folder


def only_image(folder: Path, **values: Any) -> Path:
    (folder / VIDEO).unlink()
    return changed(folder, IMAGE, **values)


def encoder(folder: Path, **asked: Any) -> VideoEncoder:
    return load_encoder(str(folder), device="cpu", sampling=Sampling(**asked))


def frames_of(folder: Path, **asked: Any) -> list[int]:
    return encoder(folder, **asked).rules.sample(60, 30.0).tolist()


def refusal(folder: Path) -> str:
    with pytest.raises(ModelError) as raised:
        load_encoder(str(folder), device="cpu")
    assert "\n" not in str(raised.value)
    assert len(str(raised.value)) < 800
    return str(raised.value)


# What transformers does


def test_sampling_that_is_off_takes_every_frame(mini: Path) -> None:
    changed(mini, do_sample_frames=False)

    assert frames_of(mini) == EVERY
    assert len(frames_of(mini, max_frames=20)) == 20
    assert len(frames_of(mini, fps=4)) == 8
    assert encoder(mini).info.processor_sha256 != load_encoder("mini").info.processor_sha256


def test_rate_of_null_leaves_the_number_to_the_class(mini: Path) -> None:
    changed(mini, fps=None, max_frames=24)
    theirs = np.linspace(0, 59, 24).round().astype(int)

    assert frames_of(mini) == theirs.tolist()


def test_image_values_alone_mean_the_class_of_that_name(mini: Path) -> None:
    """Qwen2-VL's, whose edges are those of a frame and which samples nothing."""
    rules = encoder(only_image(mini)).rules
    processor = QWEN2.from_dict(OF_IMAGES)

    assert rules.sample(60, 30.0).tolist() == EVERY
    assert rules.resized_size(60, 180, 320) == size_of(processor, 60, 180, 320, cap=False)
    h, w = rules.resized_size(60, 180, 320)
    assert h * w // 256 == 144


@pytest.mark.slow
@pytest.mark.parametrize("name", ["Qwen2VLImageProcessorFast", "CLIPImageProcessor"])
def test_image_class_without_one_for_videos_leaves_it_to_the_model_s_type(
    mini: Path, name: str
) -> None:
    rules = encoder(only_image(mini, image_processor_type=name)).rules

    assert len(rules.sample(60, 30.0)) == 4  # 2 per second and 4 at least: Qwen3-VL's class


@pytest.mark.parametrize("place", [VIDEO, "config.json"])
def test_a_class_that_the_files_name_is_taken(mini: Path, place: str) -> None:
    changed(mini, VIDEO, video_processor_type=None)
    changed(mini, place, video_processor_type="Qwen2VLVideoProcessor")
    processor = QWEN2.from_dict(SAVED)

    assert encoder(mini).rules.resized_size(8, 720, 1280) == size_of(
        processor, 8, 720, 1280, cap=True
    )


def test_class_that_is_not_the_family_s_own_is_told_in_the_digest(mini: Path) -> None:
    before = encoder(mini).info.processor_sha256
    changed(mini, video_processor_type="Qwen2VLVideoProcessor", do_sample_frames=True)

    assert encoder(mini).info.processor_sha256 != before


def test_own_code_beside_a_class_of_transformers_is_not_run(mini: Path) -> None:
    (mini / "mine.py").write_text("raise SystemExit('run')")
    changed(mini, auto_map={"AutoVideoProcessor": "mine.MyVideoProcessor"})
    assert len(frames_of(mini)) == 8
    changed(mini, video_processor_type=None)
    assert len(frames_of(mini)) == 8
    changed(mini, video_processor_type="MyVideoProcessor")
    assert "which evs never runs; name Qwen3VLVideoProcessor or" in refusal(mini)


@pytest.mark.parametrize("mean", [0.25, [0.25], 1])
def test_one_number_stands_for_all_channels(mini: Path, mean: Any) -> None:
    form = encoder(changed(mini, image_mean=mean)).form
    value = mean[0] if isinstance(mean, list) else mean
    three = encoder(changed(mini, image_mean=[value] * 3)).form
    pixels = torch.randint(0, 256, (2, 3, 32, 48), dtype=torch.uint8)

    assert torch.equal(form.patchify(pixels), three.patchify(pixels))


def test_processor_that_samples_without_a_rate_needs_one(mini: Path) -> None:
    only_image(mini, do_sample_frames=True)

    with pytest.raises(UsageError, match="has neither fps nor num_frames; give --fps"):
        encoder(mini)
    assert len(frames_of(mini, fps=4)) == 8


# One line for the rest


@pytest.mark.parametrize(
    ("key", "value", "said"),
    [
        (
            "size",
            {**SAVED["size"], "max_pixels": 5, "min_pixels": 4},
            "remove max_pixels and min_p",
        ),
        ("size", 256, "256, of which shortest_edge and longest_edge must be numbers above 0; set"),
        ("size", {"shortest_edge": 4096}, "of which shortest_edge and longest_edge must be"),
        ("size", {"height": 64, "width": 64}, "of which shortest_edge and longest_edge must be"),
        ("size", {}, "{}, which is not a size; set it to"),
        ("size", "x", '"x", which is not a size'),
        ("size", {"shortest_edge": "1", "longest_edge": "2"}, "must be numbers above 0"),
        ("size", {"shortest_edge": NAN, "longest_edge": 1}, "must be numbers above 0"),
        ("size", {"shortest_edge": 9, "longest_edge": 4}, "shortest_edge is more than its longest"),
        ("size", [256], "holds values that Qwen3VLVideoProcessor refuses"),
        ("fps", "4", '"4", which must be a number above 0, or null'),
        ("fps", 0, "0, which must be a number above 0"),
        ("fps", NAN, "NaN, which must be a number above 0"),
        ("fps", [4], "[4], which must be"),
        ("num_frames", 0, "0, which must be a whole number above 0"),
        ("num_frames", 8.0, "8.0, which must be a whole number"),
        ("num_frames", 8, "fps 4, which excludes num_frames 8; set one of them to null"),
        ("max_frames", None, "null, which must be a whole number above 0"),
        ("max_frames", 4, "min_frames 8, which is more than max_frames 4"),
        ("min_frames", -2, "-2, which must be"),
        ("patch_size", "8", '"8", which must be a whole number above 0'),
        ("patch_size", 16, "has patch_size 16 but its vision tower 8 (config.json)"),
        ("merge_size", 4, "has merge_size 4 but its vision tower 2"),
        ("temporal_patch_size", 4, "has temporal_patch_size 4 but its vision tower 2"),
        ("temporal_patch_size", None, "null, which must be a whole number above 0"),
        ("rescale_factor", 0, "0, which must be a number above 0"),
        ("rescale_factor", None, "null, which must be a number above 0"),
        ("image_mean", [0.5, 0.5], "[0.5, 0.5], which must be a number, or a list of 3 numbers"),
        ("image_mean", [0.5, NAN, 0.5], "[0.5, NaN, 0.5], which must be"),
        ("image_std", [1, 0, 1], "[1, 0, 1], which must be a number above 0, or a list of 3"),
        ("image_std", "x", '"x", which must be'),
        ("resample", "bicubic", '"bicubic", which must be 1 (lanczos), 2 (bilinear) or'),
        ("resample", None, "null, which must be 1 (lanczos)"),
        ("do_resize", None, "null, which must be true"),
        ("do_sample_frames", "false", '"false", which must be true or false, or null'),
        ("cap_pixels_per_frame", 1, "1, which must be true or false, or null"),
        ("max_video_tokens", -1, "-1, which must be a whole number above 0"),
        ("video_processor_type", "Nope", '"Nope", a class that evs does not know how to use'),
        ("video_processor_type", "LlavaOnevisionVideoProcessor", "does not know how to use"),
        ("video_processor_type", 5, "5, which must be a text, or null"),
    ],
)
def test_a_wrong_value_is_named_with_its_file(mini: Path, key: str, value: Any, said: str) -> None:
    changed(mini, VIDEO, **{key: value})

    message = refusal(mini)

    assert said in message
    assert message.startswith("model: ")
    assert VIDEO in message or "its video processor has" in message


def test_size_of_null_is_answered_with_the_numbers_of_the_file(mini: Path) -> None:
    changed(mini, size=None, max_pixels=1179648, min_pixels=32768)

    assert refusal(mini).startswith(
        f"model: {VIDEO} has size null, of which shortest_edge and longest_edge must be numbers "
        'above 0; set size to {"shortest_edge": 32768, "longest_edge": 1179648}, in pixels'
    )


def test_wrong_numbers_that_stand_beside_size_are_named(tmp_path: Path) -> None:
    values = {"size": None, "min_pixels": 3136, "max_pixels": "many"}
    (tmp_path / IMAGE).write_text(json.dumps(values))

    with pytest.raises(ModelError, match=r'has max_pixels "many", of which'):
        load_video_processor(LocalFolder(tmp_path, name="m"), built_in()["qwen2_5_vl"])


@pytest.mark.parametrize("nested", [[1], "x", 3])
def test_nested_values_that_are_no_object_are_refused(mini: Path, nested: Any) -> None:
    (mini / "processor_config.json").write_text(json.dumps({"video_processor": nested}))

    assert "processor_config.json has video_processor " in refusal(mini)


def test_a_wrong_nested_value_is_named_with_the_keys_that_lead_to_it(mini: Path) -> None:
    (mini / "processor_config.json").write_text(
        json.dumps({"video_processor": {**SAVED, "patch_size": "8"}})
    )

    assert 'processor_config.json has video_processor.patch_size "8", which' in refusal(mini)


@pytest.mark.parametrize(
    ("key", "value", "said"),
    [
        ("depth", "four", "not a valid qwen3_vl configuration (Validation error for field 'depth'"),
        ("depth", 0, "has vision_config.depth 0, which must be a whole number above 0"),
        ("depth", 10**6, "do not fit its config.json (1000000 blocks, and "),
        ("num_heads", 3, "num_heads 3, which must divide hidden_size 128 into multiples of 4"),
        ("num_heads", -4, "num_heads -4, which must be a whole number above 0"),
        ("patch_size", 16, "has patch_size 8 but its vision tower 16 (config.json)"),
        ("patch_size", [8, 8], "vision_config.patch_size [8, 8], which must be a whole number"),
        ("spatial_merge_size", 0, "spatial_merge_size 0, which must be"),
        ("num_position_embeddings", -1, "num_position_embeddings -1, which must be"),
        ("hidden_act", "nope", 'hidden_act "nope", which must be an activation that transformers'),
        ("deepstack_visual_indexes", [2, 0], "[2, 0], which must be rising numbers of blocks"),
        ("deepstack_visual_indexes", [0, 9], "[0, 9], which must be rising numbers of blocks, 0 t"),
        ("rope_parameters", {"rope_type": "axial", "rope_theta": NAN}, "rope_theta NaN, which"),
        ("rope_parameters", {"rope_type": "linear", "factor": 2.0}, "no vision tower can be built"),
        ("head_dim", 16, "head_dim 16, which must be 32 or absent"),
    ],
)
def test_a_wrong_value_of_the_vision_tower_is_named(
    mini: Path, key: str, value: Any, said: str
) -> None:
    changed(mini, "config.json", vision_config={**VISION, key: value})

    assert said in refusal(mini)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("file", "part", "key", "value", "said"),
    [
        ("config.json", "vision_config", "num_key_value_heads", 3, "which must divide 2 heads"),
        ("config.json", "vision_config", "image_size", [126], "[126], which must be two whole"),
        ("config.json", "adapter_config", "vision_feature_layer", [9], "must index the 4 layers"),
        (VIDEO, None, "pooling_size", None, "null, which must be two equal whole numbers above 0"),
        (VIDEO, None, "max_fps", 0, "max_fps 0, which must be a number above 0, or null"),
        (VIDEO, None, "num_frames", None, "num_frames null, which must be a whole number above 0"),
        (VIDEO, None, "size", None, "size null, of which height and width must be numbers above 0"),
        (VIDEO, None, "fps", 2, "fps 2, which excludes num_frames 8"),
    ],
)
def test_a_wrong_value_of_molmo2_is_named(
    tmp_path: Path, file: str, part: str | None, key: str, value: Any, said: str
) -> None:
    folder = make_checkpoint(tmp_path / "model", "molmo2")
    values = {key: value}
    if part is not None:
        values = {part: {**json.loads((folder / file).read_text())[part], **values}}
    changed(folder, file, **values)

    assert said in refusal(folder)


def test_qwen2_5_windows_smaller_than_a_token_are_refused(tmp_path: Path, qwen2_5: Path) -> None:
    folder = copy_checkpoint(qwen2_5, tmp_path / "model")
    vision = json.loads((folder / "config.json").read_text())["vision_config"]
    edit_json(folder / "config.json", vision_config={**vision, "window_size": 1})

    assert "window_size 1, which must be " in refusal(folder)


def test_molmo2_takes_every_frame_where_sampling_is_off(tmp_path: Path) -> None:
    folder = changed(make_checkpoint(tmp_path / "model", "molmo2"), do_sample_frames=False)

    assert frames_of(folder) == EVERY
    assert len(frames_of(folder, max_frames=10)) == 10
