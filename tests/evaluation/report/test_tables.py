from __future__ import annotations

from dataclasses import replace

from rich.console import Console
from rich.table import Table

from evscli.evaluation.report.accuracy import HEAD, kinds_table, lines, overall_table
from evscli.evaluation.report.document import WIDE_TABLE
from evscli.evaluation.statistics.lines import series_names
from evscli.evaluation.statistics.tallies import Tally, tally
from evscli.tables import as_markdown
from tests.evaluation.answers import answers

HALF = {f"v{i}": [i % 2 == 0] for i in range(40)}
ALL = {f"v{i}": [True] for i in range(40)}


def make_tallies(*kinds: str) -> list[Tally]:
    made = [
        *answers(ALL, method="none", budget=1.0),
        *answers(HALF),
        *answers(ALL, budget=0.5),
        *answers(HALF, method="random"),
        *answers(HALF, method="random", budget=0.5),
    ]
    return tally([replace(a, kind=kind) for kind in kinds for a in made])


def text(table: Table, width: int = 120) -> str:
    console = Console(width=width, highlight=False)
    with console.capture() as capture:
        console.print(table)
    return capture.get()


def test_lines_hold_every_tally_and_number_in_columns() -> None:
    head, *rows = (line.split("\t") for line in lines(make_tallies("color", "count")))
    assert len(rows) == 3 * 5
    assert tuple(head) == HEAD
    assert head.index("accuracy") == 5
    assert {len(row) for row in rows} == {20}
    unpruned, pruned = rows[:2]
    assert unpruned[:6] == ["all", "none", "1", "1.0000", "80", "1.0000"]
    assert unpruned[9:] == [*[""] * 10, "100.0"]
    assert pruned[:6] == ["all", "vcast", "0.25", "0.2500", "80", "0.5000"]
    assert (pruned[8], pruned[9], pruned[12]) == ("0.5000", "-0.5000", "0.0000")


def test_the_table_shows_accuracy_bounds_and_differences() -> None:
    shown = text(overall_table(make_tallies("question"), width=WIDE_TABLE))
    (row,) = (line for line in shown.splitlines() if "0.25" in line and "vcast" in line)
    assert "50.0%" in row
    assert "-50.0* (" in row
    assert "+0.0  (" in row


def test_a_narrow_terminal_gets_differences_without_bounds() -> None:
    long = [
        replace(row, method=row.method.replace("vcast", "uniform-frames"))
        for row in make_tallies("question")
    ]
    shown = text(overall_table(long, width=80), width=80).rstrip().splitlines()
    (row,) = (line for line in shown if "0.25" in line and "uniform-frames" in line)
    assert "-50.0*" in row
    assert "(" not in row
    assert len(shown) == len([*long, "space above", "head", "rule"]), "a row takes one line"


def test_kinds_have_columns_where_there_are_several() -> None:
    table = kinds_table(make_tallies("color", "count"))
    assert table is not None
    shown = text(table)
    assert "color" in shown
    assert "count" in shown
    assert "guessing" in shown
    assert "50%" in shown
    assert kinds_table(make_tallies("question")) is None


def test_a_method_is_called_by_its_name_unless_options_tell_two_apart() -> None:
    one = tally(answers(HALF, tau=0.5, min_k=1))
    assert list(series_names(one).values()) == ["vcast"]
    two = tally([*answers(HALF, tau=0.5, min_k=1), *answers(HALF, tau=0.7, min_k=1)])
    assert list(series_names(two).values()) == ["vcast tau=0.5", "vcast tau=0.7"]
    assert {row.series for row in two} == set(series_names(two))


def test_markdown_has_every_cell_and_numbers_to_the_right() -> None:
    table = overall_table(make_tallies("question"), width=WIDE_TABLE)
    head, rule, *rows = as_markdown(table).splitlines()
    assert head == "| method | budget | kept | right | 95 % | vs unpruned | vs random |"
    assert rule == "| --- | ---: | ---: | ---: | ---: | ---: | ---: |"
    assert len(rows) == table.row_count == 5
    assert rows[0].startswith("| none | 1 | 100.0% | 100.0% | ")
    assert rows[0].endswith(" |  |  |")


def test_markdown_keeps_a_column_for_a_kind_with_a_bar_in_its_name() -> None:
    table = kinds_table(make_tallies("a|b", "c"))
    assert table is not None
    assert as_markdown(table).splitlines()[0] == "| method | budget | a\\|b | c |"


def test_other_methods_are_compared_with_the_first_one_named() -> None:
    made = tally(
        [
            *answers(ALL, method="none", budget=1.0),
            *answers(ALL, method="surprise"),
            *answers(HALF),
            *answers(HALF, method="random"),
        ]
    )
    head, _, *rows = as_markdown(overall_table(made, width=WIDE_TABLE)).splitlines()
    assert head.endswith("| vs random | vs surprise |")
    assert [row.rpartition("| ")[2].split("(")[0].strip(" |") for row in rows] == [
        "",
        "",
        "-50.0*",
        "",
    ]


NAMES = ("vcast", "evs", "random")


def test_budgets_of_tokens_and_numbers_of_frames_have_their_columns() -> None:
    made = tally(
        [
            replace(answer, num_frames=frames, budget=budget, kept=25, total=total)
            for frames, total in ((8, 50), (32, 200))
            for method, budget in (("none", 1.0), *((name, "25tok") for name in NAMES))
            for answer in answers(HALF, method=method, budget=25 / total)
        ]
    )
    assert [row.kept_as_asked for row in made if row.method == "vcast"] == [True, True]
    assert all(row.versus_random is not None for row in made if row.method == "vcast")
    head, _, *rows = as_markdown(overall_table(made, width=WIDE_TABLE)).splitlines()
    assert head.startswith("| method | budget | kept | tokens | right |")
    assert rows[1].startswith("| vcast num_frames=8 | 25tok | 50.0% | 25 | 50.0% |")
    assert head.endswith("| vs vcast |")
    assert rows[5].startswith("| vcast num_frames=32 | 25tok | 12.5% | 25 | 50.0% |")
    line = lines(made)[2].split("\t")
    assert line[-2:] == ["8", "25.0"]
