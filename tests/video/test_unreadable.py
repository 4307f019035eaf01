"""What is said of files that are no video, whatever their names say."""

from __future__ import annotations

import gzip
import io
import re
import struct
import zipfile
from pathlib import Path

import av
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from evscli.errors import VideoError
from evscli.video import index_video
from evscli.video.container import HEAD_BYTES, what_it_is, why_undecodable
from tests.videos import write_audio, write_video


def refusal(path: Path) -> str:
    with pytest.raises(VideoError) as caught:
        index_video(path)
    assert caught.value.stage == "open"
    line = str(caught.value)
    assert line.startswith(str(path))
    assert "\n" not in line
    return line


def zipped() -> bytes:
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w") as archive:
        archive.writestr("clip.mp4", "x" * 1000)
    return target.getvalue()


def box(kind: bytes, data: bytes = b"") -> bytes:
    return struct.pack(">I4s", 8 + len(data), kind) + data


FTYP = box(b"ftyp", b"isom\0\0\2\0isomiso2avc1mp41")
LFS = b"version https://git-lfs.github.com/spec/v1\noid sha256:" + b"4d" * 32 + b"\nsize 12345\n"
FILES = {
    "lfs": (LFS, "pointer of Git LFS and not the video itself; fetch that with git lfs pull"),
    "dvc": (b"outs:\n- md5: a304afb9\n  size: 37\n  path: a.mp4\n", "of DVC.* dvc pull"),
    "annex": (b"/annex/objects/SHA256E-s12--ab.mp4\n", "of git-annex.* git annex get"),
    "web page": (b"\xef\xbb\xbf\n<!DOCTYPE html>\n<html><title>403", "is a web page.* login"),
    "bare page": (b"<html><body>not found", "is a web page"),
    "xml": (b'<?xml version="1.0"?><Error><Code>AccessDenied', "XML text.* download it again"),
    "json": (b'{"error": "not found"}\n', "JSON text.* download it again"),
    "gzip": (gzip.compress(b"x" * 9000), "is a gzip archive and not a video; unpack"),
    "zip": (zipped(), "is a ZIP archive"),
    "tar": (b"a".ljust(257, b"\0") + b"ustar" + bytes(900), "is a tar .* name it .tar"),
    "zeros": (bytes(9000), "begins with zeros only"),
    "text": ("Ähnlich wie Text. ".encode() * 900, "not a readable video .it is a text file"),
    "empty moov": (FTYP + box(b"moov"), "holds no streams at all: its recording was never"),
    "no moov": (FTYP + box(b"mdat", bytes(90)), "without a usable index: .* cut off"),
    "noise": (np.random.default_rng(0).bytes(9000), "not a readable video .Invalid data"),
}


@pytest.mark.parametrize("name", FILES)
def test_a_file_that_is_no_video_is_called_what_it_is(name: str, tmp_path: Path) -> None:
    data, words = FILES[name]
    path = tmp_path / "clip.mp4"
    path.write_bytes(data)
    assert re.search(words, refusal(path))


def test_an_animated_webp_must_be_converted_and_a_still_one_not(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    pictures = [Image.fromarray(rng.integers(0, 255, (48, 64, 3), np.uint8)) for _ in range(3)]
    animated, still = tmp_path / "anim.webp", tmp_path / "still.webp"
    pictures[0].save(animated, save_all=True, append_images=pictures[1:], duration=100)
    pictures[0].save(still)
    assert "is an animated WebP, which FFmpeg does not decode; convert it" in refusal(animated)
    with av.open(str(animated)) as container, pytest.raises(av.FFmpegError):
        next(container.decode(video=0))  # where FFmpeg learns to, this refusal must go
    assert len(index_video(still).pts) == 1


def test_a_song_with_a_cover_has_no_moving_pictures(tmp_path: Path) -> None:
    path = tmp_path / "song.m4a"
    with av.open(str(path), "w", format="mp4") as container:
        sound = container.add_stream("aac", rate=44100)
        cover = container.add_stream("png", rate=1)
        cover.width, cover.height, cover.pix_fmt = 32, 32, "rgb24"
        cover.disposition = av.stream.Disposition.attached_pic
        picture = av.VideoFrame.from_ndarray(np.zeros((32, 32, 3), np.uint8), format="rgb24")
        container.mux(cover.encode(picture))
        silence = av.AudioFrame.from_ndarray(
            np.zeros((1, 1024), np.float32), format="fltp", layout="mono"
        )
        silence.rate = 44100
        container.mux(sound.encode(silence))
        container.mux(sound.encode(None))
    assert "has no video stream (only audio and a cover picture); give" in refusal(path)
    assert "(only audio)" in refusal(write_audio(tmp_path / "sound.m4a"))


@pytest.mark.parametrize("fragmented", [False, True])
def test_an_encrypted_video_is_told(fragmented: bool, tmp_path: Path) -> None:
    options = {
        "encryption_scheme": "cenc-aes-ctr",
        "encryption_key": "76a6c65c5ea762046bd749a2e632ccbb",
        "encryption_kid": "a7e61c373e219033c21091fa607bf3b8",
        **({"movflags": "frag_keyframe+empty_moov"} if fragmented else {}),
    }
    path = write_video(tmp_path / "film.mp4", frames=4, container_options=options)
    assert "is encrypted (DRM), so its pictures cannot be decoded; give a copy" in refusal(path)


def test_a_damaged_box_is_no_reason_to_fail(tmp_path: Path) -> None:
    path = tmp_path / "clip.mp4"
    for data in (
        b"",
        b"\0\0\0\1moov",
        box(b"moov", b"\0\0\0\4trak"),
        b"\0\0\0\0moov\0\0\0\x01stsd",
    ):
        path.write_bytes(data)
        assert why_undecodable(path, "mov,mp4") is None


@given(data=st.binary(max_size=64), fill=st.integers(0, HEAD_BYTES))
def test_any_bytes_may_be_looked_at(data: bytes, fill: int) -> None:
    said = what_it_is((data * HEAD_BYTES)[:fill])
    assert said is None or "; " in said
