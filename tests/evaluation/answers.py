"""Answers made by hand, and selections to ask about."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from evscli.evaluation.questions.selecting import Selecting
from evscli.evaluation.selections import selections
from evscli.evaluation.statistics.results import Answered
from evscli.job import Selection


def answers(
    right: Mapping[str, Sequence[bool]],
    *,
    method: str = "vcast",
    budget: float = 0.25,
    kind: str = "question",
    **options: float,
) -> list[Answered]:
    """One answer for every entry of `right`, which is by video; a fair coin's chance."""
    return [
        Answered(
            video=video,
            kind=kind,
            method=method,
            options=options,
            budget=budget,
            fraction=budget,
            correct=correct,
            chance=0.5,
            kept=round(100 * budget),
            total=100,
        )
        for video, row in right.items()
        for correct in row
    ]


def choosing(
    methods: Sequence[str], budgets: Sequence[float | str], *options: str, seed: int = 0
) -> Selecting:
    """Methods at budgets, with unpruned and random tokens, that need no weights and no question."""
    selection = Selection(methods=methods, budgets=budgets, options=options, seed=seed)  # type: ignore[arg-type]
    return Selecting(requests=selections(selection), seed=seed)
