"""Whole files of tests for each worker process of pytest-xdist."""

from __future__ import annotations

from xdist.scheduler import LoadFileScheduling
from xdist.workermanage import WorkerController


class Files(LoadFileScheduling):
    """Files of tests in turn, where a test that ends its worker has failed once and for all."""

    def remove_node(self, node: WorkerController) -> str | None:
        """Take a worker away, and give the test that it was at, if it has not finished."""
        units = self.assigned_work.get(node, {}).values()
        left = ((unit, test) for unit in units for test, done in unit.items() if not done)
        if (running := next(left, None)) is None:
            return super().remove_node(node)
        unit, test = running
        unit[test] = True  # what else it had goes to others, this does not
        super().remove_node(node)
        return test
