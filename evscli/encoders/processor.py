"""The installed transformers' video processor of a checkpoint, without torchvision.

Its class is imported by module path and given the checkpoint's values, for its sampling and
sizing rules; it never touches a pixel here. Knows the layouts processor values are saved in.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from evscli.encoders.digest import json_digest
from evscli.encoders.files import ModelFiles, read_json
from evscli.encoders.imports import import_class
from evscli.encoders.processor_checks import check_size_as_saved, check_values
from evscli.encoders.processor_class import OF_VIDEOS, processor_class
from evscli.errors import ModelError
from evscli.models.parts.values import SavedValues
from evscli.models.spec import FamilySpec

NESTED = "processor_config.json"
CONFIGS = (NESTED, "video_preprocessor_config.json", "preprocessor_config.json")
"""The files that may hold video values, in the order of transformers: nested in the newest, a file
of their own, and in the oldest layout the image processor's values, which served videos as well."""

NOT_ABOUT_PIXELS = (
    "crop_size",
    "data_format",
    "device",
    "do_convert_rgb",
    "do_sample_frames",
    "input_data_format",
    "return_metadata",
    "return_tensors",
    "video_metadata",
)
"""Values of a processor that change neither which frames are taken nor their pixels here; but for
`do_sample_frames` where a checkpoint turns off what its class has on."""


def load_video_processor(files: ModelFiles, family: FamilySpec) -> Any:
    """The checkpoint's video processor with its values, of a class that the family's rules are for.

    Raises ModelError where the checkpoint has none, one of another class or of its own code, one
    that asks for another preparation than resize, rescale and normalise, or a value that its class
    cannot follow.
    """
    saved = processor_values(files)
    used_class = import_class(processor_class(saved, _config(files), family))
    saved = replace(saved, values=_with_named_edges(saved.values))
    check_size_as_saved(used_class, saved)
    known = used_class.valid_kwargs.__annotations__
    try:
        processor = used_class.from_dict({k: v for k, v in saved.values.items() if k in known})
    except Exception as error:  # whatever the class does with values of any type
        raise ModelError(
            f"{saved.model}: {saved.file} holds values that {used_class.__name__} refuses "
            f"({' '.join(str(error).split())}); correct them, or use the file of the model that "
            "this one was made from"
        ) from error
    check_values(processor, saved)
    return processor


def processor_values(files: ModelFiles) -> SavedValues:
    """The saved values, from the first of `CONFIGS` that holds some."""
    for filename in CONFIGS:
        path = files.get(filename)
        if path is None:
            continue
        saved = SavedValues(
            model=files.name, file=filename, values=read_json(path, model=files.name)
        )
        if filename != NESTED:
            return saved
        nested = saved.values.get("video_processor")
        if isinstance(nested, dict):
            return replace(saved, values=nested, within="video_processor.")
        if nested is not None:
            raise saved.refuse("video_processor", nested, "which must be an object")
    raise ModelError(
        f"{files.name} has no video processor configuration ({', '.join(CONFIGS)}); "
        "add the one of the model it comes from"
    )


def processor_digest(processor: Any, family: FamilySpec) -> str:
    """Digest of all that decides frames and pixels: the values, and a class not the family's own.

    Checkpoints that say the same in other words have the same digest.
    """
    values = pixel_values(processor)
    name = type(processor).__name__
    if name != family.video_processors[0].partition(":")[2]:
        values[OF_VIDEOS] = name
    return json_digest(values)


def pixel_values(processor: Any) -> dict[str, Any]:
    """The resolved values that decide frames and pixels, class defaults included, as JSON."""
    names = sorted(set(processor.valid_kwargs.__annotations__) - set(NOT_ABOUT_PIXELS))
    values = {name: getattr(processor, name, None) for name in names}
    values["size"] = dict(processor.size)
    values["resample"] = int(processor.resample)
    if type(processor).do_sample_frames and not processor.do_sample_frames:
        values["do_sample_frames"] = False
    return {name: value for name, value in values.items() if value is not None}


def _config(files: ModelFiles) -> SavedValues:
    path = files.get("config.json")
    values = {} if path is None else read_json(path, model=files.name)
    return SavedValues(model=files.name, file="config.json", values=values)


def _with_named_edges(values: Mapping[str, Any]) -> Mapping[str, Any]:
    """Values whose `size` uses the edge names the classes read, where it was saved by pixels."""
    size = values.get("size")
    if not isinstance(size, dict) or size.keys() != {"min_pixels", "max_pixels"}:
        return values
    edges = {"shortest_edge": size["min_pixels"], "longest_edge": size["max_pixels"]}
    return {**values, "size": edges}
