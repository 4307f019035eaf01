"""A connector of encoder caches: workers read rows out of shards, requests carry masks and times.

vLLM's processes then send each other no embeddings: the one that takes requests reads masks alone,
and the one that runs the model maps the shard of the video when its turn comes.
"""

from __future__ import annotations

from collections import defaultdict
from contextlib import suppress
from pathlib import Path
from typing import Any

from vllm.distributed.ec_transfer.ec_connector.example_connector import ECExampleConnector

from evscli.errors import DamagedError, StoreError
from evscli.serving.served import PREFIX, WITH_ROWS, ServedVideo
from evscli.serving.stores import OpenStores, State, listed_at, state_of

STORES = "stores"
"""The key of the connector's configuration that lists the folders of stores."""


Place = tuple[Path, str]
"""A store, and the id of a video in it."""


class EvsECConnector(ECExampleConnector):
    """A consumer whose producer are the stores of its configuration.

    The scheduler's part looks whether a video is still there whenever a request waits for it, and
    fails the request where it is not; the worker's part reads it in the same step.
    """

    def __init__(self, vllm_config: Any, role: Any) -> None:
        super().__init__(vllm_config=vllm_config, role=role)
        config = vllm_config.ec_transfer_config
        self.paths = [Path(path) for path in config.get_from_extra_config(STORES, [])]
        self.stores = OpenStores()
        self.index: dict[str, list[Place]] = {}
        self.device = vllm_config.device_config.device
        self.dtype = vllm_config.model_config.dtype
        self.listed: list[Any] = []
        """The states of the stores' lists of videos when the index was made."""
        self.seen: dict[str, tuple[Path, State]] = {}
        """The shards in which digests were found, with their states."""
        self.lost: set[str] = set()
        """The requests whose videos are gone."""

    def places(self, digest: str) -> list[Place]:
        """Return where the tokens of a digest are: a video may be in several stores.

        The scheduler asks at every step. The stores are looked through again for a video that came
        since, and only where their lists have changed.
        """
        if digest not in self.index:
            self.look_through()
        return self.index.get(digest, [])

    def look_through(self) -> None:
        """Make the index anew where a list of videos has changed."""
        listed = [*map(state_of_list, self.paths)]
        if listed == self.listed:
            return
        self.listed = listed
        found = defaultdict(list)
        for path in self.paths:
            with suppress(StoreError, OSError):  # a broken store does not end the others
                store = self.stores.store(path, grown=True)
                for video_id, entry in store.entries().finished.items():
                    found[entry.sha256].append((path, video_id))
        self.index = found

    def _found_match_for_mm_data(self, mm_hash: str) -> bool:
        return is_read_here(mm_hash) and bool(self.places(parts_of(mm_hash)[0]))

    def ensure_cache_available(self, request: Any, num_computed_tokens: int) -> bool:
        """Return whether the videos that a request waits for are there; else it is failed."""
        for feature in request.mm_features:
            place, key = feature.mm_position, feature.identifier
            waits = place.offset + place.length > num_computed_tokens
            if waits and is_read_here(key) and not self.is_there(key):
                self.lost.add(request.request_id)
                return False
        return True

    def take_unavailable_requests(self) -> set[str]:
        """Return the requests whose videos are gone, once."""
        lost, self.lost = self.lost, set()
        return lost

    def is_there(self, key: str) -> bool:
        """Return whether the video of a cache key can be read, by its shard's state if known."""
        digest, _ = parts_of(key)
        path, state = self.seen.get(digest, (None, None))
        if path is not None:
            with suppress(OSError):
                if state_of(path) == state:
                    return True
        found = self.find(digest)
        if found is None:
            self.seen.pop(digest, None)
            return False
        with suppress(OSError):
            self.seen[digest] = found[1], state_of(found[1])
        return True

    def find(self, digest: str) -> tuple[ServedVideo, Path] | None:
        """Return the video of a digest and its shard, from the first store that has it."""
        for again in (False, True):
            if again:
                self.look_through()
            for path, video_id in self.index.get(digest, []):
                with suppress(StoreError, OSError):
                    store = self.stores.store(path, grown=again)
                    video = ServedVideo.read(store, video_id)
                    if video.sha256 == digest:
                        return video, store.folder / store.shard_name(video_id)
        return None

    def start_load_caches(self, encoder_cache: dict[str, Any], **kwargs: Any) -> None:
        """Read the rows that the scheduler asks for, into the cache of the encoder."""
        for item in self._get_connector_metadata().mm_datas:
            if item.mm_hash not in encoder_cache:
                rows = self.rows(item.mm_hash)
                if len(rows) != item.num_token:
                    raise DamagedError(
                        f"{item.mm_hash} has {len(rows):,} rows for {item.num_token:,} places: "
                        "its store was changed meanwhile, ask again"
                    )
                encoder_cache[item.mm_hash] = rows.to(self.device, self.dtype)

    def rows(self, key: str) -> Any:
        """Return the rows [K, D * (1 + L)] of a cache key.

        Raises DamagedError where no store has them any more.
        """
        digest, kept = parts_of(key)
        if not self.index:
            self.look_through()
        found = self.find(digest)
        if found is None:
            raise DamagedError(f"{key} is in no store any more: ask again")
        return found[0].first(kept).rows()


def state_of_list(path: Path) -> Any:
    """Return a state that changes with a store's list of videos; None for what is not readable."""
    try:
        return listed_at(path)
    except OSError:
        return None


def is_read_here(key: str) -> bool:
    """Return whether a cache key is that of a video whose rows do not come with the request."""
    return key.startswith(PREFIX) and not key.startswith(WITH_ROWS)


def parts_of(key: str) -> tuple[str, int | None]:
    """Return the digest in a cache key, and how many tokens are kept, or None for all."""
    digest, _, kept = key.removeprefix(PREFIX).partition("-")
    return digest, int(kept) if kept else None
