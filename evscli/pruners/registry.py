"""The methods by name, the built-in ones first. Importing it does not import torch."""

from __future__ import annotations

from collections.abc import Callable

from evscli.errors import UsageError
from evscli.pruners.method import Pruner, function_pruner
from evscli.pruners.methods.cdpruner import cdpruner, cdpruner_count
from evscli.pruners.methods.divprune import divprune, divprune_count
from evscli.pruners.methods.dtd import dtd, dtd_count
from evscli.pruners.methods.dycoke import dycoke, dycoke_count
from evscli.pruners.methods.evs import evs, evs_count
from evscli.pruners.methods.first_of_2x2 import first_of_2x2, first_of_2x2_count
from evscli.pruners.methods.none import keep_all, keep_all_count
from evscli.pruners.methods.norm import norm, norm_count
from evscli.pruners.methods.random import random_subset, random_subset_count
from evscli.pruners.methods.semvid import semvid, semvid_count
from evscli.pruners.methods.stts import stts, stts_count
from evscli.pruners.methods.uniform_frames import uniform_frames, uniform_frames_count
from evscli.pruners.methods.uniform_grid import uniform_grid, uniform_grid_count
from evscli.pruners.methods.vcast import vcast, vcast_count
from evscli.pruners.methods.vidcom2 import vidcom2, vidcom2_count
from evscli.pruners.methods.window_diff import window_diff, window_diff_count
from evscli.pruners.options import closest
from evscli.pruners.plugins import load_plugin, plugin_names, why_broken
from evscli.records import KeptTokens

Method = str | Pruner | Callable[..., KeptTokens]
"""A method by its name, as it is, or as a plain function."""

_BUILT_IN = (
    Pruner(
        name="evs",
        summary="keeps the first frame and the tokens that changed most since the frame before",
        paper="Efficient Video Sampling, arXiv 2510.14624",
        function=evs,
        expected_count=evs_count,
        content_decides_by_option=frozenset({"rule"}),
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
        content_decides_by_option=frozenset({"exact"}),
    ),
    Pruner(
        name="dtd",
        summary="keeps the first frame and what differs from the frame before",
        paper="TimeChat-Online, arXiv 2504.17343",
        function=dtd,
        expected_count=dtd_count,
        content_decides_by_option=frozenset({"threshold"}),
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


_BY_NAME = {pruner.name: pruner for pruner in _BUILT_IN}


def get_pruner(name: str) -> Pruner:
    """The method called `name`.

    Raises UsageError that lists the methods for any other name, and for a broken one says why.
    """
    if name in _BY_NAME:
        return _BY_NAME[name]
    if name in plugin_names():
        return load_plugin(name)
    known = method_names()
    raise UsageError(
        f"there is no method {name!r}{closest(name, known)}: choose from {', '.join(known)}"
    )


def pruner_of(method: Method) -> Pruner:
    """The method that is meant. Raises UsageError for what is none."""
    if isinstance(method, Pruner):
        return method
    if isinstance(method, str):
        return get_pruner(method)
    if callable(method):
        return function_pruner(method)
    raise UsageError(
        f"a method must be a name, a Pruner or a function, got {type(method).__name__}: "
        "give one of these"
    )


def list_pruners() -> tuple[Pruner, ...]:
    """Every method that can be used, the built-in ones first."""
    broken = broken_methods()
    found = [name for name in plugin_names() if name not in broken]
    return (*_BUILT_IN, *map(load_plugin, found))


def broken_methods() -> dict[str, str]:
    """By name, why a method that an installed package adds cannot be used."""
    reasons = {name: why_broken(name, taken=_BY_NAME) for name in plugin_names()}
    return {name: reason for name, reason in reasons.items() if reason is not None}


def method_names() -> tuple[str, ...]:
    """The name of every method, the built-in ones first; those of packages are not loaded."""
    return (*_BY_NAME, *(name for name in plugin_names() if name not in _BY_NAME))


def is_built_in(pruner: Pruner) -> bool:
    """Whether it comes with evs itself, which another process may have been sent a copy of."""
    own = _BY_NAME.get(pruner.name)
    return own is not None and own.function is pruner.function
