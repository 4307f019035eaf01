"""What all benchmarks share: how they are found and run, and how results are written and quoted."""

from benchmarks.harness.benchmark import Benchmark, Report, SkippedError, check_device

__all__ = ["Benchmark", "Report", "SkippedError", "check_device"]
