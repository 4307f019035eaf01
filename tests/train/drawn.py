"""Draws batches in processes that have imported torch already, where a new one proves nothing more.

New ones draw in tests/mini/training/test_batches.py and tests/train/test_loop.py.
"""

from __future__ import annotations

from typing import Any

import torch
from torch.utils.data import DataLoader

from evscli.child import start_server
from evscli.train import drawing


def draw_in_forks() -> None:
    """Have this process, which is a fork of the fork server, draw in forks of itself."""
    vars(drawing)["DataLoader"] = forked


def forked(*arguments: Any, **options: Any) -> DataLoader[Any]:
    """A DataLoader whose processes are forks."""
    if options["num_workers"]:
        options["multiprocessing_context"] = "fork"
    return DataLoader(*arguments, **options)


def served(*arguments: Any, **options: Any) -> DataLoader[Any]:
    """A DataLoader whose processes are forks of the fork server: all travels as to new ones."""
    if options["num_workers"]:
        start_server(["tests.preload"])
        options |= {"multiprocessing_context": "forkserver", "worker_init_fn": begin}
    return DataLoader(*arguments, **options)


def begin(_number: int) -> None:
    """Begin as `begin_drawing` does, which would look for another parent than the server."""
    torch.set_num_threads(1)
