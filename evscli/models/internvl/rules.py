"""The frames of a video for InternVL."""

from evscli.models.parts.fixed_size import FixedSizeRules


class InternRules(FixedSizeRules):
    """The processor samples nothing unless its checkpoint says so.

    The function of the model's cards that reads videos takes 32 frames, each from the middle of an
    equal part, as the processor's class does.
    """

    own_frames = 32
