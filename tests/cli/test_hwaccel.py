"""`--hwaccel`, from the command line to the shard."""

from __future__ import annotations

from pathlib import Path

import pytest

from evscli.corpus.decoding.process import note_software
from evscli.video.hardware import fault_of_cuda
from tests.cli.in_process import run_here
from tests.videos import write_video

EVS = ("--method", "evs", "--budget", "0.5", "--processes", "2")


def prune(folder: Path, hwaccel: str) -> str:
    """Prune two videos into `<folder>/<hwaccel>`; the errors."""
    note_software.cache_clear()
    ended = run_here(
        *("prune", folder / "videos", *EVS, "--hwaccel", hwaccel, "-o", hwaccel), cwd=folder
    )
    assert ended.code == 0, ended.err
    return ended.err


@pytest.mark.slow
def test_a_run_without_a_device_decodes_the_same_and_says_so_once(tmp_path: Path) -> None:
    (tmp_path / "videos").mkdir()
    for name in ("one.mp4", "two.mp4"):
        write_video(tmp_path / "videos" / name)
    noted, plain, quiet = (prune(tmp_path, kind) for kind in ("cuda", "none", "auto"))

    assert noted.count("software decodes instead") == (fault_of_cuda() is not None)
    assert "instead" not in plain + quiet
    for file in (tmp_path / "none").glob("*.safetensors"):
        for other in ("cuda", "auto"):
            assert (tmp_path / other / file.name).read_bytes() == file.read_bytes()
