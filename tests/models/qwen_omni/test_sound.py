"""Sound between frames, against the thinkers' own processors, positions and forward."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import Tensor

from evscli import prefill
from evscli.errors import UsageError
from evscli.language.prefill import prompt_format
from evscli.language.sound import Sound
from evscli.records import PrunedVideo
from tests.families.case import MESSAGES
from tests.families.qwen_omni import MELS, TOKENS, own_processor
from tests.language.reference import Clip, half
from tests.models.qwen_omni.made import Thinker, own_positions

TWO = [
    {
        "role": "user",
        "content": [
            {"type": "text", "text": "what happens first?"},
            {"type": "video"},
            {"type": "text", "text": "and"},
            {"type": "video"},
        ],
    }
]
CASES = {
    "as long as the video": ([(4, 1.0, 400)], MESSAGES),
    "longer": ([(3, 2 / 3, 555)], MESSAGES),
    "shorter, and seldom frames": ([(5, 4.0, 130)], MESSAGES),
    "two videos": ([(5, 2 / 3, 777), (3, 1.0, 90)], TWO),
}


def sound_of(spectra: list[int]) -> dict[str, Tensor]:
    """What a feature extractor makes of sounds of so many spectra, and a little padding."""
    longest = max(spectra) + 7
    generator = torch.Generator().manual_seed(0)
    mask = (torch.arange(longest) < torch.tensor(spectra)[:, None]).long()
    features = torch.randn(len(spectra), MELS, longest, generator=generator)
    return {"input_features": features * mask[:, None], "attention_mask": mask}


def tokens_of(thinker: Thinker, spectra: int) -> int:
    """How many tokens the model's own sound encoder gives."""
    sound = sound_of([spectra])
    with torch.no_grad():
        found = thinker.model.get_audio_features(sound["input_features"], sound["attention_mask"])
    return len(found.last_hidden_state)


def own_inputs(
    thinker: Thinker, clips: list[Clip], seconds: list[float], spectra: list[int], messages: Any
) -> dict[str, Any]:
    """What the whole processor makes of videos with their sound."""
    pixels = torch.cat([clip.pixels for clip in clips])
    grids = torch.cat([clip.patches for clip in clips])
    processor = own_processor(thinker.model, pixels, grids)
    heard = [tokens_of(thinker, each) for each in spectra]
    texts = [
        processor.replace_video_token(
            {"video_grid_thw": grids.numpy(), "video_second_per_grid": seconds},
            number,
            processed_audio={"num_audio_tokens": heard},
            video_to_audio_indices=[*range(len(clips))],
            load_audio_from_video=True,
            position_id_per_seconds=processor.position_id_per_seconds,
            seconds_per_chunk=processor.seconds_per_chunk,
        )
        for number in range(len(clips))
    ]
    tokenizer = thinker.tokenizer
    text = tokenizer.apply_chat_template(messages, add_generation_prompt=True, tokenize=False)
    pieces = text.split(processor.video_token)
    whole = pieces[0] + "".join(a + b for a, b in zip(texts, pieces[1:], strict=True))
    ids = tokenizer(whole, return_tensors="pt").input_ids
    sound = sound_of(spectra)
    return {
        "input_ids": ids,
        "attention_mask": torch.ones_like(ids),
        "pixel_values_videos": pixels,
        "video_grid_thw": grids,
        "video_second_per_grid": torch.tensor(seconds),
        "input_features": sound["input_features"],
        "feature_attention_mask": sound["attention_mask"],
        "use_audio_in_video": True,
    }


@torch.no_grad()
def logits(thinker: Thinker, inputs: Any) -> Tensor:
    """[B, S, V]"""
    found: Tensor = thinker.model(**inputs).logits
    return found


def positions(thinker: Thinker, own: dict[str, Any]) -> Tensor:
    """The model's own [3, 1, S] of a prompt with sound."""
    return own_positions(
        thinker,
        own["input_ids"],
        [own["video_grid_thw"]],
        use_audio_in_video=True,
        audio_seqlens=own["feature_attention_mask"].sum(-1),
        second_per_grids=own["video_second_per_grid"],
    )


@pytest.mark.parametrize("case", CASES)
def test_with_sound_ids_positions_and_logits_are_the_models_own(
    thinker: Thinker, case: str
) -> None:
    videos, messages = CASES[case]
    made = [thinker.video(patches, apart) for patches, apart, _ in videos]
    spectra = [each for _, _, each in videos]
    records = [record for record, _ in made]
    own = own_inputs(
        thinker, [clip for _, clip in made], [apart for _, apart, _ in videos], spectra, messages
    )
    ours = prefill(
        records, thinker.tokenizer, messages, model=thinker.model, audio=sound_of(spectra)
    )
    assert torch.equal(ours["input_ids"], own["input_ids"])
    assert torch.equal(ours["position_ids"], positions(thinker, own))
    if len(records) == 1:  # the tower ran over each video by itself
        assert torch.equal(logits(thinker, ours), logits(thinker, own))
    else:
        torch.testing.assert_close(logits(thinker, ours), logits(thinker, own))


def kept_of(thinker: Thinker, own: dict[str, Any], record: PrunedVideo) -> Tensor:
    """[S] bool: the places of the whole prompt that pruning leaves."""
    visual = own["input_ids"][0] == thinker.tokenizer.convert_tokens_to_ids(thinker.case.pad)
    keep = ~visual
    keep[visual] = record.keep_mask.flatten()
    return keep


@pytest.mark.parametrize("emptied", [None, 1])
def test_pruned_frames_leave_sound_as_it_was(thinker: Thinker, emptied: int | None) -> None:
    full, clip = thinker.video(4, 1.0)
    record, sound = half(full, emptied=emptied), sound_of([400])
    own = own_inputs(thinker, [clip], [1.0], [400], MESSAGES)
    keep = kept_of(thinker, own, record)
    ours = prefill(record, thinker.tokenizer, MESSAGES, model=thinker.model, audio=sound)
    assert torch.equal(ours["input_ids"], own["input_ids"][:, keep])
    assert torch.equal(ours["position_ids"], positions(thinker, own)[..., keep])


def test_sound_is_heard_and_answers_are_those_of_a_loop_without_cache(thinker: Thinker) -> None:
    record, sound = half(thinker.video(4, 1.0)[0]), sound_of([400])
    model = thinker.model
    ours = prefill(record, thinker.tokenizer, MESSAGES, model=model, audio=sound)
    how = {"max_new_tokens": 3, "do_sample": False, "eos_token_id": -1, "pad_token_id": 0}
    made = model.generate(**ours, **how)[0, -3:]
    inputs = {**ours, "use_cache": False}
    for token in made:
        best = logits(thinker, inputs)[0, -1]
        assert best.max() - best[token] < 1e-4
        inputs["input_ids"] = torch.cat([inputs["input_ids"], token.view(1, 1)], dim=1)
        after = inputs["position_ids"][..., -1:] + 1
        inputs["position_ids"] = torch.cat([inputs["position_ids"], after], dim=-1)
        inputs["attention_mask"] = torch.ones_like(inputs["input_ids"])
    other = {**ours, "input_features": ours["input_features"].flip(-1)}
    assert not torch.equal(logits(thinker, ours), logits(thinker, other))


def test_a_batch_with_sound_answers_as_its_prompts_do_alone(thinker: Thinker) -> None:
    records, sound = [thinker.video(t, 1.0, seed=t)[0] for t in (3, 5)], sound_of([300, 400])
    batch = prefill(records, thinker.tokenizer, [MESSAGES] * 2, model=thinker.model, audio=sound)
    together = logits(thinker, batch)
    beams = {"max_new_tokens": 3, "num_beams": 2, "eos_token_id": -1, "pad_token_id": 0}
    answers = thinker.model.generate(**batch, **beams, do_sample=False)[:, -3:]
    for number, record in enumerate(records):
        one = {name: value[number : number + 1] for name, value in sound.items()}
        alone = prefill(record, thinker.tokenizer, MESSAGES, model=thinker.model, audio=one)
        expected = logits(thinker, alone)
        torch.testing.assert_close(together[number, -1], expected[0, -1], atol=1e-4, rtol=1e-3)
        again = thinker.model.generate(**alone, **beams, do_sample=False)[0, -3:]
        assert answers[number].tolist() == again.tolist()


def test_what_is_no_sound_of_the_videos_is_refused(thinker: Thinker) -> None:
    record, sound = thinker.video(3, 1.0)[0], sound_of([300])
    mask = sound["attention_mask"]
    for audio, line in (
        (torch.zeros(3), "audio must hold the tensors input_features and attention_mask"),
        ({**sound, "attention_mask": mask[:, 1:]}, "of one feature extractor"),
        (sound_of([300, 200]), "2 sounds for 1 videos"),
        ({**sound, "attention_mask": mask * 0}, "0 spectra, which make no token"),
    ):
        with pytest.raises(UsageError, match=line):
            prefill(record, thinker.tokenizer, MESSAGES, model=thinker.model, audio=audio)
    item = TOKENS[thinker.case.model_type]["audio"]
    template = thinker.tokenizer.chat_template + item
    processor = SimpleNamespace(tokenizer=thinker.tokenizer, chat_template=template)
    with pytest.raises(UsageError, match="has audio items and prefill places videos only"):
        prefill(record, processor, MESSAGES, model=thinker.model)


def test_sound_is_refused_for_a_model_that_hears_none() -> None:
    form = prompt_format("qwen3_vl")
    with pytest.raises(UsageError, match="hears no sound: leave audio out"):
        Sound.of(sound_of([300]), 1, form)
