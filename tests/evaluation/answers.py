"""Answers made by hand."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from evscli.evaluation.statistics.results import Answered


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
