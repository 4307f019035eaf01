"""The machinery of a run, and the protocol of its listener."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from os import sched_getaffinity
from typing import Protocol

from evscli.corpus.decoding.process import DecoderProcess
from evscli.corpus.decoding.sizing import FIRST, Decoders
from evscli.corpus.resume import Retries
from evscli.corpus.share import Share
from evscli.corpus.tasks import Done, Summary, Task
from evscli.pipeline import VideoPruner
from evscli.video import Damaged

MakePruner = Callable[[str], VideoPruner]
"""A function that loads the pruner of a run onto a device; other processes can be sent it."""


class Listener(Protocol):
    """The receiver of a run's progress."""

    def begin(self, tasks: Sequence[Task], summaries: Sequence[Summary]) -> None:
        """Take the tasks, and for each store the counts of videos that need no work."""

    def done(self, done: Done, *, again: bool) -> None:
        """Take the outcome of one video in one store; `again`: it failed and is tried once more."""


@dataclass(frozen=True, kw_only=True)
class Engine:
    """The machinery of a run. Nothing but `block` changes a tensor of an undamaged video."""

    devices: Sequence[str] = ("cpu",)
    """The devices, one for every worker."""
    processes: int | None = None
    """The number of processes that decode videos, for all workers together. The default is few
    at first, and more where an encoder waits for frames, up to the number of cores."""
    cores: int = field(default_factory=lambda: len(sched_getaffinity(0)))
    """The number of cores for all workers together. The default is those of this machine."""
    timeout: float | None = None
    """The seconds that a video's decoder may take. The default is ten minutes and the video's
    own."""
    damaged: str = Damaged.trim
    """The policy about damaged videos. No policy takes a damaged frame."""
    hwaccel: str = "none"
    """The device that decodes where it gives the same pixels."""
    retries: Retries = field(default_factory=Retries)
    check_sources: bool = False
    segment: float | None = None
    """The seconds after which videos are cut. None cuts nothing."""
    block: int = 1
    """The tasks in a row that go to one worker, which may encode short ones together. It changes
    the last bits of these."""
    share: Share = Share()  # noqa: RUF009 - it is frozen
    """The share of the videos, where several runs write to one store at a time."""

    @property
    def numbers(self) -> range:
        """The numbers under which the workers write."""
        first, step = self.share.index, self.share.count
        return range(first, first + step * len(self.devices), step)

    @property
    def is_alone(self) -> bool:
        """Whether no other run is meant to write to its stores."""
        return self.share.count == 1

    @property
    def threads(self) -> int:
        """The number of threads with which each worker computes on a CPU."""
        return max(1, self.cores // len(self.devices))

    @property
    def lanes(self) -> int:
        """The most decoder processes of each worker."""
        return max(1, (self.processes or self.cores) // len(self.devices))

    def decoders(self, *, most: int | None = None) -> Decoders:
        """Return the decoder processes of one worker, not yet started.

        There are as many as asked for, or else few at first. More than `most` find no work: each of
        these decodes by threads on the cores that are left.
        """
        count = self.lanes if most is None else min(self.lanes, most)
        first = count if self.processes else min(count, FIRST)
        make = partial(self.decoder, threads=self.lanes // count)
        return Decoders(make=make, first=first, most=count)

    def decoder(self, *, threads: int = 1) -> DecoderProcess:
        """Return one decoder process, not yet started, with the threads that decode a video."""
        return DecoderProcess(
            timeout=self.timeout, damaged=self.damaged, hwaccel=self.hwaccel, threads=threads
        )
