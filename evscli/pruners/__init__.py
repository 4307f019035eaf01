"""Pruners: methods that choose the visual tokens of a video to keep, without a model.

Importing this does not import torch, but `evscli.pruners.positions` does.
"""

from evscli.pruners.method import Pruner
from evscli.pruners.options import MethodOption
from evscli.pruners.registry import (
    Method,
    broken_methods,
    get_pruner,
    is_built_in,
    list_pruners,
    method_names,
)
from evscli.pruners.request import PruneRequest, check_selection
from evscli.pruners.selection import PruneWarning, prune, select_tokens, select_windows
from evscli.pruners.source import source_digests

__all__ = [
    "Method",
    "MethodOption",
    "PruneRequest",
    "PruneWarning",
    "Pruner",
    "broken_methods",
    "check_selection",
    "get_pruner",
    "is_built_in",
    "list_pruners",
    "method_names",
    "prune",
    "select_tokens",
    "select_windows",
    "source_digests",
]
