"""The command line of the benchmarks. Child processes import it anew, so it imports little.

    python -m benchmarks                      list them, and whether results are up to date
    python -m benchmarks NAME [--option X]    measure one
    python -m benchmarks --all                measure all, on a machine that does nothing else
    python -m benchmarks --smoke [NAME...]    show that each runs, at its smallest; writes nothing
    python -m benchmarks --keep NAME --because "why"
                                              the code has changed and the figures still stand

A measurement with the options of the published figures, which are the defaults, writes its page
and its figures below benchmarks/results/, and the figures that README.md and docs/ quote of them.
"""

from __future__ import annotations

import argparse
import sys


def main(arguments: list[str]) -> int:
    """Run the command and return the exit code, which is 1 where a benchmark failed."""
    from benchmarks.harness import commands

    if arguments and not arguments[0].startswith("-"):
        return commands.measure(arguments[0], arguments[1:])
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        usage=argparse.SUPPRESS,
    )
    parser.add_argument("--all", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--smoke", nargs="*", metavar="NAME", help=argparse.SUPPRESS)
    parser.add_argument("--keep", metavar="NAME", help=argparse.SUPPRESS)
    parser.add_argument("--because", metavar="WHY", help=argparse.SUPPRESS)
    asked = parser.parse_args(arguments)
    if asked.smoke is not None:
        return commands.smoke(asked.smoke)
    if asked.keep:
        return commands.keep(asked.keep, asked.because or parser.error("--keep needs --because"))
    return commands.measure_all() if asked.all else commands.show()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
