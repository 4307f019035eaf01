"""The answers of an evaluation, by selection.

They do not depend on how videos and models were loaded: every evaluation makes `Answered`.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from evscli.records import Failure, OptionValue, PrunedVideo

ALL = "all"
"""The kind of a tally over all questions."""

FRAMES, BLOCK = "num_frames", "prune_at"
"""The names of the number of frames and of the block, beside a method's options."""

Numbers = Mapping[str, float | None]
"""The diagnostics of one mask, by name."""

Series = tuple[str, tuple[tuple[str, OptionValue], ...]]
"""A method and its options by name: one line of a table or plot."""

Budget = float | str
"""A fraction of the tokens, or a text such as `256tok`."""

TalliedSelection = tuple[Series, Budget]
"""A series at one budget."""


class Selected:
    """A part of one selection's results, which can be grouped by the selection."""

    method: str
    options: Mapping[str, OptionValue]
    budget: Budget
    num_frames: int | None

    @property
    def series(self) -> Series:
        """The method, options and number of frames, which are one line of a table or plot."""
        frames = {} if self.num_frames is None else {FRAMES: self.num_frames}
        return self.method, tuple(sorted({**self.options, **frames}.items()))

    @property
    def selection(self) -> TalliedSelection:
        """The series and its budget."""
        return self.series, self.budget


@dataclass(frozen=True, kw_only=True)
class Answered(Selected):
    """One question asked of one selection of a video."""

    video: str
    kind: str
    method: str
    options: Mapping[str, OptionValue]
    budget: Budget
    fraction: float
    """The fraction of the video's tokens that the budget asks for."""
    correct: bool
    chance: float
    """The probability that a guess is right."""
    kept: int
    """The number of tokens kept of the video."""
    total: int
    """The number of tokens of the video before pruning."""
    num_frames: int | None = None
    """The number of frames sampled, where several numbers are compared."""

    @classmethod
    def of(
        cls, record: PrunedVideo, *, video: str, kind: str, correct: bool, options: int
    ) -> Answered:
        """Return the answer to a question asked of a pruned video; `options` is their number."""
        info = record.info
        block = {} if info.prune_at is None else {BLOCK: info.prune_at}
        return cls(
            video=video,
            kind=kind,
            method=info.method,
            options={**info.options, **block},
            budget=info.named_budget,
            fraction=info.budget,
            correct=correct,
            chance=1 / options,
            kept=len(record.embeds),
            total=info.tokens,
        )


@dataclass(frozen=True, kw_only=True)
class Evaluation:
    """The answers of an evaluation. A video that failed for one selection counts for none."""

    answered: tuple[Answered, ...]
    failures: tuple[Failure, ...] = ()
    diagnostics: Mapping[TalliedSelection, Mapping[str, Numbers]] = field(default_factory=dict)
    """The numbers about the masks, by selection and video."""
    baselines: tuple[Answered, ...] = ()
    """The answers about reduced views, whose names stand in place of methods."""

    @classmethod
    def joined(cls, parts: Sequence[Evaluation]) -> Evaluation:
        """Return evaluations as one, without videos that failed in any of them."""
        failures = tuple(failure for part in parts for failure in part.failures)
        failed = {failure.id for failure in failures}
        answered = (answer for part in parts for answer in part.answered)
        numbers: dict[TalliedSelection, dict[str, Numbers]] = defaultdict(dict)
        for part in parts:
            for selection, rows in part.diagnostics.items():
                numbers[selection] |= rows
        return cls(
            answered=tuple(answer for answer in answered if answer.video not in failed),
            failures=tuple({failure.id: failure for failure in failures}.values()),
            diagnostics=numbers,
            baselines=tuple(answer for part in parts for answer in part.baselines),
        )
