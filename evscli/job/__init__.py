"""The options of a run, each declared once, in dataclasses that commands and Python fill alike.

Importing this package imports neither torch nor numpy, so that `evs --help` answers at once.
"""

from evscli.job.encoding import Encoding
from evscli.job.execution import Execution
from evscli.job.job import Job, Pruning
from evscli.job.reading import Reading
from evscli.job.selection import Selection
from evscli.job.storage import Storage

__all__ = ["Encoding", "Execution", "Job", "Pruning", "Reading", "Selection", "Storage"]
