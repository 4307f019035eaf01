"""The packets that may stay undecoded because nothing that is wanted depends on their frames.

Each codec says it in its own way, and only what its standard guarantees is used:

- H.264: no frame depends on one marked as a non-reference, and FFmpeg's decoder can skip those.
- HEVC: the same in the highest temporal layer. In a lower one the mark says less.
- AV1: no frame depends on one that fills no slot. FFmpeg's decoders cannot skip those at will, so
  their packets are kept from the decoder.
- VP9: a frame that fills no slot may still change the entropy coder's states, and the motion
  vectors that the next frame is predicted from. So every packet is decoded, as in other codecs.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from evscli.video.av1 import FrameHeaders
from evscli.video.hevc import TemporalLayers

if TYPE_CHECKING:
    from av.packet import Packet
    from av.video.codeccontext import VideoCodecContext
    from av.video.stream import VideoStream

Admits = Callable[["Packet[VideoStream]", bool], bool]
"""A function of every packet of a file in order, and whether its frame is wanted, that returns
whether the decoder must get it. Where the decoder itself can skip it, it is set to do so."""


def skipping(context: VideoCodecContext) -> Admits:
    """Return the function that leaves out what the codec of `context` allows, or nothing."""
    make = WAYS.get(context.name)
    return make(context) if make else lambda _packet, _wanted: True


def _h264(context: VideoCodecContext) -> Admits:
    return lambda _, wanted: _set(context, skip=not wanted)


def _hevc(context: VideoCodecContext) -> Admits:
    layers = TemporalLayers(context.extradata)
    return lambda packet, wanted: _set(
        context, skip=layers.is_highest(bytes(packet)) and not wanted
    )


def _av1(context: VideoCodecContext) -> Admits:
    headers = FrameHeaders(context.extradata)
    return lambda packet, wanted: headers.is_needed(bytes(packet)) or wanted


def _set(context: VideoCodecContext, *, skip: bool) -> bool:
    context.skip_frame = "NONREF" if skip else "DEFAULT"
    return True


WAYS = {"h264": _h264, "hevc": _hevc, "libdav1d": _av1, "av1": _av1}
"""The ways by the name of FFmpeg's decoder."""
