"""The video processor class of a checkpoint, by the rule of transformers' AutoVideoProcessor.

Code that a checkpoint brings along is never run, as in transformers without `trust_remote_code`: a
class of transformers is taken where the files name one or the model's type has one.
"""

from __future__ import annotations

from typing import Any

import transformers

from evscli.errors import ModelError
from evscli.models.parts.values import SavedValues, Want
from evscli.models.spec import FamilySpec

OF_VIDEOS = "video_processor_type"
OF_IMAGES = "image_processor_type"
OWN_CODE = "auto_map"

TEXT = Want("a text, or null", lambda value: value is None or isinstance(value, str))
OBJECT = Want("an object", lambda value: isinstance(value, dict))


def processor_class(saved: SavedValues, config: SavedValues, family: FamilySpec) -> str:
    """The class as `module:name`, one of those that the family's rules are for.

    `config` is what config.json says. Raises ModelError where the files name another class.
    """
    usable = usable_classes(family)
    for place, key in ((saved, OF_VIDEOS), (saved, OF_IMAGES), (config, OF_VIDEOS)):
        name = _named(place, key)
        if name in usable:
            return usable[name]
        # An image processor's class may have none for videos; then the model's type decides.
        if name is not None and (key == OF_VIDEOS or name in dir(transformers)):
            raise _refused(place, key, usable)
    return family.video_processors[0]


def usable_classes(family: FamilySpec) -> dict[str, str]:
    """Names of classes -> the same as `module:name`."""
    return {name.partition(":")[2]: name for name in family.video_processors}


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
