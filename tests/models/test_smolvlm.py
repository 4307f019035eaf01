"""SmolVLM2: its numbers in words, sizes between, frames that are asked for, and its template."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from transformers.video_utils import VideoMetadata

from evscli.encoders.processor import import_class
from evscli.encoders.processor_checks import check_values
from evscli.errors import ModelError
from evscli.language.prompt import PromptBuilder
from evscli.models.parts import pixels
from evscli.models.parts.values import SavedValues
from evscli.models.registry import built_in
from evscli.models.smolvlm.pixels import size_between
from evscli.models.smolvlm.prompt import PROMPT
from evscli.models.smolvlm.rules import SmolRules
from evscli.models.smolvlm.words import in_words
from evscli.records import Sampling
from tests.families import CASES
from tests.families.smolvlm import size_between as own_size_between

PUBLISHED = {
    "size": {"longest_edge": 2048},
    "max_image_size": {"longest_edge": 512},
    "video_sampling": {"fps": 1, "max_frames": 64, "video_size": {"longest_edge": 512}},
}


def processor(**values: Any) -> Any:
    """The class with a checkpoint's values and the sizes of a tower."""
    made = import_class(built_in()["smolvlm"].video_processors[0]).from_dict(values)
    made.patch_size, made.merge_size = 16, 4
    return made


@pytest.mark.parametrize(
    ("number", "words"),  # num2words 0.5.14
    [
        (1, "one"),
        (17, "seventeen"),
        (20, "twenty"),
        (64, "sixty-four"),
        (100, "one hundred"),
        (112, "one hundred and twelve"),
        (999, "nine hundred and ninety-nine"),
        (1000, "one thousand"),
        (1001, "one thousand and one"),
        (3600, "three thousand, six hundred"),
        (86421, "eighty-six thousand, four hundred and twenty-one"),
        (1000020, "one million and twenty"),
    ],
)
def test_numbers_are_in_the_words_of_the_processor(number: int, words: str) -> None:
    assert in_words(number) == words


@pytest.mark.parametrize("longest", [9, 384, 2048])
def test_the_size_between_is_the_processor_s(longest: int) -> None:
    for height in (1, 35, 90, 361, 1080):
        for width in (1, 36, 90, 640, 1921):
            frame = torch.empty(height, width, device="meta")
            assert size_between(frame, longest) == own_size_between(frame, longest)


@pytest.mark.parametrize("frames", [20, 900, 40_000])
@pytest.mark.parametrize("values", [PUBLISHED, {}])
def test_a_rate_and_the_most_are_those_of_the_checkpoint(frames: int, values: Any) -> None:
    own = processor(**values)
    about = VideoMetadata(total_num_frames=frames, fps=25.0, duration=frames / 25.0)
    for asked, rate, most in (
        (Sampling(), 1, 64),
        (Sampling(fps=0.5), 0.5, 64),
        (Sampling(fps=4, max_frames=200), 4, 200),
        (Sampling(max_frames=8), 1, 8),
    ):
        expected = own.sample_frames(about, fps=rate, num_frames=most)
        assert SmolRules(own, asked).sample(frames, 25.0).tolist() == expected.tolist()


@pytest.mark.parametrize("frames", [40, 900, 40_000])
def test_a_number_that_is_asked_for_is_reached(frames: int) -> None:
    rules = SmolRules(processor(**PUBLISHED), Sampling(num_frames=32, max_frames=100))
    assert len(rules.sample(frames, 25.0)) == 32
    assert len(rules.sample(20, 25.0)) == 20


def test_a_processor_that_is_saved_with_a_rate_and_the_most_is_followed() -> None:
    values = {"fps": 1, "num_frames": 64, "do_sample_frames": True}
    saved = SavedValues(model="m", file="video_preprocessor_config.json", values=values)
    check_values(processor(**values), saved)


def test_a_size_that_cannot_be_followed_is_refused() -> None:
    values = {"size": {"height": 5, "width": 5}}
    saved = SavedValues(model="m", file="preprocessor_config.json", values=values)
    with pytest.raises(ModelError, match=r"longest_edge must be numbers above 0; correct it"):
        check_values(processor(**values), saved)


def test_without_lanczos_in_torch_a_checkpoint_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pixels, "has_lanczos", lambda: False)
    with pytest.raises(ModelError, match=r"m: its processor resamples by lanczos, which torch \d"):
        pixels.resample_mode(processor(), model="m")


def test_the_template_is_the_processor_s_whatever_the_checkpoint_has() -> None:
    tokenizer = CASES["smolvlm"].tokenizer()
    tokenizer.chat_template = "{{ messages }}"
    messages = [
        {"role": "user", "content": [{"type": "video"}, {"type": "text", "text": "when?"}]},
        {"role": "assistant", "content": "now"},
        {"role": "user", "content": "where?"},
    ]
    text = PromptBuilder.of(tokenizer, PROMPT).render(messages, add_generation_prompt=True)
    assert text == (
        "<|im_start|>User: <video>when?<end_of_utterance>\nAssistant: now<end_of_utterance>\n"
        "User: where?<end_of_utterance>\nAssistant:"
    )
