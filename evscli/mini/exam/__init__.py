"""Questions about held-out procedural videos, whole, pruned or in part."""
