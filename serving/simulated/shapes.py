"""The JSON of vLLM's answers, as vLLM 0.32 writes them; of a stream, as bytes that are ready to be filled.

The neighbour :mod:`serving.simulated.answers` decides what is sent when.
"""

from __future__ import annotations

import base64
import math
import struct
from collections.abc import Sequence
from typing import Any

import orjson

from serving.simulated.script import Script
from serving.simulated.text import chance, said, token_id

FINGERPRINT = "freehold-simulated"
DONE = b"data: [DONE]\n\n"
Json = dict[str, Any]


def event(content: Json) -> bytes:
    """One server-sent event."""
    return b"data: " + orjson.dumps(content) + b"\n\n"


def usage(prompt: int, answer: int) -> Json:
    """Counts of tokens."""
    return {"prompt_tokens": prompt, "total_tokens": prompt + answer, "completion_tokens": answer}


def whole_usage(prompt: int, answer: int) -> Json:
    """The same, of an answer that is no stream."""
    return usage(prompt, answer) | {"prompt_tokens_details": None, "completion_tokens_details": None}


def around(head: Json, index: int, *, chat: bool) -> tuple[bytes, bytes]:
    """What stands before and after the text in an event that only adds some."""
    if chat:
        choice = {"index": index, "delta": {"content": "\0"}, "logprobs": None, "finish_reason": None}
    else:
        choice = {"index": index, "text": "\0", "logprobs": None, "finish_reason": None, "stop_reason": None}
        choice["prompt_token_ids"] = None
    before, _, after = event({**head, "choices": [{**choice, "token_ids": None}]}).partition(b'"\\u0000"')
    return before, after


def opening(head: Json, index: int) -> Json:
    """The first event of a choice in a chat: who speaks."""
    delta = {"role": "assistant", "content": ""}
    choice = {"index": index, "delta": delta, "logprobs": None, "finish_reason": None}
    return {**head, "choices": [choice], "prompt_token_ids": None, "prompt_text": None}


def chat_piece(index: int, text: str, logprobs: Json | None, script: Script | None) -> Json:
    """A choice within an event; ``script`` where it is the last."""
    delta: Json = {"index": index, "delta": {"content": text}, "logprobs": logprobs, "finish_reason": None}
    if script:
        delta |= {"finish_reason": script.finish, "stop_reason": script.stop_reason}
    return {**delta, "token_ids": None}


def completion_piece(index: int, text: str, logprobs: Json | None, script: Script | None) -> Json:
    """The same of a completion."""
    return {
        "index": index,
        "text": text,
        "logprobs": logprobs,
        "finish_reason": script.finish if script else None,
        "stop_reason": script.stop_reason if script else None,
        "prompt_token_ids": None,
        "token_ids": None,
    }


def chat_choice(index: int, script: Script, logprobs: Json | None) -> Json:
    """One choice of a whole chat answer."""
    message = dict.fromkeys(("role", "content", "refusal", "annotations", "audio", "function_call", "reasoning"))
    message |= {"role": "assistant", "content": script.text()}
    ending = {"finish_reason": script.finish, "stop_reason": script.stop_reason}
    return {"index": index, "message": message, "logprobs": logprobs} | ending | _NO_IDS


def completion_choice(index: int, script: Script, logprobs: Json | None) -> Json:
    """One choice of a whole completion."""
    ending = {"finish_reason": script.finish, "stop_reason": script.stop_reason}
    more = {"prompt_logprobs": None, "prompt_token_ids": None}
    return {"index": index, "text": script.text(), "logprobs": logprobs} | ending | _NO_IDS | more


_NO_IDS: Json = {"token_ids": None, "routed_experts": None}
_FINGERPRINT: Json = {"service_tier": None, "system_fingerprint": FINGERPRINT}
_PROMPT: Json = dict.fromkeys(("prompt_logprobs", "prompt_token_ids", "prompt_text"))
_TRANSFER: Json = dict.fromkeys(("kv_transfer_params", "ec_transfer_params", "metrics"))


def whole(head: Json, choices: list[Json], prompt: int, answer: int, *, chat: bool) -> bytes:
    """A whole answer."""
    content = {**head, "choices": choices, **_FINGERPRINT, "usage": whole_usage(prompt, answer)}
    return orjson.dumps(content | (_PROMPT if chat else {}) | _TRANSFER)


def chat_logprobs(script: Script, places: Sequence[int], top: int) -> Json:
    """Plausible log-probabilities of some tokens of a choice; some answers are surer than others."""
    return {"content": [_token(script, place) | {"top_logprobs": _tops(script, place, top)} for place in places]}


def completion_logprobs(script: Script, places: Sequence[int], top: int) -> Json:
    """The same in the older form."""
    tokens = [_token(script, place) for place in places]
    offsets = [sum(len(script.piece(before)) for before in range(place)) for place in places]
    tops = [[_token(script, place), *_tops(script, place, top)[1:]] for place in places]
    return {
        "text_offset": offsets,
        "token_logprobs": [token["logprob"] for token in tokens],
        "tokens": [token["token"] for token in tokens],
        "top_logprobs": [{one["token"]: one["logprob"] for one in alternatives} for alternatives in tops],
    }


def _token(script: Script, place: int, rank: int = 0) -> Json:
    text = script.piece(place) if not rank else said(script.start + 97 * rank, place + 1)
    sure = 0.2 + 0.4 * chance(script.start) + 0.4 * chance(script.start, place)
    share = sure if not rank else (1 - sure) * 0.5**rank
    return {"token": text, "logprob": math.log(share), "bytes": list(text.encode())}


def _tops(script: Script, place: int, top: int) -> list[Json]:
    return [_token(script, place, rank) for rank in range(top)]


def embeddings(head: Json, texts: Sequence[str], tokens: int, dimensions: int, *, packed: bool) -> bytes:
    """Vectors of length one that depend on their text alone."""
    data = []
    for index, text in enumerate(texts):
        key = chance(text)
        raw = [chance(key, place) - 0.5 for place in range(dimensions)]
        length = math.sqrt(sum(value * value for value in raw))
        vector = [value / length for value in raw]
        shown = base64.b64encode(struct.pack(f"<{dimensions}f", *vector)).decode() if packed else vector
        data.append({"index": index, "object": "embedding", "embedding": shown})
    counts = usage(tokens, 0) | {"prompt_tokens_details": None, "completion_tokens_details": None}
    return orjson.dumps({**head, "object": "list", "data": data, "usage": counts})


def models(names: Sequence[str], context_length: int, created: int) -> bytes:
    """``GET /v1/models``: the model, then its adapters."""
    allowed = {"allow_create_engine": False, "allow_fine_tuning": False, "allow_search_indices": False}
    allowed |= dict.fromkeys(("allow_sampling", "allow_logprobs", "allow_view"), True)
    rights = {"id": "modelperm-simulated", "object": "model_permission", "created": created, **allowed}
    rights |= {"organization": "*", "group": None, "is_blocking": False}
    same = {"object": "model", "created": created, "owned_by": "vllm"}
    listed = [
        {"id": name, **same, "root": name, "parent": names[0] if index else None}
        | {"max_model_len": None if index else context_length, "permission": [rights]}
        for index, name in enumerate(names)
    ]
    return orjson.dumps({"object": "list", "data": listed})


def counted(tokens: Sequence[str], context_length: int, *, as_strings: bool) -> bytes:
    """``POST /tokenize``."""
    ids = [token_id(token) for token in tokens]
    strings = list(tokens) if as_strings else None
    return orjson.dumps({"count": len(ids), "max_model_len": context_length, "tokens": ids, "token_strs": strings})
