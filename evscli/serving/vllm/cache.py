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
from evscli.serving.served import PREFIX, ServedVideo
from evscli.serving.stores import OpenStores, listed_at

STORES = "stores"
"""The key of the connector's configuration that lists the folders of stores."""


Place = tuple[Path, str]
"""A store, and the id of a video in it."""


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
        self.listed: list[Any] = []
        """The states of the stores' lists of videos when the index was made."""

    def places(self, digest: str) -> list[Place]:
        """Return where the tokens of a digest are: a video may be in several stores.

        The scheduler asks at every step. The stores are looked through again for a video that came
        since, and only where their lists have changed.
        """
        if (
            digest not in self.index
            and (listed := [*map(state_of_list, self.paths)]) != self.listed
        ):
            self.listed = listed
            found = defaultdict(list)
            for path in self.paths:
                with suppress(StoreError, OSError):  # a broken store does not end the others
                    for video_id, entry in self.stores.store(path).entries().finished.items():
                        found[entry.sha256].append((path, video_id))
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

    def rows(self, key: str) -> Any:
        """Return the rows [K, D * (1 + L)] of a cache key, from the first store that has them.

        Raises DamagedError where none has them any more.
        """
        digest, kept = parts_of(key)
        for path, video_id in self.places(digest):
            with suppress(StoreError, OSError):
                video = ServedVideo.read(self.stores.store(path, grown=True), video_id)
                if video.sha256 == digest:
                    return video.first(kept).rows()
        raise DamagedError(f"{key} is in no store any more: ask again")


def state_of_list(path: Path) -> Any:
    """Return a state that changes with a store's list of videos; None for what is not readable."""
    try:
        return listed_at(path)
    except OSError:
        return None


def parts_of(key: str) -> tuple[str, int | None]:
    """Return the digest in a cache key, and how many tokens are kept, or None for all."""
    digest, _, kept = key.removeprefix(PREFIX).partition("-")
    return digest, int(kept) if kept else None
