"""How long a run takes, from what it comes to and how fast a few of its videos were.

Its parts overlap, so it takes as long as the slowest, but not on cores that they share: there a
decoder stops all threads of an encoder, which wait for each other.
"""

from __future__ import annotations

from dataclasses import dataclass
from os import sched_getaffinity

import torch

from evscli.corpus.estimate.calibrate import Effort
from evscli.corpus.estimate.forecast import Forecast
from evscli.corpus.executors.engine import Engine


@dataclass(frozen=True, kw_only=True)
class Duration:
    """Seconds of a run, each part as if it had never to wait for another."""

    videos: int
    """That were tried."""
    load: float
    """Until the model is there."""
    decode: float
    """By all decoder processes."""
    encode: float
    """By all workers, pruning included."""
    write: float
    cores: float
    """Of all that keeps a core of the machine busy, were none ever idle."""

    @property
    def parts(self) -> dict[str, float]:
        """By what the run may have to wait for."""
        return {
            "decode": self.decode,
            "encode": self.encode,
            "write": self.write,
            "cores": self.cores,
        }

    @property
    def bottleneck(self) -> str:
        """What the run waits for."""
        return max(self.parts, key=lambda name: self.parts[name])

    @property
    def seconds(self) -> float:
        """Of the whole run."""
        return self.load + max(self.parts.values())


def duration_of(
    forecast: Forecast, stored: float, effort: Effort, engine: Engine, *, tasks: int, load: float
) -> Duration:
    """The time that the engine takes for `forecast` and `stored` bytes, `load` measured."""
    decode = effort.decode_seconds * forecast.decoding / effort.decoding
    encode = effort.encode_seconds * forecast.tokens / effort.tokens
    write = effort.write_seconds * stored / effort.stored
    return Duration(
        videos=round(effort.videos),
        load=load,
        decode=decode / min(tasks, engine.lanes * len(engine.devices)),
        encode=encode / encoders(engine),
        write=write / len(engine.devices),
        cores=(decode + encode * busy_cores(engine) + write) / len(sched_getaffinity(0)),
    )


def busy_cores(engine: Engine) -> int:
    """Cores that one worker keeps busy while it encodes: that of its GPU, or one a thread."""
    return torch.get_num_threads() if "cpu" in engine.devices else 1


def encoders(engine: Engine) -> int:
    """Workers that share no device; on a CPU each has threads of its own."""
    gpus = {device for device in engine.devices if device != "cpu"}
    return len(gpus) or len(engine.devices)
