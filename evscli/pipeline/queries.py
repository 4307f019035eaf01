"""What query-aware methods are asked of a video."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from torch import Tensor

from evscli.records import VideoInput
from evscli.video_errors import video_errors


class QueryRows(Protocol):
    """Makes rows of texts."""

    @property
    def digest(self) -> str:
        """Digest of everything beside the text that rows follow from."""

    def __call__(self, text: str) -> Tensor:
        """Rows [Q, D] of the language model's input embeddings."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Query:
    """One question as text and as rows."""

    text: str
    rows: Tensor
    """[Q, D] of the language model's input embeddings"""


def query_of(video: VideoInput, rows: QueryRows | None) -> Query | None:
    """The query of a video, where it has one. Raises VideoError with `stage` prune."""
    if rows is None or video.query is None:
        return None
    with video_errors("prune", video):
        return Query(text=video.query, rows=rows(video.query))
