"""Workers in actors of a Ray cluster, as their pool sees them."""

from __future__ import annotations

import re
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from evscli.corpus.executors.ray.actor import Process, Worker
from evscli.corpus.executors.ray.cluster import Placement, import_ray
from evscli.corpus.executors.worker import Assignment, Message, Stopped, Up
from evscli.corpus.tasks import Task
from evscli.encoders.device import common_units
from evscli.errors import EvsError, StoreError
from evscli.store.locks import lock_holder

PLACE_SECONDS = 300.0
"""The seconds without any message after which a worker without a place is given up."""

STOP_SECONDS = 60.0
"""The seconds that workers have for the videos they are at when they are to end."""

SEEN_SECONDS = 30.0
"""The seconds within which a worker's file must be seen here; file servers take some."""

LOOK_SECONDS = 0.2
"""The seconds between two looks for that file."""

THREADS = 4
"""The threads of an actor: one waits in `poll`, the others answer meanwhile."""


class WorkerActor:
    """One worker's actor. Ray neither restarts it nor repeats its calls."""

    def __init__(self, ray: Any, options: dict[str, Any], assignment: Assignment) -> None:
        """Ask the cluster for an actor."""
        self._ray = ray
        self._assignment = assignment
        self._process: Process | None = None
        self._end = ""
        self._actor = ray.remote(Worker).options(**options).remote()
        self.answer = self._actor.begin.remote(assignment, str(Path.cwd()))
        """The answer to come of the call that is under way."""

    @property
    def place(self) -> str:
        """The device of the worker, and its host where that is known."""
        return self._assignment.device + (f" of {self._process.host}" if self._process else "")

    @property
    def is_placed(self) -> bool:
        """Whether the cluster has given the worker a place."""
        return self._process is not None

    def give(self, task: Task | None) -> None:
        """Send the worker a task, or None where there are no more."""
        self._actor.give.remote(task)

    def read(self) -> Sequence[Message] | None:
        """Return the messages that have come, and call for more; None where the worker has died.

        Raises EvsError where it cannot run evs, StoreError where it writes to other stores.
        """
        exceptions = self._ray.exceptions
        try:
            said = self._ray.get(self.answer)
        except exceptions.RayActorError as error:
            self._end = death_of_actor(str(error))
            return None
        except exceptions.RayError as error:
            raise _cannot_run(error) from error
        if isinstance(said, Stopped):
            return [said]
        self.answer = self._actor.poll.remote()
        if isinstance(said, Process):
            self._process = said
            return []
        if any(isinstance(message, Up) for message in said):
            assert self._process is not None
            refuse_elsewhere(self._assignment, self._process)
        return said or None

    def reap(self) -> str:
        """Return how the actor ended; end one that only cannot be reached any more."""
        self._ray.kill(self._actor)
        return self._end or "it has left"

    def stop(self) -> Any:
        """Ask the worker to write what it has finished; return the answer to wait for."""
        return self._actor.stop.remote()


class Actors:
    """A backend of Ray actors."""

    def __init__(self, placement: Placement) -> None:
        """Set the resources of each actor by `placement`."""
        self._ray = import_ray()
        self._placement = placement
        self._options = {
            "num_cpus": placement.cpus,
            "num_gpus": placement.gpus,
            "max_restarts": 0,
            "max_task_retries": 0,
            "max_concurrency": THREADS,
            "scheduling_strategy": "DEFAULT" if placement.gpus else "SPREAD",
        }

    def units(self) -> frozenset[str]:
        """Return the dtypes that there are arithmetic units for in the place of one worker.

        Raises EvsError where there is no place, or it cannot run evs.
        """
        one = {key: self._options[key] for key in ("num_cpus", "num_gpus", "scheduling_strategy")}
        asked = self._ray.remote(common_units).options(max_retries=0, **one)
        try:
            answer = self._ray.get(asked.remote(self._placement.devices[:1]), timeout=PLACE_SECONDS)
        except self._ray.exceptions.GetTimeoutError:
            raise self._no_place() from None
        except self._ray.exceptions.RayError as error:
            raise _cannot_run(error) from error
        return frozenset(answer)

    def start(self, assignment: Assignment) -> WorkerActor:
        """Start a worker."""
        return WorkerActor(self._ray, self._options, assignment)

    def poll(
        self, handles: Sequence[WorkerActor]
    ) -> list[tuple[WorkerActor, Sequence[Message] | None]]:
        """Wait for messages of some workers; None for one that is dead.

        Raises EvsError where a worker finds no place, and what `WorkerActor.read` does.
        """
        by_answer = {handle.answer: handle for handle in handles}
        timeout = None if all(handle.is_placed for handle in handles) else PLACE_SECONDS
        if not self._ray.wait([*by_answer], timeout=timeout)[0]:
            raise self._no_place()
        answered, _ = self._ray.wait([*by_answer], num_returns=len(by_answer), timeout=0)
        return [(by_answer[answer], by_answer[answer].read()) for answer in answered]

    def stop(self, handles: Sequence[WorkerActor]) -> None:
        """End all workers that still run; each has a limited time to write what it has finished.

        A worker leaves unwritten videos as a kill does, and the next run takes them up.
        """
        if answers := [handle.stop() for handle in handles if handle.is_placed]:
            self._ray.wait(answers, num_returns=len(answers), timeout=STOP_SECONDS)
        for handle in handles:
            handle.reap()

    def _no_place(self) -> EvsError:
        free = self._ray.available_resources()
        return EvsError(
            f"the Ray cluster has had no place for a worker with {self._placement} for "
            f"{PLACE_SECONDS:g} s ({free.get('CPU', 0):g} CPUs and {free.get('GPU', 0):g} GPUs are "
            "free on all nodes together): wait for other jobs or give fewer --workers, then run "
            "the same command again"
        )


def refuse_elsewhere(assignment: Assignment, process: Process) -> None:
    """Raise StoreError where a worker does not write to the stores that are seen here."""
    until = time.monotonic() + SEEN_SECONDS
    for folder in assignment.folders:
        while lock_holder(folder, assignment.writer) != (process.host, process.pid):
            if time.monotonic() > until:
                raise StoreError(
                    f"{process.host} does not write to {folder} as it is seen here: the store must "
                    "be on a file system that all nodes of the Ray cluster share; name another "
                    "with -o"
                )
            time.sleep(LOOK_SECONDS)


def death_of_actor(text: str) -> str:
    """Return Ray's paragraph about a dead actor in a few words."""
    if "is unavailable" in text:
        return "it cannot be reached any more"
    cause = re.search(r"because (its [^.:]+)", text)
    kind = re.search(r"Worker exit type: (\w+)", text)
    said = [found[1] for found in (cause, kind) if found]
    return ", ".join(said) or text.partition("\n")[0]


def _cannot_run(error: Exception) -> EvsError:
    last = str(error).strip().rpartition("\n")[2]
    return EvsError(
        f"a worker of the Ray cluster cannot run evs ({last}): install the same version of evscli "
        "on every node"
    )
