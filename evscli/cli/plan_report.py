"""The output of `evs plan`: a table of selections and the totals, lines when piped, or JSON."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from evscli.cli.checks import NOTHING_DONE, SOME_FAILED
from evscli.cli.notes import show_traceback
from evscli.corpus.tasks import Summary
from evscli.tables import Pairs, new_table, print_pairs
from evscli.texts import count_text, duration_text, one_line, size_text

if TYPE_CHECKING:
    from evscli.corpus.estimate import Estimate, Prepared
    from evscli.corpus.estimate.duration import Duration
    from evscli.corpus.estimate.forecast import StoreForecast
    from evscli.corpus.inputs import LeftOut

MOST_LISTED = 20
"""The most unreadable videos named to people. JSON names all."""

WAITS = {
    "decode": "decoding",
    "encode": "encoding and pruning",
    "write": "writing",
    "cores": "processor cores, which decoding and encoding share",
}


OTHER = {"decode": "encode", "encode": "decode"}


@dataclass(frozen=True, kw_only=True)
class PlanRow:
    """The forecast of one selection."""

    store: Path
    method: str
    budget: str
    before: Summary
    forecast: StoreForecast

    @property
    def share(self) -> float:
        """The share of the tokens that is kept."""
        return self.forecast.kept / self.forecast.tokens if self.forecast.tokens else 0.0

    @property
    def ratio(self) -> float:
        """The bytes stored for each byte of the sources."""
        size = self.forecast.source_bytes
        return self.forecast.stored / size if size else 0.0


def report(
    estimate: Estimate,
    prepared: Prepared,
    folders: Sequence[Path],
    left_out: Sequence[LeftOut],
    *,
    as_json: bool,
) -> int:
    """Print the report and return the exit code: 0, 1 if all videos failed, 3 if some did."""
    rows = rows_of(estimate, prepared, folders)
    for failure in estimate.failures:
        show_traceback(failure)
    if as_json:
        kinds = {kind: count for each in left_out for kind, count in each.kinds.items()}
        values = {**document(estimate, prepared, rows), "left_out": kinds}
        print(json.dumps(values, indent=2))
    else:
        show(estimate, prepared, rows, left_out)
    if not estimate.failures:
        return 0
    return SOME_FAILED if estimate.seen else NOTHING_DONE


def rows_of(estimate: Estimate, prepared: Prepared, folders: Sequence[Path]) -> list[PlanRow]:
    """Make a row for each store."""
    return [
        PlanRow(
            store=folder,
            method=request.name,
            budget=str(request.budget),
            before=before,
            forecast=forecast,
        )
        for folder, request, before, forecast in zip(
            folders, prepared.pruner.requests, prepared.summaries, estimate.stores, strict=True
        )
    ]


def document(estimate: Estimate, prepared: Prepared, rows: Sequence[PlanRow]) -> dict[str, Any]:
    """Return the whole report as JSON values."""
    sample, whole, time = estimate.sample, estimate.forecast, estimate.duration
    return {
        "model": estimate.model.name,
        "dtype": estimate.model.dtype,
        "compute_dtype": estimate.model.compute_dtype or estimate.model.dtype,
        "videos": prepared.videos,
        "to_do": sample.of,
        "looked_into": len(sample.tasks),
        "fetched": len(sample.fetched),
        "exact": sample.is_whole,
        "source_bytes": sample.bytes_of,
        "seconds": whole.seconds,
        "frames": round(whole.frames),
        "tokens": round(whole.tokens),
        "token_bytes": estimate.token_bytes,
        "stores": [row_values(row) for row in rows],
        "failures": [asdict(failure) for failure in estimate.failures],
        "time": time and time_values(time),
    }


def time_values(duration: Duration) -> dict[str, Any]:
    """Return the time of a run as JSON values."""
    names = ("seconds", "bottleneck", "bound")
    return {**asdict(duration), **{name: getattr(duration, name) for name in names}}


def row_values(row: PlanRow) -> dict[str, Any]:
    """Return one selection as JSON values."""
    return {
        "store": str(row.store),
        "method": row.method,
        "budget": row.budget,
        "done": row.before.skipped,
        "failed_earlier": row.before.failed_earlier,
        "tokens": round(row.forecast.tokens),
        "kept": round(row.forecast.kept),
        "share": row.share,
        "bytes": round(row.forecast.stored),
        "of_source": row.ratio,
    }


def show(
    estimate: Estimate, prepared: Prepared, rows: Sequence[PlanRow], left_out: Sequence[LeftOut]
) -> None:
    """Print the table first, then the values that all selections share."""
    console = Console(highlight=False)
    if estimate.seen and console.is_terminal:
        console.print(plan_table(rows, exact=estimate.sample.is_whole))
    elif estimate.seen:
        for row in rows:
            print("\t".join(cells(row)))
    files = [("left out", f"{count_text(each.count, 'file')}: {each}") for each in left_out]
    print_pairs(console, [*failure_pairs(estimate), *files, *total_pairs(estimate, prepared, rows)])


def plan_table(rows: Sequence[PlanRow], *, exact: bool) -> Table:
    """Make a table with a row for each selection."""
    table = new_table("method", "budget", "tokens", "kept", "%", "on disk", "of source")
    for row in rows:
        forecast = row.forecast
        table.add_row(
            Text(row.method),
            row.budget,
            number(forecast.tokens, exact=exact),
            number(forecast.kept, exact=exact),
            f"{row.share:.1%}",
            f"{'' if exact else '~'}{size_text(round(forecast.stored))}",
            f"{row.ratio:.0%}" if row.ratio < 10 else f"{row.ratio:,.1f} times",
        )
    return table


def number(value: float, *, exact: bool) -> str:
    """Return a count, to three digits where it is estimated."""
    if exact:
        return f"{value:,.0f}"
    digits = max(0, len(f"{value:.0f}") - 3)
    return f"~{round(value, -digits):,.0f}"


def cells(row: PlanRow) -> tuple[str, ...]:
    """Return the row of a selection for programs: plain numbers, bytes."""
    values = row_values(row)
    names = ("method", "budget", "tokens", "kept", "share", "bytes", "of_source")
    return tuple(
        f"{values[name]:.4f}" if isinstance(values[name], float) else str(values[name])
        for name in names
    )


def failure_pairs(estimate: Estimate) -> Pairs:
    """Yield the videos that cannot be read."""
    for failure in estimate.failures[:MOST_LISTED]:
        yield "failed", one_line(f"{failure.id} ({failure.stage}): {failure.message}")
    if (more := len(estimate.failures) - MOST_LISTED) > 0:
        yield "failed", f"{more:,} more (--json names all)"


def total_pairs(estimate: Estimate, prepared: Prepared, rows: Sequence[PlanRow]) -> Pairs:
    """Yield the values that all selections share."""
    sample, whole = estimate.sample, estimate.forecast
    yield from done_pairs(prepared, rows)
    if not sample.of:
        yield "videos", f"{prepared.videos:,}, nothing left to do"
        return
    exact = sample.is_whole
    yield "videos", videos_text(estimate, left=sample.of < prepared.videos)
    if not exact:
        yield (
            "sample",
            f"{len(sample.tasks):,} of {sample.of:,} videos, chosen by hash; totals are estimates, "
            "by the bytes of the files",
        )
    if sample.fetched:
        size = sum(video.held.size for video in sample.fetched if video.held)
        yield "fetched", f"{count_text(len(sample.fetched), 'video')}, {size_text(size)}"
    if not estimate.seen:
        return
    tokens, frames = (number(value, exact=exact) for value in (whole.tokens, whole.frames))
    yield "tokens", f"{tokens} from {frames} frames, before pruning"
    yield "a token", f"{estimate.token_bytes:,} bytes on disk ({values_text(estimate)})"
    if estimate.duration is not None:
        yield from time_pairs(estimate.duration, prepared)
    yield "model", f"{estimate.model.name} ({estimate.model.arithmetic})"


def videos_text(estimate: Estimate, *, left: bool) -> str:
    """Return the number of videos, their duration and their size."""
    sample = estimate.sample
    parts = [f"{sample.of:,} to do" if left else f"{sample.of:,}"]
    if estimate.seen:
        about = "" if sample.is_whole else "about "
        parts.append(f"{about}{duration_text(estimate.forecast.seconds)}")
    parts.append(size_text(sample.bytes_of))
    if failed := len(estimate.failures):
        parts.append(f"{failed:,} of {len(sample.tasks):,} cannot be read")
    return ", ".join(parts)


def done_pairs(prepared: Prepared, rows: Sequence[PlanRow]) -> Pairs:
    """Yield the videos that stores hold already."""
    for row in rows:
        parts = []
        if row.before.skipped:
            if prepared.engine.segment is None:
                parts.append(f"{row.before.skipped:,} of {prepared.videos:,} are done already")
            else:
                segments = count_text(row.before.skipped, "segment")
                parts.append(f"{segments} are done already")
        if row.before.failed_earlier:
            earlier = f"{row.before.failed_earlier:,} failed earlier"
            parts.append(f"{earlier} (--retry-failed tries them again)")
        if parts:
            yield "done", f"{', '.join(parts)} in {row.store}"


def time_pairs(duration: Duration, prepared: Prepared) -> Pairs:
    """Yield the time of a run, its parts and its bottleneck."""
    yield (
        "time",
        f"about {duration_text(duration.seconds)}: {duration_text(duration.load)} until the model "
        f"is loaded, then {duration_text(max(duration.parts.values()))}",
    )
    parts = ", ".join(f"{name} {duration_text(value)}" for name, value in duration.parts.items())
    yield "parts", parts
    engine = prepared.engine
    most = count_text(engine.lanes * len(engine.devices), "decoder")
    decoders = most if engine.processes else f"up to {most}"
    workers = count_text(len(engine.devices), "worker")
    yield "bottleneck", f"{WAITS[duration.bottleneck]} (by {decoders} and {workers})"
    yield (
        "decoders",
        f"{duration.decoders:,} would keep {workers} busy; with {decoders} "
        f"{WAITS[duration.bound]} takes longer than {WAITS[OTHER[duration.bound]]}",
    )
    yield "estimated", f"from {count_text(duration.videos, 'video')} tried here"


def values_text(estimate: Estimate) -> str:
    """Return the dtype, the width and the planes of a token."""
    model = estimate.model
    planes = f", {model.deepstack_planes} DeepStack planes" if model.deepstack_planes else ""
    return f"{estimate.store_dtype or model.dtype}, width {model.embed_dim}{planes}"
