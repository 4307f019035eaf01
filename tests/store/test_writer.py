from __future__ import annotations

import json
import os
import shutil
import stat
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from evscli.errors import DamagedError, MismatchError, StoreBusyError, StoreError, UsageError
from evscli.records import PrunedVideo, RunConfig
from evscli.store import StoreWriter, open_store, verify
from evscli.store import failures as failures_module
from evscli.store.failures import read_traceback
from evscli.store.manifest import read_manifest
from tests.store.samples import CONFIG, SETTINGS, failure, record


def write(folder: Path, *videos: PrunedVideo, **limits: int) -> None:
    with StoreWriter(folder, CONFIG, **limits) as writer:
        for video in videos:
            writer.add(video)


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def same(left: PrunedVideo, right: PrunedVideo) -> bool:
    one, other = left.tensors(), right.tensors()
    return (
        left.info == right.info
        and one.keys() == other.keys()
        and all(one[k].dtype == other[k].dtype and torch.equal(one[k], other[k]) for k in one)
    )


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16])
@pytest.mark.parametrize("planes", [0, 3])
@pytest.mark.parametrize("scores", [False, True])
def test_what_is_added_is_read_back(
    tmp_path: Path, dtype: torch.dtype, planes: int, scores: bool
) -> None:
    videos = [
        record(name, grid=grid, dtype=dtype, planes=planes, scores=scores, notes=("Note.",))
        for name, grid in (("a", (1, 1, 1)), ("b/c", (3, 5, 7)), ("b/d", (2, 1, 3)))
    ]
    write(tmp_path, *videos)
    store = open_store(tmp_path)
    assert list(store) == ["a", "b/c", "b/d"]
    assert all(same(store[video.id], video) for video in videos)
    assert all(store.info(video.id) == video.info for video in videos)
    assert list(verify(store)) == []


def test_tensors_of_any_layout_are_stored_in_raster_order(tmp_path: Path) -> None:
    video = record(embed_dim=8, planes=2)
    assert video.deepstack is not None
    turned = replace(
        video,
        embeds=video.embeds.t().contiguous().t(),
        deepstack=video.deepstack.transpose(0, 2).contiguous().transpose(0, 2),
        frame_times=torch.stack([video.frame_times, video.frame_times], dim=1)[:, 0],
    )
    write(tmp_path, turned)
    assert same(open_store(tmp_path)["clip"], video)


def test_a_video_with_nothing_kept_is_stored(tmp_path: Path) -> None:
    video = record()
    nothing = replace(
        video,
        info=replace(video.info, kept=0),
        embeds=video.embeds[:0],
        position_ids=video.position_ids[:0],
        keep_mask=torch.zeros_like(video.keep_mask),
    )
    write(tmp_path, nothing)
    assert same(open_store(tmp_path)["clip"], nothing)
    assert list(verify(open_store(tmp_path))) == []


def test_a_closed_store_holds_only_what_the_format_names(tmp_path: Path) -> None:
    write(tmp_path, record())
    assert names(tmp_path) == ["manifest-0.jsonl", "run.json", "shard-0-00000.safetensors"]


def test_two_runs_are_byte_identical(tmp_path: Path) -> None:
    for folder in ("one", "two"):
        write(tmp_path / folder, *(record(f"v{i}") for i in range(5)), shard_videos=2)
    for name in names(tmp_path / "one"):
        assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "two" / name).read_bytes()


def test_every_tensor_is_aligned_to_its_element_size(tmp_path: Path) -> None:
    write(tmp_path, *(record(f"v{i}", grid=(3, 1, 2 * i + 1), scores=True) for i in range(4)))
    raw = (tmp_path / "shard-0-00000.safetensors").read_bytes()
    size = int.from_bytes(raw[:8], "little")
    assert size % 8 == 0
    widths = {"F64": 8, "I64": 8, "F32": 4, "I32": 4, "F16": 2, "BOOL": 1}
    for key, entry in json.loads(raw[8 : 8 + size]).items():
        if key != "__metadata__":
            assert entry["data_offsets"][0] % widths[entry["dtype"]] == 0


def test_the_number_of_videos_closes_a_shard(tmp_path: Path) -> None:
    write(tmp_path, *(record(f"v{i}") for i in range(5)), shard_videos=2)
    shards = [entry.shard for entry in read_manifest(tmp_path / "manifest-0.jsonl")]
    assert [name[8:13] for name in shards] == ["00000", "00000", "00001", "00001", "00002"]


def test_a_shard_stays_within_its_bytes_unless_one_video_is_larger(tmp_path: Path) -> None:
    small = [record(f"v{i}") for i in range(5)]
    write(tmp_path / "probe", small[0])
    (probe,) = (tmp_path / "probe").glob("shard-*")
    limit = 2 * probe.stat().st_size + 100
    large = record("w", grid=(3, 20, 20))
    write(tmp_path / "store", *small, large, shard_bytes=limit)
    held = [entry.id for entry in read_manifest(tmp_path / "store" / "manifest-0.jsonl")]
    sizes = [path.stat().st_size for path in sorted((tmp_path / "store").glob("shard-*"))]
    assert held == ["v0", "v1", "v2", "v3", "v4", "w"]
    assert len(sizes) == 4
    assert max(sizes[:3]) <= limit < sizes[3]


def test_flush_makes_what_was_added_readable(tmp_path: Path) -> None:
    with StoreWriter(tmp_path, CONFIG) as writer:
        writer.add(record("a"))
        assert len(open_store(tmp_path)) == 0
        writer.flush()
        writer.flush()
        assert list(open_store(tmp_path)) == ["a"]
        writer.add(record("b"))
    assert list(open_store(tmp_path)) == ["a", "b"]
    assert len(list(tmp_path.glob("shard-*"))) == 2


def test_a_second_run_knows_what_is_finished_and_numbers_on(tmp_path: Path) -> None:
    write(tmp_path, record("a"), record("b"), shard_videos=1)
    with StoreWriter(tmp_path, CONFIG) as writer:
        sources = {name: origin.source for name, origin in writer.finished.items()}
        assert sources == {name: record(name).info.source for name in ("a", "b")}
        writer.add(record("c"))
        assert "c" in writer.finished
    assert (tmp_path / "shard-0-00002.safetensors").exists()
    assert same(open_store(tmp_path)["c"], record("c"))


def test_several_writers_share_a_store(tmp_path: Path) -> None:
    with StoreWriter(tmp_path, CONFIG) as one, StoreWriter(tmp_path, CONFIG, writer=1) as other:
        one.add(record("a"))
        other.add(record("b"))
    with StoreWriter(tmp_path, CONFIG, writer=2) as third:
        assert set(third.finished) == {"a", "b"}
    assert list(open_store(tmp_path)) == ["a", "b"]


def test_a_store_in_use_is_refused_and_untouched(tmp_path: Path) -> None:
    with StoreWriter(tmp_path, CONFIG) as writer:
        writer.add(record("a"))
        with pytest.raises(StoreBusyError, match=str(os.getpid())), StoreWriter(tmp_path, CONFIG):
            pass
        writer.add(record("b"))
    assert list(open_store(tmp_path)) == ["a", "b"]


@pytest.mark.parametrize("kind", [ValueError, KeyboardInterrupt, SystemExit])
def test_everything_added_is_kept_whatever_ends_the_run(
    tmp_path: Path, kind: type[BaseException]
) -> None:
    def run() -> None:
        with StoreWriter(tmp_path, CONFIG) as writer:
            writer.add(record("a"))
            raise kind

    with pytest.raises(kind):
        run()
    assert list(open_store(tmp_path)) == ["a"]
    with StoreWriter(tmp_path, CONFIG) as writer:
        assert set(writer.finished) == {"a"}


@pytest.mark.parametrize("mask", [0o022, 0o027, 0o077, 0o002])
def test_files_have_the_mode_that_the_umask_leaves(tmp_path: Path, mask: int) -> None:
    before = os.umask(mask)
    try:
        write(tmp_path / "store", record("a"), record("b"))
        with StoreWriter(tmp_path / "store", CONFIG) as writer:
            writer.fail(failure())
    finally:
        os.umask(before)
    modes = {p.name: stat.S_IMODE(p.stat().st_mode) for p in (tmp_path / "store").iterdir()}
    assert len(modes) == 4
    assert set(modes.values()) == {0o666 & ~mask}


def test_an_id_is_stored_once(tmp_path: Path) -> None:
    with StoreWriter(tmp_path, CONFIG) as writer:
        writer.add(record("a"))
        with pytest.raises(StoreError, match=r"'a' is in .* already"):
            writer.add(record("a"))
    with (
        StoreWriter(tmp_path, CONFIG) as writer,
        pytest.raises(StoreError, match=r"'a' is in .* already"),
    ):
        writer.add(record("a"))


def test_an_impossible_id_is_refused(tmp_path: Path) -> None:
    with StoreWriter(tmp_path, CONFIG) as writer, pytest.raises(UsageError, match="rename"):
        writer.add(record("../a"))


def broken_records() -> dict[str, PrunedVideo]:
    video = record(planes=2)
    mask = video.keep_mask.clone()
    mask[0, 0, 0] = False
    return {
        "keep_mask keeps": replace(video, keep_mask=mask),
        "in raster order": replace(video, position_ids=video.position_ids.flip(0)),
        "outside the grid": replace(video, position_ids=video.position_ids + 9),
        "position_ids is I64": replace(video, position_ids=video.position_ids.long()),
        "embeds is F16": replace(video, embeds=video.embeds.half()),
        "embeds is F32": replace(video, embeds=video.embeds[1:]),
        "deepstack is missing": replace(video, deepstack=None),
        "prompt_times is F64": replace(video, prompt_times=video.frame_times),
        "scores is F32": replace(video, scores=torch.zeros(video.info.grid_thw)),
        "'duration' is nan": replace(video, info=replace(video.info, duration=float("nan"))),
        "not JSON compliant": replace(
            video, info=replace(video.info, options={"temperature": float("nan")})
        ),
    }


@pytest.mark.parametrize("reason", list(broken_records()))
def test_a_record_that_contradicts_itself_is_refused(tmp_path: Path, reason: str) -> None:
    with StoreWriter(tmp_path, CONFIG) as writer:
        with pytest.raises(StoreError, match=f"'clip' cannot be stored .*{reason}"):
            writer.add(broken_records()[reason])
        writer.add(record("fine"))
    assert list(open_store(tmp_path)) == ["fine"]


def test_another_configuration_is_refused_key_by_key(tmp_path: Path) -> None:
    write(tmp_path, record())
    before = {name: (tmp_path / name).read_bytes() for name in names(tmp_path)}
    settings = json.loads(json.dumps(SETTINGS))
    settings["selection"] |= {"budget": 0.25, "options": {}}
    settings["encoder"]["resize"] = "device"
    with (
        pytest.raises(MismatchError) as caught,
        StoreWriter(tmp_path, RunConfig(settings=settings)),
    ):
        pass
    assert str(caught.value) == (
        f"{tmp_path} holds another configuration: "
        'encoder.resize is absent there and "device" now, '
        "selection.budget is 0.5 there and 0.25 now, "
        "selection.options is absent there and {} now, "
        "selection.options.temperature is 0.7 there and absent now; "
        "name another folder with -o, or run with the settings it was made with"
    )
    assert {name: (tmp_path / name).read_bytes() for name in names(tmp_path)} == before


def test_other_provenance_may_go_on_and_the_first_stays(tmp_path: Path) -> None:
    write(tmp_path, record("a"))
    with StoreWriter(tmp_path, RunConfig(settings=SETTINGS, provenance={"device": "x"})) as writer:
        writer.add(record("b"))
    run = open_store(tmp_path).run
    assert run == CONFIG


def test_a_lost_run_json_is_written_again_for_the_same_configuration(tmp_path: Path) -> None:
    write(tmp_path, record("a"))
    (tmp_path / "run.json").unlink()
    other = RunConfig(settings={"selection": {}})
    with pytest.raises(MismatchError, match="fingerprint"), StoreWriter(tmp_path, other):
        pass
    write(tmp_path, record("b"))
    assert open_store(tmp_path).run == CONFIG


@pytest.mark.parametrize("cut", [1, 1000])
def test_a_truncated_shard_is_refused_until_it_is_deleted(tmp_path: Path, cut: int) -> None:
    write(tmp_path, record("a"), record("b"), shard_videos=1)
    path = tmp_path / "shard-0-00000.safetensors"
    os.truncate(path, path.stat().st_size - cut)
    with (
        pytest.raises(DamagedError, match=r"shard-0-00000.* is damaged .*delete this file and run"),
        StoreWriter(tmp_path, CONFIG),
    ):
        pass
    assert not (tmp_path / ".writer-0").exists()
    path.unlink()
    with StoreWriter(tmp_path, CONFIG) as writer:
        assert set(writer.finished) == {"b"}


def test_a_folder_that_cannot_be_one_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    for folder, reason in ((tmp_path / "file", "is a file"), (tmp_path / "file/a", "Not a dir")):
        with pytest.raises(StoreError, match=f"{reason}.*-o"), StoreWriter(folder, CONFIG):
            pass


def test_attempts_are_counted_over_runs_and_writers(tmp_path: Path) -> None:
    with StoreWriter(tmp_path, CONFIG) as writer:
        assert writer.fail(failure("x")).attempt == 1
        assert writer.fail(failure("x", message="again")).attempt == 2
    with StoreWriter(tmp_path, CONFIG, writer=1) as writer:
        assert writer.fail(failure("x", message="third")).attempt == 3
        writer.fail(failure("y"))
    with StoreWriter(tmp_path, CONFIG) as writer:
        writer.add(record("y"))
    failures = open_store(tmp_path).failures
    assert failures == {"x": failure("x", message="third", attempt=3)}


def test_a_failure_with_a_name_that_is_no_text_is_recorded(tmp_path: Path) -> None:
    with StoreWriter(tmp_path, CONFIG) as writer:
        named = failure(
            "caf\udce9", path="caf\udce9.mp4", message="two\nlines", traceback="at \udce9"
        )
        writer.fail(named)
    (found,) = open_store(tmp_path).failures.values()
    assert found.path == r"caf\udce9.mp4"
    assert read_traceback(tmp_path, found) == r"at \udce9"
    assert found.message == "two\nlines"


def test_tracebacks_are_kept_beside_failures_until_their_file_is_full(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with StoreWriter(tmp_path, CONFIG, writer=3) as writer:
        first = writer.fail(failure("x", traceback="Traceback one"))
        second = writer.fail(failure("x", traceback="Traceback two"))
        assert writer.failed["x"] == failure("x", attempt=2)
        monkeypatch.setattr(failures_module, "TRACEBACK_BYTES", 1)
        third = writer.fail(failure("x", traceback="Traceback three"))
    assert open_store(tmp_path).failures["x"] == failure("x", attempt=3)
    assert read_traceback(tmp_path, first) == "Traceback one"
    assert read_traceback(tmp_path, second) == "Traceback two"
    assert read_traceback(tmp_path, third) is None
    assert "Traceback" not in (tmp_path / "failures-3.jsonl").read_text()
    (tmp_path / "tracebacks-3.jsonl").write_text("torn\n")
    with pytest.raises(DamagedError, match="delete this file; only the tracebacks"):
        read_traceback(tmp_path, first)
    assert list(verify(open_store(tmp_path))) == []


@pytest.mark.parametrize("gone", ["*", ".writer-0", ".writer-0/00000.safetensors"])
def test_a_store_that_is_being_removed_says_so(tmp_path: Path, gone: str) -> None:
    """`rm -r` takes one file after another; whatever is gone first, it is the same line."""
    folder = tmp_path / "store"
    writer = StoreWriter(folder, CONFIG).__enter__()
    writer.add(record("a"))
    writer.add(record("b"))
    for path in [folder] if gone == "*" else folder.glob(gone):
        shutil.rmtree(path) if path.is_dir() else path.unlink()
    with pytest.raises(StoreError, match="store was removed while it was written to: run the same"):
        writer.close()


def test_a_video_that_comes_while_its_store_is_being_removed_says_so(tmp_path: Path) -> None:
    folder = tmp_path / "store"
    writer = StoreWriter(folder, CONFIG).__enter__()
    shutil.rmtree(folder / ".writer-0")
    with pytest.raises(StoreError, match="store was removed while it was written to: run the same"):
        writer.add(record("a"))
    writer.close()
