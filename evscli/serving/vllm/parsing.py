"""The part of parsers that turns what stands for a video into the item that vLLM carries."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from vllm.exceptions import VLLMValidationError
from vllm.multimodal.parse import DictEmbeddingItems

from evscli.errors import EvsError, UsageError
from evscli.serving.access import Access
from evscli.serving.address import VideoAddress
from evscli.serving.vllm.fields import Sizes, checked_fields, pruned_config, served_fields
from evscli.serving.vllm.media import ONLY, STORES
from evscli.serving.vllm.mixin import Mixin
from evscli.serving.vllm.sealed import unseal
from evscli.serving.weights import check_served


class PrunedVideoItems(DictEmbeddingItems):
    """Videos as embeddings, at the cells that their masks keep."""

    keys: Sequence[str] = ()
    """The cache keys of videos of stores; none for embeddings that came with the request."""

    def get_item_for_hash(self, index: int) -> object:
        """Return what names the item: for a video of a store its key, so that no row is hashed."""
        return {"evs_key": self.keys[index]} if self.keys else self.get(index)


class PrunedVideoParsing(Mixin):
    """The part of a family's parser of requests that takes videos of stores."""

    model: str
    """The served checkpoint, a hub id or a folder."""
    sizes: Sizes
    """The sizes that tensors of videos have."""
    own_fields: Any
    """The function of vLLM that makes the fields of the family's own items."""
    takes_raw: bool
    """Whether there is a vision tower, for videos of no store."""

    def _parse_video_data(self, data: Any) -> Any:
        try:
            addresses = addresses_of(data)
            if addresses:
                return self._items_of_stores(addresses)
            if isinstance(data, Mapping):
                self._require_rows(data)
                fields = checked_fields(data, self.sizes)
                return self._items(fields, ())
        except EvsError as error:
            raise VLLMValidationError(str(error)) from None
        except (OSError, ValueError) as error:  # the latter for characters that no path has
            reason = getattr(error, "strerror", None) or error
            raise VLLMValidationError(f"a store cannot be read ({reason})") from None
        if data is not None and not self.takes_raw:
            raise VLLMValidationError(ONLY)
        return super()._parse_video_data(data)

    def _parse_image_data(self, data: Any) -> Any:
        """Parse images, which are not taken as embeddings: vLLM does not check these."""
        if isinstance(data, Mapping | Tensor) or (
            isinstance(data, list) and any(isinstance(one, Tensor) for one in data)
        ):
            raise VLLMValidationError("images are not taken as embeddings: give their pictures")
        return super()._parse_image_data(data)

    def _items_of_stores(self, addresses: Sequence[VideoAddress]) -> PrunedVideoItems:
        videos = [STORES.video(Path(one.store), one) for one in addresses]
        for video in videos:
            check_served(video.info.model, self.model)
        by_workers = self._read_by_workers(addresses)
        fields = served_fields(videos, rows=not by_workers)
        # Rows that come with a request are those of this file alone, whatever digest it states.
        keys = [
            video.key
            if by_workers
            else video.key_with_rows(STORES.shard_state(Path(address.store), address.id))
            for video, address in zip(videos, addresses, strict=True)
        ]
        return self._items(fields, keys)

    def _require_rows(self, fields: Mapping[str, Any]) -> None:
        """Raise UsageError for a request's own video without embeddings, where none come later."""
        if fields.get("video_embeds") is None and Access.of_server(None).named:
            raise UsageError("the video has no video_embeds: give them, or an address of a store")

    def _read_by_workers(self, addresses: Sequence[VideoAddress]) -> bool:
        """Return whether workers read the tokens themselves, which know the server's stores."""
        known = Access.of_server(None).named.values()
        missing: bool = self.allow_missing_mm_embeddings
        return missing and all(Path(address.store) in known for address in addresses)

    def _fields_config(self, fields: Mapping[str, Any]) -> Any:
        config = self.own_fields(self.sizes.merge)(fields)
        return {**config, **pruned_config(fields, self.sizes)}

    def _items(self, fields: Mapping[str, Any], keys: Sequence[str]) -> PrunedVideoItems:
        required, optional = self.embedding_field_sets("video")
        items = PrunedVideoItems(
            fields,
            modality="video",
            required_fields=required,
            optional_fields=optional,
            fields_factory=self._fields_config,
        )
        items.keys = tuple(keys)
        return items


class SecondsParsing(PrunedVideoParsing):
    """The part of parsers of families whose temporal ids grow with the seconds of a video."""

    rate: float
    """The temporal ids in a second."""
    longest: int
    """The positions that the videos of a prompt may take."""

    def _items(self, fields: Mapping[str, Any], keys: Sequence[str]) -> PrunedVideoItems:
        self.check_ids(self.ids_of(fields))
        return super()._items(fields, keys)

    def check_ids(self, videos: Sequence[Tensor]) -> None:
        """Raise UsageError for temporal ids [T] of videos that vLLM has no angles of.

        Such ids would end the engine.
        """
        last = [float(ids[-1]) for ids in videos]
        if not (min(last, default=0) >= 0 and sum(last) < self.longest):  # NaN is neither
            raise UsageError(
                f"the prompt has temporal positions up to {sum(last):,.0f}, and vLLM can count to "
                f"{self.longest:,}: ask about fewer or shorter videos"
            )


def addresses_of(data: Any) -> list[VideoAddress]:
    """Return the addresses in the videos' place, or none where something else is given.

    Raises UsageError where addresses and other videos are mixed in one prompt.
    """
    if isinstance(data, Mapping) and "evs_store" not in data:
        data = data.get("video_embeds")  # of a dictionary, the place of an address
        return addresses_of(data) if isinstance(data, Tensor | list) else []
    if isinstance(data, Tensor):  # sealed addresses of one length came in one tensor
        data = list(data) if data.dtype == torch.uint8 and data.ndim == 2 else [data]
    given = data if isinstance(data, list | tuple) else [data]
    found = [address for one in given if (address := address_of(one)) is not None]
    if found and len(found) < len(given):
        raise UsageError(
            "videos of stores and other videos cannot be in one prompt: prune the others too"
        )
    return found


def address_of(item: Any) -> VideoAddress | None:
    """Return the address that stands for a video, or None for another video.

    Raises UsageError for a wrong one.
    """
    if isinstance(item, VideoAddress):
        return item
    if isinstance(item, Mapping) and "evs_store" in item:
        return VideoAddress.of_mapping(item)
    if isinstance(item, Tensor) and item.dtype == torch.uint8 and item.ndim == 1:
        return unseal(item)
    return None
