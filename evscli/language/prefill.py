"""From stored shards and a prompt to the inputs of a language model.

Brings prompt, positions and visual tokens together for one prompt or a left-padded batch. Knows
nothing about stores, files or generation.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor
from transformers import BatchFeature

from evscli.errors import UsageError
from evscli.language.family import Family, family_of
from evscli.language.origin import check_origin
from evscli.language.prompt import Messages, PromptBuilder, PromptIds, as_messages
from evscli.records import PrunedVideo

Videos = PrunedVideo | Sequence[PrunedVideo]
Prompt = str | Messages


def prefill(
    record: Videos | Sequence[Videos],
    processor: Any,
    prompt: Prompt | Sequence[Prompt],
    *,
    model: Any = None,
    real_times: bool = False,
    force: bool = False,
) -> Any:
    """Keyword arguments for `model.forward` and `model.generate` of transformers.

    `record` is one video, several for one prompt (each takes the place of one
    `{"type": "video"}` item, or stands before a plain question), or, for a batch, a list with one
    entry per prompt. `processor` is the model's processor or its bare tokenizer. `prompt` is a
    question, a list of chat messages, or a list of either for a batch.

    `model` puts the inputs on its device and is checked: the vision weights that made the shard
    must be its own. Without it the checkpoint beside the tokenizer is checked instead. `force`
    goes on with a warning where they differ. `real_times` writes the true presentation times into
    the prompt where the processor's rule gives nominal ones (Qwen3-VL).

    Returns a BatchFeature (a mapping with `.to(device)`): `input_ids` and `attention_mask` [B, S],
    `position_ids` [3, B, S] as the full prompt has them, `mm_encoder_outputs`. `generate` with
    several beams rewrites `mm_encoder_outputs`, so call prefill anew for each such call.

    Raises UsageError (counts that differ, no chat template), ModelError (unsupported model),
    WrongModelError (other vision weights).
    """
    prompts = pair_up(record, prompt)
    videos = [video for group, _ in prompts for video in group]
    family = common_family(videos)
    check_origin(videos[0].info.model, processor=processor, model=model, force=force)
    builder = PromptBuilder.of(processor, family, real_times=real_times)
    rows = [builder.build(group, messages) for group, messages in prompts]
    ids, mask, positions = pad_left(rows, pad_token(builder.tokenizer))
    device = torch.device("cpu") if model is None else model.device
    # A BatchFeature inside, so that moving every value by its own `.to` works too.
    outputs = BatchFeature({"video": family.encoder_output(videos, device)})
    text = {"input_ids": ids, "attention_mask": mask, "position_ids": positions}
    return BatchFeature({**text, "mm_encoder_outputs": outputs}).to(device)


def pair_up(
    record: Videos | Sequence[Videos], prompt: Prompt | Sequence[Prompt]
) -> list[tuple[list[PrunedVideo], Messages]]:
    """One (videos, messages) pair per prompt; raises UsageError where their numbers differ."""
    groups: Sequence[Any] = record if isinstance(record, Sequence) else [record]
    prompts: Sequence[Any] = prompt
    if isinstance(prompt, str) or (prompt and isinstance(prompt[0], Mapping)):
        groups, prompts = [groups], [prompt]
    if len(groups) != len(prompts):
        raise UsageError(
            f"{len(prompts)} prompts for {len(groups)} records: a batch needs a list with one "
            "record, or list of records, per prompt"
        )
    listed = [list(group) if isinstance(group, Sequence) else [group] for group in groups]
    return [
        (videos, as_messages(text, len(videos)))
        for videos, text in zip(listed, prompts, strict=True)
    ]


def common_family(videos: Sequence[PrunedVideo]) -> Family:
    """The family of all records; raises UsageError if there are none or from several models."""
    if not videos:
        raise UsageError(
            "prefill needs at least one record: open a store and pass one of its videos"
        )
    models = {video.info.model.vision_sha256: video.info.model.name for video in videos}
    if len(models) > 1:
        raise UsageError(
            f"the records come from different models ({', '.join(models.values())}): "
            "prune all videos of a prompt with one model"
        )
    return family_of(videos[0].info.model.model_type)


def pad_token(tokenizer: Any) -> int:
    """What fills the left of shorter prompts; the attention mask hides it."""
    token = tokenizer.pad_token_id
    return int(tokenizer.eos_token_id or 0) if token is None else int(token)


def pad_left(rows: Sequence[PromptIds], pad: int) -> tuple[Tensor, Tensor, Tensor]:
    """ids [B, S], attention mask [B, S] and positions [3, B, S]; positions are 0 in padding."""
    length = max(len(row.ids) for row in rows)
    ids = torch.full((len(rows), length), pad)
    mask = torch.zeros_like(ids)
    positions = torch.zeros(3, len(rows), length, dtype=torch.int64)
    for index, row in enumerate(rows):
        filled = slice(length - len(row.ids), None)
        ids[index, filled], mask[index, filled] = row.ids, 1
        positions[:, index, filled] = row.positions
    return ids, mask, positions
