"""Pruners: which visual tokens of a video to keep. They know tokens and pixels, never a model.

Importing this does not import torch; `evscli.pruners.positions`, what a mask leaves, does.
"""

from evscli.pruners.budget import parse_budget
from evscli.pruners.options import Option
from evscli.pruners.registry import Pruner, get_pruner, list_pruners, method_names
from evscli.pruners.request import PruneRequest, check_selection
from evscli.pruners.selection import PruneWarning, prune, select_tokens, select_windows

__all__ = [
    "Option",
    "PruneRequest",
    "PruneWarning",
    "Pruner",
    "check_selection",
    "get_pruner",
    "list_pruners",
    "method_names",
    "parse_budget",
    "prune",
    "select_tokens",
    "select_windows",
]
