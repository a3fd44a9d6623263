"""How weights are stored: bytes per parameter and the arithmetic that they are multiplied with."""

from __future__ import annotations

from dataclasses import dataclass

from cluster.catalog.table import refuse, spelled


@dataclass(frozen=True, slots=True)
class Quant:
    """One way to store weights. Embeddings and the output layer stay at 2 bytes, as checkpoints have them."""

    name: str
    weight_bytes: float
    """Per parameter, scales included: a block of 128x128 has one of 4 bytes, 16 values of NVFP4 one of 1 byte, 32 of
    MXFP4 one of 1 byte, 128 of AWQ and GPTQ one of 2 bytes and a zero point of half a byte."""
    arithmetic: str
    """A key of :attr:`cluster.catalog.gpus.Gpu.flops`."""


QUANTS = {
    quant.name: quant
    for quant in (
        Quant("fp32", 4.0, "bf16"),
        Quant("bf16", 2.0, "bf16"),
        Quant("fp8", 1.0, "fp8"),
        Quant("fp8_block", 1.0 + 4 / 128**2, "fp8"),
        Quant("int8", 1.0, "bf16"),
        Quant("int4", 0.5 + 2.5 / 128, "bf16"),
        Quant("mxfp4", 0.5 + 1 / 32, "fp8"),
        Quant("fp4", 0.5 + 1 / 16, "fp4"),
    )
}

_ALIASES = {
    "fp16": "bf16",
    "float16": "bf16",
    "bfloat16": "bf16",
    "half": "bf16",
    "float32": "fp32",
    "float": "fp32",
    "fp8-e4m3": "fp8",
    "fbgemm-fp8": "fp8",
    "modelopt": "fp8",
    "nvfp4": "fp4",
    "modelopt-fp4": "fp4",
    "w8a8": "int8",
    "int4-wo": "int4",
    "w4a16": "int4",
    "awq": "int4",
    "awq-marlin": "int4",
    "gptq": "int4",
    "gptq-marlin": "int4",
    "bitsandbytes": "int4",
}

_IN_NAMES = {
    **{part: part for part in ("fp8", "fp4", "mxfp4", "int4", "int8", "bf16")},
    "nvfp4": "fp4",
    "awq": "int4",
    "gptq": "int4",
    "w4a16": "int4",
    "4bit": "int4",
    "w8a8": "int8",
}


def quant(name: str) -> Quant:
    """A quantisation by its name here or in vLLM; raises :class:`~cluster.errors.CatalogError` for an unknown one."""
    known = {spelled(other): other for other in QUANTS} | _ALIASES
    found = known.get(spelled(name).removesuffix("?"))
    if found is None:
        refuse("quantisation", name, known, "leave it out for the model's own")
    return QUANTS[found]


def quant_in(model: str) -> str:
    """What a model's name says of its quantisation (``…-AWQ``, ``…-FP8-dynamic``); empty when nothing."""
    parts = spelled(model).split("-")
    return next((_IN_NAMES[part] for part in parts if part in _IN_NAMES), "")
