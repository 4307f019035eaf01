"""The stores that a run writes, and their contents."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, ClassVar, Literal

from evscli.errors import UsageError
from evscli.option import Checked, Option
from evscli.paths import folder_path

if TYPE_CHECKING:
    from collections.abc import Sequence

    from evscli.pruners import PruneRequest

StoreDtype = Literal["auto", "bfloat16", "float16", "float8", "int8"]


@dataclass(frozen=True, kw_only=True)
class Storage(Checked):
    """The stores of a run: their folders, and their contents."""

    GROUP: ClassVar = "Store"

    output: Annotated[
        str | Path | None,
        Option(
            "Folder of the store. Default: evs-out/MODEL-METHOD-BUDGET.",
            names=("-o", "--output"),
            metavar="DIR",
        ),
    ] = None
    store_dtype: Annotated[
        StoreDtype,
        Option(
            "Dtype of the stored tokens; auto is the dtype that they have. float8 and int8 have a "
            "scale for every token. The effect on the next token is measured and printed.",
        ),
    ] = "auto"
    scores: Annotated[bool, Option("Store the score of every token too.")] = False
    segment: Annotated[
        float | None,
        Option(
            "Cut videos into segments of this length; each is sampled as a video of its own, with "
            "the id video@start-end.",
            metavar="SECONDS",
            below=10**9,
        ),
    ] = None

    def folders(self, model: str, requests: Sequence[PruneRequest]) -> list[Path]:
        """Return a folder for every selection: `output` itself for one, below it for several.

        Its name has the method, what is unusual of its options and its block, and the budget.
        """
        names = [file_name(f"{request.name} {request.budget}") for request in requests]
        if twice := [name for name in names if names.count(name) > 1]:
            raise UsageError(
                f"two selections would both be written to {twice[0]}: give another name to one of "
                "the methods, or run them one by one with -o"
            )
        if self.output is None:
            return [Path("evs-out") / f"{Path(model).name}-{name}" for name in names]
        output = folder_path(self.output, "--output")
        return [output] if len(names) == 1 else [output / name for name in names]


def file_name(text: str) -> str:
    """Return a text as the name of a file."""
    return text.translate(str.maketrans("/: ", "---"))
