"""VideoLLaMA3: the tokens that its own processor leaves out, and processors that are refused."""

from __future__ import annotations

from pathlib import Path

import av
import pytest
import torch
from transformers import AutoModelForImageTextToText, AutoTokenizer

from evscli import prefill, prune_video
from evscli.encoders.processor import import_class
from evscli.errors import ModelError
from evscli.mini.form import mini_tokenizer
from evscli.models.registry import built_in
from evscli.models.videollama3.shape import video_llama_shape
from tests.families import CASES
from tests.families.case import MESSAGES
from tests.families.videollama3 import config, own_inputs
from tests.videos import picture, sequential_pixels


@pytest.fixture
def clip(tmp_path: Path) -> Path:
    """Five frames: the left half stands still but for a cut, and the last repeats all of one."""
    path = tmp_path / "half.mkv"
    with av.open(path, "w") as container:
        stream = container.add_stream("ffv1", rate=1, width=128, height=72, pix_fmt="bgr0")
        for number in range(5):
            moving = 3 if number == 4 else number
            pixels = picture(0 if number < 2 else 9, (72, 128))
            pixels[:, 64:] = picture(moving, (72, 128))[:, 64:]
            container.mux(stream.encode(av.VideoFrame.from_ndarray(pixels, "rgb24")))
        container.mux(stream.encode())
    return path


@pytest.mark.slow
@torch.no_grad()
def test_frame_diff_gives_the_logits_of_the_model_s_own_compression(
    tmp_path: Path, clip: Path
) -> None:
    folder = CASES["video_llama_3"].write(tmp_path / "model")
    record = prune_video(
        clip,
        method="frame-diff",
        budget=1,
        options={"threshold": 0.1},
        model=str(folder),
        dtype="float32",
        chunk_frames=64,
    )
    model = AutoModelForImageTextToText.from_pretrained(folder, dtype=torch.float32).eval()
    tokenizer = AutoTokenizer.from_pretrained(folder)
    frames = torch.stack([torch.from_numpy(frame) for frame in sequential_pixels(clip)])
    chosen = frames[record.source_index].permute(0, 3, 1, 2)
    own = own_inputs(model, tokenizer, record, chosen, MESSAGES, compressed=True)
    ours = prefill(record, tokenizer, MESSAGES, model=model)

    kept = record.keep_mask.flatten(1).sum(dim=1).tolist()
    assert (kept[-1], min(kept[1:-1]) < kept[0]) == (1, True)
    assert torch.equal(record.keep_mask.flatten(), own["video_compression_mask"])
    assert torch.equal(ours["input_ids"], own["input_ids"])
    assert ours["position_ids"].tolist() == [[*range(own["input_ids"].shape[1])]]
    assert torch.equal(model(**ours).logits, model(**own).logits)


@pytest.mark.parametrize("value", [{"temporal_patch_size": 2}, {"merge_size": 1}])
def test_a_processor_of_other_tokens_is_refused(value: dict[str, int]) -> None:
    processor = import_class(built_in()["video_llama_3"].video_processors[0])(**value)
    with pytest.raises(ModelError, match=f"its video processor has {next(iter(value))}"):
        video_llama_shape(config(mini_tokenizer()), processor, model="m")
