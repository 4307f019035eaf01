"""The files around the code: pins that must agree, what an archive of the project holds."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).parents[1]


def test_a_commit_is_checked_by_the_tested_ruff() -> None:
    (tested,) = re.findall(r"^ruff==.*$", (ROOT / "constraints.txt").read_text(), flags=re.M)
    hooks = (ROOT / ".pre-commit-config.yaml").read_text()
    assert {*re.findall(r"\[(ruff==[^]]*)\]", hooks)} == {tested}
