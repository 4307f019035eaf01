from __future__ import annotations

from dataclasses import MISSING, dataclass
from typing import Annotated, ClassVar, Literal

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
    settled: bool = False


def test_a_field_says_everything_of_its_option() -> None:
    options = {option.name: option for option in option_fields(Frames)}
    assert [*options] == ["fps", "max_frames", "folder", "methods", "rate", "order"]
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
        ({"order": "left"}, "--order: 'left' is not one of 'up', 'down'"),
        ({"order": None}, "--order: None is not one of 'up', 'down'"),
    ],
)
def test_values_that_are_not_allowed_are_refused(given: dict[str, object], line: str) -> None:
    with pytest.raises(UsageError, match=line):
        Frames(**{"folder": "x", **given})  # type: ignore[arg-type]


def test_the_ends_of_a_range_are_allowed() -> None:
    assert Frames(folder="x", max_frames=1).max_frames == 1
    assert Frames(folder="x", max_frames=99).max_frames == 99
