"""Which tests run when nothing is said of them."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
QUICK = "tests/test_installed.py::test_other_errors_are_not_its_fault"
SLOW = "tests/test_installed.py::test_a_broken_torchvision_is_no_defect_of_evs"


@pytest.mark.slow
@pytest.mark.parametrize(
    ("given", "quick", "slow"),
    [
        (["tests/test_installed.py"], True, False),
        (["tests/test_installed.py", "--all"], True, True),
        ([SLOW], False, True),
    ],
)
def test_slow_tests_run_only_when_asked_for(given: list[str], quick: bool, slow: bool) -> None:
    command = [sys.executable, "-m", "pytest", "--collect-only", "-n", "0", *given]
    listed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    assert (QUICK in listed, SLOW in listed) == (quick, slow)
