"""Small videos with known contents, made by `python -m sample_videos.make`."""
