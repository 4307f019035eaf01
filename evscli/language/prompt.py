"""Token ids of a question or of chat messages, with every video in its place.

Applies the chat template and lets the installed transformers' own processor class put the videos
into it, so that the ids are those a whole processor gives, less the pruned tokens. Knows nothing
about models or batches.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby, pairwise
from typing import Any

import torch
from jinja2 import TemplateError
from torch import Tensor
from transformers import PreTrainedTokenizerBase

from evscli.errors import UsageError
from evscli.language.turns import Conversation, Messages, as_item, write_conversation
from evscli.language.words import check_texts
from evscli.models.contract import Marks, PromptFormat, VideoLayout
from evscli.models.spec import load_name
from evscli.records import PrunedVideo

IGNORED = -100
"""The label of what the loss of transformers passes over."""


@dataclass(frozen=True, kw_only=True, eq=False)
class PromptIds:
    """One prompt, tokenized."""

    ids: Tensor
    """[S] int64, with exactly one placeholder for each kept visual token."""
    positions: Tensor
    """[3, S] (t, h, w) position ids: int64, or float32 for a family whose ids may be fractions."""
    labels: Tensor
    """[S] int64: the ids of the assistant's turns where they are to be learned, else -100."""


@dataclass(frozen=True, kw_only=True, eq=False)
class PromptBuilder:
    """Builds prompts for one family with one tokenizer."""

    form: PromptFormat
    tokenizer: Any
    template: str
    real_times: bool

    @classmethod
    def of(cls, processor: Any, form: PromptFormat, *, real_times: bool = False) -> PromptBuilder:
        """Make a builder of a processor or a tokenizer. Raises UsageError without chat template."""
        tokenizer = getattr(processor, "tokenizer", processor)
        if not isinstance(tokenizer, PreTrainedTokenizerBase):
            raise UsageError(
                "prefill needs the model's processor or tokenizer, not "
                f"{type(processor).__name__}: load it with AutoTokenizer.from_pretrained"
            )
        template = getattr(processor, "chat_template", None) or tokenizer.chat_template
        if form.template is not None:
            template = load_name(form.template)
        if not template:
            raise UsageError(
                f"the tokenizer {tokenizer.name_or_path!r} has no chat template: load it from the "
                "checkpoint's own folder, or pass the model's processor"
            )
        if real_times and not form.timestamps:
            raise UsageError(
                "real_times changes the timestamps in the prompt, and this model family writes "
                "none: leave real_times off"
            )
        return cls(form=form, tokenizer=tokenizer, template=template, real_times=real_times)

    def build(
        self,
        videos: Sequence[PrunedVideo],
        messages: Messages,
        *,
        add_generation_prompt: bool = True,
        spectra: Sequence[int] | None = None,
    ) -> PromptIds:
        """Return token and position ids of one prompt; without generation prompt labels too.

        `spectra` are how many the sound of each video has, where it is heard. Raises UsageError if
        videos and items differ, where a text cannot be read as typed, and where there is nothing to
        learn.
        """
        check_texts(self.tokenizer, texts_of(messages))
        heard = [None] * len(videos) if spectra is None else spectra
        layouts = [self.layout(*each) for each in zip(videos, heard, strict=True)]
        conversation = self.write(messages, add_generation_prompt=add_generation_prompt)
        text = self.place_texts(conversation.text, layouts)
        ids, learned = self.encode(text, self.move_turns(conversation, layouts))
        pads = self.run_ids(layouts)
        kept, positions = place_videos(ids, pads, layouts)
        labels = torch.full_like(kept, IGNORED)
        said, say = torch.isin(ids, pads, invert=True), torch.isin(kept, pads, invert=True)
        labels[say] = ids.where(learned, IGNORED)[said]
        return PromptIds(ids=kept, positions=positions, labels=labels)

    def write(self, messages: Messages, *, add_generation_prompt: bool) -> Conversation:
        """Return the template's text, with a placeholder for each video, and the turns to learn."""
        if add_generation_prompt:
            return Conversation(text=self.render(messages, add_generation_prompt=True), turns=())
        return write_conversation(messages, self.render, self.special)

    def check(self, messages: Messages, *, videos: int) -> None:
        """Check a conversation about some videos as `build` does for training, without the videos.

        Raises UsageError as that does, and where the template writes nothing in an answer.
        """
        check_texts(self.tokenizer, texts_of(messages))
        conversation = self.write(messages, add_generation_prompt=False)
        self.check_items(conversation.text, videos)
        for start, end in conversation.turns:
            answer = conversation.text[start:end]
            for token in self.special:
                answer = answer.replace(token, "")
            if not answer.strip():
                raise UsageError(
                    "the chat template writes nothing of an answer of the assistant, so there is "
                    "nothing to learn: give it a text"
                )

    @property
    def special(self) -> list[str]:
        """The special tokens of the tokenizer."""
        added = self.tokenizer.added_tokens_decoder.values()
        return [token.content for token in added if token.special]

    def move_turns(
        self, conversation: Conversation, layouts: Sequence[VideoLayout]
    ) -> list[tuple[int, int]]:
        """Return the spans of the turns once every video's text is in its place."""

        def move(end: int) -> int:
            before = conversation.text[:end]
            return len(self.place_texts(before, layouts[: before.count(self.marks.item)]))

        return [(move(start), move(end)) for start, end in conversation.turns]

    def encode(self, text: str, turns: Sequence[tuple[int, int]]) -> tuple[Tensor, Tensor]:
        """Return the token ids [s] of `text`, and which of them are of the turns.

        A turn is a text of its own, as it is after a prompt that it answers: otherwise a line break
        that it begins with would be one token with that before it.
        """
        ids = self.tokenizer(text[: turns[0][0]] if turns else text)["input_ids"]
        learned = [False] * len(ids)
        cuts = [place for turn in turns for place in turn]
        for number, (start, end) in enumerate(pairwise([*cuts, len(text)] if turns else [])):
            piece = self.tokenizer(text[start:end], add_special_tokens=False)["input_ids"]
            ids, learned = ids + piece, learned + [number % 2 == 0] * len(piece)
        return torch.tensor(ids), torch.tensor(learned)

    def pad_id(self) -> int:
        """Return the placeholder's id. Raises UsageError where it is not a single token."""
        return self.id_of(self.marks.pad)

    def run_ids(self, layouts: Sequence[VideoLayout]) -> Tensor:
        """Return the ids of the placeholder and of all other tokens that are runs of layouts."""
        others = dict.fromkeys(token for layout in layouts for token in layout.runs)
        return torch.tensor([self.pad_id(), *map(self.id_of, others)])

    def id_of(self, token: str) -> int:
        """Return the id of a special token. Raises UsageError where it is not a single token."""
        ids: list[int] = self.tokenizer(token, add_special_tokens=False)["input_ids"]
        if len(ids) != 1 or ids[0] == self.tokenizer.unk_token_id:
            raise UsageError(
                f"the tokenizer {self.tokenizer.name_or_path!r} does not know {token}: "
                "pass the tokenizer of the model the prompt is for"
            )
        return ids[0]

    @property
    def marks(self) -> Marks:
        """The special tokens around visual tokens."""
        return self.form.marks(self.tokenizer)

    def layout(self, video: PrunedVideo, spectra: int | None = None) -> VideoLayout:
        """Lay out `video` for the prompt, with its sound where `spectra` of it are given."""
        times = self.times(video).tolist()
        if spectra is None:
            return self.form.layout(video, times, self.marks)
        assert self.form.sounding is not None, "sound is taken for models that hear videos"
        return self.form.sounding(video, times, self.marks, spectra)

    def times(self, video: PrunedVideo) -> Tensor:
        """Return the times in seconds that the prompt says: [T], or [F] of every frame."""
        if self.form.frame_times is not None:
            return video.frame_times if self.real_times else self.form.frame_times(video)
        return real_patch_times(video) if self.real_times else video.prompt_times

    def render(self, messages: Messages, *, add_generation_prompt: bool) -> str:
        """Return the chat template's text. Raises UsageError for messages that it refuses."""
        # Templates crash on a `content` of None, which releases of transformers leave out or not.
        filled = [{k: v for k, v in message.items() if v is not None} for message in messages]
        if self.form.template is not None:
            filled = [itemised(message) for message in filled]
        try:
            text: str = self.tokenizer.apply_chat_template(
                filled,
                chat_template=self.template,
                add_generation_prompt=add_generation_prompt,
                tokenize=False,
            )
        except (TemplateError, TypeError) as error:
            raise UsageError(
                f"the chat template refuses these messages ({error}): give roles and contents as "
                "the model's card shows them"
            ) from error
        return text

    def place_texts(self, text: str, layouts: Sequence[VideoLayout]) -> str:
        """Put each video's text in its place, by the installed processor's own method.

        Whether the template's tokens around the placeholder stay has changed between releases of
        transformers, so that method decides. It needs no more of a processor than its tokens.
        """
        self.check_items(text, len(layouts))
        shell = object.__new__(load_name(self.form.processor))
        shell.video_token = self.marks.item
        texts, _ = shell.get_text_with_replacements([text], [], [v.text for v in layouts], [])
        placed: str = texts[0]
        first = self.tokenizer.bos_token or self.tokenizer.eos_token
        return placed if not self.form.begins or placed.startswith(first) else first + placed

    def check_items(self, text: str, videos: int) -> None:
        """Raise UsageError unless the template's text has a placeholder for each of the videos."""
        if getattr(self.tokenizer, "image_token", self.form.image_item) in text:
            raise UsageError(
                "the prompt has image items and prefill places videos only: remove them"
            )
        if self.marks.sound and self.marks.sound in text:
            raise UsageError(
                "the prompt has audio items and prefill places videos only: remove them, and give "
                "the sound of videos as audio="
            )
        items = text.count(self.marks.item)
        if items != videos:
            raise UsageError(
                f"the prompt has {items} video items for {videos} records: give one "
                '{"type": "video"} item per record, and no vision tokens in the text'
            )


def as_messages(prompt: str | Messages, videos: int) -> Messages:
    """Return messages; a plain question becomes one user turn: the videos, then the text."""
    if not isinstance(prompt, str):
        return prompt
    items = [{"type": "video"}] * videos
    return [{"role": "user", "content": [*items, {"type": "text", "text": prompt}]}]


def texts_of(messages: Messages) -> Iterator[str]:
    """Yield texts as chat templates join them: adjacent text items of one message are one text."""
    for message in messages:
        content = message.get("content") or []
        items = [{"text": content}] if isinstance(content, str) else content
        for is_text, group in groupby(items, key=lambda item: "text" in item):
            if is_text:
                yield "".join(item["text"] for item in group)


def itemised(message: dict[str, Any]) -> dict[str, Any]:
    """Return a message whose content is a list of items, one for a plain text."""
    content = message.get("content")
    return {**message, "content": [as_item(content)]} if isinstance(content, str) else message


def real_patch_times(video: PrunedVideo) -> Tensor:
    """Return [T] float64: the mean of a temporal patch's first and last real time in seconds."""
    size = video.info.model.temporal_patch_size
    times = video.frame_times
    missing = -len(times) % size
    patches = torch.cat([times, times[-1:].expand(missing)]).view(-1, size)
    return (patches[:, 0] + patches[:, -1]) / 2


def place_videos(
    ids: Tensor, pads: Tensor, layouts: Sequence[VideoLayout]
) -> tuple[Tensor, Tensor]:
    """Expand one placeholder per run to the tokens kept in it, and give every token its position.

    `ids` is [s] int64 with one of `pads` for each run of `layouts`, in order. Returns ids [S] and
    position ids [3, S] (t, h, w): those of the full prompt, sliced to what was kept. A text token
    takes one position; a run takes its `advance` however many of its tokens were kept, which is
    the rule of multimodal RoPE (arXiv 2409.12191, section 2.1), or as many as were kept.
    """
    runs = torch.isin(ids, pads)
    counts = torch.ones_like(ids)
    counts[runs] = torch.cat([ids[:0], *(v.counts for v in layouts)])
    advances = torch.cat([ids[:0], *(torch.ones_like(v.counts) * v.advance for v in layouts)])
    advance = torch.ones_like(ids, dtype=advances.dtype)
    advance[runs] = advances
    start = starts(advance, runs)
    kept = ids.repeat_interleave(counts)
    positions = start.repeat_interleave(counts).expand(3, -1).clone()
    offsets = [ids.new_empty(3, 0), *(v.offsets for v in layouts)]
    positions[:, runs.repeat_interleave(counts)] += torch.cat(offsets, dim=1)
    return kept, positions


def starts(advance: Tensor, runs: Tensor) -> Tensor:
    """Return the position [s] at which every token, or run, begins, of how many they take up [s].

    Fractions are rounded behind every run, where models whose positions have them count on.
    """
    if not advance.is_floating_point():
        return advance.cumsum(0) - advance
    start, ends = torch.empty_like(advance), [*runs.nonzero().flatten().tolist(), len(runs) - 1]
    begin, base = 0, advance.new_zeros(())
    for end in ends:
        start[begin : end + 1] = base + torch.arange(end + 1 - begin)
        begin, base = end + 1, start[end] + advance[end]
    return start
