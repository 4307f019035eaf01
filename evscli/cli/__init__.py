"""The command line: every command parses, calls the library and prints. It holds no other logic.

Modules of this package import torch only inside functions, so that `evs --help` answers at once.
"""

from __future__ import annotations

import io
import logging
import os
import sys
import traceback
from collections.abc import Sequence
from shutil import get_terminal_size
from typing import Annotated

import typer

from evscli.cli.ask import ask
from evscli.cli.command import GroupedCommand
from evscli.cli.compare import compare
from evscli.cli.eval import evaluate
from evscli.cli.inspect import inspect
from evscli.cli.interrupts import INTERRUPTED, catch_interrupts, catch_termination, end_at_once
from evscli.cli.listings import methods, models
from evscli.cli.loading import ALONE
from evscli.cli.merge import merge
from evscli.cli.notes import DEBUG, logged_as, note
from evscli.cli.plan import plan
from evscli.cli.prune import prune
from evscli.cli.serve import serve
from evscli.cli.train import train
from evscli.cli.visualize import visualize
from evscli.errors import EvsError
from evscli.installed import broken_package
from evscli.texts import one_line

NARROWEST_HELP, WIDEST_HELP = 40, 120
"""The least and the most columns of help, since longer lines are hard to read."""

app = typer.Typer(
    name="evs",
    help="Offline video tokenization and token pruning for vision-language models.",
    epilog="Example: evs prune video.mp4 --method vcast --budget 0.3",
    invoke_without_command=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)
for command in (prune, plan, inspect, merge, visualize, compare, ask, serve, methods, models):
    app.command(cls=GroupedCommand)(command)
app.command("eval", cls=GroupedCommand)(evaluate)
app.add_typer(train, name="train")


def _show_version(asked: bool) -> None:
    if asked:
        from evscli import __version__

        print(f"evs {__version__}")
        raise typer.Exit


USAGE = 2
LIMITS = (
    "the system refuses further threads or processes; check its limits on memory and processes, "
    "then run the same command again"
)
RESUMABLE = ("merge", "prune", "train")


@app.callback()
def _options(
    context: typer.Context,
    _version: Annotated[
        bool,
        typer.Option("--version", callback=_show_version, is_eager=True, help="Show the version."),
    ] = False,
    _debug: Annotated[
        bool,
        typer.Option("--debug", help="Show tracebacks, of failing videos too (works anywhere)."),
    ] = False,
) -> None:
    if context.invoked_subcommand is None:
        print(context.get_help())
        raise typer.Exit(USAGE)


def main(arguments: Sequence[str] | None = None) -> None:
    """Run `evs` and exit: 0 done, 1 failed, 2 usage, 3 some videos failed, 130 interrupted."""
    if not (sys.stdout and sys.stderr):  # one is closed, as by `1>&-`
        while os.open(os.devnull, os.O_RDWR) < 2:  # a shard must not get the number of a stream
            pass
        sys.stdout, sys.stderr = sys.stdout or os.fdopen(1, "w"), sys.stderr or os.fdopen(2, "w")
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # for names outside the locale
            stream.reconfigure(errors="backslashreplace")
    # evs has no use for the devices that torch would look for in every installed package.
    os.environ.setdefault("TORCH_DEVICE_BACKEND_AUTOLOAD", "0")
    # Retries of a library are not shown, since their outcome is reported in one line.
    logging.getLogger("huggingface_hub").setLevel(logging.ERROR)
    ALONE.set(arguments is None)  # a caller in Python gives them
    given = list(sys.argv[1:] if arguments is None else arguments)
    debug = "--debug" in given
    arguments = [argument for argument in given if argument != "--debug"]
    interrupts = catch_interrupts()
    catch_termination()
    code = run(arguments, debug=debug, interrupts=interrupts)
    if code == INTERRUPTED:
        end_at_once()
    sys.exit(code)


def run(arguments: Sequence[str], *, debug: bool, interrupts: Sequence[int] = ()) -> int:
    """Run one command and return its exit code. An error is one line on standard error.

    Libraries in C turn a KeyboardInterrupt into errors of their own. Every error is therefore taken
    for an interruption once `interrupts` holds one.
    """
    DEBUG.set(debug)
    try:
        with logged_as(note):
            code = app(
                list(arguments), standalone_mode=False, prog_name="evs", terminal_width=help_width()
            )
        sys.stdout.flush()
    except typer.TyperException as error:
        command = getattr(getattr(error, "ctx", None), "command_path", "evs")
        # The library that typer reads values by puts its own words before a message.
        message = error.format_message().rstrip(".").replace(": Value error, ", ": ", 1)
        print(f"error: {one_line(message)}; see {command} --help", file=sys.stderr)
        return USAGE
    except (BrokenPipeError, SystemExit):  # `evs inspect ... | head`; typer exits on a broken pipe
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except EvsError as error:
        return _fail(str(error), error.exit_code, debug=debug)
    except OSError as error:
        if lacks_processes(error):
            return _fail(LIMITS, 1, debug=debug)
        said = f"{error}; check the disk and permissions, and run again"
        return _fail(broken_package(error) or said, 1, debug=debug)
    except Exception as error:
        if interrupts:
            return say_interrupted(arguments)
        if lacks_processes(error):
            return _fail(LIMITS, 1, debug=debug)
        if os.environ.get("_EVS_COMPLETE"):  # a shell asks with words that cannot be completed
            return 0
        what = f"{type(error).__name__}: {error}; this is a defect of evs"
        said = f"{what}: run again with --debug and report it"
        return _fail(broken_package(error) or said, 1, debug=debug)
    if code == INTERRUPTED:
        return say_interrupted(arguments)
    return code if isinstance(code, int) else 0


def lacks_processes(error: Exception) -> bool:
    """Return whether the system refuses further threads or processes."""
    return isinstance(error, BlockingIOError) or "can't start new thread" in str(error)


def help_width() -> int:
    """Return the columns of help: those of the terminal, without a margin."""
    return max(min(get_terminal_size().columns, WIDEST_HELP), NARROWEST_HELP) - 2


def say_interrupted(arguments: Sequence[str]) -> int:
    """Report what is left of a command that Ctrl-C ended and return the exit code."""
    left = "nothing was written"
    if arguments[:1] and arguments[0] in RESUMABLE:
        left = "everything finished is kept; run it again to go on"
    print(f"interrupted: {left}", file=sys.stderr)
    return INTERRUPTED


def _fail(message: str, code: int, *, debug: bool) -> int:
    """Report an error in one line, below the traceback where `debug` asks for it."""
    if debug:
        traceback.print_exc()
    print(f"error: {one_line(message)}", file=sys.stderr)
    return code
