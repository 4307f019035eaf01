"""A method of one's own: a function of tokens that returns a mask.

    python examples/own_method.py [VIDEO]

The function keeps what differs most from the same cell's mean over time, so that a background which
stands still goes first. Printed for the sample video:

    foreground keeps 288 of 2,880 tokens; 68% of them vcast keeps too
"""

import sys
from pathlib import Path

import torch

from evscli import prune_video
from evscli.records import KeptTokens, PruneInputs, VideoTokens

VIDEO = Path(__file__).parents[1] / "sample_videos" / "fixed-camera.mp4"


def foreground(
    tokens: VideoTokens, inputs: PruneInputs, budget: float, *, power: float = 2.0
) -> KeptTokens:
    """Keep the tokens that are furthest from their cell's mean; `power` is an option."""
    embeds = tokens.embeds.float()  # [T, h, w, D]
    scores = (embeds - embeds.mean(0)).abs().pow(power).sum(-1)  # [T, h, w]
    count = max(1, round(budget * scores.numel()))
    mask = torch.zeros(scores.numel(), dtype=torch.bool)
    mask[scores.flatten().topk(count).indices] = True
    return KeptTokens(mask=mask.view(tokens.grid_thw), scores=scores, expected=count)


def main(video: str | Path = VIDEO) -> None:
    """Prune `video` to a tenth of its tokens, by the function and by a method with a name."""
    own = prune_video(video, method=foreground, budget=0.1, options={"power": 1.0})
    named = prune_video(video, method="vcast", budget=0.1)

    info, both = own.info, (own.keep_mask & named.keep_mask).sum()
    print(f"{info.method} keeps {info.kept:,} of {info.tokens:,} tokens", end="; ")
    print(f"{both / info.kept:.0%} of them vcast keeps too")


if __name__ == "__main__":
    main(*sys.argv[1:])
