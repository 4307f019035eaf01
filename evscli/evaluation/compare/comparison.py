"""What a comparison of selections on some videos found."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from typing import Any

import torch

from evscli.evaluation.compare.measure import Measured
from evscli.evaluation.compare.rows import Row, numbers_of, overlaps, rows_of
from evscli.pruners import PruneRequest
from evscli.records import Failure


@dataclass(frozen=True, kw_only=True, eq=False)
class Comparison:
    """Selections on the videos that could be measured, and the others."""

    requests: Sequence[PruneRequest]
    measured: Sequence[Sequence[Measured]]
    """[videos][selections]"""
    failures: Sequence[Failure]
    setup: Mapping[str, Any]
    """With what it was measured, as JSON values."""

    @cached_property
    def rows(self) -> list[Row]:
        """One for every selection."""
        return rows_of(self.measured, self.requests)

    @cached_property
    def overlaps(self) -> list[list[float]]:
        """Intersection over union of the masks of every two selections."""
        return overlaps(self.measured)

    def as_json(self) -> dict[str, Any]:
        """All of it as JSON values, numbers not rounded."""
        return {
            **self.setup,
            "selections": [asdict(row) for row in self.rows],
            "overlaps": self.overlaps,
            "videos": [
                {
                    "id": video[0].video,
                    "grid_thw": list(video[0].mask.shape),
                    "selections": [
                        {"kept": int(torch.count_nonzero(one.mask)), **numbers_of(one)}
                        for one in video
                    ],
                }
                for video in self.measured
            ],
            "failures": [asdict(failure) for failure in self.failures],
        }
