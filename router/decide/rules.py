"""Hard rules of the fleet file: by tag, endpoint, plan and need, who answers. Pure; the first rule that holds wins."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from cluster.spec import Capability, Rule
from router.decide.facts import Ask

Headers = Sequence[tuple[bytes, bytes]]


class Rules:
    """``routing.rules``, prepared."""

    def __init__(self, rules: Sequence[Rule]) -> None:
        """In the order of the file."""
        self._rules = [
            (rule, [(name.encode(), text.encode()) for name, text in rule.headers.items()]) for rule in rules
        ]

    def holding(self, ask: Ask, request: dict[str, Any], headers: Headers, plan: str) -> str | None:
        """Where the first rule that holds sends a request; None where none does."""
        for rule, tags in self._rules:
            if self._holds(rule, ask, request, plan) and all(tag in headers for tag in tags):
                return rule.to
        return None

    @staticmethod
    def _holds(rule: Rule, ask: Ask, request: dict[str, Any], plan: str) -> bool:
        if rule.endpoints and ask.kind not in rule.endpoints:
            return False
        if rule.plans and plan not in rule.plans:
            return False
        if not ask.needs.issuperset(map(Capability, rule.needs)):
            return False
        said = request.get("metadata") or {}
        return all(said.get(name) == value for name, value in rule.metadata.items())
