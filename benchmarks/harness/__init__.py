"""The harness of all benchmarks: it finds and runs them, and writes and quotes their results."""

from benchmarks.harness.benchmark import Benchmark, Report, SkippedError, check_device

__all__ = ["Benchmark", "Report", "SkippedError", "check_device"]
