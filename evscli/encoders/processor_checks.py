"""Checks that a video processor's values can be followed, each as the installed class reads it."""

from __future__ import annotations

from collections.abc import Mapping
from inspect import signature
from typing import Any

from evscli.models.parts.pixels import RESAMPLE_MODES
from evscli.models.parts.values import (
    COUNT,
    DEVIATIONS,
    EACH_DEVIATION,
    EACH_MEAN,
    MEANS,
    POSITIVE,
    SWITCH,
    SavedValues,
    Want,
    is_pair,
    is_positive,
)

ON = Want("true: evs resizes, rescales and normalises", lambda value: value is True)
OFF = Want("false: evs does not crop", lambda value: not value)
RESAMPLE = Want(
    "1 (lanczos), 2 (bilinear) or 3 (bicubic)",
    lambda value: isinstance(value, int) and int(value) in RESAMPLE_MODES,
)
WINDOW_SIDES = Want(
    "two equal whole numbers above 0", lambda value: is_pair(value) and value[0] == value[1]
)

WANTED: Mapping[str, Want] = {
    "patch_size": COUNT,
    "temporal_patch_size": COUNT,
    "merge_size": COUNT,
    "pooling_size": WINDOW_SIDES,
    "do_resize": ON,
    "do_rescale": ON,
    "do_normalize": ON,
    "do_center_crop": OFF,
    "resample": RESAMPLE,
    "rescale_factor": POSITIVE,
    "image_mean": MEANS,
    "image_std": DEVIATIONS,
    "norm_mean": EACH_MEAN,
    "norm_std": EACH_DEVIATION,
    "downsample_ratio": POSITIVE,
    "video_target_num_patches": COUNT,
    "video_maintain_aspect_ratio": SWITCH,
    "do_sample_frames": SWITCH.or_null(),
    "fps": POSITIVE.or_null(),
    "num_frames": COUNT,
    "min_frames": COUNT,
    "max_frames": COUNT,
    "max_fps": POSITIVE.or_null(),
    "cap_pixels_per_frame": SWITCH.or_null(),
    "max_video_tokens": COUNT,
}
"""The conditions on values; a class is asked only for those that it knows."""

MAY_BE_UNSET = (
    "num_frames",
    "do_resize",
    "do_rescale",
    "do_normalize",
    "resample",
    "image_mean",
    "image_std",
)
"""Null where that is what the class itself has."""

EDGES = ("shortest_edge", "longest_edge")
PIXEL_KEYS = ("min_pixels", "max_pixels")
SIDE_KEYS = ("height", "width")


def check_size_as_saved(used_class: Any, saved: SavedValues) -> None:
    """Raise ModelError for a `size` that the class does not read."""
    size = saved.values.get("size")
    if size is None or isinstance(size, int | list):
        return
    if not isinstance(size, dict):
        raise saved.refuse("size", size, "which is not a size", do=f"set it to {_edges(saved)}")
    wanted = SIDE_KEYS if size.keys() & {*SIDE_KEYS} else EDGES
    other = sorted(size.keys() - {*wanted, *_pixels(used_class, saved)})
    if other:
        raise saved.refuse(
            "size",
            size,
            f"which may hold {' and '.join(wanted)} only",
            do=f"remove {' and '.join(other)} from it",
        )
    if not size:
        raise saved.refuse("size", size, "which is not a size", do=f"set it to {_edges(saved)}")


def check_values(processor: Any, saved: SavedValues) -> None:
    """Raise ModelError for the first value that cannot be followed."""
    for key in (key for key in WANTED if key in processor.valid_kwargs.__annotations__):
        value = getattr(processor, key, None)
        unset = key in MAY_BE_UNSET and getattr(type(processor), key, None) is None
        saved.check(key, value, WANTED[key].or_null() if unset else WANTED[key])
    _check_size(processor, saved)
    _check_frames(processor, saved)


def _check_size(processor: Any, saved: SavedValues) -> None:
    of_class = getattr(type(processor), "size", None)
    if of_class is None:  # the class has another rule
        return
    names = SIDE_KEYS if "height" in of_class else tuple(key for key in EDGES if key in of_class)
    found = dict(processor.size or {})
    if not all(is_positive(found.get(name)) for name in names):
        raise saved.refuse(
            *_wrong_size(processor, saved, found),
            f"of which {' and '.join(names)} must be numbers above 0",
            do=f"set size to {_edges(saved)}" if names == EDGES else "correct it",
        )
    if names == EDGES and found["shortest_edge"] > found["longest_edge"]:
        raise saved.refuse("size", found, "whose shortest_edge is more than its longest_edge")


def _wrong_size(processor: Any, saved: SavedValues, found: dict[str, Any]) -> tuple[str, object]:
    """Return the key and value that a wrong size comes from."""
    for key in _pixels(type(processor), saved):
        if not is_positive(saved.values[key]):
            return key, saved.values[key]
    return "size", saved.values.get("size", found)


def _pixels(used_class: Any, saved: SavedValues) -> list[str]:
    """Return the keys with values that the class reads instead of `size`."""
    known = used_class.valid_kwargs.__annotations__
    return [key for key in PIXEL_KEYS if key in known and saved.values.get(key) is not None]


def _edges(saved: SavedValues) -> str:
    """Return an example of `size`, with the numbers of the file where it has them."""
    numbers = [saved.values.get(key) for key in PIXEL_KEYS]
    least, most = numbers if all(is_positive(number) for number in numbers) else ("MIN", "MAX")
    return f'{{"shortest_edge": {least}, "longest_edge": {most}}}, in pixels'


def _check_frames(processor: Any, saved: SavedValues) -> None:
    least, most = (getattr(processor, key, None) for key in ("min_frames", "max_frames"))
    if least is not None and most is not None and least > most:
        raise saved.refuse("min_frames", least, f"which is more than max_frames {most}")
    rate, count = saved.values.get("fps"), processor.num_frames
    if "skip_secs" in signature(processor.sample_frames).parameters:
        return  # the number is the most at that rate
    if processor.do_sample_frames and rate is not None and count is not None:
        raise saved.refuse(
            "fps", rate, f"which excludes num_frames {count}", do="set one of them to null"
        )
