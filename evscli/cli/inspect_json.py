"""The output of `evs inspect --json` as JSON values. This module prints nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from evscli.records import RunConfig, VideoInfo
from evscli.store.codec import to_json
from evscli.store.schema import token_bytes

if TYPE_CHECKING:
    from evscli.cli.inspect_verify import Verified
    from evscli.store.summary import StoreSummary, VideoSummary


def store_document(summary: StoreSummary) -> dict[str, Any]:
    """Return the values of the whole store."""
    shards = zip(summary.videos, summary.shard_names, strict=True)
    return {
        "store": summary.path,
        "fingerprint": summary.fingerprint,
        **_run(summary.run),
        "totals": {
            "videos": len(summary.videos),
            "waiting": summary.waiting,
            "lost": summary.lost,
            "failures": len(summary.failures),
            "tokens": summary.tokens,
            "kept": summary.kept,
            "retention": summary.retention,
            "seconds": summary.seconds,
            "shards": summary.shards,
            "bytes": summary.size,
        },
        "videos": [_video(info) | {"shard": name} for info, name in shards],
        "failures": to_json(summary.failures),
    }


def video_document(summary: VideoSummary) -> dict[str, Any]:
    """Return the values of one video in depth."""
    return {
        **_video(summary.info),
        "shard": summary.shard_name,
        "sha256": summary.sha256,
        "bytes": summary.size,
        "tensors": to_json(summary.tensors),
        "frames": to_json(summary.frames),
        **_run(summary.run),
    }


def verify_document(verified: Verified) -> dict[str, Any]:
    """Return the findings of `--verify` in one store."""
    problems = to_json(verified.problems)
    return {"store": str(verified.store), "videos": verified.videos, "problems": problems}


def _video(info: VideoInfo) -> dict[str, Any]:
    values: dict[str, Any] = to_json(info)
    size = token_bytes(info.model, info.store_dtype)
    return values | {"tokens": info.tokens, "retention": info.retention, "token_bytes": size}


def _run(run: RunConfig | None) -> dict[str, Any]:
    values: dict[str, Any] = to_json(run) if run else {"settings": None, "provenance": None}
    return values
