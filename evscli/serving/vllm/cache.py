"""A connector of encoder caches: workers read rows out of shards, requests carry masks and times.

vLLM's processes then send each other no embeddings: the one that takes requests reads masks alone,
and the one that runs the model maps the shard of the video when its turn comes.
"""

from __future__ import annotations

from collections import defaultdict
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

from vllm.distributed.ec_transfer.ec_connector.example_connector import ECExampleConnector

from evscli.errors import DamagedError, StoreError
from evscli.serving.served import PREFIX, ServedVideo
from evscli.serving.stores import OpenStores

STORES = "stores"
"""The key of the connector's configuration that lists the folders of stores."""


class Place(NamedTuple):
    """A video in a store."""

    store: Path
    id: str


class EvsECConnector(ECExampleConnector):
    """A consumer whose producer are the stores of its configuration."""

    def __init__(self, vllm_config: Any, role: Any) -> None:
        super().__init__(vllm_config=vllm_config, role=role)
        config = vllm_config.ec_transfer_config
        self.paths = [Path(path) for path in config.get_from_extra_config(STORES, [])]
        self.stores = OpenStores()
        self.index: dict[str, list[Place]] = {}
        self.device = vllm_config.device_config.device
        self.dtype = vllm_config.model_config.dtype
        self.loads = 0
        """The number of videos read."""

    def places(self, digest: str) -> list[Place]:
        """Return where the tokens of a digest are: a video may be in several stores.

        The stores are looked through again for a video that came since.
        """
        if digest not in self.index:
            found = defaultdict(list)
            for path in self.paths:
                with suppress(StoreError, OSError):  # a broken store does not end the others
                    for video_id, entry in self.stores.store(path).entries().finished.items():
                        found[entry.sha256].append(Place(path, video_id))
            self.index = found
        return self.index.get(digest, [])

    def _found_match_for_mm_data(self, mm_hash: str) -> bool:
        return mm_hash.startswith(PREFIX) and bool(self.places(parts_of(mm_hash)[0]))

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
                self.loads += 1

    def rows(self, key: str) -> Any:
        """Return the rows [K, D * (1 + L)] of a cache key, from the first store that has them.

        Raises DamagedError where none has them any more.
        """
        digest, kept = parts_of(key)
        for place in self.places(digest):
            with suppress(StoreError, OSError):
                store = self.stores.store(place.store, grown=True)
                video = ServedVideo.read(store, place.id)
                if video.sha256 == digest:
                    return video.first(kept).rows()
        raise DamagedError(f"{key} is in no store any more: ask again")


def parts_of(key: str) -> tuple[str, int | None]:
    """Return the digest in a cache key, and how many tokens are kept, or None for all."""
    digest, _, kept = key.removeprefix(PREFIX).partition("-")
    return digest, int(kept) if kept else None
