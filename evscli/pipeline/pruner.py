"""One encoder and checked selections, applied to any number of videos."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from typing import Any

from torch import Tensor

from evscli.budget import Drawn, Fraction
from evscli.encoders import VideoEncoder
from evscli.encoders.digest import tensors_digest
from evscli.errors import VideoError
from evscli.pipeline.extras import Extras, QueryRows, query_of
from evscli.pipeline.frames import Frames, decoded_here, decoded_once
from evscli.pipeline.passes import begin_pass
from evscli.pipeline.planned import PlannedVideo, demand_of, plan_video
from evscli.provenance import provenance
from evscli.pruners import PruneRequest, is_built_in, source_digests
from evscli.pruners.seeds import video_seed
from evscli.records import INPUT, PruneAt, PrunedVideo, RunConfig, VideoInput, VideoTokens
from evscli.video import Damaged
from evscli.video_errors import video_errors


class VideoPruner:
    """One encoder and checked selections, applied to any number of videos.

    A video is decoded and encoded once for all selections that share an encoder pass. `seed`
    matters for random methods and drawn budgets only, and gives every video a draw of its own.
    `scorer` are the weights of a learned method; `queries` makes the rows [Q, D] of a video's query
    for methods that need one. `store_dtype` is the dtype in which stores keep tokens where that is
    not the encoder's; records name it, and their tensors stay as computed. `segment` is the length
    in seconds of the segments that the caller cuts videos into, and `ids` the rule by which videos
    are named where that is not the usual one; both are recorded only.
    Raises UsageError for a selection inside the encoder behind a block that it does not have.
    """

    def __init__(
        self,
        encoder: VideoEncoder,
        *requests: PruneRequest,
        seed: int = 0,
        store_scores: bool = False,
        store_dtype: str | None = None,
        scorer: Mapping[str, Tensor] | None = None,
        queries: QueryRows | None = None,
        segment: float | None = None,
        ids: str | None = None,
    ) -> None:
        check_blocks(encoder, requests)
        self.encoder = encoder
        self.requests = requests
        self.seed = seed
        self.store_scores = store_scores
        self.store_dtype = store_dtype
        self.scorer = scorer
        self.queries = queries
        self.segment = segment
        self.ids = ids

    @property
    def configs(self) -> tuple[RunConfig, ...]:
        """The configuration of each selection: settings that change tensors, and provenance.

        Raises UsageError for a user's own method whose source cannot be identified.
        """
        made_by = provenance(device=str(self.encoder.device))
        return tuple(
            RunConfig(
                settings={
                    "encoder": dict(self.encoder.settings),
                    "selection": self._settings(request),
                    **({} if self.segment is None else {"segment": self.segment}),
                    **({} if self.ids is None else {"ids": self.ids}),
                },
                provenance=made_by,
            )
            for request in self.requests
        )

    def _settings(self, request: PruneRequest) -> dict[str, Any]:
        method, budget = request.pruner, request.budget
        selection: dict[str, Any] = {
            "method": method.name,
            "algorithm_version": method.algorithm_version,
            "budget": budget.value if isinstance(budget, Fraction) else str(budget),
            "options": dict(request.options),
            "store_scores": self.store_scores,
        }
        if not is_built_in(method):
            selection["plugin"] = {
                "package": None if method.plugin is None else method.plugin.distribution,
                "source_sha256": source_digests(method),
            }
        if self.store_dtype is not None:
            selection["store_dtype"] = self.store_dtype
        if request.prune_at is not None:
            selection["prune_at"] = request.prune_at
        if self.scorer is not None and "scorer" in request.needs:
            selection["scorer"] = tensors_digest(self.scorer)
        if self.queries is not None and "query" in request.needs:
            selection["query_rows"] = self.queries.digest
        if method.random or isinstance(request.budget, Drawn):
            selection["seed"] = self.seed
        return selection

    def __call__(self, video: VideoInput, *, damaged: str = Damaged.trim) -> PrunedVideo:
        """Prune one video by the first selection; `damaged` is the policy about damage.

        Raises VideoError for anything that fails with this video, with the stage that failed.
        """
        planned = plan_video(video, self.encoder, damaged=damaged)
        _, result = next(self.prune_planned(planned, [0]))
        if isinstance(result, VideoError):
            raise result
        return result

    def prune(
        self, video: VideoInput, which: Iterable[int] | None = None
    ) -> Iterator[tuple[int, PrunedVideo | VideoError]]:
        """Prune one video by the selections numbered `which`, by default all.

        Yields the number of each selection with its record, or with a VideoError where this
        selection alone fails; selections of one encoder pass come together. Raises VideoError for
        anything that fails with the video itself, with the stage that failed.
        """
        return self.prune_planned(plan_video(video, self.encoder), which)

    def prune_planned(
        self,
        planned: PlannedVideo,
        which: Iterable[int] | None = None,
        *,
        frames: Frames | None = None,
        tokens: VideoTokens | None = None,
    ) -> Iterator[tuple[int, PrunedVideo | VideoError]]:
        """Prune, as `prune` does, a video whose frames are chosen; `frames` is called once.

        `tokens` are those of the whole encoder, where it has been run.
        """
        demand = demand_of(planned)
        passes: dict[PruneAt | None, dict[int, PruneRequest]] = {}
        for number in range(len(self.requests)) if which is None else which:
            request = self.requests[number].for_video(demand, seed=self.seed)
            passes.setdefault(request.prune_at, {})[number] = request
        frames = frames or decoded_here(self.encoder, planned)
        if len(passes) > 1:
            with video_errors("decode", planned.video):
                frames = decoded_once(frames, planned)
        extras = Extras(
            query=query_of(planned.video, self.queries),
            scorer=self.scorer,
            seed=video_seed(self.seed, planned.video.id),
        )
        for place, requests in passes.items():
            run = begin_pass(
                planned,
                self.encoder,
                after=place,
                frames=frames,
                pixels=need_pixels(requests.values()),
                extras=extras,
                stay=may_stay(requests.values()),
                tokens=tokens,
            )
            for number, request in requests.items():
                try:
                    record = run.prune(request, store_scores=self.store_scores)
                    info = replace(record.info, store_dtype=self.store_dtype)
                    yield number, replace(record, info=info)
                except VideoError as error:
                    yield number, error


def check_blocks(encoder: VideoEncoder, requests: Iterable[PruneRequest]) -> None:
    """Raise UsageError for a selection behind a block that the encoder does not have."""
    for request in requests:
        if request.prune_at is not None and request.prune_at != INPUT:
            encoder.check_block(request.prune_at)


def may_stay(requests: Iterable[PruneRequest]) -> bool:
    """Return whether all of the selections take tokens that are on a device.

    Methods of others may know tokens on the CPU only.
    """
    return all(is_built_in(request.pruner) for request in requests)


def need_pixels(requests: Iterable[PruneRequest]) -> bool:
    """Return whether any of the selections scores pixels."""
    return any("pixels" in request.needs for request in requests)
