"""The connection to a Ray cluster, or to one started here, and the workers it has room for.

Ray's own output is kept off the terminal.
"""

from __future__ import annotations

import logging
import os
import re
import signal
import socket
import threading
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from evscli.errors import DeviceError, EvsError, UsageError

ADDRESS = "RAY_ADDRESS"
ANSWER_SECONDS = 5.0
"""The seconds within which something must answer at an address."""

STARTED_HERE = {"include_dashboard": False, "object_store_memory": 80 << 20}
"""The options of a cluster started here. The memory is about the least for Ray, since no tensor is
sent."""


@contextmanager
def connected(address: str | None) -> Iterator[list[Node]]:
    """Make this process a driver of a cluster meanwhile; yield the nodes.

    A process that is a driver already stays one. Raises UsageError for a wrong address and without
    Ray, EvsError where no cluster answers.
    """
    given = address or os.environ.get(ADDRESS)
    ray = import_ray()
    if ray.is_initialized():
        yield _nodes(ray)
        return
    _join(ray, _checked(given))
    try:
        yield _nodes(ray)
    finally:
        ray.shutdown()


def import_ray() -> Any:
    """Return Ray, whose own output is turned off. Raises UsageError where it is not installed."""
    # Ray reads it as it is imported: a port where something else listens would be asked 20 times,
    # for 40 seconds each.
    os.environ.setdefault("RAY_NUM_REDIS_GET_RETRIES", "2")
    try:
        import ray
        from ray._private import worker
    except ImportError:
        raise UsageError("--engine ray needs Ray: pip install 'evscli[ray]'") from None
    logging.getLogger("ray").setLevel(logging.ERROR)
    # A dead actor is a paragraph on standard output, whatever `log_to_driver` is; evs reports it in
    # a line, and standard output is for its own events.
    worker.print_to_stdstream = lambda *_, **__: None
    return ray


def _checked(address: str | None) -> str:
    """Return `here` for the cluster that `ray start` began on this machine, `local`, or HOST:PORT.

    Raises UsageError for anything else, and EvsError where nothing answers: Ray itself would ask
    for minutes, and join any cluster that a process of this machine belongs to.
    """
    from ray._private.services import find_bootstrap_address

    if address == "local":
        return address
    begun = find_bootstrap_address(None) if address in (None, "auto") else None
    if address == "auto" and begun is None:
        raise _no_cluster(address, "none was started on this machine")
    where = begun or address
    if where is None:
        return "local"
    try:
        _probe(where)
    except EvsError:
        if address is not None:
            raise
        return "local"
    return "here" if begun else where


def _probe(address: str) -> None:
    """Raise UsageError for a malformed address, EvsError where nothing answers at one."""
    match = re.fullmatch(r"([^:/\s]+):(\d{1,5})", address)
    if match is None or int(match[2]) > 65535:
        raise UsageError(
            f"{address!r} is not an address of a Ray cluster: write it as HOST:PORT (`ray start` "
            "prints it), auto or local, and run evs on a node of the cluster"
        )
    try:
        socket.create_connection((match[1], int(match[2])), timeout=ANSWER_SECONDS).close()
    except OSError as error:
        raise _no_cluster(address, error.strerror or str(error)) from error


def _join(ray: Any, address: str) -> None:
    handler = signal.getsignal(signal.SIGTERM)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about later versions of Ray
            ray.init(
                address=None if address == "here" else address,
                log_to_driver=False,
                configure_logging=False,
                **(STARTED_HERE if address == "local" else {}),
            )
    except Exception as error:
        reason = str(error).strip().partition("\n")[0] or type(error).__name__
        token = "" if "RAY_AUTH_MODE" in os.environ else "; RAY_AUTH_MODE=token if it wants tokens"
        raise _no_cluster(address, reason.rstrip(".") + token) from error
    finally:
        if threading.current_thread() is threading.main_thread():
            signal.signal(signal.SIGTERM, handler)  # Ray replaces it


def _no_cluster(address: str, reason: str) -> EvsError:
    return EvsError(
        f"no Ray cluster can be joined at {address} ({reason}): start one with `ray start --head` "
        f"and run evs on a node of it, or leave out --address and {ADDRESS}"
    )


def _nodes(ray: Any) -> list[Node]:
    return [
        Node(cpus=int(node["Resources"].get("CPU", 0)), gpus=int(node["Resources"].get("GPU", 0)))
        for node in ray.nodes()
        if node["Alive"]
    ]


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
