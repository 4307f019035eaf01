"""Code in a process of its own: a fresh interpreter, or in a smoke run a fork; both do the same."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.harness import interpreter

pytestmark = pytest.mark.filterwarnings("ignore:.*use of fork:DeprecationWarning")
CODE = "import os, sys; print(__name__, sys.argv, os.getcwd()); sys.exit(int(sys.argv[1]))"


@pytest.mark.parametrize("fresh", [True, False])
def test_code_runs_in_a_process_of_its_own(
    fresh: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(interpreter, "FRESH", fresh)
    with (tmp_path / "out").open("w") as out:
        process = interpreter.start(CODE, "3", out=out, folder=tmp_path)
        assert process.wait() == 3
    assert process.poll() == 3
    assert (tmp_path / "out").read_text() == f"__main__ ['-c', '3'] {tmp_path}\n"
    assert interpreter.printed(CODE, "0") == f"__main__ ['-c', '0'] {Path.cwd()}\n"
    with pytest.raises(SystemExit, match=r"python -c .* 1 failed"):
        interpreter.printed(CODE, "1")


def test_a_fork_that_fails_says_where_and_leaves_this_process_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(interpreter, "FRESH", False)
    with (tmp_path / "err").open("w") as err:
        assert interpreter.start("1 / 0", err=err).wait() == 1
    assert "ZeroDivisionError" in (tmp_path / "err").read_text()
