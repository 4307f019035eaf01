"""The inputs of a language model, made of stored shards and a prompt.

Brings prompt, positions and visual tokens together for one prompt or a padded batch. Knows nothing
about stores, files or generation.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from transformers import BatchFeature

from evscli.errors import UsageError
from evscli.language.identity import check_weights, identity_beside, identity_of
from evscli.language.joined import attention_mask, joined_rows
from evscli.language.pairing import Prompt, Videos, pair_up
from evscli.language.prompt import IGNORED, PromptBuilder, PromptIds
from evscli.language.sound import Sound
from evscli.language.turns import Messages
from evscli.language.wrapped import device_of, not_a_model
from evscli.models import family_of
from evscli.models.contract import PromptFormat
from evscli.models.spec import load_name
from evscli.records import PrunedVideo


class ModelInputs(BatchFeature):  # type: ignore[misc]
    """A BatchFeature whose nested tensors move with it.

    The base class leaves what lies inside other mappings where it is, and a DataLoader cannot pin
    an output class of transformers.
    """

    def to(self, *args: Any, **kwargs: Any) -> ModelInputs:
        """Move every tensor, and cast floating ones, as `Tensor.to` does; returns itself."""
        self.data = {
            name: change(value, lambda tensor: BatchFeature({"": tensor}).to(*args, **kwargs)[""])
            for name, value in self.items()
        }
        return self

    def pin_memory(self) -> ModelInputs:
        """Return a copy in page-locked memory; a DataLoader with `pin_memory` asks for it."""
        return ModelInputs(
            {
                name: change(value, lambda tensor: tensor.pin_memory())
                for name, value in self.items()
            }
        )


class EncoderOutputs(dict[str, Any]):
    """Outputs of encoders by modality: a dict, as some models pass over other mappings silently."""

    def to(self, *args: Any, **kwargs: Any) -> EncoderOutputs:
        """Move every tensor, and cast floating ones, as `Tensor.to` does; returns itself."""
        self.update(ModelInputs(self).to(*args, **kwargs))
        return self

    def pin_memory(self) -> EncoderOutputs:
        """Return a copy in page-locked memory."""
        return EncoderOutputs(ModelInputs(self).pin_memory())


def change(value: Any, apply: Callable[[Tensor], Tensor]) -> Any:
    """Return `value` with `apply` done to every tensor in it."""
    if isinstance(value, Tensor):
        return apply(value)
    if isinstance(value, list | tuple):
        return type(value)(change(item, apply) for item in value)
    if isinstance(value, BatchFeature | dict):
        return type(value)({name: change(item, apply) for name, item in value.items()})
    return value


def prefill(
    record: Videos | Sequence[Videos],
    processor: Any,
    prompt: Prompt | Sequence[Prompt],
    *,
    model: Any = None,
    budget: float | str | None = None,
    audio: Any = None,
    add_generation_prompt: bool = True,
    real_times: bool = False,
    force: bool = False,
) -> Any:
    """Return keyword arguments for `model.forward` and `model.generate` of transformers.

    `record` is one video, several for one prompt (each takes the place of one
    `{"type": "video"}` item, or stands before a plain question), or, for a batch, a list with one
    entry per prompt. `processor` is the model's processor or its bare tokenizer. `prompt` is a
    question, a list of chat messages, or a list of either for a batch.

    With `add_generation_prompt` the assistant's turn is opened, for `generate`; shorter prompts are
    filled on the left. Without it the messages are a whole conversation to train on, shorter ones
    are filled on the right, and `labels` come with the inputs.

    `budget` is a smaller budget than the store's, at which every video is used (`PrunedVideo.at`).

    `audio` is the sound of the videos, for a model that hears them: what the feature extractor of
    its processor makes of their waves, with attention mask, one sound for each video of all prompts
    in their order. Its tokens stand between what was kept of the frames, as in the whole prompt.
    Without it videos are silent. Beams mix up the sounds of several videos in one prompt
    (transformers repeats each by itself): generate with one beam there.

    `model` puts the inputs on its device and is checked: the vision weights that made the shard
    must be its own, in any dtype; it may be wrapped (`torch.compile`, PEFT, DataParallel) and its
    language part quantised. Without it the checkpoint beside the tokenizer is checked instead.
    `force` goes on with a warning where they differ. `real_times` writes the true presentation
    times into the prompt where the processor's rule gives nominal ones.

    Returns a BatchFeature (a mapping with `.to(device)`): `input_ids` and `attention_mask` [B, S],
    `position_ids` [3, B, S] (plain ones: [B, S]) as the full prompt has them, float32 for a model
    whose ids are fractions and else int64, `mm_encoder_outputs`,
    `mm_token_type_ids` [B, S] for a model that sees videos in both directions, `input_features` and
    `feature_attention_mask` with audio, and without
    generation prompt `labels` [B, S]: the ids of what the assistant says, each turn's end included,
    else -100. `generate` with several beams rewrites `mm_encoder_outputs`, so call prefill anew for
    each such call.

    Raises UsageError (counts that differ, no chat template, arguments of a wrong type, control
    tokens in a text, words that the tokenizer does not know, no turn to learn, a budget that the
    store cannot give, sound that is not that of the videos), ModelError (unsupported model),
    WrongModelError (other vision weights).
    """
    check_model(model)
    pairs = pair_up(record, prompt)
    if budget is not None:
        pairs = [([video.at(budget) for video in group], turns) for group, turns in pairs]
    batch = PromptBatch.of(pairs, processor, real_times=real_times, audio=audio)
    identity = identity_beside(processor) if model is None else identity_of(model)
    check_weights(batch.videos[0].info.model, identity, force=force)
    inputs = batch.inputs(add_generation_prompt=add_generation_prompt)
    return inputs if model is None else inputs.to(device_of(model))


class PromptBatch:
    """Prompts with their videos, all of one family."""

    def __init__(
        self,
        prompts: Sequence[tuple[Sequence[PrunedVideo], Messages]],
        builder: PromptBuilder,
        sound: Sound | None = None,
    ) -> None:
        self.prompts = prompts
        self.builder = builder
        self.sound = sound

    @classmethod
    def of(
        cls,
        prompts: Sequence[tuple[Sequence[PrunedVideo], Messages]],
        processor: Any,
        *,
        real_times: bool,
        audio: object = None,
    ) -> PromptBatch:
        """Make a batch.

        Raises UsageError for records of several models, a missing template, and for sound that is
        not that of the videos.
        """
        videos = [video for group, _ in prompts for video in group]
        form = common_format(videos)
        sound = None if audio is None else Sound.of(audio, len(videos), form)
        return cls(prompts, PromptBuilder.of(processor, form, real_times=real_times), sound)

    @property
    def videos(self) -> list[PrunedVideo]:
        """The videos of all prompts, in their order."""
        return [video for group, _ in self.prompts for video in group]

    def inputs(self, *, add_generation_prompt: bool) -> ModelInputs:
        """Return the inputs that `prefill` returns, in main memory."""
        padded = pad(
            self.rows(add_generation_prompt=add_generation_prompt),
            pad_token(self.builder.tokenizer),
            left=add_generation_prompt,
        )
        if add_generation_prompt:
            del padded["labels"]
        return self.with_videos(padded, self.videos)

    def joined_inputs(self) -> ModelInputs:
        """Return the inputs to train on, in which a row holds all prompts about the same videos.

        The mask is [B, 1, S, S] bool, and so for attention that takes one of any shape. A model
        that sees videos in both directions makes its own mask, and one with recurrent layers heeds
        none: they are given rows of one prompt.
        """
        if self.builder.form.seen_whole or self.builder.form.recurrent:
            return self.inputs(add_generation_prompt=False)
        groups = [group for group, _ in self.prompts]
        rows = self.rows(add_generation_prompt=False)
        numbers, joined = zip(*joined_rows(rows, groups, self.builder.pad_id()), strict=True)
        padded = pad([row.prompt for row in joined], pad_token(self.builder.tokenizer), left=False)
        if len(joined) < len(rows):
            length = padded["input_ids"].shape[1]
            padded["attention_mask"] = attention_mask(joined, length)
        return self.with_videos(padded, [video for number in numbers for video in groups[number]])

    def rows(self, *, add_generation_prompt: bool) -> list[PromptIds]:
        """Return every prompt as token ids."""
        groups = [group for group, _ in self.prompts]
        spectra = [None] * len(groups) if self.sound is None else self.sound.spectra(groups)
        return [
            self.builder.build(
                group, messages, add_generation_prompt=add_generation_prompt, spectra=heard
            )
            for (group, messages), heard in zip(self.prompts, spectra, strict=True)
        ]

    def with_videos(self, padded: dict[str, Tensor], videos: Sequence[PrunedVideo]) -> ModelInputs:
        """Return padded rows with their visual tokens, where these are."""
        form, tokenizer = self.builder.form, self.builder.tokenizer
        if form.axes == 1:
            padded["position_ids"] = padded["position_ids"][0]
        if form.seen_whole:
            padded["mm_token_type_ids"] = seen_whole(padded["input_ids"], tokenizer, form)
        if self.sound is not None:
            padded.update(self.sound.inputs())
        output = form.encoder_output(videos, videos[0].embeds.device)
        return ModelInputs(
            {**padded, "mm_encoder_outputs": EncoderOutputs({form.modality: output})}
        )


def seen_whole(ids: Tensor, tokenizer: Any, form: PromptFormat) -> Tensor:
    """Return 1 for tokens of `ids` that attend to each other in both directions, else 0."""
    marked = tokenizer.convert_tokens_to_ids(list(form.seen_whole))
    known = [number for number in marked if number not in (None, tokenizer.unk_token_id)]
    return torch.isin(ids, torch.tensor(known)).long()


def check_model(model: Any) -> None:
    """Raise UsageError for what is neither a loaded model nor None."""
    if model is not None and not isinstance(model, nn.Module):
        raise not_a_model(model)


def common_format(videos: Sequence[PrunedVideo]) -> PromptFormat:
    """Return the prompt format of all records. Raises UsageError for none or several models."""
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
    model = videos[0].info.model
    return prompt_format(model.model_type, model=model.name)


def prompt_format(model_type: str, *, model: str = "this model") -> PromptFormat:
    """Return the prompt format of a checkpoint's family. Raises ModelError as `family_of` does."""
    form: PromptFormat = load_name(family_of(model_type, model=model).prompt)
    return form


def pad_token(tokenizer: Any) -> int:
    """Return the id that fills up shorter prompts; the attention mask hides it."""
    token = tokenizer.pad_token_id
    return int(tokenizer.eos_token_id or 0) if token is None else int(token)


def pad(rows: Sequence[PromptIds], token: int, *, left: bool) -> dict[str, Tensor]:
    """Return ids, attention mask, labels [B, S] and position ids [3, B, S] as inputs of a model.

    Positions are 0 in padding. The mask is there without padding too: without it and without cache
    models with plain positions take gaps between these for the borders of packed sequences.
    """
    length = max(len(row.ids) for row in rows)
    ids = torch.full((len(rows), length), token)
    mask, labels = torch.zeros_like(ids), torch.full_like(ids, IGNORED)
    dtype = torch.cat([row.positions[:, :0] for row in rows], dim=1).dtype
    positions = torch.zeros(3, len(rows), length, dtype=dtype)
    for index, row in enumerate(rows):
        size = len(row.ids)
        filled = slice(length - size, None) if left else slice(size)
        ids[index, filled], mask[index, filled], labels[index, filled] = row.ids, 1, row.labels
        positions[:, index, filled] = row.positions
    return {
        "input_ids": ids,
        "attention_mask": mask,
        "position_ids": positions,
        "labels": labels,
    }
