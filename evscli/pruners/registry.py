"""The methods by name: what each is, promises and needs. Importing it does not import torch.

Other packages add a method by an entry point of the group `evscli.pruners` whose name is the
method's and whose object is a `Pruner`; built-in names cannot be replaced.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import cache
from importlib.metadata import EntryPoint, entry_points
from typing import Any

from evscli.errors import UsageError
from evscli.pruners.cdpruner import cdpruner, cdpruner_count
from evscli.pruners.divprune import divprune, divprune_count
from evscli.pruners.dtd import dtd, dtd_count
from evscli.pruners.dycoke import dycoke, dycoke_count
from evscli.pruners.evs import evs, evs_count
from evscli.pruners.first_of_2x2 import first_of_2x2, first_of_2x2_count
from evscli.pruners.keep_all import keep_all, keep_all_count
from evscli.pruners.norm import norm, norm_count
from evscli.pruners.options import Option, closest, function_options
from evscli.pruners.random_subset import random_subset, random_subset_count
from evscli.pruners.semvid import semvid, semvid_count
from evscli.pruners.stts import stts, stts_count
from evscli.pruners.uniform_frames import uniform_frames, uniform_frames_count
from evscli.pruners.uniform_grid import uniform_grid, uniform_grid_count
from evscli.pruners.vcast import vcast, vcast_count
from evscli.pruners.vidcom2 import vidcom2, vidcom2_count
from evscli.pruners.window_diff import window_diff, window_diff_count
from evscli.records import KeptTokens, OptionValue, WindowChoice

ENTRY_POINT_GROUP = "evscli.pruners"


@dataclass(frozen=True, kw_only=True, eq=False)
class Pruner:
    """One method."""

    name: str
    summary: str
    """One line."""
    paper: str
    """Title and arXiv number, or `baseline`."""
    function: Callable[..., KeptTokens] | Callable[..., WindowChoice]
    """`(tokens, inputs, budget, *, options) -> KeptTokens`, pure; with `inside` from
    `VideoWindows` to a `WindowChoice`."""
    expected_count: Callable[..., int]
    """`(T, N, budget, *, options) -> tokens kept` of T temporal patches of N tokens; takes the
    options of `function` and raises UsageError for values that mean nothing."""
    needs: frozenset[str] = frozenset()
    """Which of `PruneInputs` it always needs: pixels, query, scorer."""
    needs_by_option: Mapping[tuple[str, OptionValue], str] = field(default_factory=dict)
    """What one value of an option needs besides: `{("space", "rgb"): "pixels"}`."""
    random: bool = False
    """Whether the seed matters."""
    keeps_all: bool = False
    """Whether it prunes nothing, so that the budget can only be 1."""
    inside: int | None = None
    """The block after which it runs inside an encoder by default; None: it scores tokens, and
    windows inside an encoder only where asked to."""
    algorithm_version: int = 1
    """Raised when the same inputs give another mask than before."""

    @property
    def options(self) -> tuple[Option, ...]:
        """What `--option` takes: the keyword-only parameters of `function`."""
        return function_options(self.function)

    def unusual(self, options: Mapping[str, OptionValue]) -> dict[str, OptionValue]:
        """Those of `options` that are not its defaults."""
        usual = {option.name: option.default for option in self.options}
        return {name: value for name, value in options.items() if value != usual.get(name)}

    def describe(self) -> dict[str, Any]:
        """All of it as JSON values, for listings."""
        return {
            "name": self.name,
            "summary": self.summary,
            "paper": self.paper,
            "options": {
                option.name: {"default": option.default, "values": option.wanted}
                for option in self.options
            },
            "needs": sorted(self.needs),
            "needs_by_option": {
                f"{name}={value}": need for (name, value), need in self.needs_by_option.items()
            },
            "random": self.random,
            "inside": self.inside,
            "algorithm_version": self.algorithm_version,
        }

    def needs_with(self, options: Mapping[str, OptionValue]) -> frozenset[str]:
        """Which of `PruneInputs` it needs with these options."""
        return self.needs | {
            need
            for (name, value), need in self.needs_by_option.items()
            if options.get(name) == value
        }


_BUILT_IN = (
    Pruner(
        name="evs",
        summary="keeps the first frame and the tokens that changed most since the frame before",
        paper="Efficient Video Sampling, arXiv 2510.14624",
        function=evs,
        expected_count=evs_count,
        needs_by_option={("space", "rgb"): "pixels"},
    ),
    Pruner(
        name="vcast",
        summary="gives more to frames where the video turns, keeps what stands out of its frame",
        paper="V-CAST, arXiv 2603.27650",
        function=vcast,
        expected_count=vcast_count,
    ),
    Pruner(
        name="vidcom2",
        summary="gives more to unusual frames, keeps what is unlike its frame and the video",
        paper="VidCom2, arXiv 2505.14454",
        function=vidcom2,
        expected_count=vidcom2_count,
    ),
    Pruner(
        name="dtd",
        summary="keeps the first frame and what differs from the frame before",
        paper="TimeChat-Online, arXiv 2504.17343",
        function=dtd,
        expected_count=dtd_count,
        needs_by_option={("space", "pixel"): "pixels"},
    ),
    Pruner(
        name="dycoke",
        summary="keeps every fourth frame and what the frames between do not repeat",
        paper="DyCoke (temporal stage), arXiv 2411.15024",
        function=dycoke,
        expected_count=dycoke_count,
    ),
    Pruner(
        name="divprune",
        summary="keeps tokens that are far from each other",
        paper="DivPrune, arXiv 2503.02175",
        function=divprune,
        expected_count=divprune_count,
    ),
    Pruner(
        name="cdpruner",
        summary="keeps tokens that are unlike each other and unlike the question",
        paper="CDPruner, arXiv 2506.10967",
        function=cdpruner,
        expected_count=cdpruner_count,
        needs=frozenset({"query"}),
    ),
    Pruner(
        name="semvid",
        summary="keeps tokens near the question, and tokens that move",
        paper="in the style of SemVID (public code)",
        function=semvid,
        expected_count=semvid_count,
        needs=frozenset({"query"}),
    ),
    Pruner(
        name="stts",
        summary="goes on with the windows that a trained scorer chooses inside the encoder",
        paper="STTS, arXiv 2603.18004",
        function=stts,
        expected_count=stts_count,
        needs=frozenset({"scorer"}),
        inside=3,
    ),
    Pruner(
        name="window-diff",
        summary="goes on with the windows that changed most, inside the encoder",
        paper="heuristic of evs, by the training target of STTS",
        function=window_diff,
        expected_count=window_diff_count,
        inside=3,
    ),
    Pruner(
        name="norm",
        summary="keeps the tokens of largest norm",
        paper="baseline",
        function=norm,
        expected_count=norm_count,
    ),
    Pruner(
        name="first-of-2x2",
        summary="keeps the first cell of every 2x2 block",
        paper="baseline",
        function=first_of_2x2,
        expected_count=first_of_2x2_count,
    ),
    Pruner(
        name="uniform-frames",
        summary="keeps whole frames evenly spread over time",
        paper="baseline",
        function=uniform_frames,
        expected_count=uniform_frames_count,
    ),
    Pruner(
        name="uniform-grid",
        summary="keeps the same evenly spread cells of every frame",
        paper="baseline",
        function=uniform_grid,
        expected_count=uniform_grid_count,
    ),
    Pruner(
        name="random",
        summary="keeps a random subset of all tokens",
        paper="baseline",
        function=random_subset,
        expected_count=random_subset_count,
        random=True,
        algorithm_version=2,
    ),
    Pruner(
        name="none",
        summary="keeps every token",
        paper="baseline",
        function=keep_all,
        expected_count=keep_all_count,
        keeps_all=True,
    ),
)


def get_pruner(name: str) -> Pruner:
    """The method called `name`; raises UsageError that lists the methods for any other name."""
    for pruner in _BUILT_IN:
        if pruner.name == name:
            return pruner
    if name in _entry_points():
        return _load(_entry_points()[name])
    known = method_names()
    raise UsageError(
        f"there is no method {name!r}{closest(name, known)}: choose from {', '.join(known)}"
    )


def list_pruners() -> tuple[Pruner, ...]:
    """Every method, the built-in ones first."""
    return tuple(get_pruner(name) for name in method_names())


def method_names() -> tuple[str, ...]:
    """The name of every method, the built-in ones first."""
    built_in = [pruner.name for pruner in _BUILT_IN]
    return (*built_in, *(name for name in _entry_points() if name not in built_in))


@cache
def _entry_points() -> dict[str, EntryPoint]:
    found: Iterable[EntryPoint] = entry_points(group=ENTRY_POINT_GROUP)
    return {point.name: point for point in sorted(found, key=lambda point: point.name)}


def _load(point: EntryPoint) -> Pruner:
    try:
        pruner = point.load()
    except Exception as error:  # whatever a foreign module raises while it is imported
        raise UsageError(
            f"method {point.name!r} cannot be loaded from {point.value} ({error}): "
            "repair or uninstall the package that adds it"
        ) from error
    if not isinstance(pruner, Pruner):
        raise UsageError(
            f"method {point.name!r} at {point.value} is no Pruner: "
            "repair or uninstall the package that adds it"
        )
    return pruner
