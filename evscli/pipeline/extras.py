"""The inputs that methods may need beside tokens and pixels: questions, learned weights, seeds."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from torch import Tensor

from evscli.records import VideoInput
from evscli.video_errors import video_errors


class QueryRows(Protocol):
    """A maker of rows from texts."""

    @property
    def digest(self) -> str:
        """The digest of everything beside the text that rows depend on."""

    def __call__(self, text: str) -> Tensor:
        """Return the rows [Q, D] of the language model's input embeddings for a text."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Query:
    """One question as text and as rows."""

    text: str
    rows: Tensor
    """[Q, D] rows of the language model's input embeddings."""


def query_of(video: VideoInput, rows: QueryRows | None) -> Query | None:
    """Return the query of a video, where it has one. Raises VideoError with `stage` prune."""
    if rows is None or video.query is None:
        return None
    with video_errors("prune", video):
        return Query(text=video.query, rows=rows(video.query))


@dataclass(frozen=True, kw_only=True, eq=False)
class Extras:
    """The inputs that methods may need beside tokens and pixels, for one video."""

    query: Query | None = None
    scorer: Mapping[str, Tensor] | None = None
    """The weights of a learned method, by name."""
    seed: int = 0


NO_EXTRAS = Extras()
