"""What `accuracy.json` holds, as JSON values. It writes nothing itself."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from evscli.learn.evaluation.correlation import Correlation
from evscli.learn.evaluation.results import Tally
from evscli.records import Failure


def as_json(
    tallies: Sequence[Tally],
    failures: Sequence[Failure],
    *,
    setup: Mapping[str, Any],
    baselines: Sequence[Tally] = (),
    correlations: Sequence[Correlation] = (),
) -> dict[str, Any]:
    """What was measured and with what; `setup` are the JSON values to repeat it with.

    Fractions are not rounded. Nothing in it depends on the clock. What was not measured is left
    out.
    """
    extra = {
        "baselines": [asdict(row) for row in baselines],
        "correlations": [asdict(row) for row in correlations],
    }
    return {
        **setup,
        "interval": "95 % confidence, videos as clusters",
        "tallies": [asdict(tally) for tally in tallies],
        **{name: rows for name, rows in extra.items() if rows},
        "failures": [asdict(failure) for failure in failures],
    }
