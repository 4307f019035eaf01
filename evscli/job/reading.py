"""The reading of videos: their ids, and the policy about damaged ones."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, ClassVar, Literal

from evscli.option import Checked, Option

DamagedPolicy = Literal["trim", "skip", "fail"]
USUAL_IDS = "name"


@dataclass(frozen=True, kw_only=True)
class Reading(Checked):
    """The rules by which inputs become videos."""

    GROUP: ClassVar = "Videos"

    ids: Annotated[
        Literal["name", "suffix", "tar"],
        Option(
            "Ids of videos. name: the path below the input, without its ending; suffix: with it; "
            "tar: the tar's name before the member's.",
        ),
    ] = "name"
    damaged: Annotated[
        DamagedPolicy,
        Option(
            "trim: leave out frames at the end that do not decode, and fail a video that is "
            "damaged elsewhere; skip: leave damaged frames out wherever they are; fail: fail a "
            "video for any damage. The last two decode everything once more.",
        ),
    ] = "trim"

    @property
    def recorded_ids(self) -> str | None:
        """The value of `ids` in the settings of a store: None for the usual rule."""
        return None if self.ids == USUAL_IDS else self.ids
