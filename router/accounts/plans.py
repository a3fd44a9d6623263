"""A tenant's plan: the fleet file's, with the fields that were overridden for this tenant."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import ValidationError

from cluster.spec import Plan
from cluster.spec.tenants import Tenants
from router.wire.errors import Refusal

CLOSED = Plan(
    requests_per_minute=0,
    tokens_per_minute=0,
    concurrent_requests=0,
    messages_per_month=0,
    tokens_per_month=0,
    tiers=(),
)
"""What a tenant gets whose plan is no longer in the fleet file, or whose overrides no longer make sense: nothing."""


def effective(spec: Tenants, plan: str, overrides: Mapping[str, Any]) -> Plan:
    """The plan that holds for a tenant; ``CLOSED`` where there is none."""
    if plan not in spec.plans:
        return CLOSED
    try:
        return _changed(spec.plans[plan], overrides)
    except ValidationError:
        return CLOSED


def checked(spec: Tenants, plan: str, overrides: Mapping[str, Any]) -> dict[str, Any]:
    """The overrides as they are stored: of a known plan, with known fields, each within its range.

    Raises:
        Refusal: 400 that names the field.

    """
    if plan not in spec.plans:
        msg = f"There is no plan {plan[:80]!r}; tenants.plans in the fleet file has: {', '.join(spec.plans)}."
        raise Refusal(400, msg, param="plan", code="unknown_plan")
    try:
        whole = _changed(spec.plans[plan], overrides).model_dump(mode="json")
    except ValidationError as exc:
        first = exc.errors(include_url=False, include_input=False)[0]
        field = ".".join(["overrides", *map(str, first["loc"])])
        msg = f"{field}: {first['msg']}. Fields of a plan: {', '.join(Plan.model_fields)}."
        raise Refusal(400, msg, param=field, code="invalid_override") from None
    return {field: whole[field] for field in overrides}


def _changed(plan: Plan, overrides: Mapping[str, Any]) -> Plan:
    return Plan.model_validate({**plan.model_dump(), **overrides})
