"""The pruning of many videos on a Ray cluster: every actor is one worker of the pool.

Actors write to the stores themselves; only tasks and one small row for each result travel. Ray
restarts and repeats nothing here: the pool replaces dead workers and queues their tasks again.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from evscli.corpus.executors.engine import Engine, Listener, MakePruner
from evscli.corpus.executors.local import CorpusRun, prune_by_pool
from evscli.corpus.executors.ray.actors import Actors
from evscli.corpus.executors.ray.cluster import connected, find_placement
from evscli.corpus.tasks import Summary
from evscli.records import VideoInput

__all__ = ["connected", "prune_on_ray", "units_on_ray"]


def units_on_ray(
    *, address: str | None = None, device: str = "auto", workers: int | None = None
) -> frozenset[str]:
    """Return the dtypes that a worker on the cluster has arithmetic units for.

    One worker stands for all. Raises as `prune_on_ray` does.
    """
    with connected(address) as nodes:
        return Actors(find_placement(nodes, device, workers)).units()


def prune_on_ray(
    videos: Sequence[VideoInput],
    make: MakePruner,
    folders: Sequence[Path],
    *,
    listener: Listener,
    engine: Engine,
    address: str | None = None,
    device: str = "auto",
    workers: int | None = None,
) -> list[Summary]:
    """Prune as `prune_corpus` does, by actors on the cluster at `address`.

    `engine` gets its devices here. The default address is the cluster of `RAY_ADDRESS` or of this
    machine, or else one that is started here. Raises UsageError for a wrong address or device and
    where Ray is not installed, DeviceError for GPUs that are not there, and EvsError where the
    cluster does not answer or has no place for the workers.
    """
    with connected(address) as nodes:
        placement = find_placement(nodes, device, workers)
        cores = placement.cpus * len(placement.devices)
        engine = replace(engine, devices=placement.devices, cores=cores)
        mine = engine.share.of(videos)
        run = CorpusRun(videos=mine, make=make, folders=folders, listener=listener, engine=engine)
        return prune_by_pool(run, Actors(placement))
