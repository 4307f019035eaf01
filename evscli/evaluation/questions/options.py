"""The log-probability of each option as the answer to a prefilled prompt.

The functions take token ids and log-probabilities: no videos, no questions, no right answers.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from copy import deepcopy
from typing import Any

import torch
from torch import Tensor

from evscli.errors import ModelError, UsageError
from evscli.language.prefill import prompt_format

MASKED_ATTENTION = ("sdpa", "eager")
"""The attention implementations that take a mask of any shape."""


def encode_options(tokenizer: Any, options: Sequence[str]) -> list[list[int]]:
    """Return token ids of every option as a whole answer: its text and the end of the turn.

    The end is needed since an option that begins another ("1" and "10") could else never lose to
    it. Raises UsageError for an option without a token, and for two that are the same tokens.
    """
    ids: list[list[int]] = [
        tokenizer(option, add_special_tokens=False)["input_ids"] for option in options
    ]
    for index, (option, tokens) in enumerate(zip(options, ids, strict=True)):
        if not tokens:
            raise UsageError(f"option {option!r} has no token for this model: write it out")
        if tokens in ids[:index]:
            other = options[ids.index(tokens)]
            raise UsageError(
                f"options {other!r} and {option!r} are the same to this model: change one"
            )
    return [[*tokens, tokenizer.eos_token_id] for tokens in ids]


@torch.inference_mode()
def score_options(
    model: Any, inputs: Mapping[str, Any], option_ids: Sequence[Sequence[int]]
) -> Tensor:
    """Return the log-probability of each option's tokens after the prompt, [n] float32 on the CPU.

    `inputs` is what `prefill` returns for one prompt. The prompt runs once; then all options run
    side by side on its key-value cache, each seeing the prompt and itself only, so nothing is
    copied per option. Layers that read tokens one after the other see all of them, so that a model
    with such layers runs the options one by one.

    The sum of log-probabilities is the convention called `acc` in lm-evaluation-harness; divided by
    an option's number of tokens (`len` of its ids) it is the length-normalised one of GPT-3 (arXiv
    2005.14165, section 2.4).

    Raises UsageError for a batch of prompts, an option without tokens, or an attention
    implementation that takes no such mask, and ModelError for values that are not finite.
    """
    check_scorable(model, inputs, option_ids)
    prompt = model(**inputs, use_cache=True, logits_to_keep=1)
    logits = prompt.logits[0, -1:]  # some models compute all of them, whatever they are asked
    # The last token of an option need not be run, since no token of it follows.
    heads = [option[:-1] for option in option_ids]
    if any(heads):
        run = steps_logits if prompt_format(model.config.model_type).recurrent else branch_logits
        logits = torch.cat([logits, run(model, inputs, prompt.past_key_values, heads)])
    return sum_branches(logits.float().log_softmax(-1), option_ids)


def check_scorable(
    model: Any, inputs: Mapping[str, Any], option_ids: Sequence[Sequence[int]]
) -> None:
    """Raise UsageError for inputs that would be scored wrongly."""
    if (prompts := len(inputs["input_ids"])) != 1:
        raise UsageError(f"options are scored after one prompt, not {prompts}: pass one at a time")
    if not option_ids or not all(map(len, option_ids)):
        raise UsageError("an option has no tokens: give every option at least one")
    kind = model.config.get_text_config()._attn_implementation
    if kind not in MASKED_ATTENTION:
        raise UsageError(
            f"options cannot be scored with {kind} attention: load the model with "
            f"attn_implementation={MASKED_ATTENTION[0]!r}"
        )


def branch_logits(
    model: Any, inputs: Mapping[str, Any], cache: Any, branches: Sequence[Sequence[int]]
) -> Tensor:
    """Return logits [P, V] after every token of `branches`, one after the other in one sequence.

    Positions of every branch start again after the prompt, and a mask keeps branches apart.
    """
    device = inputs["input_ids"].device
    ids = torch.tensor([token for branch in branches for token in branch], device=device)
    lengths = torch.tensor([len(branch) for branch in branches], device=device)
    depth = torch.cat([torch.arange(len(branch), device=device) for branch in branches])
    positions = inputs["position_ids"].max() + 1 + depth
    prompt_length = inputs["input_ids"].shape[1]
    output = model(
        input_ids=ids[None],
        position_ids=positions.expand(*inputs["position_ids"].shape[:-1], -1),
        attention_mask=branch_mask(lengths, prompt_length, model.dtype),
        past_key_values=cache,
    )
    logits: Tensor = output.logits[0]
    return logits


def steps_logits(
    model: Any, inputs: Mapping[str, Any], cache: Any, branches: Sequence[Sequence[int]]
) -> Tensor:
    """Return what `branch_logits` does, with the tokens of every branch run one after the other."""
    positions = inputs["position_ids"]
    position, seen = positions.max(), inputs["input_ids"].shape[1]
    rows = []
    for branch in branches:
        own = deepcopy(cache)
        for number, token in enumerate(branch, 1):
            ids = torch.tensor([[token]], device=positions.device)
            output = model(
                input_ids=ids,
                position_ids=(position + number).expand(*positions.shape[:-1], 1),
                attention_mask=torch.ones(1, seen + number, dtype=torch.long, device=ids.device),
                past_key_values=own,
            )
            rows.append(output.logits[0])
    return torch.cat(rows)


def branch_mask(lengths: Tensor, prompt_length: int, dtype: torch.dtype) -> Tensor:
    """Return the additive attention mask [1, 1, P, S + P] for branches of `lengths` [n]."""
    seen = side_by_side(lengths, prompt_length)
    return torch.zeros(seen.shape, dtype=dtype, device=seen.device).masked_fill(
        ~seen, torch.finfo(dtype).min
    )[None, None]


def side_by_side(lengths: Tensor, prompt_length: int) -> Tensor:
    """Return [P, S + P] bool: texts of `lengths` [n] see the prompt and their own past."""
    text = torch.arange(len(lengths), device=lengths.device).repeat_interleave(lengths)
    own = (text[:, None] == text[None, :]).tril()
    return torch.cat([own.new_ones(len(text), prompt_length), own], dim=1)


def sum_branches(log_probs: Tensor, option_ids: Sequence[Sequence[int]]) -> Tensor:
    """Sum the log-probabilities of each option in `log_probs` [1 + P, V]: row 0 for the first
    token, the option's own rows for the others.

    Raises ModelError where a sum is not finite.
    """
    rows: list[int] = []
    start = 1
    for option in option_ids:
        rows += [0, *range(start, start + len(option) - 1)]
        start += len(option) - 1
    tokens = [token for option in option_ids for token in option]
    picked = log_probs[torch.tensor([rows, tokens], device=log_probs.device).unbind()].cpu()
    parts = torch.split(picked, [len(option) for option in option_ids])
    scores = torch.stack([part.sum() for part in parts])
    if not scores.isfinite().all():
        raise ModelError("the model's scores are not finite: use --dtype float32")
    return scores


def best_option(scores: Tensor, option_ids: Sequence[Sequence[int]], *, per_token: bool) -> int:
    """Return the number of the option with the highest score, or -1 where several share it.

    A tie counts as not answered, since the first option would be favored for its place in the list.
    `per_token` divides every score by the option's number of tokens first.
    """
    if per_token:
        scores = scores / torch.tensor([len(option) for option in option_ids])
    best = (scores == scores.max()).nonzero().flatten()
    return int(best[0]) if len(best) == 1 else -1
