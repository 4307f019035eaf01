"""Frames and pixels of Molmo2 are those of transformers' own video processor."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from safetensors import safe_open

from evscli.encoders.files import LocalFolder
from evscli.encoders.processor import load_video_processor
from evscli.errors import ModelError, VideoError
from evscli.models.molmo2.pixels import molmo2_pixels
from evscli.models.molmo2.sampling import Molmo2Rules
from evscli.models.molmo2.shape import molmo2_shape
from evscli.models.registry import built_in
from evscli.records import Sampling
from tests.checkpoints import make_checkpoint

GOLDEN = Path(__file__).parents[2] / "data" / "golden"
SAMPLED = json.loads((GOLDEN / "sampling.json").read_text())


STEPS = {"do_rescale": True, "do_normalize": True, "rescale_factor": 1 / 255}
"""What every checkpoint of the family says."""


def processor_of(folder: Path, **values: Any) -> Any:
    (folder / "video_preprocessor_config.json").write_text(json.dumps(STEPS | values))
    return load_video_processor(LocalFolder(folder, name="m"), built_in()["molmo2"])


@pytest.mark.parametrize("name", ["molmo2", "molmo2_down"])
def test_pixels_equal_those_of_the_transformers_processor(name: str, tmp_path: Path) -> None:
    with safe_open(GOLDEN / f"preprocess_{name}.safetensors", framework="pt") as golden:
        about = golden.metadata()
        frames, rows, grid = (
            golden.get_tensor(part) for part in ("frames", "pixel_rows", "video_grids")
        )
    processor = processor_of(tmp_path, **json.loads(about["kwargs"]))
    form = molmo2_pixels(processor, model="golden")
    size = Molmo2Rules(processor, Sampling()).resized_size(len(frames), *frames.shape[-2:])

    flat = form.patchify(form.resize(frames, size)).flatten(0, 1)

    side = size[0] // form.patch_size // form.merge_size
    assert grid[:, 1:].tolist() == [[side, side]]
    assert flat.shape == (int(about["rows_total"]), int(about["row_dim"]))
    assert (flat[:: int(about["row_stride"])] - rows).abs().max() <= 1e-6


@pytest.mark.parametrize(
    "case", SAMPLED, ids=lambda c: f"{c['total_frames']}f-{c['video_fps']}-{c['fps']}"
)
def test_frames_are_those_of_the_processor(case: dict[str, Any], tmp_path: Path) -> None:
    rules = Molmo2Rules(processor_of(tmp_path), Sampling(fps=case["fps"]))
    expected = case["molmo2"]
    if "error" in expected:
        with pytest.raises((VideoError, ValueError)):
            rules.sample(case["total_frames"], case["video_fps"])
        return
    index = rules.sample(case["total_frames"], case["video_fps"])
    assert (len(index), index.sum()) == (expected["count"], expected["sum"])
    assert index[:6].tolist() == expected["head"]
    if expected["indices"] is not None:
        assert index.tolist() == expected["indices"]


@pytest.mark.parametrize(
    ("asked", "frames"),
    [
        (Sampling(num_frames=7), 7),
        (Sampling(fps=2.0, max_frames=5), 5),
        (Sampling(num_frames=20, max_frames=9), 9),
    ],
)
def test_numbers_of_frames_are_taken_as_asked(asked: Sampling, frames: int, tmp_path: Path) -> None:
    index = Molmo2Rules(processor_of(tmp_path), asked).sample(600, 30.0)
    assert len(index) == frames
    assert index[0] == 0
    assert (index[1:] > index[:-1]).all()
    assert index[-1] < 600


def test_windows_of_another_size_are_refused(tmp_path: Path) -> None:
    folder = make_checkpoint(tmp_path / "tiny", "molmo2")
    path = folder / "video_preprocessor_config.json"
    values = json.loads(path.read_text()) | {"pooling_size": [2, 2]}
    path.write_text(json.dumps(values))
    processor = load_video_processor(LocalFolder(folder, name="m"), built_in()["molmo2"])
    from transformers import AutoConfig

    config = AutoConfig.from_pretrained(folder)
    with pytest.raises(ModelError, match=r"pooling_size \[2, 2\] but its vision tower \[3, 3\]"):
        molmo2_shape(config, processor, model="tiny")
