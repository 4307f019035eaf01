from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from evscli.encoders.digest import json_digest
from evscli.encoders.files import LocalFolder
from evscli.encoders.processor import load_video_processor, pixel_values
from evscli.errors import ModelError
from evscli.models.registry import built_in

OLD = "preprocessor_config.json"
NEW = "video_preprocessor_config.json"
NEWEST = "processor_config.json"

QWEN2_5_PUBLISHED = {
    "min_pixels": 3136,
    "max_pixels": 12845056,
    "patch_size": 14,
    "temporal_patch_size": 2,
    "merge_size": 2,
    "image_mean": [0.48145466, 0.4578275, 0.40821073],
    "image_std": [0.26862954, 0.26130258, 0.27577711],
    "image_processor_type": "Qwen2VLImageProcessor",
    "processor_class": "Qwen2_5_VLProcessor",
}
QWEN3_PUBLISHED = {
    "size": {"longest_edge": 25165824, "shortest_edge": 4096},
    "patch_size": 16,
    "temporal_patch_size": 2,
    "merge_size": 2,
    "image_mean": [0.5, 0.5, 0.5],
    "image_std": [0.5, 0.5, 0.5],
    "processor_class": "Qwen3VLProcessor",
    "video_processor_type": "Qwen3VLVideoProcessor",
}
EDGES = {"shortest_edge": 3136, "longest_edge": 602112}


def load(folder: Path, family: str = "qwen3_vl", **files: dict[str, Any]) -> Any:
    for name, values in files.items():
        (folder / name.replace("_json", ".json")).write_text(json.dumps(values))
    return load_video_processor(LocalFolder(folder, name="my-model"), built_in()[family])


def test_published_qwen2_5_layout_serves_videos_with_its_image_values(tmp_path: Path) -> None:
    processor = load(tmp_path, "qwen2_5_vl", preprocessor_config_json=QWEN2_5_PUBLISHED)

    values = pixel_values(processor)
    assert values["size"] == {"shortest_edge": 3136, "longest_edge": 12845056}
    assert values["image_mean"] == (0.48145466, 0.4578275, 0.40821073)
    assert values["patch_size"] == 14


def test_published_qwen3_layout_has_a_file_for_videos(tmp_path: Path) -> None:
    image = {**QWEN3_PUBLISHED, "size": {"longest_edge": 16777216, "shortest_edge": 65536}}
    processor = load(
        tmp_path, preprocessor_config_json=image, video_preprocessor_config_json=QWEN3_PUBLISHED
    )

    values = pixel_values(processor)
    assert values["size"] == QWEN3_PUBLISHED["size"]
    assert (values["fps"], values["min_frames"], values["max_frames"]) == (2, 4, 768)


def test_newest_layout_nests_the_video_values_and_wins(tmp_path: Path) -> None:
    nested = {"image_processor": {"patch_size": 3}, "video_processor": {"patch_size": 8, "fps": 4}}
    processor = load(
        tmp_path,
        processor_config_json=nested,
        video_preprocessor_config_json=QWEN3_PUBLISHED,
        preprocessor_config_json={"patch_size": 4},
    )

    assert (processor.patch_size, processor.fps) == (8, 4)


def test_processor_config_without_video_values_is_passed_over(tmp_path: Path) -> None:
    processor = load(
        tmp_path,
        processor_config_json={"processor_class": "Qwen3VLProcessor"},
        preprocessor_config_json={"patch_size": 4},
    )

    assert processor.patch_size == 4


@pytest.mark.parametrize(
    ("family", "values"),
    [
        ("qwen2_5_vl", {"size": EDGES}),
        ("qwen2_5_vl", {"min_pixels": 3136, "max_pixels": 602112}),
        ("qwen2_5_vl", {"size": {"min_pixels": 3136, "max_pixels": 602112}}),
        (
            "qwen2_5_vl",
            {
                "size": {"min_pixels": 1, "max_pixels": 2},
                "min_pixels": 3136,
                "max_pixels": 602112,
            },
        ),
        ("qwen3_vl", {"size": EDGES}),
        ("qwen3_vl", {"size": {"min_pixels": 3136, "max_pixels": 602112}}),
    ],
)
def test_every_form_of_size_is_understood(
    tmp_path: Path, family: str, values: dict[str, Any]
) -> None:
    processor = load(tmp_path, family, preprocessor_config_json=values)

    assert pixel_values(processor)["size"] == EDGES


def test_digest_covers_what_changes_pixels_or_frames_and_nothing_else(tmp_path: Path) -> None:
    def digest(**changes: Any) -> str:
        values = {**QWEN3_PUBLISHED, **changes}
        return json_digest(pixel_values(load(tmp_path, video_preprocessor_config_json=values)))

    base = digest()
    assert digest(processor_class="Other", return_metadata=True) == base
    assert digest(fps=2, rescale_factor=1 / 255, resample=3) == base
    for change in (
        {"fps": 1},
        {"max_frames": 32},
        {"size": {"longest_edge": 25165824, "shortest_edge": 8192}},
        {"image_mean": [0.4, 0.5, 0.5]},
        {"resample": 2},
        {"cap_pixels_per_frame": True},
    ):
        assert digest(**change) != base, change


def test_checkpoint_without_any_processor_configuration_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"my-model has no video processor configuration"):
        load(tmp_path)


@pytest.mark.parametrize(
    ("text", "message"),
    [("{", "cannot be read"), ("[1]", "is not a JSON object")],
)
def test_unreadable_configuration_is_refused(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / NEW).write_text(text)

    with pytest.raises(ModelError, match=f"my-model: {NEW} {message}.*get the checkpoint again"):
        load(tmp_path)


@pytest.mark.parametrize("step", ["do_resize", "do_rescale", "do_normalize"])
def test_processor_that_skips_a_step_is_refused(tmp_path: Path, step: str) -> None:
    with pytest.raises(ModelError, match=f"has {step} false, which must be true"):
        load(tmp_path, preprocessor_config_json={step: False})


def test_processor_that_crops_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="has do_center_crop true, which must be false"):
        load(tmp_path, preprocessor_config_json={"do_center_crop": True})


def test_values_the_class_refuses_are_one_clear_error(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"has size .*\"diagonal\".* remove diagonal"):
        load(tmp_path, preprocessor_config_json={"size": {"diagonal": 4}})
