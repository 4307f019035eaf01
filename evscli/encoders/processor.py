"""The installed transformers' video processor of a checkpoint, without torchvision.

Its class is chosen by the rule of AutoVideoProcessor, imported by module path and given the
checkpoint's values, for its sampling and sizing rules; it never touches a pixel here. Code that a
checkpoint brings along is never run, as in transformers without `trust_remote_code`: a class of
transformers is taken where the files name one or the model's type has one.
"""

from __future__ import annotations

import builtins
import sys
from collections.abc import Mapping
from dataclasses import replace
from importlib import import_module
from importlib.util import find_spec, module_from_spec
from threading import Lock
from types import ModuleType
from typing import Any

import transformers
from transformers.utils import is_torchvision_available

from evscli.encoders.digest import json_digest
from evscli.encoders.files import ModelFiles, read_json
from evscli.encoders.processor_checks import check_size_as_saved, check_values
from evscli.errors import ModelError
from evscli.models.contract import VisionShape
from evscli.models.parts.values import SavedValues, Want
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
    "use_token_compression",
    "video_metadata",
)
"""Values of a processor that change neither which frames are taken nor their pixels here; but for
`do_sample_frames` where a checkpoint turns off what its class has on."""

NOT_ANNOTATED = "video_sampling"
"""Values that a class reads although it does not say so."""

OF_VIDEOS = "video_processor_type"
OF_IMAGES = "image_processor_type"
OWN_CODE = "auto_map"

TEXT = Want("a text, or null", lambda value: value is None or isinstance(value, str))
OBJECT = Want("an object", lambda value: isinstance(value, dict))

_IMPORT = Lock()


def load_video_processor(files: ModelFiles, family: FamilySpec) -> Any:
    """Return the checkpoint's video processor with its values, of a class that the rules are for.

    Raises ModelError where the checkpoint has none, one of another class or of its own code, one
    that asks for another preparation than resize, rescale and normalise, or a value that its class
    cannot follow.
    """
    saved = processor_values(files)
    used_class = import_class(processor_class(saved, _config(files), family))
    saved = replace(saved, values=_with_named_edges(saved.values))
    check_size_as_saved(used_class, saved)
    known = {*used_class.valid_kwargs.__annotations__, NOT_ANNOTATED}
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
    """Return the saved values, from the first of `CONFIGS` that holds some."""
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


def with_patches(processor: Any, shape: VisionShape) -> None:
    """Give a processor that cuts no patches the sizes of its tower's, which others have."""
    for name in ("patch_size", "temporal_patch_size", "merge_size"):
        if not hasattr(processor, name):
            setattr(processor, name, getattr(shape, name))


def processor_digest(processor: Any, family: FamilySpec) -> str:
    """Digest all that decides frames and pixels: the values, and a class not the family's own.

    Checkpoints that say the same in other words have the same digest.
    """
    values = pixel_values(processor)
    name = type(processor).__name__
    if name != family.video_processors[0].partition(":")[2]:
        values[OF_VIDEOS] = name
    return json_digest(values)


def pixel_values(processor: Any) -> dict[str, Any]:
    """Return resolved values that decide frames and pixels, class defaults included, as JSON."""
    names = sorted(set(processor.valid_kwargs.__annotations__) - set(NOT_ABOUT_PIXELS))
    values = {name: getattr(processor, name, None) for name in names}
    # Two that classes may leave unset, because they have a rule of their own.
    values["size"] = None if processor.size is None else dict(processor.size)
    values["resample"] = None if processor.resample is None else int(processor.resample)
    if getattr(type(processor), "do_sample_frames", None) and not processor.do_sample_frames:
        values["do_sample_frames"] = False
    return {name: value for name, value in values.items() if value is not None}


def _config(files: ModelFiles) -> SavedValues:
    path = files.get("config.json")
    values = {} if path is None else read_json(path, model=files.name)
    return SavedValues(model=files.name, file="config.json", values=values)


def _with_named_edges(values: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return values whose `size` has the edge names classes read, if it was saved by pixels."""
    size = values.get("size")
    if not isinstance(size, dict) or size.keys() != {"min_pixels", "max_pixels"}:
        return values
    edges = {"shortest_edge": size["min_pixels"], "longest_edge": size["max_pixels"]}
    return {**values, "size": edges}


def processor_class(saved: SavedValues, config: SavedValues, family: FamilySpec) -> str:
    """Return the class as `module:name`, one of those that the family's rules are for.

    `config` is what config.json says. Raises ModelError where the files name another class.
    """
    usable = {name.partition(":")[2]: name for name in family.video_processors}
    for place, key in ((saved, OF_VIDEOS), (saved, OF_IMAGES), (config, OF_VIDEOS)):
        name = _named(place, key)
        if name in usable:
            return usable[name]
        # An image processor's class may have none for videos; then the model's type decides.
        if name is not None and (key == OF_VIDEOS or name in dir(transformers)):
            raise _refused(place, key, usable)
    return family.video_processors[0]


def _named(place: SavedValues, key: str) -> str | None:
    value: Any = place.values.get(key)
    place.check(key, value, TEXT)
    if value is None or (key == OF_IMAGES and "AutoVideoProcessor" in _own_code(place)):
        return None
    return str(value) if key == OF_VIDEOS else value.replace("ImageProcessor", "VideoProcessor")


def _own_code(place: SavedValues) -> dict[str, Any]:
    value: Any = place.values.get(OWN_CODE, {})
    place.check(OWN_CODE, value, OBJECT)
    return dict(value)


def _refused(place: SavedValues, key: str, usable: dict[str, str]) -> ModelError:
    reason = "a class that evs does not know how to use with this model"
    if _own_code(place):
        reason = "a class of the checkpoint's own code (auto_map), which evs never runs"
    return place.refuse(
        key, place.values[key], reason, do=f"name {' or '.join(usable)} if that does the same"
    )


def import_class(name: str) -> Any:
    """Return the class of the name `module:name`, whose module may want torchvision for pixels."""
    module, _, attribute = name.partition(":")
    with _IMPORT:
        if module in sys.modules or is_torchvision_available():
            return getattr(import_module(module), attribute)
        return getattr(_import_without_torchvision(module), attribute)


class _Absent:
    """Stands for a package that is not there, as far as attributes go."""

    def __getattr__(self, _name: str) -> _Absent:
        return _Absent()


def _import_without_torchvision(name: str) -> ModuleType:
    """Import a module that imports torchvision at its top and needs it only for pixels.

    Only this one module is shown a stand-in, by an import function of its own, so no other
    module or thread ever sees it.
    """
    spec = find_spec(name)
    if spec is None or spec.loader is None:
        raise ModelError(f"this transformers has no {name}; install transformers 5.18 or later")
    module = module_from_spec(spec)
    module.__dict__["__builtins__"] = {**vars(builtins), "__import__": _import_or_stand_in}
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
    except BaseException:
        del sys.modules[name]
        raise
    return module


def _import_or_stand_in(name: str, *rest: Any, **named: Any) -> Any:
    if name.partition(".")[0] == "torchvision":
        return _Absent()
    return builtins.__import__(name, *rest, **named)
