"""A video of a store as a serving engine takes it: rows, a mask, times and a name for caches.

Shapes: K kept tokens, T x h x w cells, D values of a token, L DeepStack planes.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from evscli.errors import DamagedError
from evscli.models.parts.times import second_per_grid
from evscli.records import VideoInfo
from evscli.store import Store
from evscli.store.quantize import TOKENS, widened
from evscli.store.shard import cheap_problems
from evscli.store.shard_header import damaged_shard

PREFIX = "evs-"
"""The beginning of every cache key, which no other item of an engine may have."""

WITH_ROWS = "evs-rows-"
"""The beginning of the keys of videos whose rows come with the request."""


@dataclass(frozen=True, kw_only=True, eq=False)
class ServedVideo:
    """One video at one budget. Its tokens are read from the shard when they are asked for."""

    info: VideoInfo
    """The description of the video, at the budget."""
    sha256: str
    """The digest of the video in its shard."""
    tensors: Mapping[str, Tensor]
    """The tensors as they lie in the shard."""
    chosen: Tensor | None
    """[stored tokens] bool, those of a smaller budget; None is all."""

    @classmethod
    def read(cls, store: Store, video_id: str, budget: str | None = None) -> ServedVideo:
        """Return a video of a store, at its budget or a smaller one.

        Raises StoreError for an unknown id, UsageError for a budget that the store cannot give,
        DamagedError where tensors are not those of the description.
        """
        check_size(store, video_id)
        info, tensors = store.info(video_id), store.stored(video_id)
        if problems := cheap_problems(info, tensors):
            raise DamagedError(
                f"{video_id!r} of {store.path} is damaged ({problems[0]}): run evs inspect "
                f"{store.path} --verify, which says what to do"
            )
        smaller = info if budget is None else info.at(budget)
        fewer = smaller.kept < info.kept
        return cls(
            info=smaller,
            sha256=store.sha256(video_id),
            tensors=tensors,
            chosen=first_in_order(tensors, smaller.kept, video_id) if fewer else None,
        )

    def first(self, kept: int | None) -> ServedVideo:
        """Return the video with only the `kept` tokens that its method ranks first; None is all.

        Raises DamagedError where it has no order.
        """
        if kept is None:
            return self
        return replace(self, chosen=first_in_order(self.tensors, kept, self.info.id))

    @property
    def key(self) -> str:
        """The name of these tokens in caches: that of the shard's video, and the tokens kept."""
        return PREFIX + self.sha256 + ("" if self.chosen is None else f"-{self.info.kept}")

    def key_with_rows(self, state: str) -> str:
        """Return a name for caches that also tells a shard by its `state`.

        A digest that a shard states may not be that of the rows that are read from it.
        """
        return WITH_ROWS + hashlib.sha256(f"{self.key} {state}".encode()).hexdigest()

    @property
    def keep_mask(self) -> Tensor:
        """[T, h, w] bool, True for kept cells."""
        mask = self.tensors["keep_mask"]
        if self.chosen is None:
            return mask
        smaller = torch.zeros_like(mask)
        smaller[mask] = self.chosen
        return smaller

    @property
    def prompt_times(self) -> Tensor:
        """[T] float64 seconds that the prompt states."""
        return self.tensors["prompt_times"]

    @property
    def second_per_grid(self) -> float | None:
        """The seconds between temporal patches, where temporal ids grow with them."""
        if self.info.model.tokens_per_second is None:
            return None
        return second_per_grid(self.info, len(self.tensors["source_index"]))

    def rows(self) -> Tensor:
        """Return [K, D * (1 + L)]: each kept token, then its DeepStack planes side by side.

        Behind them are the tokens that stand behind a video, if its family has some. Raises
        DamagedError where they are not finite.
        """
        tokens = widened(self.info, narrow_tokens(self.tensors, self.chosen))
        rows = side_by_side(tokens["embeds"], tokens.get("deepstack"))
        if (suffix := self.tensors.get("suffix")) is not None:
            rows = torch.cat([rows, suffix.to(rows.dtype)])
        if not bool(rows.isfinite().all()):
            raise DamagedError(
                f"the tokens of {self.info.id!r} are not finite: run evs inspect --verify on its "
                "store, which says what to do"
            )
        return rows


def side_by_side(embeds: Tensor, planes: Tensor | None) -> Tensor:
    """Return [K, D * (1 + L)] of tokens [K, D] and their DeepStack planes [L, K, D], if any."""
    return torch.cat([embeds, *(() if planes is None else planes)], dim=-1)


def check_size(store: Store, video_id: str) -> None:
    """Raise DamagedError for a shard whose size is no longer the one in its manifest.

    A shard that was cut while it is mapped would end the process that reads it.
    """
    name = store.shard_name(video_id)
    listed, path = store.catalogue.sizes.get(name), store.folder / name
    try:
        size = path.stat().st_size
    except OSError:
        return  # which the reader finds out, or that a merge has moved its videos
    if listed is not None and size != listed.bytes:
        raise damaged_shard(path, f"it has {size:,} bytes and had {listed.bytes:,}")


def first_in_order(tensors: Mapping[str, Tensor], count: int, video_id: str) -> Tensor:
    """Return [stored tokens] bool: the first `count` in the order of the method.

    Raises DamagedError where there is no order, or one that is none.
    """
    order = tensors.get("order")
    chosen = None if order is None else order < count
    if chosen is None or int(chosen.sum()) != count:
        raise DamagedError(f"the order of the tokens of {video_id!r} is damaged: prune it again")
    return chosen


def narrow_tokens(tensors: Mapping[str, Tensor], chosen: Tensor | None) -> dict[str, Tensor]:
    """Return tokens and their scales as they lie in the shard, those that were chosen.

    Tokens are rows of `embeds [K, D]` and `deepstack [L, K, D]`, scales are [K] and [L, K].
    """
    found = {}
    for name in TOKENS:
        for key in (name, f"{name}_scale"):
            if key in tensors:
                axis = 0 if name == "embeds" else 1
                value = tensors[key]
                found[key] = value if chosen is None else value[(slice(None),) * axis + (chosen,)]
    return found
