"""Every selection of one video, made for the questions that are asked about it.

A method that chooses by a question chooses anew for each; the others choose once for all. The
whole encoder runs once, and its first blocks once more for every block after which tokens are
chosen.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from torch import Tensor

from evscli.encoders import VideoEncoder
from evscli.pipeline import (
    AfterPass,
    EncoderPass,
    Extras,
    PlannedVideo,
    Query,
    QueryRows,
    begin_pass,
    check_blocks,
    demand_of,
    encode,
    may_stay,
    need_pixels,
)
from evscli.pipeline.frames import Frames, decoded_here, decoded_once
from evscli.pruners import PruneRequest
from evscli.pruners.seeds import video_seed
from evscli.records import PruneAt, PrunedVideo
from evscli.video_errors import video_errors


@dataclass(frozen=True, kw_only=True, eq=False)
class Selecting:
    """The selections of an evaluation, and the inputs that they need beside tokens."""

    requests: Sequence[PruneRequest]
    scorer: Mapping[str, Tensor] | None = None
    """The weights of a learned method, by name."""
    queries: QueryRows | None = None
    """The maker of a question's rows, for methods that choose by one."""
    query: str | None = None
    """A question to choose by in place of the one that is asked."""
    seed: int = 0

    def check(self, encoder: VideoEncoder) -> None:
        """Raise UsageError for a selection behind a block that the encoder does not have."""
        check_blocks(encoder, self.requests)


@dataclass(frozen=True, kw_only=True, eq=False)
class VideoSelection:
    """A video as one selection leaves it, for some of the questions."""

    number: int
    """The number of the selection."""
    record: PrunedVideo
    questions: range
    """The numbers of the questions that the record is for."""


@dataclass(frozen=True, kw_only=True, eq=False)
class SelectedVideo:
    """One video, its encoder passes, and the selections in them."""

    planned: PlannedVideo
    encoder: VideoEncoder
    selecting: Selecting
    frames: Frames
    """A function that starts a pass over the planned frames."""

    @classmethod
    def decoded(
        cls, planned: PlannedVideo, encoder: VideoEncoder, selecting: Selecting
    ) -> SelectedVideo:
        """Return a video whose frames are decoded here, once. Raises VideoError."""
        frames = decoded_here(encoder, planned)
        if any(request.prune_at is not None for request in selecting.requests):
            with video_errors("decode", planned.video):
                frames = decoded_once(frames, planned)
        return cls(planned=planned, encoder=encoder, selecting=selecting, frames=frames)

    @cached_property
    def whole(self) -> AfterPass:
        """The run of the whole encoder. Raises VideoError."""
        after = [one for one in self.selecting.requests if one.prune_at is None]
        return encode(
            self.planned,
            self.encoder,
            frames=self.frames,
            pixels=need_pixels(after),
            extras=self._extras,
            stay=may_stay(after),
        )

    def selections(self, questions: Sequence[str]) -> Iterator[VideoSelection]:
        """Yield every selection for all questions, those of one encoder pass together.

        Raises VideoError.
        """
        demand = demand_of(self.planned)
        passes: dict[PruneAt | None, dict[int, PruneRequest]] = {}
        for number, given in enumerate(self.selecting.requests):
            request = given.for_video(demand, seed=self.selecting.seed)
            passes.setdefault(request.prune_at, {})[number] = request
        for place, requests in passes.items():
            run = self.whole if place is None else self._early(place, requests.values())
            for number, request in requests.items():
                for record, asked in self._records(run, request, questions):
                    yield VideoSelection(number=number, record=record, questions=asked)

    def _early(self, place: PruneAt, requests: Iterable[PruneRequest]) -> EncoderPass:
        return begin_pass(
            self.planned,
            self.encoder,
            after=place,
            frames=self.frames,
            pixels=need_pixels(requests),
            extras=self._extras,
            stay=may_stay(requests),
        )

    def _records(
        self, run: EncoderPass, request: PruneRequest, questions: Sequence[str]
    ) -> Iterator[tuple[PrunedVideo, range]]:
        if "query" not in request.needs:
            yield run.prune(request), range(len(questions))
            return
        assert self.selecting.queries is not None, "rows are made where a method needs a question"
        for number, question in enumerate(questions):
            text = self.selecting.query or question
            with video_errors("prune", self.planned.video):
                query = Query(text=text, rows=self.selecting.queries(text))
            yield self.whole.asked(query).prune(request), range(number, number + 1)

    @property
    def _extras(self) -> Extras:
        seed = video_seed(self.selecting.seed, self.planned.video.id)
        return Extras(scorer=self.selecting.scorer, seed=seed)
