"""A fleet file → :class:`~cluster.spec.Fleet`, or everything that is wrong with it, each with its line and a way out.

Whatever the bytes are, the outcome is a fleet or a :class:`~cluster.errors.FleetFileError`, nothing else.
"""

from __future__ import annotations

import json
from pathlib import Path

from pydantic import ValidationError

from cluster.errors import FleetFileError, Problem
from cluster.load.hints import similar
from cluster.load.problems import explain
from cluster.load.text import read_yaml
from cluster.spec import Fleet

__all__ = ["load_fleet", "parse_fleet"]

MAX_BYTES = 1 << 20
"""A fleet file is a few kilobytes; a larger one is something else."""


def load_fleet(path: Path | str) -> Fleet:
    """Read and check one fleet file."""
    file = Path(path)
    try:
        with file.open("rb") as stream:
            raw = stream.read(MAX_BYTES + 1)
    except (OSError, ValueError) as exc:
        reason = exc.strerror if isinstance(exc, OSError) else str(exc)
        problem = Problem(str(path), 1, "", f"cannot be read: {reason}", _other_file(file))
        raise FleetFileError((problem,)) from exc
    if len(raw) > MAX_BYTES:
        raise FleetFileError((Problem(str(path), 1, "", "is over 1 MiB", "is this the right file?"),))
    return parse_fleet(raw, str(path))


def parse_fleet(raw: bytes, file: str) -> Fleet:
    """Check the content of a fleet file; ``file`` is its name in messages."""
    text = read_yaml(raw, file)
    try:
        # As JSON, because pydantic's strict mode then takes lists for tuples and texts for enums, and nothing else:
        # what the JSON Schema refuses in an editor is refused here.
        fleet = Fleet.model_validate_json(json.dumps(text.value), strict=True)
    except ValidationError as exc:
        raise FleetFileError(in_order((*text.problems, *explain(exc, text)))) from exc
    if text.problems:
        raise FleetFileError(in_order(text.problems))
    return fleet


def in_order(problems: tuple[Problem, ...]) -> tuple[Problem, ...]:
    """From the top of the file to its end, each once."""
    return tuple(sorted(dict.fromkeys(problems), key=lambda problem: problem.line))


def _other_file(file: Path) -> str:
    try:
        names = [other.name for other in file.parent.iterdir() if other.suffix in {".yaml", ".yml"}]
    except (OSError, ValueError):
        return ""
    near = similar(file.name, names)
    return f"did you mean {file.parent / near}?" if near else ""
