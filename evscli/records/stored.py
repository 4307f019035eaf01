"""The contents of a store: videos, the configuration that made them, and failures."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from evscli.budget import BudgetRule, CountRule, Demand, Fraction, as_rule
from evscli.errors import DamagedError, UsageError
from evscli.records.frames import Part
from evscli.records.made_by import ModelInfo, SourceInfo
from evscli.records.place import PruneAt

if TYPE_CHECKING:
    from torch import Tensor

OptionValue = bool | int | float | str


@dataclass(frozen=True, kw_only=True, slots=True)
class Origin:
    """The source, question and part that a finished video was made from."""

    source: SourceInfo
    """The file."""
    query: str | None = None
    """The question that a query-aware method was given."""
    part: Part | None = None
    """The part of the file that the video is. None is all of it."""


@dataclass(frozen=True, kw_only=True)
class VideoInfo:
    """Everything that a shard holds about one video beside its tensors."""

    id: str
    """The id of the video in its store."""
    source: SourceInfo
    """The file that the video came from."""
    source_fps: float
    """The frames per second of the source, or of the part: frames over duration."""
    source_frames: int
    """The number of frames of the source, or of the part."""
    duration: float
    """The seconds of the source, or of the part."""
    source_size: tuple[int, int]
    """The (height, width) in pixels of the picture as a viewer shows it, after rotation."""
    rotation: int
    """The degrees counter-clockwise that a viewer turns the coded picture: 0, 90, 180 or 270."""
    resized_size: tuple[int, int]
    """The (height, width) in pixels that the encoder saw."""
    grid_thw: tuple[int, int, int]
    """The merged grid (T, h, w): temporal patches, and rows and columns of cells."""
    model: ModelInfo
    """The vision encoder that made the tokens."""
    method: str
    """The name of the pruning method."""
    options: Mapping[str, OptionValue]
    """All options of the method, as resolved."""
    budget: float
    """The fraction of tokens that was asked to be kept."""
    expected: int
    """The number of tokens that the method's rule promised for that budget."""
    kept: int
    """The number of tokens kept, K."""
    notes: tuple[str, ...] = ()
    """Notes on the video or its selection for a person, one sentence each."""
    query: str | None = None
    """The question that a query-aware method was given."""
    prune_at: PruneAt | None = None
    """The block of the encoder after which tokens were dropped, or `input` where it was before the
    first. None means after the encoder."""
    budget_rule: str | None = None
    """The budget as asked for, where it was not a fraction, such as `4096tok`."""
    part: Part | None = None
    """The part of the source that the video is. None is the whole source."""
    store_dtype: str | None = None
    """The dtype of stored tokens: bfloat16, float16, float8 or int8. None is `model.dtype`."""
    damaged_frames: int | None = None
    """The number of damaged frames left out although others follow; in `source_frames` too."""
    store_rms_error: float | None = None
    """The error of the stored dtype: root of the mean square, relative to that of the values."""
    store_max_error: float | None = None
    """The largest such error of a row, which is one token in one plane."""

    count_rule: CountRule | None = None
    """The rule of the count, of a method that ranks all tokens in one order; None for others."""

    @property
    def demand(self) -> Demand:
        """The numbers of the video that a budget depends on."""
        return Demand(id=self.id, tokens=self.tokens, seconds=self.duration)

    @property
    def origin(self) -> Origin:
        """The source, question and part that the video was made from."""
        return Origin(source=self.source, query=self.query, part=self.part)

    @property
    def frames(self) -> range:
        """The numbers, in the source, of the frames that the video consists of."""
        first = 0 if self.part is None else self.part.first_frame
        return range(first, first + self.source_frames)

    @property
    def tokens(self) -> int:
        """The number of visual tokens before pruning, T*h*w."""
        t, h, w = self.grid_thw
        return t * h * w

    @property
    def named_budget(self) -> float | str:
        """The budget as it was asked for: a fraction, or a text such as `256tok`."""
        return self.budget if self.budget_rule is None else self.budget_rule

    @property
    def retention(self) -> float:
        """The fraction of tokens kept."""
        return self.kept / self.tokens

    def at(self, budget: float | str | BudgetRule, *, seed: int = 0) -> VideoInfo:
        """Return what the description is at a smaller budget. Raises as `PrunedVideo.at` does."""
        if self.count_rule is None:
            raise UsageError(
                f"{self.id!r} was pruned by {self.method} in a form whose masks are not nested, so "
                "no other budget can be chosen: prune by a method that evs methods marks as "
                "nested, with its usual options and after the encoder"
            )
        rule = as_rule(budget)
        fraction = rule.of(self.demand, seed)
        kept = self.count_rule.count(self.tokens, fraction)
        if kept > self.kept:
            raise UsageError(
                f"budget {rule} keeps {kept:,} tokens of {self.id!r}, and the store holds "
                f"{self.kept:,}: give at most {self.budget:g}, or prune with a larger budget"
            )
        same_count = kept == self.kept
        old = self.count_rule.notes(self.tokens, self.budget)
        return replace(
            self,
            budget=fraction,
            budget_rule=None if isinstance(rule, Fraction) else str(rule),
            kept=kept,
            expected=kept,
            notes=tuple(note for note in self.notes if note not in old)
            + self.count_rule.notes(self.tokens, fraction),
            store_rms_error=self.store_rms_error if same_count else None,
            store_max_error=self.store_max_error if same_count else None,
        )


@dataclass(frozen=True, kw_only=True, eq=False)
class PrunedVideo:
    """The record that a shard holds for one video."""

    info: VideoInfo
    """The description of the video."""
    embeds: Tensor
    """[K, D] embeddings of the kept tokens, in raster order."""
    position_ids: Tensor
    """[K, 3] int32: 0-based (t, h, w) cells, equal to `keep_mask.nonzero()`."""
    keep_mask: Tensor
    """[T, h, w] bool, True for kept cells."""
    source_index: Tensor
    """[F] int64 numbers of the sampled frames in the source."""
    frame_times: Tensor
    """[F] float64 presentation times of the sampled frames, in seconds."""
    prompt_times: Tensor
    """[T] float64 seconds that the prompt text states."""
    deepstack: Tensor | None = None
    """[L, K, D] DeepStack planes of the kept tokens, for families that have them."""
    suffix: Tensor | None = None
    """[n, D] tokens behind those of all cells, which are never pruned, for families with such."""
    scores: Tensor | None = None
    """[T, h, w] float16 scores, stored on request."""
    order: Tensor | None = None
    """[K] int32 places of the kept tokens in the method's order, from 0, where it has one order for
    every budget."""

    @property
    def id(self) -> str:
        """The video's id."""
        return self.info.id

    def tensors(self) -> dict[str, Tensor]:
        """Return the tensors by their name in a shard, without absent ones."""
        names = (
            "embeds",
            "position_ids",
            "keep_mask",
            "deepstack",
            "suffix",
            "source_index",
            "frame_times",
            "prompt_times",
            "scores",
            "order",
        )
        return {name: value for name in names if (value := getattr(self, name)) is not None}

    def at(self, budget: float | str | BudgetRule, *, seed: int = 0) -> PrunedVideo:
        """Return the video as `evs prune` with a smaller budget makes it, to the last bit.

        `budget` is a fraction, or a text such as `4096tok`, `256tok/s` or `0.1:0.9`, whose draw
        depends on `seed` and the video's id. Tokens in a narrower dtype stay in it, and how much
        that loses is then not known (`store_rms_error` is None). Raises UsageError where the budget
        keeps more than there is, and for a video whose tokens have no order; DamagedError where
        the order is not one.
        """
        info = self.info.at(budget, seed=seed)
        if info.kept == self.info.kept:
            return replace(self, info=info)
        assert self.order is not None, "a video with a count rule has an order"
        kept = self.order < info.kept
        if int(kept.sum()) != info.kept:
            raise DamagedError(f"the order of the tokens of {self.id!r} is damaged: prune it again")
        mask = self.keep_mask.clone()
        mask[self.keep_mask] = kept
        return replace(
            self,
            info=info,
            embeds=self.embeds[kept],
            position_ids=self.position_ids[kept],
            keep_mask=mask,
            deepstack=None if self.deepstack is None else self.deepstack[:, kept],
            order=self.order[kept],
        )

    def __repr__(self) -> str:
        grid = "x".join(map(str, self.info.grid_thw))
        return (
            f"PrunedVideo({self.id!r}, {self.info.kept} of {self.info.tokens} tokens, grid {grid}, "
            f"{self.info.method} at {self.info.budget:g})"
        )


@dataclass(frozen=True, kw_only=True)
class Failure:
    """One video that could not be pruned."""

    id: str
    """The id of the video."""
    path: str
    """The POSIX path relative to the input root."""
    stage: str
    """The stage that failed: open, index, plan, decode, encode, prune, write or answer."""
    kind: str
    """The class of the error."""
    message: str
    """The message of the error: one line, with what to do."""
    attempt: int = 1
    """The number of the attempt, counted from 1 over all runs."""
    size: int | None = None
    """The size in bytes of the file that failed."""
    whole: bool | None = None
    """True where the source could not be opened or indexed, so that its segments are unknown; `id`
    is then that of the first."""
    traceback: str | None = None
    """The traceback of the error, which a store keeps in a file of its own."""


@dataclass(frozen=True, kw_only=True)
class RunConfig:
    """The configuration that a store was made with."""

    settings: Mapping[str, Any]
    """The JSON values that change tensors; the store's fingerprint is their digest."""
    provenance: Mapping[str, Any] = field(default_factory=dict)
    """The JSON values that do not change tensors: device, threads, package versions."""
