from __future__ import annotations

import subprocess
import sys
from collections.abc import Mapping
from dataclasses import MISSING, dataclass
from fractions import Fraction
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal

import numpy as np
import pytest

from evscli.errors import UsageError
from evscli.option import Checked, Option, option_fields


@dataclass(frozen=True, kw_only=True)
class Frames(Checked):
    GROUP: ClassVar = "Frames"

    fps: Annotated[float | None, Option("Frames per second.")] = None
    max_frames: Annotated[int | None, Option("Most frames.", least=1, below=100)] = None
    folder: Annotated[str, Option("Where.", names=("-o", "--output"))]
    methods: Annotated[tuple[str, ...], Option("Which.", names=("--method",))] = ()
    rate: Annotated[float, Option("Rate.", above=0)] = 1.0
    order: Annotated[Literal["up", "down"], Option("Order.")] = "up"
    steps: Annotated[tuple[int, ...] | Mapping[str, Any], Option("Steps.")] = ()
    names: Annotated[tuple[str, ...], Option("Names.")] = ("a",)
    file: Annotated[str | Path | None, Option("File.")] = None
    loud: Annotated[bool, Option("Noise.")] = False
    settled: bool = False


@dataclass(frozen=True, kw_only=True)
class Film(Checked):
    frames: Frames


def test_a_field_says_everything_of_its_option() -> None:
    options = {option.name: option for option in option_fields(Frames)}
    assert [*options][:6] == ["fps", "max_frames", "folder", "methods", "rate", "order"]
    assert options["max_frames"].names == ("--max-frames",)
    assert options["folder"].names == ("-o", "--output")
    assert options["fps"].type == float | None
    assert options["fps"].default is None
    assert options["folder"].default is MISSING
    assert options["methods"].is_repeated
    assert not options["fps"].is_repeated
    assert {option.group for option in options.values()} == {"Frames"}


@pytest.mark.parametrize(
    ("given", "line"),
    [
        ({"max_frames": 0}, "--max-frames must be 1 or more, got 0"),
        ({"max_frames": 100}, "--max-frames must be below 100, got 100"),
        ({"folder": " "}, "--output is empty; give a value or leave the option out"),
        ({"rate": 0}, "--rate must be a number above 0, got 0"),
        ({"rate": float("nan")}, "--rate must be a number above 0, got nan"),
        ({"fps": float("nan")}, "--fps must be a finite number, got nan"),
        ({"fps": -float("inf")}, "--fps must be a finite number, got -inf"),
        ({"order": "left"}, "--order: 'left' is not one of 'up', 'down'"),
        ({"order": None}, "--order: None is not one of 'up', 'down'"),
        ({"order": [1]}, r"--order: \[1\] is not one of 'up', 'down'"),
        ({"max_frames": 4.5}, "--max-frames must be a whole number, got 4.5"),
        ({"max_frames": 16.0}, "--max-frames must be a whole number, got 16.0"),
        ({"max_frames": True}, "--max-frames must be a whole number, got True"),
        ({"max_frames": float("inf")}, "--max-frames must be a whole number, got inf"),
        ({"max_frames": 10**5000}, "must be below 100, got a number of too many digits"),
        ({"max_frames": np.arange(2)}, r"must be a whole number, got array\(\[0, 1\]\)"),
        ({"fps": "2"}, "--fps must be a number, got '2'"),
        ({"fps": True}, "--fps must be a number, got True"),
        ({"fps": 10**400}, "--fps must be a number, got 1000"),
        ({"rate": None}, "--rate must be a number, got None"),
        ({"folder": None}, "--output must be text, got None"),
        ({"folder": 3}, "--output must be text, got 3"),
        ({"file": 3}, "--file must be text or a Path, got 3"),
        ({"loud": "no"}, "--loud must be true or false, got 'no'"),
        ({"loud": 1}, "--loud must be true or false, got 1"),
        ({"methods": ("a", 3)}, r"--method must be text, got \('a', 3\)"),
        ({"methods": 3}, "--method must be text, got 3"),
        ({"steps": {3: 1}}, r"--steps must be a whole number or a Mapping, got \{3: 1\}"),
        ({"steps": np.array(3)}, r"--steps must be .*, got array\(3\)"),
        ({"names": ()}, "--names is empty; give a value or leave the option out"),
    ],
)
def test_values_that_are_not_allowed_are_refused(given: dict[str, object], line: str) -> None:
    with pytest.raises(UsageError, match=line):
        Frames(**{"folder": "x", **given})  # type: ignore[arg-type]


def test_the_ends_of_a_range_are_allowed() -> None:
    assert Frames(folder="x", max_frames=1).max_frames == 1
    assert Frames(folder="x", max_frames=99).max_frames == 99


@pytest.mark.parametrize(
    ("given", "taken"),
    [
        ({"max_frames": np.int64(3)}, 3),
        ({"fps": np.float32(2)}, 2.0),
        ({"fps": np.int32(2)}, 2),
        ({"fps": 2}, 2),
        ({"fps": Fraction(1, 2)}, 0.5),
        ({"methods": "one"}, ("one",)),
        ({"methods": iter(["one", "two"])}, ("one", "two")),
        ({"steps": np.arange(2)}, (0, 1)),
        ({"steps": 5}, (5,)),
        ({"steps": {"a": 1}}, {"a": 1}),
        ({"file": Path("x")}, Path("x")),
    ],
)
def test_numbers_become_those_of_python_and_iterables_tuples(
    given: dict[str, Any], taken: object
) -> None:
    found = getattr(Frames(folder="x", **given), *given)
    assert (found, type(found)) == (taken, type(taken))
    if isinstance(found, tuple):
        assert [type(one) for one in found] == [type(one) for one in taken]  # type: ignore[attr-defined]


def test_a_dataclass_of_dataclasses_takes_nothing_else() -> None:
    assert Film(frames=Frames(folder="x")).frames.folder == "x"
    with pytest.raises(UsageError, match=r"frames must be a Frames, got \{'fps': 2\}"):
        Film(frames={"fps": 2})  # type: ignore[arg-type]


def test_checking_imports_no_numpy() -> None:
    code = "import sys, evscli.job as j; j.Storage(segment=2); sys.exit('numpy' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
