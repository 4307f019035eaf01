"""A shard is read with safetensors alone, without evs.

    python examples/read_shard.py SHARD.safetensors

Printed for every video is what was kept, and the second of the video that kept most. Of a shard
that train_from_store.py wrote (evs-out/to-train-on/shard-0-00000.safetensors):

    fixed-camera: 288 of 2,880 tokens of width 128, most of them at 4.7 s
    hard-cuts: 230 of 2,304 tokens of width 128, most of them at 5.8 s
    phone-rotated: 173 of 1,728 tokens of width 128, most of them at 3.8 s
    variable-rate: 230 of 2,304 tokens of width 128, most of them at 3.8 s
"""

import json
import sys

from safetensors import safe_open


def main(path: str) -> None:
    """Print a line for every video of the shard at `path`."""
    with safe_open(path, framework="pt") as shard:
        for name in json.loads(shard.metadata()["evs"])["videos"]:
            embeds = shard.get_tensor(f"{name}/embeds")  # [K, D]
            mask = shard.get_tensor(f"{name}/keep_mask")  # [T, h, w]
            times = shard.get_tensor(f"{name}/prompt_times")  # [T] seconds
            fullest = mask.sum((1, 2)).argmax()
            kept = f"{len(embeds):,} of {mask.numel():,} tokens of width {embeds.shape[1]}"
            print(f"{name}: {kept}, most of them at {times[fullest]:.1f} s")


if __name__ == "__main__":
    main(*sys.argv[1:])
