"""Output that goes nowhere, or cannot be shown, is no reason to stop storing videos."""

from __future__ import annotations

import io
import os
import subprocess
import sys
from pathlib import Path

import pytest

from evscli.cli.report import print_safely
from evscli.store import open_store
from tests.cli.in_process import run_here
from tests.evs import Running, no_change, run_evs
from tests.videos import write_video

EVS = Path(sys.executable).parent / "evs"
VCAST = ("--method", "vcast", "--budget", "0.3")


@pytest.fixture(scope="module")
def videos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("output")
    for name in ("a", "é"):
        write_video(folder / f"{name}.mp4", frames=8)
    return folder


def fill_the_output() -> None:
    os.dup2(os.open("/dev/full", os.O_WRONLY), 1)


def print_twice(_: list[str]) -> None:
    print_safely("a line")
    print("another")


def print_ascii_only() -> None:
    """As under a locale of plain ASCII."""
    assert isinstance(sys.stdout, io.TextIOWrapper)
    sys.stdout.reconfigure(encoding="ascii")


@pytest.mark.slow
def test_a_full_output_device_does_not_end_the_run(videos: Path, tmp_path: Path) -> None:
    done = run_evs("prune", videos, *VCAST, "-o", "store", cwd=tmp_path, before=fill_the_output)
    assert done.code == 0, done.err
    assert done.err.count("no more output (No space left on device)") == 1
    assert len(open_store(tmp_path / "store")) == 2


@pytest.mark.slow
def test_a_full_output_device_does_not_fail_the_end_of_the_process(tmp_path: Path) -> None:
    """Where Python writes what is left over."""
    done = Running(cwd=tmp_path, before=fill_the_output, command=print_twice).wait()
    assert done.code == 0, done.err
    assert done.err.count("no more output (No space left on device)") == 1


@pytest.mark.slow
def test_names_the_locale_cannot_print_do_not_end_the_run(videos: Path, tmp_path: Path) -> None:
    done = run_evs("prune", videos, *VCAST, "-o", "store", cwd=tmp_path, before=print_ascii_only)
    assert done.code == 0, done.err
    assert "\\xe9: " in done.out


def test_a_reader_that_leaves_early_is_no_error() -> None:
    read, write = os.pipe()
    os.close(read)
    with os.fdopen(write, "w") as gone:
        done = subprocess.run(
            [EVS, "methods", "--json"], stdout=gone, stderr=subprocess.PIPE, text=True, check=False
        )
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize(
    ("words", "closed", "code"),
    [
        ("--version", "1>&-", 0),
        ("methods", "2>&- 1>&-", 0),
        ("--help", "0<&- 1>&- 2>&-", 0),
        ("prone", "1>&-", 2),
        ("prone", "2>&-", 2),
    ],
)
def test_a_closed_stream_is_no_error(words: str, closed: str, code: int) -> None:
    command = ["bash", "-c", f"{EVS} {words} {closed}"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (code, "")
    assert ("No such command" in done.stderr) == ((words, closed) == ("prone", "1>&-"))


def close_streams() -> None:
    """As a shell does by `0<&- 1>&- 2>&-`."""
    sys.stdin = sys.stdout = sys.stderr = None  # type: ignore[assignment]
    for number in range(3):
        os.close(number)


@pytest.mark.slow
def test_a_store_is_the_same_without_any_stream(videos: Path, tmp_path: Path) -> None:
    for name, before in (("open", no_change), ("closed", close_streams)):
        done = run_evs("prune", videos, *VCAST, "-o", name, cwd=tmp_path, before=before)
        assert done.code == 0, done
    one, other = (tmp_path / name / "shard-0-00000.safetensors" for name in ("open", "closed"))
    assert one.read_bytes() == other.read_bytes()


def test_debug_shows_the_traceback_above_the_line(tmp_path: Path) -> None:
    plain = run_here("inspect", "gone", cwd=tmp_path)
    debug = run_here("inspect", "gone", "--debug", cwd=tmp_path)
    assert plain.code == debug.code == 1
    assert "Traceback" not in plain.err
    assert debug.err.startswith("Traceback")
    assert debug.err.endswith(plain.err)
