"""The tables of `evs inspect` on a terminal, or tab-separated lines when piped.

The functions are given summaries and read no store.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from rich import box
from rich.console import Console, ConsoleOptions, RenderResult
from rich.measure import Measurement
from rich.table import Table
from rich.text import Text

from evscli.bundled import MINI, MINI_NOTICE
from evscli.records import Failure, ModelInfo, RunConfig, VideoInfo
from evscli.records.place import pruned_text
from evscli.store.schema import token_bytes
from evscli.tables import Pairs, print_pairs
from evscli.texts import count_text, duration_text, size_text

if TYPE_CHECKING:
    from evscli.store.summary import FrameSummary, StoreSummary, VideoSummary

CHART_ROWS = 32
"""The most bars of a chart. A bar of a video with more frames is the mean of several."""


def print_store(summary: StoreSummary) -> None:
    """Print the videos, the failures, and last the totals, so that a terminal still shows them."""
    console = Console(highlight=False)
    if not console.is_terminal:
        for info in summary.videos:
            print(_line(info))
    elif summary.videos:
        console.print(_table(summary.videos, width=console.width))
    print_pairs(console, _failures(summary.failures))
    print_pairs(console, _totals(summary))


def print_video(summary: VideoSummary) -> None:
    """Print the source of one video, its pruning, and the tokens kept of every frame."""
    console = Console(highlight=False)
    print_pairs(console, _facts(summary))
    if console.is_terminal:
        console.print(_chart(summary))
    else:
        for frame in summary.frames:
            values = (frame.t, f"{frame.prompt_time:.1f}", _span(frame.frame_times), frame.kept)
            print("\t".join(("frame", *map(str, values))))


def print_failure(failure: Failure) -> None:
    """Print the reason of a failed video, and the place in the code."""
    print_pairs(Console(highlight=False), _failure_facts(failure))
    if failure.traceback is not None:
        print(failure.traceback)


def _table(videos: Sequence[VideoInfo], *, width: int) -> Table:
    """Make one row per video. An id too long for its column is wrapped, so it can be copied."""
    columns = [column for column in _COLUMNS if width >= column.from_width]
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1))
    table.add_column("video", overflow="fold")
    for column in columns:
        table.add_column(column.name, justify=column.justify, no_wrap=True)
    for info in videos:
        table.add_row(Text(info.id), *(Text(column.text(info)) for column in columns))
    return table


def _line(info: VideoInfo) -> str:
    """Return the row of a video for programs: all columns, plain numbers, duration in seconds."""
    retention, duration = f"{info.retention:.4f}", f"{info.duration:.3f}"
    numbers = (str(info.tokens), str(info.kept), retention, duration)
    return "\t".join((info.id, *numbers, _grid(info), info.method, info.model.name))


def _failures(failures: Sequence[Failure]) -> Pairs:
    for failure in failures:
        tries = count_text(failure.attempt, "attempt")
        yield "failed", f"{failure.id} ({failure.stage}, {tries}): {failure.message}"


def _failure_facts(failure: Failure) -> Pairs:
    yield "video", failure.id
    yield "source", failure.path
    yield "failed", failure.message
    yield "stage", f"{failure.stage}, {failure.kind}"
    yield "attempts", f"{failure.attempt:,}"


def _totals(summary: StoreSummary) -> Pairs:
    yield "store", summary.path
    if summary.videos:
        info = summary.videos[0]
        yield "model", _model(info.model)
        yield "method", _method(info)
        yield from _place(info)
        yield "budget", info.budget_rule or f"{info.budget:g}"
        yield "token", _token(info)
    yield from _sampling(summary.run)
    yield "fingerprint", summary.fingerprint[:12]
    failed = f", {len(summary.failures)} failed" if summary.failures else ""
    yield "videos", f"{len(summary.videos):,}{failed}, {duration_text(summary.seconds)} in all"
    if summary.failures:
        yield "failures", f"evs inspect {summary.path} ID shows where in the code one failed"
    if summary.waiting:
        waiting = count_text(summary.waiting, "finished video")
        yield "waiting", f"{waiting} without a shard yet: the run at work adds them, or the next"
    if summary.lost:
        lost = count_text(summary.lost, "video")
        yield (
            "lost",
            f"{lost} whose shard is missing: put it back, or run the same evs prune command again; "
            f"evs inspect --verify {summary.path} names it",
        )
    if summary.retention is not None:
        yield "tokens", f"{summary.tokens:,} -> {summary.kept:,} ({summary.retention:.1%})"
    yield "on disk", f"{size_text(summary.size)}, {count_text(summary.shards, 'shard')}"


def _facts(summary: VideoSummary) -> Pairs:
    info, sampled = summary.info, sum(len(frame.frame_times) for frame in summary.frames)
    turned = f", turned by {info.rotation} degrees" if info.rotation else ""
    part = "" if info.part is None else f" ({info.part})"
    yield "video", info.id
    yield "source", f"{info.source.path}, {size_text(info.source.size)}"
    yield "source sha256", info.source.sha256
    yield (
        "source video",
        f"{_pixels(info.source_size)}{turned}, {info.source_frames:,} frames at "
        f"{info.source_fps:g} per second, {duration_text(info.duration)}{part}",
    )
    yield "sampled", f"{sampled:,} frames at {_pixels(info.resized_size)}"
    yield from _sampling(summary.run)
    yield "grid", f"{_grid(info)} (time x height x width)"
    yield "tokens", f"{info.tokens:,} -> {info.kept:,} ({info.retention:.1%})"
    yield "expected", f"{info.expected:,} by the method's rule"
    yield "method", _method(info)
    yield "budget", _budget(info)
    yield from _place(info)
    if info.query is not None:
        yield "query", info.query
    for note in info.notes:
        yield "note", note
    yield "model", _model(info.model)
    yield "token", _token(info)
    yield from _loss(info)
    yield "vision sha256", info.model.vision_sha256
    yield "shard", f"{summary.shard_name}, {size_text(summary.size)} for this video"
    yield "tensor sha256", summary.sha256
    yield "tensors", ", ".join(f"{name} {spec}" for name, spec in summary.tensors.items())
    if summary.run and summary.run.provenance:
        yield "made with", ", ".join(_leaves(summary.run.provenance))
    if summary.devices:
        yield "other devices", ", ".join(map(str, summary.devices))


def _chart(summary: VideoSummary) -> Table:
    """Make a bar per frame of the grid, or per group of frames where there are many."""
    frames, step = summary.frames, -(-len(summary.frames) // CHART_ROWS)
    groups = [frames[start : start + step] for start in range(0, len(frames), step)]
    means = [sum(frame.kept for frame in group) / len(group) for group in groups]
    _, height, columns = summary.info.grid_thw
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1), expand=True)
    for name in ("frame", "prompt s", "source s", f"of {height * columns:,}", "%"):
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("kept" if step == 1 else f"kept, mean of {step} frames", ratio=1)
    for group, mean in zip(groups, means, strict=True):
        cells = _frame_cells(group, mean, height * columns)
        table.add_row(*map(Text, cells), _Bar(mean / max(*means, 1)))
    return table


def _frame_cells(group: Sequence[FrameSummary], mean: float, cells: int) -> tuple[str, ...]:
    first, last = group[0], group[-1]
    times = [time for frame in group for time in frame.frame_times]
    return (
        str(first.t) if first is last else f"{first.t}-{last.t}",
        f"{first.prompt_time:.1f}",
        _span(times),
        f"{mean:,.0f}" if first is last else f"{mean:,.1f}",
        f"{mean / cells:.0%}",
    )


class _Bar:
    """A bar over a fraction of the width available, to an eighth of a column."""

    def __init__(self, fraction: float) -> None:
        self._fraction = fraction

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        if options.ascii_only:
            yield Text("#" * round(self._fraction * options.max_width), style="cyan")
            return
        full, eighths = divmod(round(self._fraction * options.max_width * 8), 8)
        yield Text("█" * full + " ▏▎▍▌▋▊▉"[eighths].strip(), style="cyan")

    def __rich_measure__(self, console: Console, options: ConsoleOptions) -> Measurement:
        return Measurement(8, options.max_width)


def _span(times: Sequence[float]) -> str:
    """Return the first and the last time in seconds."""
    if not times:
        return ""
    return f"{times[0]:.2f}" if len(times) == 1 else f"{times[0]:.2f}-{times[-1]:.2f}"


def _model(model: ModelInfo) -> str:
    planes = f", {model.deepstack_planes} DeepStack planes" if model.deepstack_planes else ""
    kind = f"{model.model_type}, {model.arithmetic}"
    text = f"{model.name} ({kind}, width {model.embed_dim}{planes})"
    return f"{text}; {MINI_NOTICE}" if model.name == MINI else text


def _token(info: VideoInfo) -> str:
    """Return the bytes of a token with its DeepStack planes, and their dtype."""
    stored = token_bytes(info.model, info.store_dtype)
    if info.store_dtype is None:
        return f"{stored:,} bytes in {info.model.dtype}"
    computed = f"{token_bytes(info.model):,} in {info.model.dtype}"
    return f"{stored:,} bytes in {info.store_dtype} (computed: {computed})"


def _loss(info: VideoInfo) -> Pairs:
    if info.store_rms_error is not None and info.store_max_error is not None:
        rms, worst = f"{info.store_rms_error:.2g}", f"{info.store_max_error:.2g}"
        yield "store error", f"{rms} of the values (root mean square), {worst} in the worst token"


def _method(info: VideoInfo) -> str:
    return " ".join((info.method, *(f"{name}={value}" for name, value in info.options.items())))


def _place(info: VideoInfo) -> Pairs:
    if info.prune_at is not None:
        yield "pruned", pruned_text(info.prune_at)


def _budget(info: VideoInfo) -> str:
    """Return the fraction, and the rule that it follows from."""
    return f"{info.budget:g}" + (f" ({info.budget_rule})" if info.budget_rule else "")


def _grid(info: VideoInfo) -> str:
    return "x".join(map(str, info.grid_thw))


def _pixels(size: tuple[int, int]) -> str:
    height, width = size
    return f"{width}x{height}"


def _sampling(run: RunConfig | None) -> Pairs:
    """Yield the rule that chose the frames, as far as the run records it."""
    encoder = {} if run is None else run.settings.get("encoder", {})
    rule = encoder.get("sampling") or {}
    if given := {name: value for name, value in rule.items() if value is not None}:
        yield "sampling", ", ".join(_leaves(given))


def _leaves(values: Mapping[str, Any]) -> Iterable[str]:
    for name, value in values.items():
        if isinstance(value, Mapping):
            yield from _leaves(value)
        else:
            yield f"{name} {value}"


@dataclass(frozen=True)
class _Column:
    """A column of the table of videos, left out on terminals narrower than `from_width`."""

    name: str
    text: Callable[[VideoInfo], str]
    from_width: int = 0
    justify: Literal["left", "right"] = "right"


_COLUMNS = (
    _Column("tokens", lambda info: f"{info.tokens:,}"),
    _Column("kept", lambda info: f"{info.kept:,}"),
    _Column("%", lambda info: f"{info.retention:.1%}"),
    _Column("duration", lambda info: duration_text(info.duration), from_width=60),
    _Column("grid", _grid, from_width=60),
    # The totals name these two as well: one store has one method and one model.
    _Column("method", lambda info: info.method, from_width=110, justify="left"),
    _Column("model", lambda info: info.model.name, from_width=110, justify="left"),
)
