"""Videos of stores inside serving engines, which are given pruned tokens at their own positions.

- `address.py`: the name of a video in a request
- `access.py`: the stores that requests may name
- `served.py`: a video as an engine takes it
- `stores.py`: stores kept open
- `positions.py`: position ids of a whole prompt
- `weights.py`: the check of the served model
- `vllm/`: the plugin of vLLM
- `sglang.py`: requests to SGLang

Nothing here imports transformers, of which an engine has its own release, but `sglang.py`, whose
requests are made where the prompt is.
"""
