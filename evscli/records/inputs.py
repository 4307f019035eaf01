"""Videos to prune."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from evscli.errors import VideoError
from evscli.texts import without_secrets


@dataclass(frozen=True, kw_only=True, slots=True)
class HeldVideo:
    """Where a video lies that is no local file of its own: a remote object, or within a tar."""

    url: str
    """Address of the remote object or tar, or path of the local tar."""
    size: int
    """Bytes of the video."""
    offset: int = 0
    """Where it begins in a tar; 0 for an object that is a video."""

    @property
    def shown(self) -> str:
        """`url` as messages show it."""
        return without_secrets(self.url)


@dataclass(frozen=True, kw_only=True, slots=True)
class VideoInput:
    """One video to prune.

    Where `held` is given nothing lies at `path`: it only names the video, and is made from its
    address, or from the path of its tar and the name of the member below that.
    """

    id: str
    path: Path
    root: Path
    """The input root that the stored relative path starts from."""
    query: str | None = None
    """What query-aware methods are asked of it, where a list says so."""
    start: float | None = None
    """Seconds of the source from which its frames are used; None: from its beginning."""
    end: float | None = None
    """Seconds of the source before which they end; None: its end."""
    segments: int | None = None
    """How many its source is cut into, where it is one of those."""
    held: HeldVideo | None = None
    fault: VideoError | None = None
    """Why it cannot be read, where that was seen when it was found."""

    def raise_fault(self) -> None:
        """Raise its `fault`, if there is one."""
        if self.fault is not None:
            raise self.fault

    @property
    def name(self) -> str:
        """What messages call it: its path, its address, or `clips.tar/member.mp4`."""
        if self.held is None:
            return str(self.path)
        member = f"/{self.relative}" if self.held.offset else ""
        return f"{self.held.shown}{member}"

    @property
    def relative(self) -> str:
        """The POSIX path below the root, which a store keeps."""
        return self.path.relative_to(self.root).as_posix()

    @property
    def lies_here(self) -> bool:
        """Whether it is a file of its own below its root."""
        return self.held is None and self.fault is None

    @property
    def is_part(self) -> bool:
        """Whether a part of its source is wanted."""
        return (self.start, self.end) != (None, None)
