"""Commands in two processes that learn together, as a launcher of several GPUs starts them."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

LAUNCH = ("-m", "torch.distributed.run", "--standalone", "--nproc_per_node", "2", "-m", "evscli")


def run_in_two(*arguments: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    """Run `evs` with these arguments in two processes, and return what they printed together."""
    ran = subprocess.run(
        [sys.executable, *LAUNCH, *arguments],
        cwd=cwd,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=240,
    )
    assert ran.returncode == 0, ran.stderr
    return ran
