from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from rich.cells import cell_len

from evscli.cli import run
from evscli.store import StoreWriter, integrity, open_store
from evscli.store.integrity import Problem, ShardCheck
from evscli.texts import count_text, duration_text, size_text
from tests.evs import Running, wait_until
from tests.store.samples import CONFIG, failure, record

LONG = "a long folder/with one inside/and a third/2024-05-17 holiday at the sea [final] (2)"
IDS = sorted([LONG, "動画/猫と犬", *(f"walks/clip_{i:02d}" for i in range(12))])

Show = Callable[..., list[str]]


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("inspect") / "store"
    with StoreWriter(folder, CONFIG, shard_videos=6) as writer:
        for number, video_id in enumerate(IDS):
            writer.add(record(video_id, grid=(number + 1, 9, 16), notes=("A thing to know.",)))
        writer.add(record("long", grid=(200, 4, 4)))
        writer.fail(failure("broken [1]"))
        writer.fail(failure("broken [1]"))
    return folder


@pytest.fixture
def piped(capsys: pytest.CaptureFixture[str]) -> Show:
    """Run inspect as if its output were piped; the lines it prints."""

    def show(*arguments: str | Path, code: int = 0) -> list[str]:
        assert run(["inspect", *map(str, arguments)], debug=False) == code
        return capsys.readouterr().out.splitlines()

    return show


@pytest.fixture
def on_terminal(piped: Show, monkeypatch: pytest.MonkeyPatch) -> Show:
    """The same on a terminal of a given width."""

    def show(*arguments: str | Path, columns: int = 80, colour: bool = False) -> list[str]:
        monkeypatch.setenv("FORCE_COLOR", "1")
        monkeypatch.setenv("TERM", "xterm-256color")
        monkeypatch.setenv("COLUMNS", str(columns))
        if not colour:
            monkeypatch.setenv("NO_COLOR", "1")
        return [re.sub(r"\x1b\[\d*m", "", line).rstrip() for line in piped(*arguments)]

    return show


def fields(lines: list[str]) -> dict[str, str]:
    """The named values of a piped run."""
    return dict(line.split("\t", 1) for line in lines if line.count("\t") == 1)


def test_piped_a_video_is_a_line_of_plain_values(store: Path, piped: Show) -> None:
    rows = [line.split("\t") for line in piped(store) if line.count("\t") == 7]
    assert [row[0] for row in rows] == sorted([*IDS, "long"])
    info = open_store(store).info("long")
    assert rows[[row[0] for row in rows].index("long")] == [
        "long",
        "3200",
        str(info.kept),
        f"{info.kept / 3200:.4f}",
        "200.000",
        "200x4x4",
        "vcast",
        "mini",
    ]


def test_the_totals_cover_the_store(store: Path, piped: Show) -> None:
    shown = fields(piped(store))
    opened = open_store(store)
    tokens = sum(opened.info(video_id).tokens for video_id in opened)
    kept = sum(opened.info(video_id).kept for video_id in opened)
    size = sum(path.stat().st_size for path in store.iterdir())
    assert shown["store"] == str(store)
    assert shown["tokens"] == f"{tokens:,} -> {kept:,} ({kept / tokens:.1%})"
    assert shown["videos"] == "15, 1 failed, 5:05 in all"
    assert shown["on disk"] == f"{size_text(size)}, 3 shards"
    assert shown["method"] == "vcast temperature=0.7"
    assert shown["budget"] == "0.5"
    assert shown["model"].startswith("mini (qwen3_vl, float32, width 4); mini is the bundled")
    assert shown["failed"].startswith("broken [1] (open, 2 attempts): broken [1].mp4 is not")
    assert shown["fingerprint"] == json.loads((store / "run.json").read_text())["fingerprint"][:12]


def test_a_store_without_videos_can_be_looked_at(tmp_path: Path, piped: Show) -> None:
    with StoreWriter(tmp_path, CONFIG):
        pass
    assert fields(piped(tmp_path))["videos"] == "0, 0.0 s in all"
    assert fields(piped(tmp_path, "--verify", "--json", code=0)) == {}


def test_videos_without_a_shard_yet_are_counted(tmp_path: Path, piped: Show) -> None:
    with StoreWriter(tmp_path, CONFIG) as writer:
        writer.add(record("a"))
        assert fields(piped(tmp_path))["waiting"].startswith("1 finished video without a shard")
        assert json.loads("\n".join(piped(tmp_path, "--json")))["totals"]["waiting"] == 1
    assert "waiting" not in fields(piped(tmp_path))


def test_videos_whose_shard_is_missing_are_counted(
    tmp_path: Path, piped: Show, on_terminal: Show
) -> None:
    with StoreWriter(tmp_path, CONFIG, shard_videos=2) as writer:
        for name in ("a", "b", "c"):
            writer.add(record(name))
    assert "lost" not in fields(piped(tmp_path))
    (tmp_path / "shard-0-00000.safetensors").unlink()
    shown = fields(piped(tmp_path))["lost"]
    assert shown.startswith("2 videos whose shard is missing: put it back, or run the same evs")
    assert json.loads("\n".join(piped(tmp_path, "--json")))["totals"]["lost"] == 2
    assert any(line.startswith("lost ") for line in on_terminal(tmp_path))


@pytest.mark.parametrize("columns", [40, 80, 109, 110, 160])
@pytest.mark.parametrize("video", [[], ["long"], [LONG], ["動画/猫と犬"]])
def test_nothing_is_wider_than_the_terminal_or_cut(
    store: Path, on_terminal: Show, columns: int, video: list[str]
) -> None:
    lines = on_terminal(store, *video, columns=columns)
    assert all(cell_len(line) <= columns for line in lines)
    assert not any("…" in line for line in lines if columns > 40)


def test_a_long_id_is_wrapped_and_loses_nothing(store: Path, on_terminal: Show) -> None:
    lines = on_terminal(store, columns=80)
    start = next(number for number, line in enumerate(lines) if LONG[:20] in line)
    column = "".join(line[1:].split("   ")[0] for line in lines[start : start + 4])
    assert LONG.replace(" ", "") in column.replace(" ", "")


@pytest.mark.parametrize(
    ("columns", "names"),
    [
        (40, ["video", "tokens", "kept", "%"]),
        (80, ["video", "tokens", "kept", "%", "duration", "grid"]),
        (120, ["video", "tokens", "kept", "%", "duration", "grid", "method", "model"]),
    ],
)
def test_a_wider_terminal_shows_more_columns(
    store: Path, on_terminal: Show, columns: int, names: list[str]
) -> None:
    assert on_terminal(store, columns=columns)[1].split() == names


def test_there_is_colour_on_a_terminal_unless_it_is_turned_off(
    store: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    cyan = "\x1b[36m"
    run(["inspect", str(store), "long"], debug=False)
    assert "\x1b" not in capsys.readouterr().out
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("TERM", "xterm-256color")
    run(["inspect", str(store), "long"], debug=False)
    assert cyan in capsys.readouterr().out
    monkeypatch.setenv("NO_COLOR", "1")
    run(["inspect", str(store), "long"], debug=False)
    assert cyan not in capsys.readouterr().out


def bars(lines: list[str]) -> list[tuple[list[str], str]]:
    """(cells, bar) of each row of a chart."""
    start = next(number for number, line in enumerate(lines) if "prompt s" in line)
    rows = [line.split() for line in lines[start + 2 :] if line]
    return [(row[:-1], row[-1]) for row in rows]


def test_the_chart_has_a_bar_for_every_frame(store: Path, on_terminal: Show) -> None:
    video = open_store(store)["walks/clip_09"]
    kept = video.keep_mask.sum(dim=(1, 2)).tolist()
    rows = bars(on_terminal(store, "walks/clip_09"))
    assert [(int(cells[0]), int(cells[3])) for cells, _ in rows] == list(enumerate(kept))
    assert rows[1][0][1:3] == ["1.2", "1.00-1.50"]
    assert rows[0][0][4] == f"{kept[0] / 144:.0%}"
    widths = [len(bar) for _, bar in rows]
    longest = widths[kept.index(max(kept))]
    assert longest == max(widths) > 20
    assert all(abs(w - longest * k / max(kept)) <= 1 for w, k in zip(widths, kept, strict=True))


def test_many_frames_share_bars(store: Path, on_terminal: Show) -> None:
    video = open_store(store)["long"]
    rows = bars(on_terminal(store, "long"))
    assert len(rows) <= 32
    assert rows[0][0][0] == "0-6"
    assert rows[-1][0][0] == "196-199"
    assert float(rows[0][0][3]) == pytest.approx(float(video.keep_mask[:7].sum()) / 7, abs=0.05)


def test_piped_every_frame_is_a_line(store: Path, piped: Show) -> None:
    video = open_store(store)["long"]
    frames = [line.split("\t") for line in piped(store, "long") if line.startswith("frame\t")]
    assert [int(frame[4]) for frame in frames] == video.keep_mask.sum(dim=(1, 2)).tolist()
    assert frames[3] == ["frame", "3", "3.2", "3.00-3.50", frames[3][4]]


def test_one_video_shows_where_it_came_from(store: Path, piped: Show) -> None:
    shown, info = fields(piped(store, LONG)), open_store(store).info(LONG)
    assert shown["video"] == LONG
    assert shown["source"] == f"{LONG}.mp4, {size_text(info.source.size)}"
    assert shown["source sha256"] == "d" * 64
    assert shown["grid"].startswith("1x9x16")
    assert shown["tokens"] == f"144 -> {info.kept} ({info.retention:.1%})"
    assert shown["note"] == "A thing to know."
    assert shown["vision sha256"] == "a" * 64
    assert shown["made with"] == "device cpu, threads 1"


def test_json_is_one_document_with_everything(store: Path, piped: Show) -> None:
    document: dict[str, Any] = json.loads("\n".join(piped(store, "--json")))
    assert document["totals"]["videos"] == 15 == len(document["videos"])
    assert document["totals"]["kept"] == sum(video["kept"] for video in document["videos"])
    assert document["settings"] == CONFIG.settings
    assert document["provenance"] == CONFIG.provenance
    assert document["failures"][0]["attempt"] == 2
    assert {video["id"] for video in document["videos"]} == {*IDS, "long"}
    assert "\n".join(piped(store, "--json")).isascii()
    video = next(video for video in document["videos"] if video["id"] == "long")
    assert video["grid_thw"] == [200, 4, 4]
    assert (video["tokens"], video["shard"]) == (3200, "shard-0-00002.safetensors")
    assert video["model"]["model_type"] == "qwen3_vl"


def test_json_of_one_video_has_every_frame(store: Path, piped: Show) -> None:
    document: dict[str, Any] = json.loads("\n".join(piped(store, "long", "--json")))
    record_ = open_store(store)["long"]
    assert [frame["kept"] for frame in document["frames"]] == record_.keep_mask.sum(
        dim=(1, 2)
    ).tolist()
    assert document["frames"][3] == {
        "t": 3,
        "prompt_time": 3.25,
        "source_index": [72, 84],
        "frame_times": [3.0, 3.5],
        "kept": document["frames"][3]["kept"],
    }
    assert document["tensors"]["keep_mask"] == {"dtype": "BOOL", "shape": [200, 4, 4]}
    assert document["bytes"] == sum(value.nbytes for value in record_.tensors().values())


@pytest.mark.slow
def test_verify_finds_nothing_in_a_sound_store(store: Path, piped: Show) -> None:
    assert piped(store, "--verify") == [f"{store}: no problems, 15 videos checked"]
    assert piped(store, "long", "--verify") == [f"{store}: no problems, 1 video checked"]


def test_verify_lists_problems_and_exits_1(store: Path, tmp_path: Path, piped: Show) -> None:
    path = tmp_path / "shard-0-00002.safetensors"
    raw = bytearray((store / path.name).read_bytes())
    raw[-1] ^= 1
    path.write_bytes(raw)
    lines = piped(path, "--verify", code=1)
    assert lines[-1] == f"{path}: {count_text(len(lines) - 1, 'problem')}, 3 videos checked"
    assert all(line.startswith(f"{path.name}, video ") for line in lines[:-1])
    document = json.loads("\n".join(piped(path, "--verify", "--json", code=1)))
    assert document["videos"] == 3
    assert len(document["problems"]) == len(lines) - 1
    assert document["problems"][0]["shard"] == path.name


def spoil(path: Path) -> None:
    raw = bytearray(path.read_bytes())
    raw[-1] ^= 1
    path.write_bytes(raw)


@pytest.fixture
def stores(tmp_path: Path) -> Path:
    """A folder of two stores: `a` of three shards, `b` of one and a failure."""
    with StoreWriter(tmp_path / "a", CONFIG, shard_videos=1) as writer:
        for name in "xyz":
            writer.add(record(name))
    with StoreWriter(tmp_path / "b", CONFIG) as writer:
        writer.add(record("x"))
        writer.fail(failure())
    return tmp_path


@pytest.mark.parametrize("processes", [1, 4])
def test_problems_of_many_shards_stand_in_order(stores: Path, piped: Show, processes: int) -> None:
    for number in (2, 0):
        spoil(stores / "a" / f"shard-0-0000{number}.safetensors")
    asked = ("--verify", "--processes", str(processes))
    lines = piped(stores / "a", *asked, code=1)
    named = [line.partition(", video ")[0] for line in lines[:-1]]
    assert named == sorted(named)
    assert set(named) == {"shard-0-00000.safetensors", "shard-0-00002.safetensors"}


def test_all_stores_of_a_folder_are_verified(stores: Path, piped: Show) -> None:
    assert piped(stores, "--verify") == [
        f"{stores}/a: no problems, 3 videos checked",
        f"{stores}/b: no problems, 1 video checked",
    ]
    spoil(stores / "a" / "shard-0-00001.safetensors")
    (stores / "b" / "manifest-0.jsonl").write_text("nonsense\n")
    lines = piped(stores, "--verify", code=1)
    assert lines[0].startswith(f"{stores}/a/shard-0-00001.safetensors, video y: ")
    assert lines[-2].startswith(f"{stores}/b/manifest-0.jsonl line 1 is damaged")
    assert lines[-1] == f"{stores}/b: 1 problem, 0 videos checked"
    documents = json.loads("\n".join(piped(stores, "--verify", "--json", code=1)))
    assert [document["store"] for document in documents] == [f"{stores}/a", f"{stores}/b"]
    assert {problem["id"] for problem in documents[0]["problems"]} == {"y"}
    assert documents[1]["problems"][0]["shard"] is None


def die_at_the_second(check: ShardCheck) -> list[Problem]:
    if check.path.name == "shard-0-00001.safetensors":
        os.kill(os.getpid(), signal.SIGBUS)
    return integrity.check_shard(check)


def test_a_process_that_dies_is_a_problem_of_its_shard(
    stores: Path, piped: Show, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(integrity, "check_alone", die_at_the_second)
    path = stores / "a" / "shard-0-00001.safetensors"
    assert piped(stores / "a", "--verify", code=1) == [
        f"{path} was not checked, the process that read it died (SIGBUS): check the disk and "
        "memory, and verify again",
        f"{stores / 'a'}: 1 problem, 3 videos checked",
    ]


def is_being_read(pipe: Path) -> bool:
    try:
        os.close(os.open(pipe, os.O_WRONLY | os.O_NONBLOCK))
    except OSError:
        return False
    return True


@pytest.mark.slow
def test_an_interrupt_ends_verifying_at_once(stores: Path) -> None:
    path = stores / "a" / "shard-0-00001.safetensors"
    path.unlink()
    os.mkfifo(path)  # opening it for reading waits for somebody who writes
    verifying = Running("inspect", "--verify", stores / "a", cwd=stores)
    wait_until(lambda: is_being_read(path))
    verifying.send(signal.SIGINT)
    result = verifying.wait()
    assert (result.code, result.err) == (130, "interrupted: nothing was written\n")
    wait_until(lambda: not is_being_read(path))


def test_a_folder_of_stores_has_a_line_for_each(
    stores: Path, piped: Show, on_terminal: Show
) -> None:
    a, b = (line.split("\t") for line in piped(stores))
    videos = [open_store(stores / "a").info(name) for name in "xyz"]
    tokens, kept = sum(info.tokens for info in videos), sum(info.kept for info in videos)
    size = sum(path.stat().st_size for path in (stores / "a").iterdir())
    assert a[:6] == [f"{stores}/a", "3", "0", str(tokens), str(kept), f"{kept / tokens:.4f}"]
    assert a[6:] == ["9.000", str(size), "vcast", "0.5", "mini"]
    assert b[:3] == [f"{stores}/b", "1", "1"]
    documents = json.loads("\n".join(piped(stores, "--json")))
    assert [document["totals"]["videos"] for document in documents] == [3, 1]
    for columns in (40, 80, 160):
        lines = on_terminal(stores, columns=columns)
        assert all(cell_len(line) <= columns for line in lines)
        assert ("method" in lines[1]) == (columns == 160)


def test_a_video_is_asked_of_one_store(stores: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["inspect", str(stores), "x"], debug=False) == 1
    assert "holds 2 stores, name one of them: a, b" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (["no-such-store"], "error: no-such-store does not exist: name the folder"),
        ([".", "x"], "error: . is not a store"),
    ],
)
def test_errors_are_one_line(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    arguments: list[str],
    reason: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    assert run(["inspect", *arguments], debug=False) == 1
    captured = capsys.readouterr()
    assert captured.err.startswith(reason)
    assert captured.err.count("\n") == 1
    assert captured.out == ""


def test_looking_at_a_store_needs_no_torch(store: Path) -> None:
    code = (
        "import sys; from evscli.cli import run; "
        f"run(['inspect', {str(store)!r}], debug=False); sys.exit('torch' in sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True, stdout=subprocess.DEVNULL)


def test_sizes_and_durations_read_well() -> None:
    sizes = [0, 999, 1000, 12_345, 999_499, 1_000_000, 268_435_456, 10**13]
    assert [size_text(size) for size in sizes] == [
        "0 B",
        "999 B",
        "1 kB",
        "12.3 kB",
        "999 kB",
        "1 MB",
        "268 MB",
        "10 TB",
    ]
    seconds = [0, 5.04, 59.9, 59.96, 61, 3599.9, 3600, 36_061]
    assert [duration_text(value) for value in seconds] == [
        "0.0 s",
        "5.0 s",
        "59.9 s",
        "1:00",
        "1:01",
        "1:00:00",
        "1:00:00",
        "10:01:01",
    ]
