"""The frames of a video for LLaVA-OneVision."""

from evscli.models.parts.fixed_size import FixedSizeRules


class LlavaRules(FixedSizeRules):
    """The processor samples nothing unless its checkpoint says so.

    The authors give the model 32 frames, evenly spread (arXiv 2408.03326, section 4).
    """

    own_frames = 32
