from __future__ import annotations

from dataclasses import replace

from evscli.evaluation.statistics.findings import Findings
from evscli.evaluation.statistics.results import Evaluation
from tests.evaluation.answers import answers

RIGHT = {"a": [True, False], "b": [True]}


def test_who_kept_more_than_was_asked_is_said() -> None:
    made = [
        *answers(RIGHT, method="none", budget=1.0),
        *(replace(answer, kept=30) for answer in answers(RIGHT, method="evs")),
        *answers(RIGHT, method="evs", budget=0.5),
        *answers(RIGHT, method="random"),
    ]
    (note,) = Findings.of(Evaluation(answered=tuple(made))).notes
    assert note.startswith("evs at budget 0.25 kept 30.0% of the tokens by its own rule")


def test_what_was_not_asked_for_is_empty() -> None:
    findings = Findings.of(Evaluation(answered=tuple(answers(RIGHT))))
    assert len(findings.tallies) == 1
    assert not findings.baselines
    assert not findings.correlations
    assert findings.notes == []
