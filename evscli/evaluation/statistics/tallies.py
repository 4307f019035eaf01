"""Answers counted: the accuracy of every selection, and its differences to others.

Differences are paired: of the same questions, with videos as clusters.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from evscli.evaluation.selections import RANDOM, UNPRUNED
from evscli.evaluation.statistics.intervals import accuracy_interval, difference_interval
from evscli.evaluation.statistics.results import (
    ALL,
    FRAMES,
    Answered,
    Budget,
    Selected,
    TalliedSelection,
)
from evscli.records import IntArray, OptionValue

SAME_SHARE = 0.005
"""The difference of two fractions of tokens kept from which they are not the same budget."""


@dataclass(frozen=True, kw_only=True)
class Difference:
    """The accuracy of one selection minus another's on the same questions, with a 95 % interval."""

    value: float
    low: float
    high: float


@dataclass(frozen=True, kw_only=True)
class Tally(Selected):
    """The count of one selection's answers to one kind of question, or to all."""

    kind: str
    method: str
    options: Mapping[str, OptionValue]
    budget: Budget
    num_frames: int | None
    """The number of frames sampled, where several numbers are compared."""
    fraction: float
    """The fraction of tokens that the budget asks for, over all questions."""
    kept_fraction: float
    """The fraction of tokens kept, over all questions."""
    kept_tokens: float
    """The mean number of tokens kept of a question's video."""
    videos: int
    asked: int
    correct: int
    accuracy: float
    low: float
    high: float
    """The upper bound of the accuracy with 95 % confidence; `low` is the lower one."""
    chance: float
    """The accuracy of guessing."""
    versus_none: Difference | None
    """The difference to the unpruned videos. It is None for these, and where they are missing."""
    versus_random: Difference | None
    """The difference to method `random` at the same budget. It is None likewise, and where a
    method kept another share of the tokens by its own rule."""
    versus_first: Difference | None
    """The difference to the first method with options at the same budget, likewise."""

    @property
    def named_budget(self) -> str:
        """The budget as a text."""
        return self.budget if isinstance(self.budget, str) else f"{self.budget:g}"

    @property
    def kept_as_asked(self) -> bool:
        """Whether the method kept about the share that its budget asks for."""
        return same_share(self.kept_fraction, self.fraction)


def tally(answered: Sequence[Answered]) -> list[Tally]:
    """Count the answers: first over all questions, then by kind where there are several kinds.

    Kinds come in alphabetical order, selections in the order of their first answer. Raises
    ValueError where selections were asked different questions, which could not be compared.
    """
    kinds = sorted({answer.kind for answer in answered})
    rows = count(ALL, answered)
    if len(kinds) > 1:
        for kind in kinds:
            rows += count(kind, [answer for answer in answered if answer.kind == kind])
    return rows


def count(kind: str, answered: Sequence[Answered]) -> list[Tally]:
    """Make one tally for every selection among `answered`."""
    videos = {name: i for i, name in enumerate(dict.fromkeys(a.video for a in answered))}
    groups: dict[TalliedSelection, list[Answered]] = {}
    for answer in answered:
        groups.setdefault(answer.selection, []).append(answer)
    scores = {selection: Score.of(group, videos) for selection, group in groups.items()}
    for selection, score in scores.items():
        if not np.array_equal(score.asked, next(iter(scores.values())).asked):
            raise ValueError(f"{selection} was asked other {kind} questions than the first one")
    return [make_tally(kind, group, scores) for group in groups.values()]


@dataclass(frozen=True, kw_only=True, eq=False)
class Score:
    """Right answers and questions by video, and the share of tokens kept."""

    correct: IntArray
    """[V] numbers of right answers."""
    asked: IntArray
    """[V] numbers of questions."""
    fraction: float
    """The share of tokens that was asked for."""
    kept_fraction: float
    kept_tokens: float

    @classmethod
    def of(cls, group: Sequence[Answered], videos: Mapping[str, int]) -> Score:
        """Count the answers of one selection, videos numbered by `videos`."""
        correct, asked = (np.zeros(len(videos), dtype=np.int64) for _ in range(2))
        for answer in group:
            correct[videos[answer.video]] += answer.correct
            asked[videos[answer.video]] += 1
        kept, total = (sum(getattr(one, name) for one in group) for name in ("kept", "total"))
        return cls(
            correct=correct,
            asked=asked,
            fraction=sum(answer.fraction * answer.total for answer in group) / total,
            kept_fraction=kept / total,
            kept_tokens=kept / len(group),
        )

    def minus(self, other: Score | None) -> Difference | None:
        """Return the difference to `other`, or None without it."""
        if other is None:
            return None
        gained = self.correct - other.correct
        low, high = difference_interval(gained, self.asked)
        return Difference(value=float(gained.sum() / self.asked.sum()), low=low, high=high)


@dataclass(frozen=True, kw_only=True, eq=False)
class References:
    """The selections that one is compared with; None where it is that itself, or there is none."""

    unpruned: Score | None
    random: Score | None
    """The random selection that kept as many tokens."""
    first: Score | None
    """The first method that was named, where it kept as many tokens. Random ones have none."""

    @classmethod
    def of(
        cls, selection: TalliedSelection, scores: Mapping[TalliedSelection, Score]
    ) -> References:
        """Find those of `selection`, at its budget and number of frames."""
        (method, options), budget = selection
        frames = dict(options).get(FRAMES)
        alike = {
            (series, at): score
            for (series, at), score in scores.items()
            if dict(series[1]).get(FRAMES) == frames
        }
        named = {series[0]: score for (series, at), score in alike.items() if at == budget}
        first = next((key for key in alike if key[0][0] not in (UNPRUNED, RANDOM)), None)
        other = first is not None and first[0] != selection[0] and method not in (UNPRUNED, RANDOM)
        equal = alike.get((first[0], budget)) if first is not None and other else None
        whole = {series[0]: score for (series, at), score in alike.items() if at == 1.0}
        kept = scores[selection].kept_fraction
        return cls(
            unpruned=whole.get(UNPRUNED) if method != UNPRUNED else None,
            random=_as_much(named.get(RANDOM), kept) if method != RANDOM else None,
            first=_as_much(equal, kept),
        )


def _as_much(score: Score | None, kept: float) -> Score | None:
    return score if score is not None and same_share(score.kept_fraction, kept) else None


def same_share(one: float, other: float) -> bool:
    """Return whether two fractions of tokens kept are one budget."""
    return abs(one - other) <= SAME_SHARE


def make_tally(
    kind: str, group: Sequence[Answered], scores: Mapping[TalliedSelection, Score]
) -> Tally:
    """Make the tally of one selection's answers to one kind, given the scores of all."""
    score = scores[group[0].selection]
    low, high = accuracy_interval(score.correct, score.asked)
    asked, correct = len(group), int(score.correct.sum())
    found = References.of(group[0].selection, scores)
    return Tally(
        kind=kind,
        method=group[0].method,
        options=group[0].options,
        budget=group[0].budget,
        num_frames=group[0].num_frames,
        fraction=score.fraction,
        kept_fraction=score.kept_fraction,
        kept_tokens=score.kept_tokens,
        videos=len(score.asked),
        asked=asked,
        correct=correct,
        accuracy=correct / asked,
        low=low,
        high=high,
        chance=sum(a.chance for a in group) / asked,
        versus_none=score.minus(found.unpruned),
        versus_random=score.minus(found.random),
        versus_first=score.minus(found.first),
    )
