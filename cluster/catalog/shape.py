"""What memory and time need to know of a transformer."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Architecture:
    """The sizes of a model, named as ``config.json`` names them, more or less."""

    name: str
    layers: int
    hidden: int
    heads: int
    kv_heads: int
    head_dim: int
    intermediate: int
    """Width of a dense layer's MLP; 0 where every layer has experts."""
    vocab: int
    params: float
    active_params: float
    """Parameters that one token passes through."""
    experts: int = 0
    experts_per_token: int = 0
    shared_experts: int = 0
    moe_intermediate: int = 0
    first_dense_layers: int = 0
    mla_rank: int = 0
    """``kv_lora_rank``: width of the latent that multi-head latent attention keeps in place of keys and values; 0
    without MLA."""
    mla_rope: int = 0
    sliding_window: int = 0
    """Tokens that a layer with a window keeps; 0 without such layers."""
    full_attention_every: int = 1
    """1 in so many layers keeps the whole context; the others have a window, or linear attention with none."""
    max_context: int = 0
    native_quant: str = "bf16"
    """How its publisher stores the weights."""
    tied_embeddings: bool = False
    """Whether the output layer is the embedding."""
    source: str = ""

    @property
    def full_layers(self) -> int:
        """Layers that keep the whole context."""
        return self.layers // self.full_attention_every

    @property
    def kv_values(self) -> int:
        """Numbers that one layer keeps of one token."""
        return self.mla_rank + self.mla_rope if self.mla_rank else 2 * self.kv_heads * self.head_dim

    @property
    def embedding_params(self) -> float:
        """Parameters that no quantisation touches: the embedding and the output layer."""
        return float(self.vocab * self.hidden * (1 if self.tied_embeddings else 2))

    @property
    def expert_params(self) -> float:
        """Parameters of all routed experts; a step reads only those that its tokens chose."""
        return 3.0 * self.hidden * self.moe_intermediate * self.experts * (self.layers - self.first_dense_layers)
