"""The figures of docs/evidence.md are those that the command beside them measured."""

from __future__ import annotations

import json
import re
import runpy
import shlex
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from statistics import fmean
from typing import Any

import pytest

from evscli.bundled import MINI, MINI_FOLDER
from evscli.encoders import load_encoder
from evscli.evaluation.questions.choices import read_choices
from evscli.evaluation.questions.multiple_choice import evaluate_choices, load_both
from evscli.evaluation.questions.selecting import Selecting
from evscli.job import Encoding
from evscli.pruners import check_selection

DOCS = Path(__file__).parents[2] / "docs"
PAGE = (DOCS / "evidence.md").read_text()
MEASURED = DOCS / "evidence"


@pytest.fixture(scope="module")
def document() -> Any:
    return json.loads((MEASURED / "accuracy.json").read_text())


def test_the_tables_are_those_that_were_measured(document: Any) -> None:
    tables: Callable[[Any], list[str]] = runpy.run_path(str(DOCS / "make_evidence.py"))["tables"]
    for table in tables(document):
        assert table in PAGE


def test_so_is_the_table_of_numbers_of_frames() -> None:
    table: Callable[[Any], str] = runpy.run_path(str(DOCS / "make_evidence.py"))["frames"]
    document = json.loads((MEASURED / "frames" / "accuracy.json").read_text())
    assert table(document) in PAGE
    (command,) = re.findall(r"^evs eval .*docs/evidence/frames$", PAGE, re.MULTILINE)
    given = [b for a, b in pairwise(shlex.split(command)) if a == "--num-frames"]
    assert given == [*dict.fromkeys(str(row["num_frames"]) for row in document["tallies"])]
    assert document["videos"] == 300


@pytest.mark.parametrize("name", ["inside", "before", "scorer", "parts"])
def test_so_are_the_tables_of_smaller_runs(name: str, document: Any) -> None:
    table: Callable[[Any], str] = runpy.run_path(str(DOCS / "make_evidence.py"))["beside"]
    smaller = json.loads((MEASURED / name / "accuracy.json").read_text())
    assert table(smaller) in PAGE
    (command,) = re.findall(rf"^evs eval .*docs/evidence/{name}$", PAGE, re.MULTILINE)
    words = shlex.split(command)
    given = {name: [b for a, b in pairwise(words) if a == name] for name in words}
    lines = [line.split(" | ")[0] for line in table(smaller).splitlines()[2:]]
    assert lines == [f"| `{method}`" for method in (*given["--method"], "random")]
    assert [str(smaller["videos"])] == given["--videos"]
    mine, theirs = (
        {(row["method"], row["budget"], row["kind"]): row["correct"] for row in one["tallies"]}
        for one in (smaller, document)
    )
    alike = [key for key in mine if key[0] in ("none", "random")]
    assert alike
    if smaller["videos"] != document["videos"]:
        return
    assert [mine[key] for key in alike] == [theirs[key] for key in alike]


def test_so_is_the_table_of_the_scorer_that_learned_with_the_language_model() -> None:
    table: Callable[[Any], str] = runpy.run_path(str(DOCS / "make_evidence.py"))["joint"]
    document = json.loads((MEASURED / "joint" / "accuracy.json").read_text())
    assert table(document) in PAGE
    rows = {(row["method"], row["budget"], row["kind"]): row for row in document["tallies"]}
    asked = re.findall(r"^evs eval .*docs/evidence/joint$", PAGE, re.MULTILINE)
    given = [b for a, b in pairwise(shlex.split(asked[0])) if a == "--method"]
    assert [name.partition(":")[0] for name in given] == ["surprise", "stts"]
    text = PAGE[PAGE.index("STTS's authors train") : PAGE.index("## Uptraining")]

    def lost(method: str, budget: float) -> str:
        return f"{-100 * rows[method, budget, 'all']['versus_none']['value']:.1f}"

    whole = rows["none", 1.0, "all"]["accuracy"]
    (named,) = re.findall(r"nothing pruned, which answers ([\d.]+) %", text)
    assert named == f"{100 * whole:.1f}"
    half = rows["stts", 0.5, "all"]["versus_none"]
    (found,) = re.findall(r"reproduces: ([\d.]+) points \(([\d.]+) to ([\d.]+)\)", text)
    assert found == (lost("stts", 0.5), f"{-100 * half['high']:.1f}", f"{-100 * half['low']:.1f}")
    (kinds,) = re.findall(r"\*count\* is at (\d+) % again, \*scenes\* at (\d+)", text)
    assert kinds == tuple(
        f"{100 * rows['stts', 0.5, kind]['accuracy']:.0f}" for kind in ("count", "scenes")
    )
    (after,) = re.findall(
        r"loses ([\d.]+) points at half of the tokens and ([\d.]+) at a\s+quarter, "
        r"where STTS loses (\d+\.\d)",
        text,
    )
    assert after == (lost("surprise", 0.5), lost("surprise", 0.25), lost("stts", 0.25))


def test_so_is_the_longer_run_with_evs_alone(document: Any) -> None:
    longer = json.loads((MEASURED / "uptrained" / "longer" / "accuracy.json").read_text())
    mine, theirs = (
        {
            (row["method"], row["budget"]): 100 * row["accuracy"]
            for row in one["tallies"][:40]
            if row["kind"] == "all"
        }
        for one in (longer, json.loads((MEASURED / "uptrained/plain/accuracy.json").read_text()))
    )
    assert longer["videos"] == document["videos"]
    quarter, half, whole = ("evs", 0.25), ("evs", 0.5), ("none", 1.0)
    words = PAGE[PAGE.index("**Trained longer for one method**") :]
    found = re.findall(r"\d+\.\d", words[words.index("the model answers") :])[:6]
    assert found == [
        f"{mine[quarter]:.1f}",
        "0.2",
        f"{mine[quarter] - theirs[quarter]:.1f}",
        f"{mine[half]:.1f}",
        "0.5",
        f"{mine[whole]:.1f}",
    ]
    assert f"pruned, {theirs[whole] - mine[whole]:.1f} less" in words


def test_so_is_the_table_of_uptrained_models(document: Any) -> None:
    """And its commands are those of every seed, which differ in nothing else."""
    made = runpy.run_path(str(DOCS / "make_evidence.py"))
    before, after = made["uptrained_documents"]()
    table = made["uptrained"](before, after)
    assert table in PAGE
    rows = [re.findall(r"[\d.+-]+", line)[:5] for line in table.splitlines() if "uptrained" in line]
    readme = (DOCS.parent / "README.md").read_text()
    (named,) = re.findall(r"answers ([\d.]+) % with\n`surprise` and ([\d.]+) % with EVS", readme)
    assert named == (rows[2][2], rows[0][2])
    folders = ["plain", *map(str, range(len(after)))]
    asked = re.findall(r"^evs eval .*docs/evidence/uptrained/\w+$", PAGE, re.MULTILINE)
    assert [line.rpartition("/")[2] for line in asked] == folders[:2]
    assert asked[1].replace("runs/0", "runs/1").endswith("uptrained/0")
    trained = re.findall(r"^evs train uptrain .*-o runs/\d$", PAGE, re.MULTILINE)
    assert [shlex.split(line)[-1] for line in trained] == ["runs/0", "runs/1"]
    alike = [
        (*key, kind)
        for key in (("none", 1.0), ("evs", 0.25), ("vcast", 0.5), ("surprise", 0.25))
        for kind in ("all", "count")
    ]
    mine, theirs = (
        {(row["method"], row["budget"], row["kind"]): row["correct"] for row in one["tallies"]}
        for one in (before, document)
    )
    assert [mine[key] for key in alike] == [theirs[key] for key in alike]
    assert [one["videos"] for one in (before, *after)] == [1000] * 4


def test_what_comes_back_by_uptraining_is_what_was_measured() -> None:
    """The kinds of questions that the page names, with EVS at a quarter of the tokens."""
    before, after = runpy.run_path(str(DOCS / "make_evidence.py"))["uptrained_documents"]()
    first, *runs = (
        {row["kind"]: row["accuracy"] for row in one["tallies"] if is_evs_at_a_quarter(row)}
        for one in (before, *after)
    )
    text = PAGE[PAGE.index("## Uptraining") :]
    named = re.findall(r"\*(\w+)\* (?:goes )?from (\d+) to\s+(\d+) %", text)
    assert [kind for kind, _, _ in named] == ["count", "scenes", "flash"]
    for kind, old, new in named:
        assert (old, new) == (
            f"{100 * first[kind]:.0f}",
            f"{100 * fmean(run[kind] for run in runs):.0f}",
        )


def is_evs_at_a_quarter(row: Any) -> bool:
    return bool((row["method"], row["budget"]) == ("evs", 0.25))


def test_the_command_is_the_one_that_measured_them(document: Any) -> None:
    (command,) = re.findall(r"^evs eval .*docs/evidence$", PAGE, re.MULTILINE)
    words = shlex.split(command)
    given = {name: [b for a, b in pairwise(words) if a == name] for name in words}
    asked = [row for row in document["tallies"] if row["kind"] == "all"]
    methods = list(dict.fromkeys(row["method"] for row in asked))
    named = [method.partition(":")[0] for method in given["--method"]]
    assert methods == ["none", *named, "random"]
    budgets = {row["budget"] for row in asked if row["method"] == "random"}
    assert budgets == {float(budget) for budget in given["--budget"]}
    assert [str(document["videos"])] == given["--videos"]
    assert document["seed"] == 0
    assert "--seed" not in words


def test_diagnostics_are_correlated_over_all_methods(document: Any) -> None:
    asked = [row for row in document["tallies"] if row["kind"] == "all"]
    numbered = {(row["method"], row["budget"]) for row in document["diagnostics"]}
    assert numbered == {(row["method"], row["budget"]) for row in asked}
    pruned = len(asked) - 1
    assert {row["selections"] for row in document["correlations"]} == {pruned}
    assert f"These are {pruned} selections of sixteen methods" in PAGE


def test_they_are_of_the_bundled_weights(document: Any) -> None:
    encoder = load_encoder(MINI, device="cpu", dtype="float32")  # as it was measured
    assert document["encoder"] == json.loads(json.dumps(dict(encoder.settings)))


def test_the_readme_has_the_same_accuracies(document: Any) -> None:
    overall = {(r["method"], r["budget"]): r for r in document["tallies"] if r["kind"] == "all"}
    methods = ("surprise", "glean", "vcast", "vidcom2", "evs", "uniform-grid", "random")
    readme = (DOCS.parent / "README.md").read_text()
    for budget in (0.75, 0.5, 0.25, 0.1, 0.05):
        cells = [f"{overall[method, budget]['accuracy']:.1%}" for method in methods]
        assert f"| {budget:.0%} | {' | '.join(cells)} |" in readme


def test_the_model_card_has_the_same_accuracies(document: Any) -> None:
    card = (MINI_FOLDER / "README.md").read_text()
    blind = {r["kind"]: r for r in document["baselines"] if r["method"] == "question-only"}
    unpruned = [row for row in document["tallies"] if row["method"] == "none"]
    assert len(unpruned) == 9
    for row in unpruned:
        interval = f"{100 * row['low']:.1f}-{100 * row['high']:.1f}"
        shares = f"{blind[row['kind']]['accuracy']:.1%} | {row['chance']:.1%}"
        asked = f"| {row['kind']} | {row['asked']:,} | {row['accuracy']:.1%}"
        assert f"{asked} | {interval} | {shares} |" in card


@pytest.mark.slow
def test_the_sample_videos_are_answered_as_often_as_the_page_says() -> None:
    choices = read_choices(DOCS.parent / "sample_videos" / "questions.jsonl")
    both = load_both(Encoding(device="cpu"))
    evaluation = evaluate_choices(choices, both, Selecting(requests=[check_selection("none")]))
    right = sum(answered.correct for answered in evaluation.answered)
    (said,) = re.findall(r"It answers (\d+) of (\d+) unpruned", PAGE)
    assert (right, len(choices)) == tuple(map(int, said))
    assert right / len(choices) > 0.5


def test_every_picture_is_there() -> None:
    names = re.findall(r"\]\((evidence/[^)]+)\)", PAGE)
    assert len(names) == 26
    for name in names:
        assert (DOCS / name.partition("#")[0]).is_file(), name
