"""Random weights for a tiny Llama, biased so that its gibberish is text.

One direction of the hidden state is constant: every embedding has the same value there and no layer writes to it. The
output layer reads it as a bias per token: words are likely, an end comes after about a hundred of them, bytes that
would not decode never do. Quotes are likely enough that JSON under a grammar ends soon.
"""

from __future__ import annotations

import json
import string
from typing import TYPE_CHECKING

import numpy as np

from serving.tiny import tokenizer
from serving.tiny.shapes import Shape

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    Array = NDArray[np.float32]

NEVER = -40.0
SPREAD = 2.0
"""Standard deviation of the logits: enough that temperature 0 writes words too, not only the likeliest mark."""
CONSTANT = 2.0
"""Value of the constant direction, the others being about 1."""


def write(folder: Path, shape: Shape, vocabulary: dict[str, int]) -> None:
    """Write ``config.json``, ``generation_config.json`` and ``model.safetensors`` into a folder."""
    ends = {"bos_token_id": vocabulary[tokenizer.BOS], "eos_token_id": vocabulary[tokenizer.EOS]}
    ends["pad_token_id"] = vocabulary[tokenizer.PAD]
    (folder / "config.json").write_text(json.dumps(_config(shape, len(vocabulary)) | ends, indent=2))
    (folder / "generation_config.json").write_text(json.dumps({**ends, "do_sample": True, "temperature": 1.0}))
    (folder / "model.safetensors").write_bytes(_safetensors(_tensors(shape, _biases(vocabulary))))


def _safetensors(tensors: dict[str, Array]) -> bytes:
    """The file format: the length of a JSON header, the header, then all numbers; here as bfloat16, float32's half."""
    header: dict[str, object] = {"__metadata__": {"format": "pt"}}
    data = b""
    for name, tensor in tensors.items():
        halves = (np.ascontiguousarray(tensor).view(np.uint32) >> 16).astype("<u2").tobytes()
        offsets = [len(data), len(data) + len(halves)]
        header[name] = {"dtype": "BF16", "shape": list(tensor.shape), "data_offsets": offsets}
        data += halves
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    return len(text).to_bytes(8, "little") + text + data


def _config(shape: Shape, tokens: int) -> dict[str, object]:
    return {
        "architectures": ["LlamaForCausalLM"],
        "model_type": "llama",
        "hidden_size": shape.hidden,
        "intermediate_size": 2 * shape.hidden,
        "num_hidden_layers": shape.layers,
        "num_attention_heads": shape.heads,
        "num_key_value_heads": shape.kv_heads,
        "head_dim": shape.head,
        "max_position_embeddings": shape.context,
        "rope_theta": 10000.0,
        "rms_norm_eps": 1e-5,
        "hidden_act": "silu",
        "tie_word_embeddings": False,
        "vocab_size": tokens,
        "torch_dtype": "bfloat16",
    }


def _tensors(shape: Shape, biases: NDArray[np.float64]) -> dict[str, Array]:
    random = np.random.default_rng(shape.seed)

    def normal(rows: int, columns: int, scale: float = 1.0) -> Array:
        return random.standard_normal((rows, columns), dtype=np.float32) * np.float32(scale / columns**0.5)

    def onto_residual(columns: int) -> Array:
        weight = normal(shape.hidden, columns, scale=0.5)
        weight[0] = 0  # the constant direction stays constant
        return weight

    ones = np.ones(shape.hidden, dtype=np.float32)
    embedding = random.standard_normal((len(biases), shape.hidden), dtype=np.float32)
    embedding[:, 0] = CONSTANT
    output = normal(len(biases), shape.hidden, scale=SPREAD)
    output[:, 0] = biases / CONSTANT
    tensors = {"model.embed_tokens.weight": embedding, "model.norm.weight": ones, "lm_head.weight": output}
    wide = 2 * shape.hidden
    for layer in range(shape.layers):
        name = f"model.layers.{layer}"
        tensors |= {
            f"{name}.input_layernorm.weight": ones,
            f"{name}.self_attn.q_proj.weight": normal(shape.heads * shape.head, shape.hidden),
            f"{name}.self_attn.k_proj.weight": normal(shape.kv_heads * shape.head, shape.hidden),
            f"{name}.self_attn.v_proj.weight": normal(shape.kv_heads * shape.head, shape.hidden),
            f"{name}.self_attn.o_proj.weight": onto_residual(shape.heads * shape.head),
            f"{name}.post_attention_layernorm.weight": ones,
            f"{name}.mlp.gate_proj.weight": normal(wide, shape.hidden),
            f"{name}.mlp.up_proj.weight": normal(wide, shape.hidden),
            f"{name}.mlp.down_proj.weight": onto_residual(wide),
        }
    return tensors


def _biases(vocabulary: dict[str, int]) -> NDArray[np.float64]:
    biases = np.full(len(vocabulary), NEVER)
    for token, index in vocabulary.items():
        biases[index] = _bias(token)
    return biases


def _bias(token: str) -> float:
    """The logit that a token gets in every context; ``Ġ`` and ``Ċ`` are byte-level BPE's space and newline."""
    if token in {'"', ".", ","}:
        return 4.6
    if token == tokenizer.EOS:
        return 3.2
    if token.startswith("<|") or token in tokenizer.TOOL_CALL:
        return NEVER
    if not token.strip("ĠĊ"):
        return -8.0  # JSON under a grammar allows blanks without end
    text = token.removeprefix("Ġ")
    if text != token and text.isalpha() and text.isascii():
        return 0.0
    return -2.5 if all(letter in string.printable or letter in "ĠĊ" for letter in token) else NEVER
