"""HTTP to a gateway with the standard library, so that the base install needs no client package.

Whatever goes wrong comes out as UnreachableError, RefusedError or CutOffError; an answer that broke off never looks
like a whole one.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPException, HTTPResponse, HTTPSConnection, IncompleteRead
from typing import Any, BinaryIO
from urllib.parse import urlsplit

from cluster.errors import CutOffError, RefusedError, UnreachableError, UsageError

_OK = 200
_PIECE = 1 << 16


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer: its headers, lower-case, and its JSON."""

    headers: Mapping[str, str]
    body: Any


@dataclass(frozen=True, slots=True)
class Stream:
    """A streamed answer: its headers, lower-case, and its chunks as they come."""

    headers: Mapping[str, str]
    chunks: Iterator[dict[str, Any]]


@dataclass(frozen=True, slots=True)
class Endpoint:
    """A gateway's address."""

    url: str
    """Its base, without ``/v1``."""
    key: str = ""
    timeout_s: float = 600
    """Between two pieces of an answer."""

    def get(self, path: str) -> Reply:
        """Ask for a resource."""
        with self._sent("GET", path, None) as response:
            return _reply(response)

    def post(self, path: str, body: Mapping[str, object], headers: Mapping[str, str] | None = None) -> Reply:
        """Ask with a JSON body; ``headers`` are sent beside our own."""
        with self._sent("POST", path, body, headers) as response:
            return _reply(response)

    def patch(self, path: str, body: Mapping[str, object]) -> Reply:
        """Change a resource."""
        with self._sent("PATCH", path, body) as response:
            return _reply(response)

    def delete(self, path: str) -> Reply:
        """Remove a resource; the reply says what that was."""
        with self._sent("DELETE", path, None) as response:
            return _reply(response)

    def download(self, path: str, into: BinaryIO) -> None:
        """Write a resource to a file as it comes; CutOffError when it was not all of it."""
        with self._sent("GET", path, None) as response:
            while piece := response.read(_PIECE):
                into.write(piece)

    @contextlib.contextmanager
    def stream(self, path: str, body: Mapping[str, object]) -> Iterator[Stream]:
        """Ask for server-sent events; leaving the context early hangs up."""
        with self._sent("POST", path, {**body, "stream": True}) as response:
            yield Stream(_headers(response), _chunks(response))

    @contextlib.contextmanager
    def _sent(
        self, method: str, path: str, body: Mapping[str, object] | None, headers: Mapping[str, str] | None = None
    ) -> Iterator[HTTPResponse]:
        base, connection = self._connection()
        try:
            content = None if body is None else json.dumps(body)
            connection.request(method, f"{base}{path}", content, {**(headers or {}), **self._request_headers()})
            response = connection.getresponse()
            if response.status != _OK:
                raise RefusedError(response.status, _message(response.read()), _headers(response))
            yield response
        except IncompleteRead as exc:
            msg = f"the answer from {self.url} broke off"
            raise CutOffError(msg) from exc
        except (OSError, HTTPException) as exc:
            msg = f"no gateway answers at {self.url}: {exc or type(exc).__name__}; see freehold status"
            raise UnreachableError(msg) from exc
        finally:
            connection.close()

    def _connection(self) -> tuple[str, HTTPConnection]:
        parts = urlsplit(self.url)
        if parts.scheme not in {"http", "https"} or not parts.hostname:
            msg = f"FREEHOLD_URL must be like http://127.0.0.1:8080, is {self.url!r}"
            raise UsageError(msg)
        kind = HTTPSConnection if parts.scheme == "https" else HTTPConnection
        base = parts.path.rstrip("/").removesuffix("/v1")
        return base, kind(parts.hostname, parts.port, timeout=self.timeout_s)

    def _request_headers(self) -> dict[str, str]:
        headers = {"content-type": "application/json"}
        return {**headers, "authorization": f"Bearer {self.key}"} if self.key else headers


def _headers(response: HTTPResponse) -> dict[str, str]:
    return {name.lower(): value for name, value in response.getheaders()}


def _reply(response: HTTPResponse) -> Reply:
    raw = response.read()
    try:
        return Reply(_headers(response), json.loads(raw))
    except ValueError:
        return Reply(_headers(response), raw.decode(errors="replace"))


def _message(raw: bytes) -> str:
    """OpenAI's error message, or the beginning of whatever came instead."""
    try:
        return str(json.loads(raw)["error"]["message"])
    except (ValueError, LookupError, TypeError):
        return raw[:200].decode(errors="replace") or "no explanation"


def _chunks(response: HTTPResponse) -> Iterator[dict[str, Any]]:
    """The JSON of every event up to ``[DONE]``; an error event and an early end raise."""
    for line in response:
        content = line.removeprefix(b"data:").strip()
        if content == b"[DONE]":
            return
        if not line.startswith(b"data:"):
            continue
        chunk = json.loads(content)
        if chunk.get("error"):
            raise CutOffError(_message(content))
        yield chunk
    msg = "the answer broke off before its end"
    raise CutOffError(msg)
