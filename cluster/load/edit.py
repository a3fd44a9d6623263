"""Changes single values in a fleet file's text; everything else, comments and order included, stays byte for byte.

What cannot be changed in place without touching something else (a value that an alias repeats) is refused. Neighbour:
:mod:`cluster.load.text` reads what this writes.
"""

from __future__ import annotations

import json
import re
from collections import Counter

import yaml
from pydantic import JsonValue

from cluster.errors import UsageError
from cluster.load.text import compose
from cluster.spec.base import FieldPath, dotted

_PLAIN = re.compile(r"(?!(?:true|false|yes|no|on|off|null|y|n)$)[A-Za-z][\w.-]*", re.ASCII | re.IGNORECASE)
"""Texts that YAML reads as texts without quotes."""


def changed(text: str, path: FieldPath, value: JsonValue) -> str:
    """The text with ``value`` at ``path``; the mappings above it are made where they are missing.

    Raises UsageError where the place is inside of something that the file repeats, or where no field can be.
    """
    node = compose(text, "")
    if node is None:
        msg = "the fleet file is empty"
        raise UsageError(msg)
    uses = _uses(node)
    for depth, step in enumerate(path):
        if not isinstance(node, yaml.MappingNode) or uses[id(node)] > 1:
            raise _unchangeable(path[:depth], f"{path[-1]}: {_flow(value)}")
        child = next((below for key, below in node.value if key.value == step), None)
        if child is None:
            for missing in reversed(path[depth + 1 :]):
                value = {str(missing): value}
            return _added(text, node, f"{step}: {_flow(value)}")
        node = child
    if not isinstance(node, yaml.ScalarNode) or uses[id(node)] > 1:
        raise _unchangeable(path, _flow(value))
    return text[: node.start_mark.index] + _flow(value) + text[node.end_mark.index :]


def _unchangeable(path: FieldPath, wanted: str) -> UsageError:
    return UsageError(f"{dotted(path)}: is repeated by an alias, or holds no fields; write by hand: {wanted}")


def _added(text: str, node: yaml.MappingNode, entry: str) -> str:
    """A new field: at the end of ``{…}``, else on a line of its own above the first field."""
    if node.flow_style:
        end = node.end_mark.index - 1
        inside = text[:end].rstrip()
        comma = "" if not node.value or inside.endswith(",") else ","
        return f"{inside}{comma} {entry} {text[end:]}"
    first = node.start_mark
    newline = "\r\n" if "\r\n" in text else "\n"
    return f"{text[: first.index]}{entry}{newline}{' ' * first.column}{text[first.index :]}"


def _flow(value: JsonValue) -> str:
    """A value on one line, as people write it in a fleet file."""
    if isinstance(value, dict):
        return "{ " + ", ".join(f"{name}: {_flow(below)}" for name, below in value.items()) + " }"
    return value if isinstance(value, str) and _PLAIN.fullmatch(value) else json.dumps(value)


def _uses(top: yaml.Node) -> Counter[int]:
    """At how many places each node stands; more than one where an alias repeats it."""
    found, below = Counter[int](), [top]
    while below:
        node = below.pop()
        found[id(node)] += 1
        if found[id(node)] == 1 and isinstance(node, yaml.MappingNode):
            below += [child for pair in node.value for child in pair]
        elif found[id(node)] == 1 and isinstance(node, yaml.SequenceNode):
            below += node.value
    return found
