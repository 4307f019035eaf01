"""The execution of a run. None of these options changes a tensor of an undamaged video."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, Literal

from evscli.errors import UsageError
from evscli.option import Checked, Option


@dataclass(frozen=True, kw_only=True)
class Execution(Checked):
    """Workers, decoders, retries, and this machine's share of the videos."""

    GROUP: ClassVar = "Run"

    engine: Annotated[
        Literal["local", "ray"], Option("local runs on this machine, ray on a Ray cluster.")
    ] = "local"
    address: Annotated[
        str | None,
        Option(
            "Address of the Ray cluster, or local. Default: that of RAY_ADDRESS or of this "
            "machine, or else a new one here.",
            metavar="HOST:PORT",
        ),
    ] = None
    shard_of: Annotated[
        str | None,
        Option(
            "Share of the videos to prune, 0/8 to 7/8, into a store that all shares write; "
            "slurm takes the share of the job array's task.",
            metavar="I/N",
        ),
    ] = None
    workers: Annotated[
        int | None,
        Option(
            "Processes that encode. Default: one for each GPU that may be used; without any GPU "
            "one, with --engine ray one for each node.",
            metavar="N",
            least=1,
        ),
    ] = None
    processes: Annotated[
        int | None,
        Option(
            "Processes that decode. Default: few at first, and more while encoding waits for them, "
            "up to the number of cores.",
            metavar="N",
            least=1,
        ),
    ] = None
    timeout: Annotated[
        float | None,
        Option(
            "Time that a video may take to decode. Default: 600 and its length.",
            metavar="SECONDS",
            above=0,
        ),
    ] = None
    hwaccel: Annotated[
        Literal["none", "cuda", "auto"],
        Option(
            "cuda, or auto for no notes: a GPU decodes what it can.",
            metavar="DEVICE",
        ),
    ] = "none"
    retry_failed: Annotated[bool, Option("Try videos again that failed in earlier runs.")] = False
    max_attempts: Annotated[
        int,
        Option(
            "Tries of a video in all runs; --retry-failed counts anew.",
            metavar="N",
            least=1,
        ),
    ] = 1
    check_sources: Annotated[
        bool, Option("Hash finished videos again before they are skipped.")
    ] = False

    @classmethod
    def replaced(cls, given: Mapping[str, Any]) -> Mapping[str, Any]:
        """Return no address for an engine that has none."""
        return {} if given["engine"] == "ray" else {"address": None}

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.address is not None and self.engine != "ray":
            raise UsageError(
                f"--address {self.address} is for --engine ray; add that or leave it out"
            )
