"""How a run goes about its work, and who is told how it goes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from os import sched_getaffinity
from typing import Protocol

from evscli.corpus.decoding.process import DecoderProcess
from evscli.corpus.outcome import Summary
from evscli.corpus.resume import Retries
from evscli.corpus.share import Share
from evscli.corpus.tasks import Done, Task
from evscli.pipeline import VideoPruner
from evscli.video import Damaged

MakePruner = Callable[[str], VideoPruner]
"""Loads what a run prunes with onto a device; other processes can be sent it."""


class Listener(Protocol):
    """Who is told how a run goes."""

    def begin(self, tasks: Sequence[Task], summaries: Sequence[Summary]) -> None:
        """What is to be done, and for each store what need not be."""

    def done(self, done: Done, *, again: bool) -> None:
        """What became of one video in one store; `again`: it failed and is tried once more."""


@dataclass(frozen=True, kw_only=True)
class Engine:
    """How a run goes about its work; nothing of it changes a tensor of what is undamaged."""

    devices: Sequence[str] = ("cpu",)
    """One for every worker."""
    processes: int | None = None
    """That decode; by default one less than there are cores, and one at least for each worker."""
    cores: int = field(default_factory=lambda: len(sched_getaffinity(0)))
    """For all workers together; by default those of this machine."""
    timeout: float | None = None
    """Seconds that a video's decoder may take; by default ten minutes and the video's own."""
    damaged: str = Damaged.trim
    """The policy about damaged videos; a damaged frame is taken by none."""
    retries: Retries = field(default_factory=Retries)
    check_sources: bool = False
    segment: float | None = None
    """Seconds after which videos are cut; None: not at all."""
    share: Share = Share()  # noqa: RUF009 - it is frozen
    """Of the videos, where several runs write to one store at a time."""

    @property
    def numbers(self) -> range:
        """Under which its workers write."""
        first, step = self.share.index, self.share.count
        return range(first, first + step * len(self.devices), step)

    @property
    def is_alone(self) -> bool:
        """Whether no other run is meant to write to its stores."""
        return self.share.count == 1

    @property
    def threads(self) -> int:
        """With which each worker computes on a CPU."""
        return max(1, self.cores // len(self.devices))

    @property
    def lanes(self) -> int:
        """Decoder processes of each worker."""
        wanted = self.processes or self.cores - 1
        return max(1, wanted // len(self.devices))

    def decoders(self, *, most: int | None = None) -> list[DecoderProcess]:
        """The decoder processes of one worker, not yet started."""
        count = self.lanes if most is None else min(self.lanes, most)
        return [self.decoder() for _ in range(count)]

    def decoder(self) -> DecoderProcess:
        """One decoder process, not yet started."""
        return DecoderProcess(timeout=self.timeout, damaged=self.damaged)
