"""The duration of a run, from its forecast and the speed measured on a few of its videos.

The parts of a run overlap, so it takes as long as the slowest, but not on cores that they share:
there a decoder stops all threads of an encoder, which wait for each other.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil
from os import sched_getaffinity

import torch

from evscli.corpus.estimate.calibrate import Effort
from evscli.corpus.estimate.forecast import Forecast
from evscli.corpus.executors.engine import Engine


@dataclass(frozen=True, kw_only=True)
class Duration:
    """The seconds of a run, each part as if it never had to wait for another."""

    videos: int
    """The number of videos that were tried."""
    load: float
    """The seconds until the model is loaded."""
    decode: float
    """The seconds of all decoder processes."""
    encode: float
    """The seconds of all workers, pruning included."""
    write: float
    cores: float
    """The seconds of all work on the machine's cores, if none were ever idle."""
    decoders: int
    """The least number of decoder processes, each on a core of its own, for which no worker has to
    wait."""

    @property
    def bound(self) -> str:
        """The slower of decoding and encoding, each on cores of its own: `decode` or `encode`."""
        return "decode" if self.decode > self.encode else "encode"

    @property
    def parts(self) -> dict[str, float]:
        """The seconds of each part that the run may have to wait for, by its name."""
        return {name: getattr(self, name) for name in ("decode", "encode", "write", "cores")}

    @property
    def bottleneck(self) -> str:
        """The part that the run waits for."""
        return max(self.parts, key=lambda name: self.parts[name])

    @property
    def seconds(self) -> float:
        """The seconds of the whole run."""
        return self.load + max(self.parts.values())


def duration_of(
    forecast: Forecast, stored: float, effort: Effort, engine: Engine, *, tasks: int, load: float
) -> Duration:
    """Return the time that the engine takes for `forecast` and `stored` bytes, `load` measured."""
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
        decoders=max(1, ceil(decode * encoders(engine) / encode)),
    )


def busy_cores(engine: Engine) -> int:
    """Return the cores that one encoding worker keeps busy: one beside a GPU, or one per thread."""
    return torch.get_num_threads() if "cpu" in engine.devices else 1


def encoders(engine: Engine) -> int:
    """Return the number of workers that share no device; on a CPU each has its own threads."""
    gpus = {device for device in engine.devices if device != "cpu"}
    return len(gpus) or len(engine.devices)
