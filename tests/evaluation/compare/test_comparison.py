"""Everything that is measured of videos with known answers."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
import torch

from evscli.bundled import MINI
from evscli.encoders import VideoEncoder, load_encoder
from evscli.errors import UsageError
from evscli.evaluation.compare.comparison import Comparison, compare
from evscli.evaluation.compare.measure import Bench
from evscli.evaluation.report.comparison import document_of
from evscli.evaluation.report.plots import render
from evscli.language.generate import load_language_model
from evscli.pruners import PruneRequest, check_selection
from evscli.records import INPUT, VideoInput
from evscli.tables import as_markdown
from tests.videos import truncate, write_video

REQUESTS = [
    check_selection("none"),
    check_selection("random", 1.0),
    check_selection("vcast", 0.25),
    check_selection("vcast", 0.25, prune_at=1),
    check_selection("window-diff", 0.5, prune_at=1),
    check_selection("random", 0.25),
    check_selection("evs", 0.5, {"space": "rgb"}, prune_at=INPUT),
]
NONE, ALL, AFTER, INSIDE, WINDOWS, RANDOM, BEFORE = range(7)


@pytest.fixture(scope="module")
def encoder() -> VideoEncoder:
    return load_encoder(MINI, device="cpu")


@pytest.fixture(scope="module")
def videos(tmp_path_factory: pytest.TempPathFactory) -> list[VideoInput]:
    folder = tmp_path_factory.mktemp("compare")
    for number, name in enumerate(("a", "b")):
        write_video(folder / f"{name}.mp4", frames=36, seed=number)
    truncate(write_video(folder / "torn.mp4", frames=36))
    event = {"name": "all of it", "start": 0, "end": 36, "box": [0, 0, 128, 96]}
    (folder / "truth.json").write_text(json.dumps({"a.mp4": {"events": [event]}}))
    names = ("a", "torn", "b")
    return [VideoInput(id=n, path=folder / f"{n}.mp4", root=folder) for n in names]


@pytest.fixture(scope="module")
def comparison(encoder: VideoEncoder, videos: list[VideoInput]) -> Comparison:
    bench = Bench(
        encoder=encoder,
        requests=REQUESTS,
        language=load_language_model(MINI, device="cpu"),
        question="which shape appears briefly?",
    )
    done: list[int] = []
    found = compare(videos, bench, advance=done.append)
    assert done == [1, 1, 1]
    return found


@pytest.mark.slow
def test_a_broken_video_is_recorded_and_the_rest_measured(comparison: Comparison) -> None:
    assert [failure.id for failure in comparison.failures] == ["torn"]
    assert [video[0].video for video in comparison.measured] == ["a", "b"]
    assert all(row.videos == 2 for row in comparison.rows)


def test_the_whole_video_is_the_reference(comparison: Comparison) -> None:
    for row in (comparison.rows[NONE], comparison.rows[ALL]):
        assert row.kept == row.tokens
        assert (row.kl, row.same_token, row.k_center_radius) == (0.0, 1.0, 0.0)
        assert (row.event_recall, row.event_token_recall) == (1.0, 1.0)
    assert comparison.rows[RANDOM].kl > 0


def test_what_survives_of_events_is_what_the_mask_keeps(comparison: Comparison) -> None:
    # The event is all of the first video, so its recall is the share of its tokens.
    for place, row in enumerate(comparison.rows):
        mask = comparison.measured[0][place].mask
        assert row.event_token_recall == pytest.approx(mask.float().mean().item())


def test_pruning_inside_is_held_against_pruning_after(comparison: Comparison) -> None:
    rows = comparison.rows
    assert rows[AFTER].inside_cosine is None
    assert rows[INSIDE].inside_overlap is not None
    assert 0 < rows[INSIDE].inside_overlap <= 1
    assert rows[INSIDE].inside_cosine is not None
    assert 0.5 < rows[INSIDE].inside_cosine < 1
    assert rows[WINDOWS].inside_overlap is None, "there is no such rule after the encoder"
    shares = [
        (video[AFTER].mask & video[INSIDE].mask).sum() / video[INSIDE].mask.sum()
        for video in comparison.measured
    ]
    assert rows[INSIDE].inside_overlap == pytest.approx(torch.stack(shares).mean().item())
    assert rows[BEFORE].inside_overlap == 1, "pixels choose the same after the encoder"
    assert rows[BEFORE].inside_cosine is not None
    assert 0.5 < rows[BEFORE].inside_cosine < 1


def test_overlaps_are_shares_of_the_union(comparison: Comparison) -> None:
    overlaps = comparison.overlaps
    for place in range(len(REQUESTS)):
        assert overlaps[place][place] == 1
        assert overlaps[NONE][place] == overlaps[place][NONE]
    assert overlaps[NONE][ALL] == 1
    assert overlaps[NONE][RANDOM] == pytest.approx(comparison.rows[RANDOM].share, abs=1e-3)


def test_random_draws_anew_for_every_video(comparison: Comparison) -> None:
    first, second = (video[RANDOM].mask for video in comparison.measured)
    assert first.shape == second.shape
    assert not torch.equal(first, second)


def test_the_same_comparison_repeats(
    comparison: Comparison, encoder: VideoEncoder, videos: list[VideoInput]
) -> None:
    again = compare(videos[:1], Bench(encoder=encoder, requests=REQUESTS), advance=lambda _: None)
    for one, other in zip(comparison.measured[0], again.measured[0], strict=True):
        assert torch.equal(one.mask, other.mask)
        assert one.diagnostics == other.diagnostics
    assert again.rows[AFTER].kl is None


def test_a_budget_of_tokens_is_settled_for_each_video(
    encoder: VideoEncoder, videos: list[VideoInput]
) -> None:
    from evscli.budget import parse_rule

    requests = [check_selection("vcast", parse_rule("50tok"))]
    found = compare(videos[:1], Bench(encoder=encoder, requests=requests), advance=lambda _: None)
    assert (found.rows[0].budget, found.rows[0].kept) == ("50tok", 50)


def test_a_block_that_is_not_there_is_refused_before_any_video(encoder: VideoEncoder) -> None:
    requests: list[PruneRequest] = [check_selection("evs", 0.5, prune_at=3)]
    with pytest.raises(UsageError, match="not after 3"):
        Bench(encoder=encoder, requests=requests)


def test_tables_name_what_is_not_usual(comparison: Comparison) -> None:
    tables = document_of(comparison).tables(100)
    text = as_markdown(tables["Selections"])
    assert "| vcast after block 1 | 0.25 |" in text
    assert "| vcast | 0.25 |" in text
    assert "events" in as_markdown(tables["Diagnostics"])
    matrix = as_markdown(tables["Overlap of masks"])
    assert matrix.splitlines()[0].endswith("| 6 | 7 |")


def test_lines_hold_every_number(comparison: Comparison) -> None:
    head, *rows = document_of(comparison).lines
    assert len(rows) == len(REQUESTS)
    assert {row.count("\t") for row in rows} == {head.count("\t")}


def test_the_json_holds_every_video(comparison: Comparison) -> None:
    values = json.loads(json.dumps(comparison.as_json()))
    assert [video["id"] for video in values["videos"]] == ["a", "b"]
    kept = [sum(video["selections"][k]["kept"] for video in values["videos"]) for k in range(7)]
    assert kept == [row["kept"] for row in values["selections"]]
    assert values["failures"][0]["id"] == "torn"


@pytest.mark.slow
def test_the_plot_repeats_byte_for_byte(comparison: Comparison) -> None:
    titled = replace(comparison, setup={**comparison.setup, "model": "a $title$"})
    first = render(document_of(titled).draw, "png", "svg")
    assert first["png"].startswith(b"\x89PNG")
    assert first["svg"].startswith(b"<?xml")
    assert render(document_of(titled).draw, "svg")["svg"] == first["svg"]
