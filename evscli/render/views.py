"""The views of a video: a selection, or two against each other, with its names."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from evscli.errors import MismatchError, UsageError
from evscli.pruners import get_pruner
from evscli.records import OptionValue, PrunedVideo, VideoInfo, place_text
from evscli.render.paint import Painter, against_painter, mask_painter

Named = tuple[Path, PrunedVideo]
"""A store and a record from it."""


@dataclass(frozen=True, kw_only=True, eq=False)
class View:
    """One view of the cells kept of a video."""

    name: str
    """A short name."""
    described: str
    """A line that describes the view."""
    summary: str
    """A few words on the tokens that are kept."""
    record: PrunedVideo
    painter: Painter
    compared: bool = False
    """Whether the view is of two selections."""


def views_of(named: Sequence[Named], *, scores: bool, must: bool) -> list[View]:
    """Return a view of each selection, with `scores` as a heatmap where they are stored.

    Raises UsageError where scores `must` be stored and are not.
    """
    names = names_of(named)
    return [
        View(
            name=name,
            described=described(record.info),
            summary=f"{name}: {record.info.kept:,} of {record.info.tokens:,} tokens kept",
            record=record,
            painter=painter_of(path, record, scores=scores, must=must),
        )
        for name, (path, record) in zip(names, named, strict=True)
    ]


def painter_of(path: Path, record: PrunedVideo, *, scores: bool, must: bool) -> Painter:
    """Return the painter of one selection. Raises UsageError where scores `must` be stored."""
    stored = record.scores
    if must and stored is None:
        raise UsageError(
            f"{path} holds no scores of {record.id!r}: prune again with --scores, by a method that "
            "has them"
        )
    wanted = stored.float().numpy() if scores and stored is not None else None
    return mask_painter(record.keep_mask.numpy(), wanted)


def against_view(first: Named, second: Named) -> View:
    """Return the view of two selections in one picture."""
    names = names_of([first, second])
    (_, a), (_, b) = first, second
    one, other = a.keep_mask.numpy(), b.keep_mask.numpy()
    either = int((one | other).sum())
    both = int((one & other).sum())
    shared = f"{both:,} tokens kept by both, {both / either:.1%} of {either:,} kept by either"
    return View(
        name=f"{names[0]} against {names[1]}",
        described=f"{names[0]} against {names[1]} · {shared} · model {a.info.model.name}",
        summary=shared,
        record=a,
        painter=against_painter(one, other, names=(names[0], names[1])),
        compared=True,
    )


def check_alike(first: PrunedVideo, other: PrunedVideo, path: Path) -> None:
    """Raise MismatchError where two records are not of one video on one grid."""
    a, b = first.info, other.info
    if a.source.sha256 != b.source.sha256:
        what = "another file"
    elif a.grid_thw != b.grid_thw:
        grids = ["x".join(map(str, info.grid_thw)) for info in (a, b)]
        what = f"on a grid of {grids[1]} and not {grids[0]}"
    elif not np.array_equal(first.source_index, other.source_index):
        what = "other frames of the video"
    else:
        return
    raise MismatchError(
        f"{path} holds {b.id!r} {what}, which cannot be laid over the first store's: prune both "
        "with one model and one sampling"
    )


def names_of(named: Sequence[Named]) -> list[str]:
    """Return a short name for each selection: method, budget, and more where names are equal."""
    infos = [record.info for _, record in named]
    names = [name_of(info) for info in infos]
    names = _told_apart(names, [", ".join(option_texts(unusual_options(info))) for info in infos])
    names = _told_apart(names, [path.name for path, _ in named])
    names = _told_apart(names, [str(path) for path, _ in named])
    return _told_apart(names, [str(number) for number in range(1, len(names) + 1)])


def _told_apart(names: Sequence[str], more: Sequence[str]) -> list[str]:
    """Return the names, with `more` added to those that occur twice."""
    return [
        name if names.count(name) == 1 or not extra else f"{name} ({extra})"
        for name, extra in zip(names, more, strict=True)
    ]


def name_of(info: VideoInfo) -> str:
    """Return method and budget as a name."""
    where = "" if info.prune_at is None else f" {place_text(info.prune_at)}"
    return f"{info.method} {info.budget_rule or f'{info.budget:g}'}{where}"


def unusual_options(info: VideoInfo) -> Mapping[str, OptionValue]:
    """Return the options that are not defaults, or all where the method is not installed."""
    try:
        return get_pruner(info.method).unusual(info.options)
    except UsageError:
        return info.options


def option_texts(options: Mapping[str, OptionValue]) -> list[str]:
    """Return options as `--option` takes them."""
    given = {name: value for name, value in options.items() if value is not None}
    return [
        f"{name}={str(value).lower() if isinstance(value, bool) else value}"
        for name, value in given.items()
    ]


def described(info: VideoInfo) -> str:
    """Return a line with method, options, budget, tokens kept and model."""
    options = ", ".join(option_texts(unusual_options(info)))
    method = f"{info.method} ({options})" if options else info.method
    where = "" if info.prune_at is None else f" {place_text(info.prune_at)}"
    asked = info.budget_rule or f"{info.budget:g}"
    return (
        f"{method}{where} · budget {asked} · kept {info.kept:,} of {info.tokens:,} tokens "
        f"({info.retention:.1%}) · model {info.model.name}"
    )
