"""The packages that the steps need, and how to bring those that a machine lacks.

Machines with GPUs often have torch and no network. Whoever has one downloads wheels, for the other
machine's Python, and carries them there.
"""

from __future__ import annotations

import shlex
import sys
import tomllib
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from benchmarks.harness.benchmark import SkippedError

PROJECT = Path(__file__).parents[2] / "pyproject.toml"
TESTING = ("pytest", "pytest-timeout", "pytest-xdist", "hypothesis")
"""The packages of the tests that the GPU tests need too."""


def check_packages() -> None:
    """Raise SkippedError where packages are missing or too old, with what to do."""
    if lacking := [need for need in needed() if not is_met(need)]:
        raise SkippedError(advice(lacking))


def needed() -> list[str]:
    """Return the requirements, as `av>=18.1,<19`."""
    project = tomllib.loads(PROJECT.read_text())["project"]
    testing = project["optional-dependencies"]["test"]
    return [*project["dependencies"], *(need for need in testing if name_in(need) in TESTING)]


def name_in(need: str) -> str:
    """Return the name of the package in a requirement without extras."""
    return need.partition(">")[0].partition("=")[0].partition("[")[0].strip()


def is_met(need: str) -> bool:
    """Return whether the package is here in a version that is allowed."""
    from packaging.requirements import Requirement

    try:
        return Requirement(need).specifier.contains(version(name_in(need)), prereleases=True)
    except PackageNotFoundError:
        return False


def advice(lacking: list[str]) -> str:
    """Return which wheels to carry, and how."""
    python = f"{sys.version_info.major}.{sys.version_info.minor}"
    wanted = shlex.join(lacking)
    return (
        f"{', '.join(lacking)} are not here. Where there is a network: python -m pip download "
        f"--only-binary :all: --python-version {python} --dest wheels {wanted}; carry the folder "
        f"here, then: python -m pip install --no-index --find-links wheels {wanted}"
    )
