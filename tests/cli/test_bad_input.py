"""Bad input gets one clear line with the next step and leaves nothing half-written."""

from __future__ import annotations

import random
import shutil
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from evscli.store import open_store
from tests.checkpoints import copy_mini
from tests.cli.in_process import run_here
from tests.disks import fill, mounted
from tests.evs import Result, Running, run_evs
from tests.videos import truncate, write_audio, write_video

VCAST = ("--method", "vcast", "--budget", "0.3")
NOISE = random.Random(0).randbytes(60_000)


def prune(cwd: Path, *arguments: str | Path) -> Result:
    return run_here("prune", *arguments, cwd=cwd)


def check(result: Result, code: int, *words: str) -> None:
    """One line on standard error that holds `words`, and no traceback."""
    assert result.code == code, result
    assert result.error.startswith("error: "), result.err
    for word in words:
        assert word in result.error


def test_a_missing_file(tmp_path: Path) -> None:
    check(prune(tmp_path, "gone.mp4", *VCAST), 1, "no such file or folder: gone.mp4", "check")
    assert list(tmp_path.iterdir()) == []


def test_a_folder_without_videos(tmp_path: Path) -> None:
    check(prune(tmp_path, ".", *VCAST), 2, "no videos in folder")


def bad_text(path: Path) -> None:
    path.write_text("this is not a video\n" * 100)


def bad_empty(path: Path) -> None:
    path.write_bytes(b"")


def bad_noise(path: Path) -> None:
    path.write_bytes(NOISE)


def bad_truncated(path: Path) -> None:
    truncate(write_video(path))


BAD_FILES = {
    "text renamed": (bad_text, "v.mp4"),
    "zero bytes": (bad_empty, "v.mp4"),
    "noise": (bad_noise, "v.mp4"),
    "noise in mkv": (bad_noise, "v.mkv"),
    "truncated mp4": (bad_truncated, "v.mp4"),
    "truncated mkv": (bad_truncated, "v.mkv"),
    "audio only": (write_audio, "v.m4a"),
}


SELDOM = {"zero bytes", "noise", "noise in mkv"}


@pytest.mark.parametrize(
    "kind",
    [pytest.param(kind, marks=pytest.mark.slow if kind in SELDOM else []) for kind in BAD_FILES],
)
def test_a_file_that_is_no_whole_video(tmp_path: Path, kind: str) -> None:
    make, name = BAD_FILES[kind]
    make(tmp_path / name)
    strict = ("--damaged", "fail") if kind == "truncated mkv" else ()
    result = prune(tmp_path, name, *VCAST, *strict, "-o", "store")
    check(result, 1, name)
    assert "; " in result.error, "the line must say what to do next"
    assert not list((tmp_path / "store").glob("*.safetensors"))


def test_one_frame_is_enough(tmp_path: Path) -> None:
    write_video(tmp_path / "one.mp4", frames=1)
    result = prune(tmp_path, "one.mp4", *VCAST, "-o", "store")
    assert result.code == 0, result.err
    assert open_store(tmp_path / "store")["one"].info.grid_thw[0] == 1


USAGE = {
    "unknown method": (("--method", "vcat", "--budget", "0.3"), ("'vcat'", "vcast")),
    "unknown option": ((*VCAST, "--option", "tua=1"), ("'tua'", "tau")),
    "option without value": ((*VCAST, "--option", "tau"), ("tau", "NAME=VALUE")),
    "option of another type": ((*VCAST, "--option", "tau=warm"), ("'warm'", "tau")),
    "budget 0": (("--method", "vcast", "--budget", "0"), ("0", "1")),
    "budget 1.5": (("--method", "vcast", "--budget", "1.5"), ("1.5",)),
    "budget nan": (("--method", "vcast", "--budget", "nan"), ("nan",)),
    "chunk": ((*VCAST, "--chunk-frames", "3"), ("3", "2")),
    "chunks": (
        (*VCAST, "--chunk-frames", "16", "--chunk-patches", "4096"),
        ("--chunk-frames and --chunk-patches exclude each other", "give one of them"),
    ),
    "fps and frames": ((*VCAST, "--fps", "1", "--num-frames", "8"), ("fps",)),
    "fps 0": ((*VCAST, "--fps", "0"), ("0",)),
    "device": ((*VCAST, "--device", "tpu"), ("'tpu'",)),
    "seed": ((*VCAST, "--seed", "9" * 30), ("--seed",)),
    "empty output": ((*VCAST, "-o", ""), ("--output", "empty")),
    "empty model": ((*VCAST, "--model", ""), ("--model", "empty")),
    "dtype": ((*VCAST, "--dtype", "int8"), ("'int8'",)),
}


@pytest.mark.parametrize("kind", USAGE)
def test_a_wrong_command(tmp_path: Path, clip: Path, kind: str) -> None:
    arguments, words = USAGE[kind]
    check(prune(tmp_path, clip, *arguments), 2, *words)
    assert list(tmp_path.iterdir()) == [], "nothing may be written"


@pytest.mark.parametrize(
    ("arguments", "word"),
    [
        (("--method", "vcast", "--budget", "third"), "third"),
        (("--budget", "0.3"), "method"),
        (("--method", "vcast"), "budget"),
        ((*VCAST, "--frobnicate"), "--frobnicate"),
    ],
)
def test_arguments_that_do_not_parse(
    tmp_path: Path, clip: Path, arguments: tuple[str, ...], word: str
) -> None:
    check(prune(tmp_path, clip, *arguments), 2, word)


@pytest.mark.parametrize("name", ["prune", "inspect", "methods"])
def test_a_current_folder_that_was_deleted(tmp_path: Path, clip: Path, name: str) -> None:
    words = {"prune": (clip, *VCAST, "-o", tmp_path / "store"), "inspect": (tmp_path, "--verify")}
    gone = tmp_path / "gone"
    gone.mkdir()
    result = run_evs(name, *words.get(name, ()), cwd=gone, before=gone.rmdir)
    check(result, 1, "the current folder was deleted", "change to another")


def test_the_bundled_model_has_no_revision(tmp_path: Path, clip: Path) -> None:
    check(
        prune(tmp_path, clip, *VCAST, "--revision", "main"), 2, "no revision 'main'", "leave it out"
    )


def test_a_command_that_does_not_exist(tmp_path: Path) -> None:
    check(run_here("prone", cwd=tmp_path), 2, "prone", "evs --help")


def test_a_model_folder_without_weights(tmp_path: Path, clip: Path) -> None:
    folder = copy_mini(tmp_path / "model")
    (folder / "model.safetensors").unlink()
    check(prune(tmp_path, clip, *VCAST, "--model", folder), 1, "weights")


def test_a_model_that_is_a_file(tmp_path: Path, clip: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "b.mp4").touch()
    check(prune(tmp_path, clip, *VCAST, "--model", "a/b.mp4"), 1, "a/b.mp4", "is a file")


def test_what_the_processor_refuses_names_the_video(tmp_path: Path) -> None:
    write_video(tmp_path / "thin.mp4", frames=8, size=(2, 1000))
    check(prune(tmp_path, "thin.mp4", *VCAST), 1, "thin.mp4", "1000x2", "crop or scale")


def test_a_model_of_another_type(tmp_path: Path, clip: Path) -> None:
    folder = tmp_path / "model"
    folder.mkdir()
    (folder / "config.json").write_text('{"model_type": "llama"}')
    check(prune(tmp_path, clip, *VCAST, "--model", folder), 1, "llama", "qwen3_vl")


@pytest.mark.skipif(torch.cuda.is_available(), reason="this machine has CUDA")
def test_cuda_where_there_is_none(tmp_path: Path, clip: Path) -> None:
    check(prune(tmp_path, clip, *VCAST, "--device", "cuda"), 1, "CUDA", "--device cpu")


def test_many_videos_need_a_named_model(tmp_path: Path, clip: Path) -> None:
    for number in range(21):
        (tmp_path / f"{number}.mp4").hardlink_to(clip)
    check(prune(tmp_path, ".", *VCAST), 2, "21 videos", "--model")


@pytest.mark.slow
def test_a_store_of_another_configuration(tmp_path: Path, clip: Path) -> None:
    assert prune(tmp_path, clip, *VCAST, "-o", "store").code == 0
    before = {path.name: path.read_bytes() for path in (tmp_path / "store").iterdir()}
    result = prune(tmp_path, clip, "--method", "vcast", "--budget", "0.5", "-o", "store")
    check(result, 1, "budget", "0.3", "0.5", "-o")
    assert {path.name: path.read_bytes() for path in (tmp_path / "store").iterdir()} == before


def test_two_inputs_with_one_id(tmp_path: Path, clip: Path) -> None:
    for name in ("x", "y"):
        (tmp_path / name).mkdir()
        shutil.copy(clip, tmp_path / name / "a.mp4")
    result = prune(tmp_path, "x/a.mp4", "y/a.mp4", *VCAST)
    check(result, 2, "1 id names several videos: 'a' (x/a.mp4, y/a.mp4)", "-o")
    assert not (tmp_path / "evs-out").exists()


@pytest.mark.slow
def test_a_source_that_changed_since(tmp_path: Path) -> None:
    write_video(tmp_path / "a.mp4", frames=24)
    assert prune(tmp_path, "a.mp4", *VCAST, "-o", "store").code == 0
    write_video(tmp_path / "a.mp4", frames=36)
    check(prune(tmp_path, "a.mp4", *VCAST, "-o", "store"), 1, "a.mp4", "bytes", "-o")


@pytest.mark.slow
def test_a_source_that_changed_in_content_only(tmp_path: Path) -> None:
    path = write_video(tmp_path / "a.mp4", frames=24)
    assert prune(tmp_path, "a.mp4", *VCAST, "-o", "store").code == 0
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    assert prune(tmp_path, "a.mp4", *VCAST, "-o", "store").code == 0
    result = prune(tmp_path, "a.mp4", *VCAST, "-o", "store", "--check-sources")
    check(result, 1, "a.mp4", "other content")


@pytest.mark.slow
def test_a_damaged_shard(tmp_path: Path, clip: Path) -> None:
    assert prune(tmp_path, clip, *VCAST, "-o", "store").code == 0
    (shard,) = (tmp_path / "store").glob("*.safetensors")
    truncate(shard, keep=0.7)
    check(prune(tmp_path, clip, *VCAST, "-o", "store"), 1, shard.name)
    check(run_here("inspect", "store", "clip", cwd=tmp_path), 1, shard.name)


@pytest.mark.slow
def test_a_second_run_in_the_same_store(tmp_path: Path) -> None:
    folder = tmp_path / "videos"
    folder.mkdir()
    for number in range(4):
        write_video(folder / f"{number}.mp4", frames=24, seed=number)
    arguments = ("prune", folder, *VCAST, "-o", "store")
    first = Running(*arguments, cwd=tmp_path)
    while not (tmp_path / "store" / "run.json").exists():
        assert first.process.is_alive()
    first.send(signal.SIGSTOP)  # or it may be done before the second one begins
    second = run_here(*arguments, cwd=tmp_path)
    first.send(signal.SIGCONT)
    check(second, 1, "store", str(first.process.pid))
    assert first.wait().code == 0
    assert len(open_store(tmp_path / "store")) == 4


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    with mounted(tmp_path / "disk", kilobytes=3072) as disk:
        yield disk


@pytest.mark.slow
def test_a_full_disk(tmp_path: Path, clip: Path, small_disk: Path) -> None:
    fill(small_disk / "ballast", leave=40_000)
    result = prune(tmp_path, clip, "--method", "none", "--budget", "1", "-o", "disk/store")
    check(result, 1, "disk/store", "No space left")
    assert not list((small_disk / "store").glob("*.safetensors"))
    (small_disk / "ballast").unlink()
    again = prune(tmp_path, clip, "--method", "none", "--budget", "1", "-o", "disk/store")
    assert again.code == 0, again.err
    assert len(open_store(small_disk / "store")) == 1


def test_an_output_that_is_a_file(tmp_path: Path, clip: Path) -> None:
    (tmp_path / "store").write_text("precious")
    check(prune(tmp_path, clip, *VCAST, "-o", "store"), 1, "store")
    assert (tmp_path / "store").read_text() == "precious"
