"""The encoding of frames into tokens: its checkpoint, device and arithmetic."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal, Protocol, runtime_checkable

from evscli.bundled import MINI
from evscli.errors import UsageError
from evscli.option import Checked, Option

if TYPE_CHECKING:
    from evscli.encoders.files import Model, ModelFiles
else:

    @runtime_checkable
    class ModelFiles(Protocol):
        """The class of that name, for checks that import no torch."""

        held: Callable[[str], Path | None]

    Model = str | Path | ModelFiles


ResizePlace = Literal["cpu", "device"]

Revision = Annotated[
    str | None, Option("Branch, tag or commit of a checkpoint on the hub.", metavar="REVISION")
]
Device = Annotated[str, Option("auto, cpu, cuda or cuda:N.", metavar="DEVICE")]
Dtype = Annotated[
    str,
    Option(
        "auto (the checkpoint's own; an encoder computes in float32 where the device has no "
        "arithmetic units for that), float32, bfloat16 or float16.",
        metavar="DTYPE",
    ),
]

MOST_WITHOUT_MODEL = 20
"""The number of videos up to which the bundled model may be used without naming it."""


@dataclass(frozen=True, kw_only=True)
class Encoding(Checked):
    """The vision encoder and the arithmetic that it computes in."""

    GROUP: ClassVar = "Encoder"
    EXCLUSIVE: ClassVar = ("chunk_frames", "chunk_patches")

    model: Annotated[
        Model | None,
        Option(
            "Checkpoint: a local folder or a hub id. Default: the bundled mini.", metavar="MODEL"
        ),
    ] = None
    revision: Revision = None
    device: Device = "auto"
    dtype: Dtype = "auto"
    units: frozenset[str] | None = None
    """The dtypes in which `auto` may compute, as `load_encoder` takes them. None stands for those
    of the device's arithmetic units. A run settles them before its workers begin."""
    chunk_frames: Annotated[
        int | None, Option("Frames encoded at a time. Default: 16.", metavar="N")
    ] = None
    chunk_patches: Annotated[
        int | None,
        Option(
            "Patches encoded at a time; evs prune encodes short videos together.",
            metavar="N",
            least=1,
        ),
    ] = None
    resize: Annotated[
        ResizePlace,
        Option("cpu resizes exactly; device is faster and approximate."),
    ] = "cpu"

    def __post_init__(self) -> None:
        object.__setattr__(self, "device", str(self.device))  # it may be a torch.device
        super().__post_init__()

    @classmethod
    def replaced(cls, given: Mapping[str, Any]) -> Mapping[str, Any]:
        """Return no revision for a folder, which has none."""
        model = given["model"] or MINI
        return {"revision": None} if model == MINI or Path(model).expanduser().is_dir() else {}

    def check_named(self, videos: int) -> None:
        """Raise UsageError for many videos without a model, where the bundled one is not meant."""
        if self.model is None and videos > MOST_WITHOUT_MODEL:
            raise UsageError(
                f"{videos} videos but no --model; name the checkpoint to use "
                f"(--model {MINI} for the bundled demonstration model)"
            )

    @property
    def name(self) -> str:
        """The checkpoint as a person gave it."""
        model = self.model or MINI
        return model if isinstance(model, str) else model.name

    @property
    def files(self) -> ModelFiles:
        """The checkpoint. Raises ModelError where there is none of that name."""
        from evscli.encoders.files import find_model

        return find_model(self.model or MINI, revision=self.revision)

    def own_scorer(self) -> Path | None:
        """Return the file of the scorer that the checkpoint holds, if it does. Raises ModelError.

        None is also returned for one whose weights lie among those of the model.
        """
        from evscli.encoders.scorer import OWN_FILE

        return self.files.get(OWN_FILE)

    def resolved(self) -> Encoding:
        """Return a copy with the checkpoint found, once for all that use it. Raises ModelError."""
        return replace(self, model=self.files, revision=None)
