"""Addresses that are none, before a cluster is joined."""

from __future__ import annotations

import socket
import sys
from pathlib import Path

import pytest

from evscli.corpus.executors.ray.cluster import connected
from evscli.errors import EvsError, UsageError
from tests.evs import run_evs

pytest.importorskip("ray", reason="Ray cannot be installed here")


@pytest.mark.parametrize("address", ["garbage", "ray://host:10001", "host", "host:99999"])
def test_what_is_no_address_is_refused(address: str) -> None:
    with pytest.raises(
        UsageError, match=r"is not an address of a Ray cluster: write it as HOST:PORT"
    ):
        connected(address).__enter__()


def test_an_address_where_nobody_answers_is_one_line(clip: Path, tmp_path: Path) -> None:
    with socket.socket() as taken:  # bound, but nobody listens
        taken.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        arguments = ("prune", clip, "--method", "vcast", "--budget", "0.3", "--engine", "ray")
        result = run_evs(*arguments, cwd=tmp_path, env={"RAY_ADDRESS": address})
    assert result.code == 1
    assert result.error.startswith(f"error: no Ray cluster can be joined at {address} (Connection")
    assert not result.out


def test_an_address_is_for_ray_only(clip: Path, tmp_path: Path) -> None:
    arguments = ("prune", clip, "--method", "vcast", "--budget", "0.3", "--address", "host:6379")
    result = run_evs(*arguments, cwd=tmp_path)
    assert result.code == 2
    assert "--address host:6379 is for --engine ray" in result.error


def test_a_missing_ray_is_one_line_with_the_command(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(UsageError, match=r"--engine ray needs Ray: pip install 'evscli\[ray\]'"):
        connected(None).__enter__()


@pytest.mark.parametrize("begun", [None, "127.0.0.1:1"])
def test_no_cluster_on_this_machine_is_said_where_one_is_asked_for(
    begun: str | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RAY_TMPDIR", str(tmp_path))
    if begun:  # and has ended since
        (tmp_path / "ray").mkdir()
        (tmp_path / "ray" / "ray_current_cluster").write_text(begun)
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    with pytest.raises(EvsError, match=f"no Ray cluster can be joined at {begun or 'auto'} "):
        connected("auto").__enter__()
