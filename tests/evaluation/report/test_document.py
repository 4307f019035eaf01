"""One way to write a result down, whatever it is about."""

from __future__ import annotations

import json
from pathlib import Path

from matplotlib.figure import Figure

from evscli.evaluation.report.document import Document
from evscli.tables import tab_separated, table_of

HEAD, ROWS = ("method", "kept"), [("evs [b]", "1|2"), ("random", "")]

DOCUMENT = Document(
    name="result",
    title="a title",
    values={"kept": 0.1},
    lines=tab_separated(HEAD, ROWS),
    tables=lambda width: {f"at {width} columns": table_of(HEAD, ROWS, last=("guessing", "50%"))},
    remarks=["one remark", "- a note"],
    draw=Figure,
)


def test_a_result_is_written_in_every_form_over_an_older_one(tmp_path: Path) -> None:
    for _ in range(2):
        DOCUMENT.write(tmp_path / "new" / "folder")
    names = {path.name for path in (tmp_path / "new" / "folder").iterdir()}
    assert names == {"result.json", "result.md", "result.png", "result.svg"}
    written = (tmp_path / "new" / "folder" / "result.json").read_text()
    assert (json.loads(written), written) == ({"kept": 0.1}, f"{DOCUMENT.json}\n")


def test_a_page_has_a_title_its_tables_and_remarks() -> None:
    assert DOCUMENT.markdown == (
        "# a title\n\n## at 100 columns\n\n"
        "| method | kept |\n| --- | ---: |\n"
        "| evs [b] | 1\\|2 |\n| random |  |\n| guessing | 50% |\n"
        "\none remark\n\n- a note\n"
    )


def test_lines_are_the_cells_below_their_head() -> None:
    assert DOCUMENT.lines == ["method\tkept", "evs [b]\t1|2", "random\t"]
