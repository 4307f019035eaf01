"""Many videos: finding them, pruning them into one store, saying how it goes."""
