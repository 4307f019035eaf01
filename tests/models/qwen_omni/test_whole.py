"""Checkpoints of whole models, of which a part sees and reads, against those of the part alone."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from evscli import prefill
from evscli.encoders import load_encoder
from evscli.errors import ModelError
from evscli.language.generate import load_language_model
from evscli.language.query import QueryEmbedder
from evscli.pipeline import encode_video
from evscli.pruners import check_selection
from evscli.records import Sampling, VideoInput
from tests.families import CASES
from tests.families.case import MESSAGES
from tests.families.qwen_omni import FPS
from tests.models.qwen_omni.made import OMNI
from tests.videos import write_video


@pytest.fixture(scope="module", params=OMNI)
def folders(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """A thinker's checkpoint, and one of a whole model with the same thinker."""
    root = tmp_path_factory.mktemp("whole")
    part, whole = CASES[request.param].write(root / "part"), root / "whole"
    shutil.copytree(part, whole)
    config = json.loads((part / "config.json").read_text())
    outer = {"model_type": request.param.removesuffix("_thinker"), "thinker_config": config}
    (whole / "config.json").write_text(json.dumps(outer))
    weights = {
        f"thinker.{name}": value for name, value in load_file(part / "model.safetensors").items()
    }
    talker = {"talker.visual.weight": torch.zeros(2)}
    save_file({**weights, **talker}, whole / "model.safetensors", metadata={"format": "pt"})
    return [part, whole]


@pytest.mark.slow
def test_a_thinker_is_read_out_of_a_whole_model(folders: list[Path], tmp_path: Path) -> None:
    """Its tokens go into the thinker that transformers loads, and a question has its words."""
    part, whole = (load_encoder(str(folder), device="cpu") for folder in folders)
    alike = {"name": "", "model_type": ""}
    assert replace(part.info, **alike) == replace(whole.info, **alike)
    clip = write_video(tmp_path / "clip.mp4", frames=24)
    record = encode_video(VideoInput(id="clip", path=clip, root=tmp_path), whole, pixels=True)
    language = load_language_model(str(folders[1]), device="cpu")
    assert language.model.config.model_type.endswith("_thinker")
    full = record.prune(check_selection("none"))
    inputs = prefill(full, language.tokenizer, MESSAGES, model=language.model)
    assert inputs["input_ids"].shape[1] > full.info.kept
    words = [QueryEmbedder(str(folder))("what happens") for folder in folders]
    assert torch.equal(*words)


def test_a_talker_is_never_read(folders: list[Path], tmp_path: Path) -> None:
    folder = shutil.copytree(folders[1], tmp_path / "model")
    names = load_file(folder / "model.safetensors")
    files = {name: "model.safetensors" for name in names if name.startswith("thinker.")}
    index = {"weight_map": {**files, "talker.visual.weight": "gone.safetensors"}}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index))
    load_encoder(str(folder), device="cpu")


def test_a_whole_model_without_vision_weights_says_where_they_were_looked_for(
    folders: list[Path], tmp_path: Path
) -> None:
    folder = shutil.copytree(folders[1], tmp_path / "model")
    save_file({"talker.visual.weight": torch.zeros(2)}, folder / "model.safetensors")
    with pytest.raises(ModelError, match=r"no vision weights \(thinker.visual. or visual.\)"):
        load_encoder(str(folder), device="cpu")


def test_seconds_are_those_of_the_rate_that_was_asked_for(folders: list[Path]) -> None:
    """They are the processor's where it has a rate, and else those of the frames on average."""
    for asked, step in ((Sampling(), 2 / FPS), (Sampling(fps=3.0), 2 / 3), (None, 80 / 25.0)):
        sampling = Sampling(num_frames=10) if asked is None else asked
        rules = load_encoder(str(folders[0]), device="cpu", sampling=sampling).rules
        frames = rules.sample(400, 25.0)
        times = rules.prompt_times(frames, 25.0)
        assert times.tolist() == pytest.approx([step * n for n in range(len(frames) // 2)])
