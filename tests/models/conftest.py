from tests.encoders.conftest import checkpoints, qwen2_5, qwen3

__all__ = ["checkpoints", "qwen2_5", "qwen3"]
