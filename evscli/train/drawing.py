"""The processes that draw batches ahead, their beginning and their end."""

from __future__ import annotations

import atexit
import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from multiprocessing import resource_tracker
from threading import Thread

import torch
from torch.utils.data import DataLoader, Dataset

from evscli.child import end_with_parent, without_main
from evscli.errors import EvsError
from evscli.train.task import B, TrainingError


class Drawn(Dataset[B | EvsError]):
    """Batches, or in the place of one the error that it raised.

    A DataLoader would raise an error again with the traceback of its process as its message.
    """

    def __init__(self, data: Dataset[B]) -> None:
        self.data = data

    def __getitem__(self, step: int) -> B | EvsError:
        try:
            return self.data[step]
        except EvsError as error:
            return error


def batches(data: Dataset[B], start: int, stop: int, processes: int) -> Iterator[B]:
    """Yield batches `start` to `stop`, drawn ahead by other processes. Raises what they raise."""
    if start >= stop:
        return
    loader = DataLoader(
        Drawn(data),
        batch_size=None,
        sampler=range(start, stop),
        num_workers=processes,
        multiprocessing_context="spawn" if processes else None,
        prefetch_factor=4 if processes else None,
        worker_init_fn=begin_drawing if processes else None,
    )
    with interrupts_held(), without_main():
        drawn = iter(loader)
    try:
        for batch in drawn:
            if isinstance(batch, EvsError):
                raise batch
            yield batch
    finally:
        # A traceback may hold this frame for long. Where a process ends badly torch says so, too
        # late for anyone to mind.
        with suppress(RuntimeError):
            getattr(drawn, "_shutdown_workers", lambda: None)()
        del drawn


@contextmanager
def interrupts_held() -> Iterator[None]:
    """Hide Ctrl-C and SIGTERM from the processes started here. This process alone handles them."""
    resource_tracker.ensure_running()  # its start would let interrupts through again
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT, signal.SIGTERM})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


@contextmanager
def lost_processes_named() -> Iterator[None]:
    """Raise TrainingError where a process that draws was killed; torch notices it anywhere."""
    try:
        yield
    except (RuntimeError, ConnectionError, EOFError) as error:
        # A tensor under way is fetched from the process that made it, which may be gone by then.
        if isinstance(error, RuntimeError) and "DataLoader worker (pid" not in str(error):
            raise
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise TrainingError(
            f"a process that draws the videos is gone ({reason}); check the memory, and give the "
            "same command again to go on from the last checkpoint"
        ) from error


def begin_drawing(_number: int) -> None:
    """Let a process that draws compute with one thread, so that training has the cores.

    A scheduler sends SIGTERM to the whole group: only that of the process that trains ends it.
    """
    end_with_parent()
    torch.set_num_threads(1)
    Thread(target=end_with_trainer, daemon=True).start()
    # Python would end the threads of libraries one by one, which some answer by an abort.
    atexit.register(os._exit, 0)


def end_with_trainer() -> None:
    """Wait for the SIGTERM of the process that trains, and end this process."""
    while signal.sigwaitinfo({signal.SIGTERM}).si_pid != os.getppid():
        pass
    os._exit(0)
