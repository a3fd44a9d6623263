"""Named routes: a model, an adapter, a system prompt and parameters under one name that callers use as ``model``."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Annotated

from pydantic import Field, StringConstraints

from cluster.spec.base import FieldPath, Name, Noun
from cluster.spec.models import Model


class Route(Noun):
    """A role, such as ``code`` or ``companion``. What the caller sets itself goes before what is set here."""

    model: Name = "auto"
    """Who answers: a model, a tier, or ``auto``. While a model is down, the others of its tier stand in for it."""
    adapter: Name | None = None
    """One of the model's ``adapters``. While the engine does not know it, the model answers without."""
    system: Annotated[str, StringConstraints(max_length=100_000)] = ""
    """Put before the caller's own system prompt."""
    temperature: Annotated[float, Field(ge=0, le=2, allow_inf_nan=False)] | None = None
    """Where the request sets none; so it is with the fields below."""
    top_p: Annotated[float, Field(gt=0, le=1, allow_inf_nan=False)] | None = None
    """Likewise."""
    max_tokens: Annotated[int, Field(ge=1, le=10_000_000)] | None = None
    """The answer's limit."""
    stop: Annotated[
        tuple[Annotated[str, StringConstraints(min_length=1, max_length=512)], ...], Field(max_length=16)
    ] = ()
    """Texts that end the answer."""
    cascade: bool = True
    """For ``model: auto``: whether ``routing.cascade`` may hold an answer of ``small`` back and have ``large`` answer.
    ``false`` where every millisecond until the first word counts."""


def wayless(
    routes: Mapping[str, Route], models: Mapping[str, Model], groups: Collection[str]
) -> list[tuple[FieldPath, str]]:
    """Routes that lead nowhere or whose name is taken, as pairs of a path and what is wrong there."""
    found: list[tuple[FieldPath, str]] = []
    for name, route in routes.items():
        if name in models or name in groups:
            found.append((("routes", name), "this is the name of a model or a tier; rename the route"))
        if route.model not in models and route.model not in groups:
            found.append((("routes", name, "model"), f"no model {route.model!r} in this file, and no such tier"))
        elif route.adapter and (route.model not in models or route.adapter not in models[route.model].adapters):
            found.append((("routes", name, "adapter"), f"{route.model!r} has no adapter {route.adapter!r}"))
    return found


def clashing(models: Mapping[str, Model], taken: Collection[str]) -> list[tuple[FieldPath, str]]:
    """Adapters that cannot be told from something else by their names."""
    seen = dict.fromkeys([*taken, *models, *(model.served_as for model in models.values())], "another model or tier")
    found: list[tuple[FieldPath, str]] = []
    for name, model in models.items():
        for adapter in model.adapters:
            if adapter in seen:
                found.append((("models", name, "adapters", adapter), f"this is the name of {seen[adapter]}; rename it"))
            seen[adapter] = f"an adapter of {name!r}"
    return found
