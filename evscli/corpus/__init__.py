"""Many videos: finding them, pruning them into stores, and reporting progress."""
