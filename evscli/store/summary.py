"""The contents of a store in numbers: all of it, or one video frame by frame."""

from __future__ import annotations

from dataclasses import dataclass

from evscli.records import Failure, PrunedVideo, RunConfig, VideoInfo
from evscli.store.devices import Device, read_devices
from evscli.store.manifest import entry_of
from evscli.store.reader import Store
from evscli.store.schema import TensorSpec, list_shards


@dataclass(frozen=True, kw_only=True)
class StoreSummary:
    """A store without its tensors."""

    path: str
    fingerprint: str
    run: RunConfig | None
    """The configuration; None for a lone shard, or where run.json is missing."""
    videos: tuple[VideoInfo, ...]
    """The descriptions of the videos, in the order of ids."""
    shard_names: tuple[str, ...]
    """The file that holds each of `videos`."""
    failures: tuple[Failure, ...]
    shards: int
    size: int
    """The bytes on disk of all files of the store."""
    waiting: int
    """The number of finished videos without a shard, of a run at work or of one that was killed."""
    lost: int
    """The number of videos that a manifest lists and whose shard is missing."""
    devices: tuple[Device, ...] = ()
    """The devices of later runs that are not that of `run`."""

    @property
    def tokens(self) -> int:
        """The number of visual tokens before pruning."""
        return sum(info.tokens for info in self.videos)

    @property
    def kept(self) -> int:
        """The number of tokens kept."""
        return sum(info.kept for info in self.videos)

    @property
    def retention(self) -> float | None:
        """The fraction of tokens kept; None without videos."""
        return self.kept / self.tokens if self.tokens else None

    @property
    def seconds(self) -> float:
        """The seconds of video."""
        return sum(info.duration for info in self.videos)


@dataclass(frozen=True, kw_only=True)
class FrameSummary:
    """One frame of the merged grid."""

    t: int
    prompt_time: float
    """The seconds that the prompt text names."""
    source_index: tuple[int, ...]
    """The numbers of the source frames in it."""
    frame_times: tuple[float, ...]
    """The presentation times of these frames in seconds."""
    kept: int
    """The number of tokens kept of its h x w."""


@dataclass(frozen=True, kw_only=True)
class VideoSummary:
    """One video in depth."""

    info: VideoInfo
    shard_name: str
    sha256: str
    """The digest of its tensors."""
    size: int
    """The bytes of its tensors."""
    tensors: dict[str, TensorSpec]
    """The dtypes and shapes of its tensors as they lie in the shard."""
    frames: tuple[FrameSummary, ...]
    run: RunConfig | None
    devices: tuple[Device, ...] = ()
    """The devices of later runs that are not that of `run`."""


def summarize_store(store: Store) -> StoreSummary:
    """Read every video's description. Raises DamagedError, StoreError."""
    is_folder = store.path.is_dir()
    # Shard by shard, so that each is opened once.
    infos = {key: store.info(key) for key in sorted(store, key=store.shard_name)}
    files = [path for path in store.path.iterdir() if path.is_file()] if is_folder else [store.path]
    return StoreSummary(
        path=str(store.path),
        fingerprint=store.fingerprint,
        run=store.run,
        videos=tuple(infos[video_id] for video_id in store),
        shard_names=tuple(store.shard_name(video_id) for video_id in store),
        failures=tuple(store.failures[video_id] for video_id in sorted(store.failures)),
        shards=len(list_shards(store.path)) if is_folder else 1,
        size=sum(path.stat().st_size for path in files),
        waiting=len(list(store.path.glob(".writer-*/*.safetensors"))) if is_folder else 0,
        lost=len(store.catalogue.lost),
        devices=read_devices(store.path),
    )


def summarize_video(store: Store, video_id: str) -> VideoSummary:
    """Read one video. Raises StoreError for an unknown id, DamagedError."""
    from evscli.store.shard import specs

    record, tensors = store[video_id], store.stored(video_id)
    name = store.shard_name(video_id)
    return VideoSummary(
        info=record.info,
        shard_name=name,
        sha256=entry_of(store.read_header(name), video_id).sha256,
        size=sum(tensor.nbytes for tensor in tensors.values()),
        tensors=specs(tensors),
        frames=_frames(record),
        run=store.run,
        devices=read_devices(store.path),
    )


def _frames(record: PrunedVideo) -> tuple[FrameSummary, ...]:
    step = record.info.model.temporal_patch_size
    index, times = record.source_index.tolist(), record.frame_times.tolist()
    prompt_times = record.prompt_times.tolist()
    return tuple(
        FrameSummary(
            t=t,
            prompt_time=prompt_times[t],
            source_index=tuple(index[t * step : (t + 1) * step]),
            frame_times=tuple(times[t * step : (t + 1) * step]),
            kept=kept,
        )
        for t, kept in enumerate(record.keep_mask.sum(dim=(1, 2)).tolist())
    )
