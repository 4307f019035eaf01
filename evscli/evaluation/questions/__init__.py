"""Multiple-choice questions about videos: read from a file, asked of a checkpoint, scored."""
