"""Prompts of many questions about one video, and of many videos of one form.

All questions of a video stand behind it side by side. Each attends to the video and itself, at the
positions it would have alone, so that one pass answers them all as if asked one by one.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from transformers import PreTrainedTokenizerBase

from evscli.mini.world.questions import KINDS, Question
from evscli.mini.world.scene import Form

IGNORED = -100
"""The target that the cross entropy ignores."""

PAD = "<|video_pad|>"
KIND_NUMBERS = {kind: number for number, kind in enumerate(KINDS)}


@dataclass(frozen=True, kw_only=True, eq=False)
class VideoPrompt:
    """The prompt before the questions, which all videos of a form share."""

    ids: Tensor
    """[P] int64 token ids."""
    positions: Tensor
    """[3, P] int64 positions (t, h, w)."""
    visual: Tensor
    """[P] bool: whether a token is a visual one."""
    end: int
    """The position of the first token after the prompt."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Asked:
    """Questions as tokens: Q for each of B videos, each of at most L tokens."""

    ids: Tensor
    """[B, Q, L] int64 token ids, padded on the right."""
    targets: Tensor
    """[B, Q, L] int64: the token that must follow, or `IGNORED` outside answers."""
    kinds: Tensor
    """[B, Q] int64: the kind as an index of `KINDS`, -1 where a video has fewer questions."""


def video_prompt(
    tokenizer: PreTrainedTokenizerBase,
    times: Sequence[float],
    grid_thw: tuple[int, int, int],
) -> VideoPrompt:
    """Make the prompt up to the end of the video, as Qwen3-VL's processor makes it.

    `times` are the seconds [T] of the temporal patches of a merged grid (T, h, w).

    The releases of transformers that `evs` works with keep the template's own start and end of
    vision around those of each temporal patch.
    """
    t, h, w = grid_thw
    pads = PAD * (h * w)
    runs = "".join(f"<{time:.1f} seconds><|vision_start|>{pads}<|vision_end|>" for time in times)
    text = f"<|im_start|>user\n<|vision_start|>{runs}<|vision_end|>"
    ids = tokenizer(text, return_tensors="pt")["input_ids"][0]
    visual = ids == tokenizer.convert_tokens_to_ids(PAD)
    # A frame takes max(h, w) positions: its first token takes all of them, the others none.
    steps = (~visual).long()
    steps[visual] = (torch.arange(t * h * w) % (h * w) == 0).long() * max(h, w)
    start = steps.cumsum(0) - steps
    positions = start.expand(3, -1).clone()
    cell = torch.arange(t * h * w) % (h * w)
    first = start[visual].view(t, h * w)[:, :1].expand(-1, h * w).flatten()
    positions[:, visual] = torch.stack([first, first + cell // w, first + cell % w])
    return VideoPrompt(ids=ids, positions=positions, visual=visual, end=int(steps.sum()))


def form_prompt(tokenizer: PreTrainedTokenizerBase, form: Form) -> VideoPrompt:
    """Make the prompt of a video all of whose frames are used."""
    return video_prompt(tokenizer, prompt_times(form), form.grid_thw)


def prompt_times(form: Form) -> list[float]:
    """Return the prompt's seconds of each temporal patch: the mean of its frames' times."""
    return [form.interval * (2 * patch + 0.5) for patch in range(form.grid_thw[0])]


def ask_all(
    tokenizer: PreTrainedTokenizerBase, asked: Sequence[Sequence[Question]], *, most: int
) -> Asked:
    """Return the first `most` questions of every video as tokens, their answers as targets."""
    rows = [[tokens_of(tokenizer, q.text, q.answer) for q in each[:most]] for each in asked]
    length = max((len(ids) for row in rows for ids, _ in row), default=0)
    count = max(len(row) for row in rows)
    fill = int(tokenizer.pad_token_id)
    ids = torch.full((len(rows), count, length), fill)
    targets = torch.full_like(ids, IGNORED)
    kinds = torch.full((len(rows), count), -1)
    for video, each in enumerate(asked):
        numbers = [KIND_NUMBERS[question.kind] for question in each[:most]]
        kinds[video, : len(numbers)] = torch.tensor(numbers)
    for video, row in enumerate(rows):
        for number, (tokens, prompt_length) in enumerate(row):
            ids[video, number, : len(tokens)] = torch.tensor(tokens)
            answer = torch.tensor(tokens[prompt_length:])
            targets[video, number, prompt_length - 1 : len(tokens) - 1] = answer
    return Asked(ids=ids, targets=targets, kinds=kinds)


def tokens_of(
    tokenizer: PreTrainedTokenizerBase, question: str, answer: str
) -> tuple[list[int], int]:
    """Return the rest of the prompt with its answer, and the number of tokens of the prompt."""
    prompt = _ids(tokenizer, f"{question}<|im_end|>\n<|im_start|>assistant\n")
    return [*prompt, *_ids(tokenizer, f"{answer}<|im_end|>")], len(prompt)


def _ids(tokenizer: PreTrainedTokenizerBase, text: str) -> list[int]:
    return list(tokenizer(text)["input_ids"])
