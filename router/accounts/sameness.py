"""When two requests are the same, so that the answer to one is an answer to the other. Pure.

Invariant: whatever may change a byte of the answer is in the digest, in the order in which it was sent where order
matters to a model; the tenant and the model with everything that makes it what it is come first.
"""

from __future__ import annotations

import hashlib
from typing import Any

import orjson

from cluster.spec import Model

Request = dict[str, Any]
WISH_HEADER = b"x-freehold-cache"
"""In a request: ``on`` or ``off``; in an answer: ``hit``."""
_MAKES_THE_MODEL = {"engine", "source", "revision", "engine_args", "url", "served_as", "context_length"}
_CHOSEN_BY_US = ("model",)


def identity(name: str, model: Model, adapter: str = "") -> bytes:
    """What the answers of a model, with one of its adapters or without, depend on beside the request."""
    what = model.model_dump(mode="json", include=_MAKES_THE_MODEL)
    if adapter:
        what["adapter"] = [adapter, model.adapters[adapter]]
    return hashlib.blake2b(orjson.dumps([name, what]), digest_size=16).digest()


def deterministic(request: Request) -> bool:
    """Whether a request asks for the same answer each time: it says ``temperature`` 0, or a ``seed``."""
    return request.get("temperature") == 0 or request.get("seed") is not None


def digest(tenant: str, endpoint: str, model: bytes, request: Request) -> bytes:
    """32 bytes that are equal for equal requests of one tenant to one model, and for no others.

    Fields that are null or ``stream: false`` are as if they were not there. The order of the request's own fields means
    nothing; inside them it does, because schemas and tools are shown to the model as they come.
    """
    said = [
        [field, value]
        for field, value in sorted(request.items())
        if value is not None and field not in _CHOSEN_BY_US and not (field == "stream" and value is False)
    ]
    return hashlib.blake2b(orjson.dumps([tenant, endpoint, model.hex(), said]), digest_size=32).digest()
