"""Questions about procedural videos that `mini` was not trained on, whole, pruned or in part."""
