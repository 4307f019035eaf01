"""The findings of an evaluation from all of its answers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from evscli.evaluation.statistics.correlation import (
    Correlation,
    correlations,
    questions_by_kind,
)
from evscli.evaluation.statistics.results import (
    ALL,
    Evaluation,
    Tally,
    series_names,
    tally,
)


@dataclass(frozen=True, kw_only=True, eq=False)
class Findings:
    """Accuracies, and the baselines and correlations that were requested."""

    tallies: Sequence[Tally]
    baselines: Sequence[Tally] = ()
    """The tallies of reduced views, whose names stand in place of methods."""
    correlations: Sequence[Correlation] = ()

    @classmethod
    def of(cls, evaluation: Evaluation, *, baselines: Evaluation | None = None) -> Findings:
        """Count the answers."""
        tallies, asked = tally(evaluation.answered), questions_by_kind(evaluation.answered)
        return cls(
            tallies=tallies,
            baselines=tally(baselines.answered) if baselines is not None else (),
            correlations=correlations(tallies, evaluation.diagnostics, asked),
        )

    @property
    def notes(self) -> list[str]:
        """Return remarks for a fair comparison: the methods that kept more or less than asked."""
        names = series_names(self.tallies)
        return [
            f"{names[row.series]} at budget {row.budget:g} kept {row.kept_fraction:.1%} of the "
            "tokens by its own rule: no difference to random is given"
            for row in self.tallies
            if row.kind == ALL and not row.kept_as_asked
        ]
