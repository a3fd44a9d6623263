"""What a caller can do wrong, and what can fail behind us, each in the shape that its client library parses.

* Refusal                      answered with ``status`` before any engine saw the request
* NoAnswer                     every target failed before its first byte (502, 503, 504)

Neighbour: :mod:`router.wire.endpoints` says which endpoint speaks which dialect.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Any

import orjson


class Dialect(StrEnum):
    """Whose client library reads the error."""

    OPENAI = "openai"
    RESPONSES = "responses"
    """OpenAI's, with the Responses API's own error event in streams."""
    ANTHROPIC = "anthropic"


class Refusal(Exception):  # noqa: N818 - named for what it is; it becomes an answer, not a crash
    """The request is answered with a 4xx or 5xx."""

    def __init__(  # noqa: PLR0913 - the fields of OpenAI's error object
        self,
        status: int,
        message: str,
        *,
        param: str | None = None,
        code: str | None = None,
        retry_after: int | None = None,
        close: bool = False,
    ) -> None:
        """``retry_after`` in seconds; ``close`` ends the connection, for requests whose body was not read."""
        super().__init__(message)
        self.status, self.message, self.param, self.code = status, message, param, code
        self.retry_after, self.close = retry_after, close

    @property
    def headers(self) -> list[tuple[bytes, bytes]]:
        """Headers that go with the body."""
        found = [(b"content-type", b"application/json")]
        if self.retry_after is not None:
            found.append((b"retry-after", str(self.retry_after).encode()))
        if self.close:
            found.append((b"connection", b"close"))
        return found


class NoAnswer(Refusal):
    """Every target that may answer failed before its first byte."""


_OPENAI_TYPES = {401: "authentication_error", 403: "permission_error", 404: "not_found_error", 429: "rate_limit_error"}
_ANTHROPIC_TYPES = {
    401: "authentication_error",
    403: "permission_error",
    404: "not_found_error",
    413: "request_too_large",
    429: "rate_limit_error",
    503: "overloaded_error",
}
_SERVER_ERROR = 500


def error_type(status: int, dialect: Dialect) -> str:
    """The error's ``type`` by HTTP status, as OpenAI and Anthropic document theirs."""
    types = _ANTHROPIC_TYPES if dialect is Dialect.ANTHROPIC else _OPENAI_TYPES
    fallback = "invalid_request_error" if status < _SERVER_ERROR else "api_error"
    return types.get(status, fallback)


def error_body(refusal: Refusal, dialect: Dialect) -> bytes:
    """The JSON body of an error answer."""
    kind = error_type(refusal.status, dialect)
    if dialect is Dialect.ANTHROPIC:
        return orjson.dumps({"type": "error", "error": {"type": kind, "message": refusal.message}})
    error = {"message": refusal.message, "type": kind, "param": refusal.param, "code": refusal.code}
    return orjson.dumps({"error": error})


def error_event(message: str, code: str, dialect: Dialect) -> bytes:
    """The server-sent event that ends a stream which cannot go on; nothing that looks complete follows it."""
    event: dict[str, Any]
    if dialect is Dialect.ANTHROPIC:
        event = {"type": "error", "error": {"type": "api_error", "message": message}}
    elif dialect is Dialect.RESPONSES:
        event = {"type": "error", "code": code, "message": message, "param": None, "sequence_number": 0}
    else:
        event = {"error": {"message": message, "type": "api_error", "param": None, "code": code}}
    return b"event: error\ndata: " + orjson.dumps(event) + b"\n\n"
