"""Structured log lines: one JSON object each, with the request id and never a prompt or an answer.

Lines are gathered for up to ``FLUSH_S`` and written together; a write per request would cost more than making it.
"""

from __future__ import annotations

import asyncio
import logging
import time
from dataclasses import fields
from typing import BinaryIO

import orjson

from router.accounts.facts import Leaving
from router.observe.events import Compared, Event, Finished, TargetFailed, Tried

FLUSH_S = 0.1
_SHOWN = 300
_FLOOD = "too_many_wrong_keys"
"""Refusals by the thousand, which would fill the disk; metrics count them, and the first from an address are logged."""

_NAMES: dict[type[Event], str] = {
    Leaving: "egress",
    TargetFailed: "target_failed",
    Tried: "cascade",
    Compared: "compared",
}


class JsonLog:
    """Writes events and the standard library's log records to one binary stream."""

    def __init__(self, out: BinaryIO) -> None:
        """``out`` is usually ``sys.stderr.buffer``."""
        self._out = out
        self._lines: list[bytes] = []
        self._loop: asyncio.AbstractEventLoop | None = None

    def gather(self, loop: asyncio.AbstractEventLoop | None) -> None:
        """Write lines together from now on, or at once again where ``loop`` is None."""
        self._loop = loop
        self.flush()

    def __call__(self, event: Event) -> None:
        """Log an event."""
        if isinstance(event, Finished):
            if event.error != _FLOOD:
                self._add(_finished(event))
        else:
            self._add(
                {"event": _NAMES[type(event)], **{field.name: getattr(event, field.name) for field in fields(event)}}
            )

    def record(self, record: logging.LogRecord) -> bool:
        """Log a record of the standard library's; a filter, so that nothing else prints it."""
        line: dict[str, object] = {"event": "log", "level": record.levelname.lower(), "logger": record.name}
        line["message"] = _said(record)
        if record.exc_info and record.exc_info[0]:
            line["exception"] = record.exc_info[0].__name__
            line["at"] = _where(record)
        self._add(line)
        return False

    def _add(self, line: dict[str, object]) -> None:
        self._lines.append(orjson.dumps({"time": round(time.time(), 3), **line}))
        if self._loop is None:
            self.flush()
        elif len(self._lines) == 1:
            self._loop.call_later(FLUSH_S, self.flush)

    def flush(self) -> None:
        """Write what was gathered."""
        lines, self._lines = self._lines, []
        if lines:
            self._out.write(b"\n".join(lines) + b"\n")
            self._out.flush()


def _said(record: logging.LogRecord) -> str:
    """The message, made fit for JSON; where a library's arguments do not fit its format, the format alone."""
    try:
        message = record.getMessage()
    except (TypeError, ValueError, KeyError):
        message = str(record.msg)
    return message[:_SHOWN].encode(errors="replace").decode()


def _where(record: logging.LogRecord) -> str:
    """File and line of an exception; its message could quote a prompt, so it stays out."""
    trace = record.exc_info[2] if record.exc_info else None
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    return f"{trace.tb_frame.f_code.co_filename}:{trace.tb_lineno}" if trace is not None else ""


def _finished(event: Finished) -> dict[str, object]:
    """Milliseconds where a person reads; tokens and names as they are."""
    line: dict[str, object] = {
        "event": "request",
        "request_id": event.request_id,
        "endpoint": event.endpoint,
        "stream": event.stream,
        "tenant": event.tenant,
        "asked_model": event.asked_model,
        "model": event.model,
        "tier": event.tier,
        "reason": event.reason,
        "status": event.status,
        "outcome": event.outcome,
        "prompt_tokens": event.prompt_tokens,
        "completion_tokens": event.completion_tokens,
        "cached_tokens": event.cached_tokens,
        "attempts": event.attempts,
        "queued_ms": round(event.queued_s * 1000, 2),
        "total_ms": round((event.last_byte - event.started) * 1000, 2),
    }
    if event.first_byte:
        line["ttft_ms"] = round((event.first_byte - event.started) * 1000, 2)
    if event.error:
        line["error"] = event.error[:_SHOWN]
    return line
