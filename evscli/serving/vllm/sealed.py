"""Addresses inside tensors, since vLLM's chat parser puts nothing else into a prompt's embeddings.

A request may hold tensors of its own. A seal, made with a secret of the process, tells those that
the server made of an address that it checked: nobody else can name a store by a tensor.
"""

from __future__ import annotations

import hmac
import json
import secrets
from dataclasses import asdict
from typing import Any

import torch
from torch import Tensor

from evscli.errors import UsageError
from evscli.serving.address import VideoAddress

_SECRET = secrets.token_bytes(32)
_SEAL_BYTES = 32


def seal(address: VideoAddress) -> Tensor:
    """Return an address as a tensor [n] uint8 that `unseal` of this process reads."""
    text = json.dumps(asdict(address)).encode()
    return torch.tensor(list(_seal_of(text) + text), dtype=torch.uint8)


def is_sealed(values: Any) -> bool:
    """Return whether values are bytes, as sealed addresses are, one or several."""
    if isinstance(values, list):
        return bool(values) and all(map(is_sealed, values))
    return isinstance(values, Tensor) and values.dtype == torch.uint8


def unseal(tensor: Tensor) -> VideoAddress:
    """Return the address in a tensor [n] uint8. Raises UsageError for one that is not sealed."""
    data = bytes(tensor.flatten().tolist())
    seal_found, text = data[:_SEAL_BYTES], data[_SEAL_BYTES:]
    if not hmac.compare_digest(seal_found, _seal_of(text)):
        raise UsageError(
            "video_embeds of bytes are none that this server made: give an address such as "
            "evs:store#id, or floating point embeddings"
        )
    return VideoAddress(**json.loads(text))


def _seal_of(text: bytes) -> bytes:
    return hmac.digest(_SECRET, text, "sha256")
