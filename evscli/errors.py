"""The exception tree of everything that `evs` refuses.

    EvsError                  exit code 1
    ├── UsageError            exit code 2: the command or call itself is wrong
    ├── VideoError            this video cannot be used (missing, damaged, no frames)
    ├── ModelError            this checkpoint cannot be used
    │   └── WrongModelError   a shard is used with a model whose vision weights did not make it
    ├── MethodError           a pruning method does not keep to its own rule
    ├── DeviceError           the device asked for does not exist, or has too little memory
    │   └── DeviceLostError   this process cannot use its device any more
    └── StoreError            this store cannot be written or read
        ├── StoreBusyError    another run is writing to it
        ├── MismatchError     it holds another configuration, or another source under the same id
        └── DamagedError      a shard or manifest does not hold what it states

Every message is one line that ends in what to do next. The command line prints it and exits with
`exit_code`; nothing else is shown unless `--debug` asks for the traceback.
"""

from __future__ import annotations


class EvsError(Exception):
    """Base of all errors raised on purpose; the message ends in what to do next."""

    exit_code = 1


class UsageError(EvsError):
    """The command or call is wrong: an unknown method, a budget outside (0, 1], two equal ids."""

    exit_code = 2


class VideoError(EvsError):
    """One video cannot be used.

    `stage` is the stage that failed: open, index, plan, decode, encode, prune or write. `kind` is
    the kind of failure, by default the class of the error behind it.
    """

    def __init__(self, message: str, *, stage: str = "open", kind: str | None = None) -> None:
        super().__init__(message)
        self.stage = stage
        self._kind = kind

    @property
    def kind(self) -> str:
        """The name of the class of the error behind this one, or another word for the failure."""
        return self._kind or type(self.__cause__ or self).__name__


class ModelError(EvsError):
    """A checkpoint cannot be used: not found, unsupported, or without vision weights."""


class WrongModelError(ModelError):
    """A shard is used with a model whose vision weights differ from those that made it."""


class MethodError(EvsError):
    """A pruning method keeps another number of tokens than it promised, or gives no selection."""


class DeviceError(EvsError):
    """The device asked for does not exist on this machine, or has too little memory."""


class DeviceLostError(DeviceError):
    """A process cannot use its device any more, as after an illegal memory access.

    `reason` is the first line of the error behind it. Another process can use the device.
    """

    def __init__(self, message: str, *, reason: str = "") -> None:
        super().__init__(message)
        self.reason = reason


class StoreError(EvsError):
    """A store cannot be written or read."""


class StoreBusyError(StoreError):
    """Another live run holds the writer lock of this store."""


class MismatchError(StoreError):
    """The store holds another configuration, or another source under the same id."""


class DamagedError(StoreError):
    """A shard or manifest does not hold what it states."""
