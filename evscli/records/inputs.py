"""Videos to prune."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from evscli.errors import VideoError
from evscli.texts import without_secrets


@dataclass(frozen=True, kw_only=True, slots=True)
class HeldVideo:
    """The place of a video that is not a local file of its own: a remote object, or in a tar."""

    url: str
    """The address of the remote object or tar, or the path of the local tar."""
    size: int
    """The size of the video in bytes."""
    offset: int = 0
    """The byte of the tar at which the video begins; 0 for an object that is a video."""

    @property
    def shown(self) -> str:
        """The URL as messages show it, without secrets."""
        return without_secrets(self.url)


@dataclass(frozen=True, kw_only=True, slots=True)
class VideoInput:
    """One video to prune.

    Where `held` is given no file lies at `path`, which only names the video: it is made from the
    video's address, or from the path of its tar with the name of the member below that.
    """

    id: str
    """The id of the video in its store."""
    path: Path
    """The path of the video's file; only a name where `held` is given."""
    root: Path
    """The input root that the stored relative path starts from."""
    query: str | None = None
    """The question for query-aware methods, where a list holds one for this video."""
    start: float | None = None
    """The second of the source from which frames are used. None is its beginning."""
    end: float | None = None
    """The second of the source before which the frames end. None is its end."""
    segments: int | None = None
    """The number of segments that the source is cut into, where the video is one of them."""
    held: HeldVideo | None = None
    """The place of the video's bytes, where it is not a local file of its own."""
    fault: VideoError | None = None
    """The reason why the video cannot be read, where that was seen when it was found."""

    def raise_fault(self) -> None:
        """Raise the video's `fault`, if there is one."""
        if self.fault is not None:
            raise self.fault

    @property
    def name(self) -> str:
        """The name of the video in messages: its path, its address, or `clips.tar/member.mp4`."""
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
        """Whether the video is a file of its own below its root."""
        return self.held is None and self.fault is None

    @property
    def is_part(self) -> bool:
        """Whether the video is a part of its source."""
        return (self.start, self.end) != (None, None)
