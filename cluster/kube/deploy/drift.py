"""What differs between two states of a release's objects, field by field; what could be a secret is not shown. Pure."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from cluster.kube.deploy.wanted import name_of

Object = dict[str, Any]
_MASK = "(not shown)"
_SECRET = re.compile(r"(?i)(secret|password|passwd|token|pepper|credential|api_?key|private)")
_NAMES_ONE = re.compile(r"(?i)(secretKeyRef|secretName|secret|pullSecrets|automount\w*|_env)$")
_NOISE = {"managedFields", "resourceVersion", "generation", "uid", "creationTimestamp", "selfLink"}
_LONGEST = 120


@dataclass(frozen=True, slots=True)
class Change:
    """One field that differs, or a whole object."""

    object: str
    """``Deployment/fleet-gateway``."""
    field: str
    """``spec.template.spec.containers[gateway].image``; empty for the object as a whole."""
    before: str
    """As JSON; empty where there was nothing."""
    after: str

    def __str__(self) -> str:
        """One line."""
        if not self.field:
            return f"{'+' if self.after else '-'} {self.object}"
        return f"~ {self.object} {self.field}: {self.before or '(nothing)'} → {self.after or '(nothing)'}"


def changes(before: Iterable[Object], after: Iterable[Object]) -> tuple[Change, ...]:
    """What would change from one set of objects to the other."""
    old, new = ({name_of(item): item for item in items} for items in (before, after))
    found = [Change(name, "", "gone", "") for name in old.keys() - new.keys()]
    found += [Change(name, "", "", "new") for name in new.keys() - old.keys()]
    for name in old.keys() & new.keys():
        found += [
            Change(name, path, *_told(path, one, other)) for path, one, other in _differences(old[name], new[name], "")
        ]
    return tuple(sorted(found, key=lambda change: (change.object, change.field)))


def bare(item: Object) -> Object:
    """An object without what the API server keeps for itself."""
    metadata = {key: value for key, value in item.get("metadata", {}).items() if key not in _NOISE}
    return {key: value for key, value in item.items() if key != "status"} | {"metadata": metadata}


def foreign(item: Object) -> Iterator[Change]:
    """Fields that somebody set by hand and that a deploy would keep, because the release never had them.

    From the API server's books of who set what (``managedFields``); controllers and operators are no hands.
    """
    for entry in item.get("metadata", {}).get("managedFields") or ():
        manager = entry.get("manager", "")
        if entry.get("subresource") or _MACHINES.search(manager):
            continue
        for path in _owned(entry.get("fieldsV1") or {}, ""):
            if not path.startswith(("status", "metadata.annotations.kubectl", "metadata.annotations.deployment")):
                yield Change(name_of(item), path, "", f"set by {manager}, stays")


_MACHINES = re.compile(r"^(helm|freehold)|controller|operator|keda|autoscaler|kubelet|scheduler")


def _owned(fields: Object, path: str) -> Iterator[str]:
    inner = {key: value for key, value in fields.items() if key != "."}
    if not inner and path:
        yield path
    for key, value in inner.items():
        kind, _, name = key.partition(":")
        if kind == "k":
            named = json.loads(name)
            yield from _owned(value, f"{path}[{named.get('name') or next(iter(named.values()))}]")
        elif kind == "f":
            yield from _owned(value, f"{path}.{name}" if path else name)


_NOTHING = object()


def _differences(before: object, after: object, path: str) -> Iterator[tuple[str, object, object]]:
    if before == after:
        return
    if isinstance(before, dict) and isinstance(after, dict):
        for key in sorted(before.keys() | after.keys()):
            inner = f"{path}.{key}" if path else str(key)
            yield from _differences(before.get(key, _NOTHING), after.get(key, _NOTHING), inner)
    elif isinstance(before, list) and isinstance(after, list):
        yield from _list_differences(before, after, path)
    elif isinstance(before, str) and isinstance(after, str) and "\n" in before + after:
        yield from _line_differences(before, after, path)
    else:
        yield path, before, after


def _list_differences(before: list[object], after: list[object], path: str) -> Iterator[tuple[str, object, object]]:
    """Items with names are compared by name, so that one more container is one change; others by place."""
    old, new = _keyed(before), _keyed(after)
    for key in dict.fromkeys([*old, *new]):
        yield from _differences(old.get(key, _NOTHING), new.get(key, _NOTHING), f"{path}[{key}]")


def _keyed(items: list[object]) -> dict[str, object]:
    for key in ("name", "key", "containerPort", "type"):
        names = [str(item[key]) for item in items if isinstance(item, dict) and key in item]
        if items and len(set(names)) == len(items):
            return dict(zip(names, items, strict=True))
    return {str(place): item for place, item in enumerate(items)}


def _line_differences(before: str, after: str, path: str) -> Iterator[tuple[str, object, object]]:
    """Files inside an object: the lines that went and came, in order."""
    old, new = before.splitlines(), after.splitlines()
    gone = [line for line in old if line not in set(new)]
    come = [line for line in new if line not in set(old)]
    for place in range(max(len(gone), len(come))):
        one = gone[place] if place < len(gone) else _NOTHING
        other = come[place] if place < len(come) else _NOTHING
        yield path, one, other


def _told(path: str, before: object, after: object) -> tuple[str, str]:
    return _shown(path, before), _shown(path, after)


def _shown(path: str, value: object) -> str:
    if value is _NOTHING:
        return ""
    named = re.search(r"\.?env\[([^\]]*)\]\.value$", path)
    text = json.dumps(_masked(named[1] if named else path.rpartition(".")[2], value), ensure_ascii=False)
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}…"


def _masked(name: str, value: object) -> object:
    """A value without what may be a secret, by the name of its field or variable, or of a line's: ``password: …``."""
    if isinstance(value, dict):
        variable = str(value.get("name", ""))
        return {key: _masked(variable if key == "value" else str(key), inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [_masked(name, inner) for inner in value]
    if isinstance(value, str) and "\n" in value:
        return "\n".join(str(_masked("", line)) for line in value.split("\n"))
    if isinstance(value, str):
        before, colon, after = value.partition(":")
        if _is_secret(name) or (colon and after.strip() and _is_secret(before.strip())):
            return _MASK
    return value


def _is_secret(name: str) -> bool:
    """Whether a field holds a secret; not one that only names it."""
    return bool(_SECRET.search(name) and not _NAMES_ONE.search(name))
