"""From stored shards and a prompt to the inputs of a language model.

Brings prompt, positions and visual tokens together for one prompt or a left-padded batch. Knows
nothing about stores, files or generation.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn
from transformers import BatchFeature

from evscli.errors import UsageError
from evscli.language.family import Family, family_of
from evscli.language.origin import check_origin
from evscli.language.pairing import Prompt, Videos, pair_up
from evscli.language.prompt import PromptBuilder, PromptIds
from evscli.records import PrunedVideo


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
    `position_ids` [3, B, S] (Molmo2: [B, S]) as the full prompt has them, `mm_encoder_outputs`, and
    for Molmo2 `mm_token_type_ids` [B, S]. `generate` with
    several beams rewrites `mm_encoder_outputs`, so call prefill anew for each such call.

    Raises UsageError (counts that differ, no chat template, arguments of a wrong type, control
    tokens in a text, words that the tokenizer does not know), ModelError (unsupported model),
    WrongModelError (other vision weights).
    """
    prompts = pair_up(record, prompt)
    check_model(model)
    videos = [video for group, _ in prompts for video in group]
    family = common_family(videos)
    builder = PromptBuilder.of(processor, family, real_times=real_times)
    check_origin(videos[0].info.model, processor=processor, model=model, force=force)
    rows = [builder.build(group, messages) for group, messages in prompts]
    ids, mask, positions = pad_left(rows, pad_token(builder.tokenizer))
    device = torch.device("cpu") if model is None else model.device
    # A BatchFeature inside, so that moving every value by its own `.to` works too.
    outputs = BatchFeature({"video": family.encoder_output(videos, device)})
    if family.axes == 1:
        positions = positions[0]
    text = {"input_ids": ids, "attention_mask": mask, "position_ids": positions}
    if family.seen_whole:
        text["mm_token_type_ids"] = seen_whole(ids, builder.tokenizer, family)
    return BatchFeature({**text, "mm_encoder_outputs": outputs}).to(device)


def seen_whole(ids: Tensor, tokenizer: Any, family: Family) -> Tensor:
    """1 for tokens of `ids` that attend to each other in both directions, else 0."""
    marked = tokenizer.convert_tokens_to_ids(list(family.seen_whole))
    known = [number for number in marked if number not in (None, tokenizer.unk_token_id)]
    return torch.isin(ids, torch.tensor(known)).long()


def check_model(model: Any) -> None:
    """Raise UsageError for what is neither a loaded model nor None."""
    if model is not None and not isinstance(model, nn.Module):
        raise UsageError(
            f"model must be a loaded model of transformers, not {type(model).__name__}: load it "
            "with AutoModelForImageTextToText.from_pretrained"
        )


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
