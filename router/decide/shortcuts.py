"""Short messages that a template answers: by a pattern, or by an example that they are like. Pure, and always quick.

Likeness is the share of pieces of three letters that two texts have in common (Jaccard's index of their trigrams).
Neighbour: :mod:`cluster.spec.shortcuts` lets no pattern through that could take long.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from string import Template
from typing import Any

from cluster.spec import Capability, Shortcut
from cluster.spec.shortcuts import LONGEST
from router.decide.facts import Ask
from router.wire.endpoints import Kind

HEADER = b"x-freehold-shortcuts"
_PLAIN = frozenset({Capability.CHAT})
_DIFFERENT = ("logprobs", "echo", "stop", "stop_sequences", "logit_bias")
"""Fields with which an answer would have to look otherwise."""
_WORDS = re.compile(r"[^\W_]+")


class Shortcuts:
    """Of one fleet, in the file's order."""

    def __init__(self, shortcuts: Mapping[str, Shortcut]) -> None:
        """Compile them once."""
        self._all = [_Prepared(one) for one in shortcuts.values()]

    def answer(self, ask: Ask, request: dict[str, Any], headers: Iterable[tuple[bytes, bytes]]) -> str:
        """What to say without any model; empty where one has to answer."""
        if not self._all or ask.kind not in {Kind.CHAT, Kind.MESSAGES} or ask.needs != _PLAIN:
            return ""
        latest = request["messages"][-1]
        text = latest.get("content")
        if latest["role"] != "user" or not isinstance(text, str) or len(text) > LONGEST:
            return ""
        if (request.get("n") or 1) > 1 or any(request.get(field) for field in _DIFFERENT):
            return ""
        if any(name == HEADER and value.strip().lower() == b"off" for name, value in headers):
            return ""
        text = " ".join(text.split())
        return next((said for one in self._all if (said := one.answer(text))), "")


class _Prepared:
    """One shortcut."""

    def __init__(self, spec: Shortcut) -> None:
        self._pattern = re.compile(spec.pattern, re.IGNORECASE) if spec.pattern else None
        self._examples = [pieces(example) for example in spec.examples]
        self._similarity, self._answer = spec.similarity, Template(spec.answer)

    def answer(self, text: str) -> str:
        """What to say; empty where the text is not meant."""
        found = self._pattern.fullmatch(text) if self._pattern is not None else None
        if found is not None:
            groups = {name: value or "" for name, value in found.groupdict().items()}
            return self._answer.safe_substitute(groups)
        if self._examples and self._is_alike(pieces(text)):
            return self._answer.safe_substitute()
        return ""

    def _is_alike(self, said: frozenset[str]) -> bool:
        for example in self._examples:
            shared = len(said & example)
            if shared >= self._similarity * (len(said) + len(example) - shared):
                return True
        return False


def pieces(text: str) -> frozenset[str]:
    """Every three characters in a row, of words alone and whatever their case."""
    words = f" {' '.join(_WORDS.findall(text.lower()))} "
    return frozenset(words[at : at + 3] for at in range(max(1, len(words) - 2)))
