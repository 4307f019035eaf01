"""The loss of a store dtype, against logits that are computed here from the records themselves."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from evscli.bundled import MINI
from evscli.cli.store_dtype_loss import loss_line, report_loss
from evscli.encoders import files as files_module
from evscli.encoders.files import HubRepository, LocalFolder
from evscli.errors import DeviceError, MismatchError, ModelError
from evscli.evaluation.compare import store_dtype_loss
from evscli.evaluation.compare.store_dtype_loss import measure_loss
from evscli.job import Encoding, Job, Selection, Storage
from evscli.job.loading import make_pruner
from evscli.language import memory_check
from evscli.language.generate import load_language_model
from evscli.language.memory_check import check_memory, weight_bytes
from evscli.language.prefill import prefill
from evscli.records import HeldVideo, PrunedVideo, VideoInput
from evscli.store import StoreWriter, open_store

QUESTION = "which shape appears briefly?"
JOB = Job(
    selection=Selection(methods=("vcast", "random"), budgets=(0.3,)),
    encoding=Encoding(device="cpu", dtype="float32"),
    storage=Storage(store_dtype="int8"),
)


@pytest.fixture(scope="module")
def video(clip: Path) -> VideoInput:
    return VideoInput(id="clip", path=clip, root=clip.parent)


@pytest.fixture(scope="module")
def store(video: VideoInput, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The clip in int8, by the first selection."""
    folder = tmp_path_factory.mktemp("storing") / "store"
    pruner = make_pruner(JOB, "cpu")
    with StoreWriter(folder, pruner.configs[0]) as writer:
        writer.add(pruner(video))
    return folder


def job_of(store: Path) -> Job:
    """The one that made the store."""
    selection = Selection(methods=("vcast",), budgets=(0.3,))
    return replace(JOB, selection=selection, storage=replace(JOB.storage, output=str(store)))


@pytest.fixture(scope="module")
def stored(store: Path) -> PrunedVideo:
    return open_store(store)["clip"]


@pytest.mark.slow
def test_the_loss_is_that_of_the_records(stored: PrunedVideo, video: VideoInput) -> None:
    found = measure_loss(stored, video, JOB, question=QUESTION)
    whole = make_pruner(replace(JOB, storage=Storage()), "cpu")(video)
    assert whole.info.store_dtype is None
    assert not torch.equal(whole.embeds, stored.embeds)
    language = load_language_model(MINI, device="cpu", dtype="float32")
    logits = []
    for record in (whole, stored):
        inputs = prefill(record, language.tokenizer, QUESTION, model=language.model)
        with torch.no_grad():
            logits.append(language.model(**inputs).logits[0, -1].double())
    full, narrow = logits
    # Two forwards of logits near 10 differ in float32 by 1e-5, on some processors.
    difference = float((full - narrow).abs().max())
    assert 0 < found.logit_difference == pytest.approx(difference, abs=2e-5)
    p, q = full.softmax(-1), narrow.softmax(-1)
    assert found.kl == pytest.approx(float((p * (p / q).log()).sum()), rel=0.05)
    assert found.same_token == bool(full.argmax() == narrow.argmax())
    assert (found.video, found.store_dtype) == ("clip", "int8")


def test_the_line_says_what_was_measured(stored: PrunedVideo, video: VideoInput) -> None:
    found = measure_loss(stored, video, JOB, question=QUESTION)
    found = replace(found, logit_difference=0.0314, kl=1.24e-5, same_token=True)
    assert loss_line(found) == (
        "store dtype int8: the next token's logits differ by at most 0.031 (KL 1.2e-05 nats, same "
        "first token), measured on clip"
    )
    assert "another first token" in loss_line(replace(found, same_token=False))


def test_a_video_in_a_tar_is_measured_too(stored: PrunedVideo, video: VideoInput) -> None:
    size = video.path.stat().st_size
    held = HeldVideo(url=str(video.path), size=size)
    member = VideoInput(
        id="clip", path=Path("/in/a.tar/clip.mp4"), root=Path("/in/a.tar"), held=held
    )
    again = store_dtype_loss.prune_again(member, JOB)
    assert torch.equal(again.keep_mask, stored.keep_mask)


def test_other_tokens_are_not_compared(stored: PrunedVideo, video: VideoInput) -> None:
    other = replace(JOB, selection=Selection(methods=("random",), budgets=(0.3,)))
    with pytest.raises(MismatchError, match="keeps other tokens than the store holds"):
        measure_loss(stored, video, other, question=QUESTION)


def test_what_cannot_be_measured_is_said_in_a_line(
    store: Path,
    video: VideoInput,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(memory_check, "free_memory", lambda: 1_000_000)
    report_loss([video], job_of(store), as_json=False)
    assert capsys.readouterr().out == (
        "store dtype int8: its effect on the next token was not measured (mini needs about 0.0151 "
        "GB and 0.001 GB of main memory are free: try one video on a larger machine)\n"
    )


def test_nothing_is_said_where_nothing_is_stored(
    store: Path, video: VideoInput, capsys: pytest.CaptureFixture[str]
) -> None:
    report_loss([replace(video, id="other")], job_of(store), as_json=False)
    assert capsys.readouterr().out == ""


def test_float32_needs_twice_the_room(monkeypatch: pytest.MonkeyPatch) -> None:
    size = weight_bytes(LocalFolder(files_module.MINI_FOLDER, name=MINI))
    monkeypatch.setattr(memory_check, "free_memory", lambda: int(1.5 * size))
    check_memory(MINI, device="cpu", dtype="auto")
    with pytest.raises(DeviceError, match="mini needs about"):
        check_memory(MINI, device="cpu", dtype="float32")


def test_weights_are_not_fetched_to_measure(monkeypatch: pytest.MonkeyPatch) -> None:
    class Cached(HubRepository):
        def __init__(self) -> None:
            self.name, self._revision = "a/model", "0"

        get = LocalFolder(files_module.MINI_FOLDER, name=MINI).get

    monkeypatch.setattr(
        files_module.huggingface_hub, "try_to_load_from_cache", lambda *_, **__: None
    )
    with pytest.raises(ModelError, match="1 of 1 weight files of a/model are not on this machine"):
        weight_bytes(Cached())
