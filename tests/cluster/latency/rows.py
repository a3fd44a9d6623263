"""A row as measured tables have it."""

from __future__ import annotations

ROW = {
    "engine": "vllm",
    "engine_version": "0.19.0",
    "date": "2026-04-17",
    "model": "llama-3.1-70b",
    "quant": "fp8",
    "gpu": "H100-SXM",
    "n_gpus": "8",
    "tp": "4",
    "isl": "1024",
    "osl": "256.0",
    "load_kind": "closed",
    "load_value": "32.0",
    "metric": "tpot",
    "stat": "mean",
}
