"""The number of workers that a cluster has room for, and the resources of each, without Ray."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from evscli.errors import DeviceError, EvsError, UsageError


@dataclass(frozen=True, kw_only=True)
class Node:
    """The resources of one machine of a cluster, in use or not."""

    cpus: int
    gpus: int = 0


@dataclass(frozen=True, kw_only=True)
class Placement:
    """The workers of a run, all alike."""

    devices: tuple[str, ...]
    """The device of every worker, by its name there."""
    cpus: int
    """The CPUs of each worker."""
    gpus: int
    """The GPUs of each worker: 1 or 0."""

    def __str__(self) -> str:
        return f"{self.cpus} CPU{'s'[: self.cpus > 1]}" + " and 1 GPU" * self.gpus


def find_placement(nodes: Sequence[Node], device: str, workers: int | None) -> Placement:
    """Place a worker on each GPU, on each node where there is none, or the number in `workers`.

    They share the CPUs of their nodes. Raises UsageError for a device that Ray cannot choose by,
    DeviceError for GPUs that are not there, and EvsError where there is too little for all.
    """
    if device not in ("auto", "cpu", "cuda"):
        raise UsageError(
            f"device {device!r}: Ray chooses which GPU a worker gets; use auto, cpu or cuda"
        )
    gpus = sum(node.gpus for node in nodes)
    if device == "cuda" and not gpus:
        raise DeviceError("cuda: the Ray cluster has no GPU; use --device cpu")
    each = int(device != "cpu" and gpus > 0)
    count = workers or (gpus if each else sum(node.cpus > 0 for node in nodes)) or 1
    most = max((node.cpus for node in nodes), default=0)
    for cpus in range(most, 0, -1):
        if sum(_room(node, cpus, each) for node in nodes) >= count:
            return Placement(devices=("cuda" if each else "cpu",) * count, cpus=cpus, gpus=each)
    raise EvsError(
        f"{count} workers need a CPU{' and a GPU' * each} each, and the nodes of the Ray cluster "
        f"have {sum(node.cpus for node in nodes)} CPUs and {gpus} GPUs: give fewer --workers"
        f"{', use --device cpu' * each} or add nodes"
    )


def _room(node: Node, cpus: int, gpus: int) -> int:
    """Return the number of workers that a node has room for."""
    return min(node.cpus // cpus, node.gpus) if gpus else node.cpus // cpus
