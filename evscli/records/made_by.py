"""The encoder and the file that the tokens of a video came from."""

from __future__ import annotations

from dataclasses import dataclass, field

from evscli.records.frames import KEPT_AS_NULL


def dtype_text(kept: str, computed: str) -> str:
    """Return the dtypes of tokens in words, such as `bfloat16 computed in float32`."""
    return kept if kept == computed else f"{kept} computed in {computed}"


@dataclass(frozen=True, kw_only=True)
class ModelInfo:
    """The facts about a vision encoder that its stored tokens need."""

    name: str
    """The hub id, `mini`, or a local folder's own name; never an absolute path."""
    model_type: str
    """The `model_type` of the checkpoint's configuration."""
    vision_sha256: str
    """The digest of the vision weights in the dtype in which the checkpoint stores them."""
    vision_bf16_sha256: str
    """The digest of the weights rounded to bfloat16, which a model in a narrower dtype matches."""
    processor_sha256: str
    """The digest of the processor's configuration."""
    dtype: str
    """The dtype of the embeddings: float32, bfloat16 or float16."""
    embed_dim: int
    """The width of an embedding, D."""
    deepstack_planes: int
    """The number of DeepStack planes, L."""
    patch_size: int
    """The side of a patch in pixels."""
    temporal_patch_size: int
    """The number of frames of a temporal patch."""
    merge_size: int
    """The number of patches along a side of a cell."""
    tokens_per_second: float | None = field(default=None, metadata=KEPT_AS_NULL)
    """The scale of temporal RoPE ids, where the family has one."""
    suffix_tokens: int | None = None
    """The number of tokens behind those of all cells, which are never pruned. None is none."""
    compute_dtype: str | None = None
    """The dtype of the computation, before embeddings were rounded. None is `dtype` itself."""

    @property
    def arithmetic(self) -> str:
        """The dtypes of embeddings and computation in words."""
        return dtype_text(self.dtype, self.compute_dtype or self.dtype)


@dataclass(frozen=True, kw_only=True, slots=True)
class SourceInfo:
    """The file a video came from."""

    path: str
    """The POSIX path relative to the input root."""
    size: int
    """The size in bytes."""
    sha256: str
    """The digest of the file."""
