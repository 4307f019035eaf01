"""What `accuracy.json` holds, as JSON values. It writes nothing itself."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from evscli.evaluation.statistics.findings import Findings
from evscli.records import Failure


def as_json(
    findings: Findings, failures: Sequence[Failure], *, setup: Mapping[str, Any]
) -> dict[str, Any]:
    """What was measured and with what; `setup` are the JSON values to repeat it with.

    Fractions are not rounded. Nothing in it depends on the clock. What was not measured is left
    out.
    """
    extra = {
        "notes": findings.notes,
        "baselines": [asdict(row) for row in findings.baselines],
        "correlations": [asdict(row) for row in findings.correlations],
    }
    return {
        **setup,
        "interval": "95 % confidence, videos as clusters",
        "tallies": [asdict(tally) for tally in findings.tallies],
        **{name: rows for name, rows in extra.items() if rows},
        "failures": [asdict(failure) for failure in failures],
    }
