"""Why an engine did not start, in one line: out of pages of nested tracebacks, the error that caused the others."""

from __future__ import annotations

import re

ERROR = re.compile(r"^(?:.*[\s.])?(?P<name>[A-Z]\w*(?:Error|Exception)): (?P<text>.+)$")
CONSEQUENCES = ("Engine core init", "WorkerProc init", "The actor", "ray::", "Traceback")
"""How errors begin that only report another one."""
PLAIN = {"ValueError", "RuntimeError", "Exception"}
"""Names that say nothing which their text does not."""
LONGEST = 300
SILENT = "its process ended without a word; did the machine run out of memory?"


def cause(log: str) -> str:
    """The first error in an engine's log that does not merely report another, else the last thing it says."""
    lines = log.splitlines()
    for number, line in enumerate(lines):
        found = ERROR.match(line)
        if found and not found["text"].startswith(CONSEQUENCES):
            return _shorten(_told(found["name"], found["text"], lines[number + 1 :]))
    said = [line.strip() for line in lines if line.strip()]
    return _shorten(said[-1]) if said else SILENT


def _told(name: str, text: str, following: list[str]) -> str:
    if "validation error" in text:  # pydantic's, which tells what is wrong a line or two below
        details = (line.rpartition("Value error, ")[2].strip() for line in following[:2])
        return next((detail for detail in details if " " in detail), text)
    return text if name in PLAIN else f"{name}: {text}"


def _shorten(text: str) -> str:
    return text if len(text) <= LONGEST else text[: LONGEST - 1] + "…"
