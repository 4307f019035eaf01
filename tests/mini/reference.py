"""What transformers' own processor and forward make of procedural videos and questions."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import torch
from transformers import BatchFeature
from transformers.video_utils import VideoMetadata

from evscli.mini.training.learner import patches_of
from evscli.mini.world.scene import Form
from tests.language.reference import make_processor


class FilmProcessor:
    """Stands for the video processor: the patches of one film, as the training makes them."""

    merge_size = 2
    temporal_patch_size = 2

    def __init__(self, frames: torch.Tensor, form: Form) -> None:
        self.patches = patches_of(frames[None])[0]
        self.form = form

    def __call__(self, _videos: Any, **_: Any) -> BatchFeature:
        t, h, w = self.form.grid_thw
        metadata = VideoMetadata(
            total_num_frames=self.form.frames,
            fps=1 / self.form.interval,
            frames_indices=list(range(self.form.frames)),
        )
        return BatchFeature(
            {
                "pixel_values_videos": self.patches.flatten(0, 1),
                "video_grid_thw": torch.tensor([[t, 2 * h, 2 * w]]),
                "video_metadata": [metadata],
            }
        )


def film_inputs(tokenizer: Any, frames: torch.Tensor, form: Form, question: str) -> Any:
    """What the processor makes of a film's frames [F, 3, H, W] and a question."""
    processor = make_processor("qwen3_vl", tokenizer, [])
    processor.video_processor = FilmProcessor(frames, form)
    processor.image_processor = SimpleNamespace(merge_size=2)
    video = {"type": "video", "video": np.zeros((2, 4, 4, 3), np.uint8)}
    content = [video, {"type": "text", "text": question}]
    return processor.apply_chat_template(
        [{"role": "user", "content": content}],
        add_generation_prompt=True,
        tokenize=True,
        return_dict=True,
        return_tensors="pt",
    )
