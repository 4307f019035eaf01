"""A stand-in for a GPU: tensors that lie on this machine and say that they lie on a device.

An operation on tensors of both places fails as it does on a GPU, unless it copies. What makes the
host wait is counted: copies to the device and from it, and values that the host reads. Results are
those of the CPU, bit for bit, so that what is chosen there can be compared.
"""

from __future__ import annotations

import copy
import traceback
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves, tree_map_only
from torch.utils.backend_registration import (
    _DummyBackendModule,
    _setup_privateuseone_for_python_backend,
)

from evscli.encoders import VideoEncoder
from evscli.encoders.transfers import PlainTransfers


class Module(_DummyBackendModule):
    """What torch asks about the device: other tests of the process shall not look for it."""

    def is_available(self) -> bool:
        return False

    def device_count(self) -> int:
        return 0

    def get_amp_supported_dtype(self) -> list[torch.dtype]:
        return []


_setup_privateuseone_for_python_backend(rename="standin", backend_module=Module())

GPU = torch.device("standin", 0)
CPU = torch.device("cpu")
PACKAGE = str(Path(__file__).parents[1] / "evscli")
READS = (
    "_local_scalar_dense item nonzero _unique2 unique_dim bincount masked_select equal is_nonzero "
    "repeat_interleave.Tensor allclose"
).split()
"""Operations that read values on the host, or that wait to learn the shape of their result."""
COPIES = ("copy_.", "_to_copy.", "to.")
TAKES_BOTH = (*COPIES, "index.", "index_put")


@dataclass(frozen=True)
class Wait:
    """An operation that the host waits for, and the function of evs that asked for it."""

    kind: str
    """upload, download or read"""
    where: str


class OnGpu(Tensor):
    """A tensor on the stand-in."""

    inner: Tensor
    is_cuda = True

    @staticmethod
    def __new__(cls, inner: Tensor) -> OnGpu:
        with torch.inference_mode(mode=False):  # else it could not be a view
            made: OnGpu = Tensor._make_wrapper_subclass(  # type: ignore[attr-defined]
                cls,
                inner.shape,
                strides=inner.stride(),
                storage_offset=inner.storage_offset(),
                dtype=inner.dtype,
                device=GPU,
            )
        made.inner = inner
        return made

    def tolist(self) -> Any:
        """The values, for which the host waits."""
        return self.cpu().tolist()

    @classmethod
    def __torch_dispatch__(
        cls, func: Any, _: Any, args: Any = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        return compute(func, args, dict(kwargs or {}))


class StandIn(TorchDispatchMode):
    """The time in which the device is there; it counts waits."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: Counter[Wait] = Counter()

    @property
    def waits(self) -> dict[str, int]:
        """The number of waits of each kind."""
        counts: Counter[str] = Counter()
        for wait, number in self.seen.items():
            counts[wait.kind] += number
        return dict(counts)

    def __torch_dispatch__(
        self, func: Any, _: Any, args: Any = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        if (kind := kind_of(name_of(func), args, kwargs or {})) is not None:
            self.seen[Wait(kind, asker())] += 1
        return compute(func, args, dict(kwargs or {}))


def name_of(func: Any) -> str:
    """The name of an operation with its overload, as `copy_.default`."""
    return str(func).removeprefix("aten.")


def compute(func: Any, args: Any, kwargs: dict[str, Any]) -> Any:
    """Run an operation on this machine, and put its results where they belong."""
    tensors = [one for one in tree_leaves((args, kwargs)) if isinstance(one, Tensor)]
    there = [one for one in tensors if isinstance(one, OnGpu)]
    if there and not name_of(func).startswith(TAKES_BOTH):
        for one in tensors:  # a single number may lie anywhere
            assert isinstance(one, OnGpu) or not one.dim(), f"{func} mixes devices"
    target = target_of(func, args, kwargs)
    on_gpu = bool(there) if target is None else target.type == GPU.type
    if "device" in kwargs and on_gpu:
        kwargs["device"] = CPU
    args, kwargs = tree_map_only(OnGpu, lambda one: one.inner, (args, kwargs))
    args = tuple(CPU if isinstance(one, torch.device) else one for one in args)
    made = func(*args, **kwargs | ({"pin_memory": False} if "pin_memory" in kwargs else {}))
    if not on_gpu:
        return made
    known = {id(one.inner): one for one in there}  # of operations in place

    def wrapped(one: Tensor) -> OnGpu:
        return known[id(one)] if id(one) in known else OnGpu(one)

    return tree_map_only(Tensor, wrapped, made)


def target_of(func: Any, args: Any, kwargs: Mapping[str, Any]) -> torch.device | None:
    """The device that an operation names, or copies to."""
    if name_of(func).startswith("copy_."):
        target: torch.device = args[0].device
        return target
    named = next((one for one in args if isinstance(one, torch.device)), kwargs.get("device"))
    if name_of(func).startswith("to.other"):
        named = args[1].device
    return None if named is None else torch.device(named)


def kind_of(name: str, args: Any, kwargs: Mapping[str, Any]) -> str | None:
    """The kind of wait that an operation makes, if it makes one."""
    tensors = [one for one in tree_leaves((args, kwargs)) if isinstance(one, Tensor)]
    if not any(isinstance(one, OnGpu) for one in tensors):
        named = kwargs.get("device")
        to_gpu = named is not None and torch.device(named).type == GPU.type
        return "upload" if tensors and to_gpu else None
    if name.startswith("copy_."):
        return moved(args[1], args[0].device)
    if name.startswith(COPIES):
        target = target_of(name, args, kwargs)
        return None if target is None else moved(args[0], target)
    if name.startswith(("index.", "index_put")):
        places = [one for one in args[1] if one is not None]
        if any(one.device.type == "cpu" for one in places):
            return "upload"
        return "read" if any(one.dtype == torch.bool for one in places) else None
    return "read" if name.startswith(tuple(READS)) else None


def moved(value: Tensor, target: torch.device) -> str | None:
    """The kind of copy of a tensor to a device."""
    if value.device.type == target.type:
        return None
    return "upload" if target.type == GPU.type else "download"


def asker() -> str:
    """The innermost function of evs on the stack, as `file:function`."""
    for frame in reversed(traceback.extract_stack()):
        if frame.filename.startswith(PACKAGE):
            return f"{Path(frame.filename).relative_to(PACKAGE)}:{frame.name}"
    return "elsewhere"


def on_gpu(encoder: VideoEncoder) -> VideoEncoder:
    """The encoder with its weights on the stand-in."""
    (vision,) = encoder.for_grid.args  # type: ignore[attr-defined]
    tower = encoder.for_grid.func  # type: ignore[attr-defined]
    moved = replace(encoder, device=GPU, for_grid=partial(tower, module_on_gpu(vision)))
    moved.__dict__["transfers"] = PlainTransfers(GPU)
    return moved


def module_on_gpu(vision: nn.Module) -> nn.Module:
    """A copy of a module on the stand-in."""
    vision = copy.deepcopy(vision)
    for module in vision.modules():
        module._buffers |= {
            name: OnGpu(one) for name, one in module._buffers.items() if one is not None
        }
        for name, weight in module._parameters.items():
            if weight is not None:
                module._parameters[name] = nn.Parameter(OnGpu(weight.data), requires_grad=False)
    return vision
