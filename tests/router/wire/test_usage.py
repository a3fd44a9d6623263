"""How many tokens an answer used, in every dialect."""

from __future__ import annotations

import pytest

from router.wire.usage import Usage, usage_of

CASES: dict[str, tuple[object, Usage | None]] = {
    "chat": ({"usage": {"prompt_tokens": 7, "completion_tokens": 3}}, Usage(7, 3)),
    "cached": (
        {"usage": {"prompt_tokens": 7, "completion_tokens": 3, "prompt_tokens_details": {"cached_tokens": 4}}},
        Usage(7, 3, 4),
    ),
    "no-details": ({"usage": {"prompt_tokens": 7, "prompt_tokens_details": None}}, Usage(7, 0)),
    "embedding": ({"usage": {"prompt_tokens": 7, "total_tokens": 7}}, Usage(7, 0)),
    "responses": (
        {"response": {"usage": {"input_tokens": 7, "output_tokens": 3, "input_tokens_details": {"cached_tokens": 4}}}},
        Usage(7, 3, 4),
    ),
    "anthropic-start": ({"message": {"usage": {"input_tokens": 7, "cache_read_input_tokens": 4}}}, Usage(11, 0, 4)),
    "anthropic-cached": (
        {
            "usage": {
                "input_tokens": 7,
                "cache_read_input_tokens": 4,
                "cache_creation_input_tokens": 2,
                "output_tokens": 3,
            }
        },
        Usage(13, 3, 4, 2),
    ),
    "cache-written": (
        {"usage": {"prompt_tokens": 7, "prompt_tokens_details": {"cached_tokens": 4, "cache_creation_tokens": 2}}},
        Usage(7, 0, 4, 2),
    ),
    "anthropic-end": ({"usage": {"output_tokens": 3}}, Usage(0, 3)),
    "null": ({"usage": None}, None),
    "none": ({"choices": []}, None),
    "text": ("usage", None),
    "list": ([{"usage": {"prompt_tokens": 7}}], None),
    "usage-text": ({"usage": "none"}, None),
    "details-list": ({"usage": {"prompt_tokens": 7, "prompt_tokens_details": [1]}}, Usage(7, 0)),
    "details-text": ({"usage": {"prompt_tokens": 7, "prompt_tokens_details": "x"}}, Usage(7, 0)),
    "negative": ({"usage": {"prompt_tokens": -7, "completion_tokens": 3.5}}, Usage(0, 0)),
    "booleans": ({"usage": {"prompt_tokens": True, "completion_tokens": False}}, Usage(0, 0)),
}


@pytest.mark.parametrize(("answer", "expected"), CASES.values(), ids=CASES)
def test_usage_of(answer: object, expected: Usage | None) -> None:
    """Tokens are read where the dialect puts them, and nonsense counts nothing."""
    assert usage_of(answer) == expected
