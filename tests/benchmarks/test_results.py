"""What was measured is what pages say, and is not older than the code that it is about."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from benchmarks.harness import age, catalogue, quotes, results
from benchmarks.harness.benchmark import Report
from benchmarks.harness.pages import PAGES

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("name", [n for n in catalogue.names() if n not in results.UNMEASURED])
def test_results_are_not_older_than_what_they_measure(name: str) -> None:
    recorded = results.read(name).code
    assert recorded.keys() == age.digests(name, catalogue.load(name).code).keys()
    assert age.changed(recorded) == [], (
        f"the code has changed since it was measured: run `python -m benchmarks {name}` on a quiet "
        "machine or, where its figures cannot have moved, "
        f"`python -m benchmarks --keep {name} --because 'why they cannot'`"
    )


def test_what_is_not_measured_yet_has_no_results() -> None:
    assert not [name for name in results.UNMEASURED if (results.FOLDER / f"{name}.json").exists()]
    readme = " ".join((ROOT / "README.md").read_text().split())
    assert ("No figure of a GPU exists yet" in readme) is ("gpu" in results.UNMEASURED)


@pytest.mark.parametrize("page", PAGES)
def test_a_page_says_what_was_measured(page: str) -> None:
    assert quotes.problems((ROOT / page).read_text(), PAGES[page]) == []


@pytest.mark.parametrize("page", ["README.md", "docs/corpora.md"])
def test_the_figures_of_a_page_are_of_the_machine_that_it_names(page: str) -> None:
    known = quotes.figures(PAGES[page])
    assert len({(machine["processor"], machine["cores"]) for machine in known.values()}) == 1


def test_every_row_of_the_readmes_table_is_checked() -> None:
    measured = (ROOT / "README.md").read_text().split("## What was measured")[1].split("\n## ")[0]
    rows = [line for line in measured.splitlines() if line.startswith("| ")][1:]
    assert len(rows) == 10
    for row in rows:
        assert any(quotes.pattern(quote).fullmatch(row) for quote in PAGES["README.md"]), row


QUOTES = ("| one | {a[one]:.1f} s | {a[two]:,.0f} |", "on {a[cores]:d} cores of {a[processor]} and")
PAGE = "Measured on 2\ncores of an old one and\n\n| one | 1.3 s | 1,234 |\n"


@pytest.fixture
def measured(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Results of a benchmark `a` in a folder."""
    monkeypatch.setattr(results, "FOLDER", tmp_path)
    report = Report(title="A", body="Fast.", figures={"one": 1.25001, "two": 1234.4})
    described: Any = results.describe("python -m benchmarks a", {"x.py": "1"}, report)
    results.publish("a", described, report)
    return tmp_path


@pytest.mark.usefixtures("measured")
def test_a_page_gets_the_figures_of_new_results() -> None:
    result = results.read("a")
    first, second = quotes.problems(PAGE, QUOTES)
    assert "'| one | 1.3 s | 1,234 |' should have 1.2, 1,234" in first
    assert result.processor in second
    page = quotes.rewritten(PAGE, QUOTES)
    assert page == PAGE.replace("1.3", "1.2").replace("on 2", f"on {result.cores}").replace(
        "an old one", result.processor
    )
    assert quotes.problems(page, QUOTES) == []
    (gone,) = quotes.problems(page.replace("| one", "| two"), QUOTES)
    assert "not there, so change it in benchmarks/harness/pages.py too" in gone


def test_results_name_command_date_and_machine_and_may_be_kept(measured: Path) -> None:
    result = results.read("a")
    page = (measured / "a.md").read_text()
    for part in (
        "# A\n",
        f"`{result.command}`, {result.date}, on {result.cores} cores of ",
        "Fast.",
    ):
        assert part in page
    assert result.processor in page
    results.keep("a", "only a name has changed", {"x.py": "2"})
    kept = results.read("a")
    assert (kept.code, kept.kept) == ({"x.py": "2"}, "only a name has changed")
    assert kept.figures == result.figures
    assert "when the code had changed: only a name has changed" in (measured / "a.md").read_text()


def test_a_digest_is_of_what_code_does_and_not_of_its_words() -> None:
    code = 'def f(x):\n    """Says."""\n    return f"{x}" + "a"  # why\n'
    assert age.digest(code) == age.digest('def f(x):\n    return f"{x}" + "a"\n')
    assert age.digest(code) != age.digest(code.replace('"a"', '"b"'))
    assert age.digest("'one'\n") == age.digest("")
    assert age.digest("x = 1\n") == "09eb88c31d7cc5f7", "the same in every version of Python"


def test_code_that_is_gone_or_does_something_else_has_changed() -> None:
    now = age.digests("decode", ("video/decode.py",))
    assert age.changed(now) == []
    assert age.changed({**now, "evscli/video/decode.py": "0", "evscli/gone.py": "0"}) == [
        "evscli/video/decode.py",
        "evscli/gone.py",
    ]
