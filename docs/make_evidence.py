"""Print the tables of docs/evidence.md from the accuracy.json files in docs/evidence/.

Accuracies are in percent, differences in percentage points with their 95 % intervals, a star where
the interval excludes 0.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import fmean, stdev
from typing import Any

from evscli.pruners import get_pruner

MEASURED = Path(__file__).parent / "evidence" / "accuracy.json"
FRAMES = Path(__file__).parent / "evidence" / "frames" / "accuracy.json"
BESIDE = ("inside", "before", "scorer", "parts")
"""The folders of smaller runs, each with a table of its own."""
UPTRAINED = Path(__file__).parent / "evidence" / "uptrained"
"""The folder of the runs with a checkpoint that was uptrained: `plain`, and one for every seed."""
STUDENT = {2: 12.71, 3: 4.30, 4: 3.18, 5: 2.78}
"""The 97.5 % points of Student's distribution by the number of values that a mean is of."""
SHOWN = ("64tok", "128tok", "256tok")
"""The budgets that the table of numbers of frames shows."""
BY_KIND = (0.05, 0.1, 0.25)
"""The budgets whose accuracies are shown by kind of question."""
MEAN_TO = 0.5
"""The largest budget that counts in the mean."""

Rows = Sequence[Mapping[str, Any]]


def tables(document: Mapping[str, Any]) -> list[str]:
    """Return the tables as Markdown: accuracies, differences, by kind, views, correlations."""
    rows = document["tallies"]
    return [
        accuracies(rows),
        differences(rows),
        *(kinds(rows, budget) for budget in BY_KIND),
        views(document["baselines"]),
        correlations(document["correlations"]),
    ]


def accuracies(rows: Rows) -> str:
    """Return a line for every method: its accuracies, and their mean up to a budget."""
    budgets, found = budgets_of(rows), by_selection(rows)
    lines = []
    for method in methods_of(rows, but=("none",)):
        own = [found[method, budget] for budget in budgets]
        counted = [row["accuracy"] for row in own if row["budget"] <= MEAN_TO]
        mean = f"{100 * sum(counted) / len(counted):.1f}"
        lines.append([f"`{method}`", *map(accuracy, own), mean])
    head = ["method", *(f"{budget:g}" for budget in budgets), f"mean to {MEAN_TO:g}"]
    return markdown(head, lines)


def differences(rows: Rows) -> str:
    """Return a line for every method: its accuracies less those of the first one named."""
    budgets, found = budgets_of(rows), by_selection(rows)
    (first, *others) = methods_of(rows, but=("none", "random"))
    lines = [
        [f"`{method}`", *(points(found[method, budget]["versus_first"]) for budget in budgets)]
        for method in others
    ]
    return markdown([f"less `{first}`", *(f"{budget:g}" for budget in budgets)], lines)


def kinds(rows: Rows, budget: float) -> str:
    """Return a line for every method: its accuracies by kind of question at one budget."""
    names = sorted({row["kind"] for row in rows} - {"all"})
    found = {(row["method"], row["budget"], row["kind"]): row for row in rows}
    lines = [
        [f"`{m}`", *(percent(found[m, 1.0 if m == "none" else budget, kind]) for kind in names)]
        for m in methods_of(rows)
    ]
    chance = [f"{100 * found['none', 1.0, kind]['chance']:.0f}" for kind in names]
    return markdown([f"budget {budget:g}", *names], [*lines, ["guessing", *chance]])


def views(rows: Rows) -> str:
    """Return a line for every reduced view: its accuracies by kind of question."""
    names = list(dict.fromkeys(row["kind"] for row in rows))
    found = {(row["method"], row["kind"]): row for row in rows}
    lines = [[view, *(percent(found[view, kind]) for kind in names)] for view in methods_of(rows)]
    first = methods_of(rows)[0]
    chance = [f"{100 * found[first, kind]['chance']:.0f}" for kind in names]
    return markdown(["view", *names], [*lines, ["guessing", *chance]])


def correlations(rows: Rows) -> str:
    """Return a line for every diagnostic: its rank correlation with the accuracy."""
    lines = [
        [row["diagnostic"], rho(row["overall"]), rho(row["within_budget"]), str(row["selections"])]
        for row in rows
        if row["kind"] == "all"
    ]
    return markdown(["diagnostic", "all selections", "within a budget", "selections"], lines)


def frames(document: Mapping[str, Any]) -> str:
    """Return a line for every number of frames: whole, and with numbers of tokens kept."""
    rows = [row for row in document["tallies"] if row["kind"] == "all"]
    found = {(row["method"], row["budget"], row["num_frames"]): row for row in rows}
    methods = methods_of(rows, but=("none", "random"))
    pruned = [(method, budget) for method in methods for budget in SHOWN]
    lines = []
    for number in dict.fromkeys(row["num_frames"] for row in rows):
        whole = found["none", 1.0, number]
        first = f"{percent(whole, 1)} ({whole['kept_tokens']:.0f} tokens)"
        rest = [percent(found[method, budget, number], 1) for method, budget in pruned]
        lines.append([str(number), first, *rest])
    head = ["frames, at most", "whole", *(f"`{method}` {budget}" for method, budget in pruned)]
    return markdown(head, lines)


def beside(document: Mapping[str, Any]) -> str:
    """Return a line for every selection of a smaller run: accuracies, differences to the first."""
    rows = [row for row in document["tallies"] if row["kind"] == "all"]
    found = {(label_of(row), row["budget"]): row for row in rows}
    names = [name for name in dict.fromkeys(name for name, _ in found) if name != "none"]
    budgets = budgets_of(rows)
    lines = [
        [
            f"`{name}`",
            *(
                " ".join([accuracy(row), points(row["versus_first"])]).strip()
                for row in (found[name, budget] for budget in budgets)
            ),
        ]
        for name in names
    ]
    return markdown(["selection", *(f"{budget:g}" for budget in budgets)], lines)


def joint(document: Mapping[str, Any]) -> str:
    """Return a line for every method of a run: accuracies, differences to its unpruned model."""
    rows = [row for row in document["tallies"] if row["kind"] == "all"]
    found = by_selection(rows)
    budgets = budgets_of(rows)
    lines = [
        [
            f"`{method}`",
            *(
                " ".join([accuracy(row), points(row["versus_none"])]).strip()
                for row in (found[method, budget] for budget in budgets)
            ),
        ]
        for method in methods_of(rows, but=("none",))
    ]
    return markdown(["selection", *(f"{budget:g}" for budget in budgets)], lines)


def uptrained(before: Mapping[str, Any], after: Sequence[Mapping[str, Any]]) -> str:
    """Return lines for every method: before, after as a mean over seeds, and the difference."""
    first, *runs = ([*document["tallies"]] for document in (before, *after))
    budgets = [1.0, *reversed(budgets_of(first))]
    lines = []
    for method in methods_of(first, but=("none", "random")):
        names = ["none", *(method for _ in budgets[1:])]
        keys = [*zip(names, budgets, strict=True)]
        old = [by_selection(first)[key] for key in keys]
        tuned = [[100 * by_selection(rows)[key]["accuracy"] for rows in runs] for key in keys]
        gains = [
            [value - 100 * row["accuracy"] for value in values]
            for values, row in zip(tuned, old, strict=True)
        ]
        lines += [
            [f"`{method}`", "before", *map(accuracy, old)],
            ["", "uptrained", *(f"{fmean(values):.1f}" for values in tuned)],
            ["", "difference", *map(over_seeds, gains)],
        ]
    return markdown(["method", "model", *(f"{budget:g}" for budget in budgets)], lines)


def over_seeds(gains: Sequence[float]) -> str:
    """Return the mean of differences over seeds, with its interval."""
    value, off = fmean(gains), STUDENT[len(gains)] * stdev(gains) / len(gains) ** 0.5
    star = "*" * (abs(value) > off)
    return f"{value:+.1f}{star} ({value - off:+.1f} to {value + off:+.1f})"


def uptrained_documents() -> tuple[Any, list[Any]]:
    """Return the results with the checkpoint before, and with the ones after, by their seeds."""
    before, *after = (
        json.loads((folder / "accuracy.json").read_text())
        for folder in (UPTRAINED / "plain", *sorted(UPTRAINED.glob("[0-9]")))
    )
    return before, after


def label_of(row: Mapping[str, Any]) -> str:
    """Return a method as it is named on the command line, with its block and unusual options."""
    options = row["options"]
    usual = get_pruner(row["method"]).unusual(options)
    own = [f"{name}={options[name]}" for name in options if name in usual]
    return ":".join([row["method"], *([",".join(own)] if own else [])])


def by_selection(rows: Rows) -> dict[tuple[str, float], Mapping[str, Any]]:
    """Return the rows over all questions by method and budget."""
    return {(row["method"], row["budget"]): row for row in rows if row["kind"] == "all"}


def methods_of(rows: Rows, *, but: Sequence[str] = ()) -> list[str]:
    """Return the methods in their order."""
    return [name for name in dict.fromkeys(row["method"] for row in rows) if name not in but]


def budgets_of(rows: Rows) -> list[float]:
    """Return the budgets, smallest first."""
    return sorted({row["budget"] for row in rows if row["method"] == "random"})


def accuracy(row: Mapping[str, Any]) -> str:
    """Return an accuracy, with the share that was kept where that is another than asked for."""
    off = abs(row["kept_fraction"] - row["fraction"]) > 0.005
    return percent(row, 1) + f" ({100 * row['kept_fraction']:.0f} % kept)" * off


def percent(row: Mapping[str, Any], digits: int = 0) -> str:
    """Return an accuracy in percent."""
    return f"{100 * row['accuracy']:.{digits}f}"


def points(difference: Mapping[str, float] | None) -> str:
    """Return a difference in percentage points."""
    if difference is None:
        return ""
    value, low, high = (100 * difference[name] for name in ("value", "low", "high"))
    star = "*" * (low > 0 or high < 0)
    return f"{value:+.1f}{star} ({low:+.1f} to {high:+.1f})"


def rho(value: float | None) -> str:
    """Return a rank correlation."""
    return "" if value is None else f"{value:+.2f}"


def markdown(head: Sequence[str], lines: Sequence[Sequence[str]]) -> str:
    """Return a Markdown table whose numbers stand to the right."""
    rule = ["---", *("---:" for _ in head[1:])]
    return "\n".join(f"| {' | '.join(row)} |" for row in (head, rule, *lines)) + "\n"


if __name__ == "__main__":
    print("\n".join(tables(json.loads(MEASURED.read_text()))))
    print(frames(json.loads(FRAMES.read_text())))
    for name in BESIDE:
        print(beside(json.loads((MEASURED.parent / name / "accuracy.json").read_text())))
    print(joint(json.loads((MEASURED.parent / "joint" / "accuracy.json").read_text())))
    print(uptrained(*uptrained_documents()))
