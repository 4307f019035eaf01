"""The installed transformers' video processor of a checkpoint, without torchvision.

Its class is imported by module path and given the checkpoint's values, for its sampling and
sizing rules; it never touches a pixel here. Knows the layouts processor values are saved in.
"""

from __future__ import annotations

import builtins
import sys
from importlib import import_module
from importlib.util import find_spec, module_from_spec
from threading import Lock
from types import ModuleType
from typing import Any

from transformers.utils import is_torchvision_available

from evscli.encoders.families import Family
from evscli.encoders.files import ModelFiles, read_json
from evscli.errors import ModelError

CONFIGS = ("processor_config.json", "video_preprocessor_config.json", "preprocessor_config.json")
"""Where video values are looked for, in the order of transformers: nested in the newest, a file of
their own, and in the oldest layout the image processor's values, which served videos as well."""

NOT_ABOUT_PIXELS = (
    "data_format",
    "device",
    "do_convert_rgb",
    "do_sample_frames",
    "input_data_format",
    "return_metadata",
    "return_tensors",
    "video_metadata",
)
"""Values of a processor that change neither which frames are taken nor their pixels here."""

_IMPORT = Lock()


def load_video_processor(files: ModelFiles, family: Family) -> Any:
    """The family's video processor with the checkpoint's values.

    Raises ModelError where the checkpoint has none, or one that asks for another preparation than
    resize, rescale and normalise.
    """
    values = processor_values(files)
    processor_class = _import_class(family.video_processor)
    try:
        processor = processor_class.from_dict(_with_named_edges(values))
    except (TypeError, ValueError, AttributeError) as error:
        raise ModelError(
            f"{files.name}: its video processor values are not usable ({error}); "
            "get the checkpoint again"
        ) from error
    _check_steps(processor, model=files.name)
    return processor


def processor_values(files: ModelFiles) -> dict[str, Any]:
    """The saved values, from the first of `CONFIGS` that holds some."""
    for filename in CONFIGS:
        path = files.get(filename)
        if path is None:
            continue
        values: Any = read_json(path, model=files.name)
        if filename == "processor_config.json":
            values = values.get("video_processor")
        if isinstance(values, dict):
            return values
    raise ModelError(
        f"{files.name} has no video processor configuration ({', '.join(CONFIGS)}); "
        "add the one of the model it comes from"
    )


def pixel_values(processor: Any) -> dict[str, Any]:
    """The resolved values that decide frames and pixels, class defaults included, as JSON."""
    names = sorted(set(processor.valid_kwargs.__annotations__) - set(NOT_ABOUT_PIXELS))
    values = {name: getattr(processor, name, None) for name in names}
    values["size"] = dict(processor.size)
    values["resample"] = int(processor.resample)
    return {name: value for name, value in values.items() if value is not None}


def _with_named_edges(values: dict[str, Any]) -> dict[str, Any]:
    """Values whose `size` uses the edge names the classes read, where it was saved by pixels."""
    size = values.get("size")
    if not isinstance(size, dict) or "shortest_edge" in size or "longest_edge" in size:
        return values
    if not {"min_pixels", "max_pixels"} <= size.keys():
        return values
    edges = {"shortest_edge": size["min_pixels"], "longest_edge": size["max_pixels"]}
    return {**values, "size": edges}


def _check_steps(processor: Any, *, model: str) -> None:
    for step in ("do_resize", "do_rescale", "do_normalize"):
        value = getattr(processor, step)
        if value is False or (value is None and step != "do_resize"):  # Molmo2 always resizes
            raise ModelError(f"{model}: a video processor with {step} off is not supported; set it")
    if getattr(processor, "do_center_crop", None):
        raise ModelError(f"{model}: a video processor that crops is not supported; turn it off")


def _import_class(name: str) -> Any:
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
