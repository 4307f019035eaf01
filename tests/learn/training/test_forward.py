"""The training pass gives what transformers' own forward gives, one question at a time."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from transformers import AutoModelForImageTextToText, BatchFeature
from transformers.video_utils import VideoMetadata

from evscli.learn.mini import CHAT_TEMPLATE, mini_config
from evscli.learn.training.batches import make_batch
from evscli.learn.training.forward import read, see
from evscli.learn.training.objective import patches_of
from evscli.learn.training.prompts import ask_all, tokens_of, video_prompt
from evscli.learn.vocabulary import build_tokenizer
from evscli.learn.world.film import make_film
from evscli.learn.world.scene import Form
from tests.language.reference import make_processor

FORM = Form(frames=8, cells=(3, 5), interval=0.5)


@pytest.fixture(scope="module")
def tokenizer() -> Any:
    built = build_tokenizer()
    built.chat_template = CHAT_TEMPLATE
    return built


@pytest.fixture(scope="module")
def model(tokenizer: Any) -> Any:
    torch.manual_seed(0)
    return AutoModelForImageTextToText.from_config(mini_config(tokenizer), dtype=torch.float32)


class FilmProcessor:
    """Stands for the video processor: the patches of one film, as the training makes them."""

    merge_size = 2
    temporal_patch_size = 2

    def __init__(self, frames: torch.Tensor) -> None:
        self.patches = patches_of(frames[None])[0]

    def __call__(self, _videos: Any, **_: Any) -> BatchFeature:
        h, w = FORM.cells
        metadata = VideoMetadata(
            total_num_frames=FORM.frames,
            fps=1 / FORM.interval,
            frames_indices=list(range(FORM.frames)),
        )
        return BatchFeature(
            {
                "pixel_values_videos": self.patches.flatten(0, 1),
                "video_grid_thw": torch.tensor([[FORM.frames // 2, 2 * h, 2 * w]]),
                "video_metadata": [metadata],
            }
        )


def reference(tokenizer: Any, frames: torch.Tensor, question: str) -> Any:
    """What transformers' processor makes of a film and a question."""
    processor = make_processor("qwen3_vl", tokenizer, [])
    processor.video_processor = FilmProcessor(frames)
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


def test_every_question_is_answered_as_transformers_answers_it_alone(
    model: Any, tokenizer: Any
) -> None:
    films = [make_film(FORM, seed=3, number=number) for number in range(2)]
    batch = make_batch(tokenizer, FORM, films, np.random.default_rng(0))
    asked = [film.questions[:3] for film in films]
    ids = ask_all(tokenizer, asked, most=3).ids
    prompt = video_prompt(tokenizer, FORM)
    with torch.no_grad():
        seen = see(model, patches_of(batch.frames), FORM.cells)
        states = read(model, prompt, seen, ids, tap=2)
        ours = model.lm_head(states.questions)
        for video, questions in enumerate(asked):
            for number, question in enumerate(questions):
                inputs = reference(tokenizer, batch.frames[video], question.text)
                theirs = model(**inputs).logits[0, -1]
                _, length = tokens_of(tokenizer, question.text, question.answer)
                torch.testing.assert_close(
                    ours[video, number, length - 1], theirs, rtol=0, atol=2e-5
                )
