"""Addresses of videos in the API of OpenAI, as `video_url` or as `video_embeds`."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from torch import Tensor
from vllm.exceptions import VLLMValidationError
from vllm.multimodal.media.connector import MediaConnector, global_thread_pool

from evscli.errors import EvsError
from evscli.serving.access import STORES_ONLY, Access
from evscli.serving.address import SCHEME, VideoAddress
from evscli.serving.stores import OpenStores
from evscli.serving.vllm.sealed import seal
from evscli.texts import first_line

ONLY = (
    "the server takes videos of stores only: name one by evs:STORE#ID, or start the server by evs "
    "serve --raw, which loads a vision tower"
)
"""The error for a video of no store."""

STORES = OpenStores()
"""The stores that this process has opened."""


class EvsMediaConnector(MediaConnector):
    """A connector that takes addresses of videos where others take URLs of files.

    Everything else goes to vLLM's own. An address is checked here, where a request still waits for
    its media; tensors are read when the prompt is made.
    """

    def fetch_video(self, video_url: str, **options: Any) -> Any:
        """Return a checked address, or the video of another URL."""
        if is_address(video_url):
            return self.checked(video_url)
        refuse_others()
        return super().fetch_video(video_url, **options)

    async def fetch_video_async(self, video_url: str, **options: Any) -> Any:
        """Return what `fetch_video` returns."""
        if is_address(video_url):
            return await in_pool(self.checked, video_url)
        refuse_others()
        return await super().fetch_video_async(video_url, **options)

    def fetch_video_embedding(self, data: str) -> Tensor:
        """Return a checked address as a tensor, or embeddings that a request holds."""
        found: Tensor
        if is_address(data):
            return seal(self.checked(data))
        with embeddings_read():
            found = super().fetch_video_embedding(data)
        return found

    async def fetch_video_embedding_async(self, data: str) -> Tensor:
        """Return what `fetch_video_embedding` returns."""
        if is_address(data):
            return seal(await in_pool(self.checked, data))
        with embeddings_read():
            found: Tensor = await super().fetch_video_embedding_async(data)
        return found

    def checked(self, url: str) -> VideoAddress:
        """Return the address in `url`, its store by path, once its video has been found there."""
        try:
            address = VideoAddress.of_url(url)
            path = Access.of_server(self.allowed_local_media_path).path_of(address.store)
        except EvsError as error:
            raise VLLMValidationError(str(error)) from None
        try:
            STORES.video(path, address)
        except EvsError as error:  # which names a path of the server
            raise VLLMValidationError(str(error).replace(str(path), address.store)) from None
        except OSError as error:
            raise VLLMValidationError(
                f"{address.store} cannot be read ({error.strerror}): check its files"
            ) from None
        return VideoAddress(store=str(path), id=address.id, budget=address.budget)


def refuse_others() -> None:
    """Raise VLLMValidationError for a video of no store where the server has no vision tower."""
    if os.environ.get(STORES_ONLY):
        raise VLLMValidationError(ONLY)


@contextmanager
def embeddings_read() -> Iterator[None]:
    """Raise VLLMValidationError where a text stands for neither an address nor embeddings."""
    try:
        yield
    except Exception as error:  # of base64, of torch and of numpy
        raise VLLMValidationError(
            "video_embeds are neither an address such as evs:STORE#ID nor embeddings in base64 "
            f"({first_line(error)})"
        ) from None


def is_address(text: Any) -> bool:
    """Return whether a URL, or what stands in its place, is the address of a video of a store."""
    return isinstance(text, str) and text[: len(SCHEME)].lower() == SCHEME


async def in_pool(call: Any, *arguments: Any) -> Any:
    """Return `call(*arguments)`, run in vLLM's threads for media."""
    return await asyncio.get_running_loop().run_in_executor(global_thread_pool, call, *arguments)
