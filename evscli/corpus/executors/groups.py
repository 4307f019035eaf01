"""The pruning of the videos of one block, of which short ones of one size are encoded together.

Which videos share a call depends on the block alone, and on no time or number of processes, so that
a run repeated gives the same bits.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

from evscli.corpus.decoding.ahead import DecodedVideo
from evscli.corpus.inputs import refuse_name
from evscli.corpus.tasks import Task
from evscli.errors import VideoError
from evscli.pipeline import (
    HeldVideo,
    PlannedVideo,
    VideoPruner,
    encode_held,
    hold_video,
    may_stay,
    patches_of,
    resized_here,
)
from evscli.pipeline.frames import Frames
from evscli.records import PrunedVideo, VideoTokens

CRASHES = 2
"""The number of workers that may die at a video before it counts as the cause."""

PruneResult = PrunedVideo | VideoError
"""The record to be written, or the reason why there is none."""

Result = tuple[Task, int, PruneResult]
"""The result of a task for the store of a number."""

TellBegun = Callable[[Sequence[Task]], None]
"""A function that takes the tasks that are under way."""


@dataclass(frozen=True, kw_only=True)
class Look:
    """One video whose frames are still to come, and the way that it takes."""

    task: Task
    planned: PlannedVideo
    frames: Frames
    patches: int | None
    """The number of its patches, where it may share a call; else None."""


def prune_block(
    block: Iterable[DecodedVideo[Task]], pruner: VideoPruner, begun: TellBegun
) -> Iterator[Result]:
    """Prune the videos of a block, and yield their results in order.

    Raises DeviceLostError, and StoreError for a full scratch disk.
    """
    group = Group(pruner)
    for decoded in block:
        begun([*group.tasks, decoded.task])
        look = look_at(decoded, pruner)
        if isinstance(look, VideoError):
            group.members.append((decoded.task, look))
        else:
            yield from _go_on(group, look, begun)
        decoded.drop()
    yield from group.prune(begun)


def _go_on(group: Group, look: Look, begun: TellBegun) -> Iterator[Result]:
    """Have a video join the group, or come behind it."""
    if group.members and not group.takes(look):
        yield from group.prune(begun)
        begun([look.task])
    if look.patches is None or not (group.members or look.task.behind):
        yield from results_of(look.task, look.planned, group.pruner, frames=look.frames)
    else:
        group.hold(look, look.patches)


def look_at(decoded: DecodedVideo[Task], pruner: VideoPruner) -> Look | VideoError:
    """Wait for the plan of a video; return the error that keeps it from being encoded."""
    task, encoder = decoded.task, pruner.encoder
    try:
        task.video.raise_fault()
        refuse_name(task.video)
        refuse_suspect(task)
        planned = decoded.planned()
        return Look(
            task=task,
            planned=planned,
            frames=resized_here(encoder, planned, decoded.frames),
            patches=_shared(task, planned, pruner),
        )
    except VideoError as error:
        return error


def _shared(task: Task, planned: PlannedVideo, pruner: VideoPruner) -> int | None:
    """Return the number of patches of a video that may share a call; None for another."""
    most = pruner.encoder.chunk_patches
    whole = all(pruner.requests[number].prune_at is None for number in task.tries)
    if most is None or task.alone or not whole:
        return None
    patches = patches_of(planned, pruner.encoder)
    return patches if patches <= most else None


def refuse_suspect(task: Task) -> None:
    """Raise VideoError for a video during which several workers died."""
    if task.crashes >= CRASHES:
        raise VideoError(
            f"{task.video.name}: {task.crashes} workers died while they were at it; is there "
            "enough memory, and does the device work? Try it alone with --retry-failed, or "
            "re-encode it with ffmpeg",
            stage="encode",
            kind="Crashed",
        )


def results_of(
    task: Task,
    planned: PlannedVideo,
    pruner: VideoPruner,
    *,
    frames: Frames,
    tokens: VideoTokens | None = None,
) -> Iterator[Result]:
    """Yield the results of a video for each of its stores; its own failure is that of all."""
    left = [*task.tries]
    try:
        pruned = pruner.prune_planned(planned, left[:], frames=frames, tokens=tokens)
        for number, result in pruned:
            left.remove(number)
            yield task, number, result
    except VideoError as error:
        yield from failed(task, error, left)


def failed(task: Task, error: VideoError, stores: Iterable[int]) -> Iterator[Result]:
    """Yield the failure of a video for each of some stores."""
    yield from ((task, number, error) for number in stores)


class Group:
    """Short videos in a row that wait to be encoded together, and those among them that failed."""

    def __init__(self, pruner: VideoPruner) -> None:
        self.pruner = pruner
        self.members: list[tuple[Task, HeldVideo | VideoError]] = []
        self.patches = 0
        """The patches of all that are held."""

    @property
    def tasks(self) -> list[Task]:
        """The tasks of all members."""
        return [task for task, _ in self.members]

    @property
    def held(self) -> dict[str, HeldVideo]:
        """The videos that are to be encoded, by id."""
        return {task.video.id: held for task, held in self.members if isinstance(held, HeldVideo)}

    def takes(self, look: Look) -> bool:
        """Return whether a video has the size of the others, and there is room for its patches."""
        most = self.pruner.encoder.chunk_patches
        if look.patches is None or most is None or self.patches + look.patches > most:
            return False
        sizes = {held.planned.plan.resized_size for held in self.held.values()}
        return sizes <= {look.planned.plan.resized_size}

    def hold(self, look: Look, patches: int) -> None:
        """Take a video with its frames, or its failure."""
        self.patches += patches
        try:
            held = hold_video(look.planned, look.frames, self.pruner.encoder)
        except VideoError as error:
            self.members.append((look.task, error))
        else:
            self.members.append((look.task, held))

    def prune(self, begun: TellBegun) -> Iterator[Result]:
        """Encode what waits, and yield all results in order; the group is empty then."""
        members, tokens = self.members, self._encoded(begun)
        self.members, self.patches = [], 0
        for task, held in members:
            begun([task])
            if isinstance(held, VideoError):
                yield from failed(task, held, task.tries)
            else:
                own = tokens.pop(task.video.id)
                frames, planned = held.frames, held.planned
                yield from results_of(task, planned, self.pruner, frames=frames, tokens=own)

    def _encoded(self, begun: TellBegun) -> dict[str, VideoTokens | None]:
        """Return the tokens of the held videos by id; None for one that is to be encoded alone."""
        held = self.held
        tasks = [task for task in self.tasks if task.video.id in held]
        if len(held) > 1:
            begun(tasks)
        numbers = {number for task in tasks for number in task.tries}
        stay = may_stay(self.pruner.requests[number] for number in numbers)
        tokens = encode_held([*held.values()], self.pruner.encoder, stay=stay)
        return dict(zip(held, tokens, strict=True))
