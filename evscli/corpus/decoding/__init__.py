"""Decoding in child processes, which a damaged video may crash or block.

- `children.py`: the imports that they share
- `decoder.py`: the work of a child
- `wire.py`: the messages between a run and a child
- `process.py`: one child as the run sees it
- `sizing.py`: the number of children, by how long the encoder waits for them
- `ahead.py`: several videos ahead of their use, in order
"""
