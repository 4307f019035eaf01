"""Commands in two processes that learn together, as a launcher of several GPUs starts them."""

from __future__ import annotations

import socket
from pathlib import Path

import torch

from tests.evs import Result, Running


def one_thread() -> None:
    """Leave the other core to the other process, as launchers do."""
    torch.set_num_threads(1)


def run_in_two(*arguments: str, cwd: Path) -> tuple[Result, Result]:
    """Run `evs` with these arguments in two processes, and return the first's result before."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    both = {"WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port)}
    ranks = [{**both, "RANK": str(rank), "LOCAL_RANK": str(rank)} for rank in range(2)]
    runs = [Running(*arguments, cwd=cwd, env=rank, before=one_thread) for rank in ranks]
    first, second = (run.wait() for run in runs)
    assert (first.code, second.code) == (0, 0), (first.err, second.err)
    return first, second
