"""What the admin API takes, checked field by field before anything reaches the database, and what it gives."""

from __future__ import annotations

from collections.abc import Mapping
from ipaddress import IPv4Network, IPv6Network
from typing import Annotated, Any, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, JsonValue, StringConstraints, ValidationError

from cluster.spec import Fleet, Plan
from cluster.spec.base import Name
from router.accounts.door import USAGE
from router.accounts.facts import SITE
from router.accounts.issued import Issued, Wanted
from router.accounts.tenants import Tenant
from router.wire.endpoints import Kind
from router.wire.errors import Refusal

_DAY_S = 86_400
LONGEST_OVERLAP_S = 30 * _DAY_S
LONGEST_LIFE_S = 3650 * _DAY_S
ENDPOINTS = (*(kind.value for kind in Kind), USAGE, SITE)
"""What a key's scope can name."""

Label = Annotated[str, StringConstraints(max_length=200, pattern=r"^[^\x00-\x1f\x7f]*$")]
Tier = Literal["small", "large", "embedding"]
Some = Annotated[tuple[Name, ...], Field(max_length=100)]


class _Body(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


class NewTenant(_Body):
    """``POST /admin/tenants``."""

    name: Name
    plan: Name | None = None
    """Default: ``tenants.default_plan`` of the fleet file."""
    overrides: dict[str, JsonValue] = {}
    """Fields of the plan that differ for this tenant; null lifts a limit."""


class TenantChange(_Body):
    """``PATCH /admin/tenants/{tenant}``; what is not named stays."""

    plan: Name | None = None
    overrides: dict[str, JsonValue] = {}
    reset: Annotated[tuple[str, ...], Field(max_length=100)] = ()
    """Fields that follow the plan again."""


class NewKey(_Body):
    """``POST /admin/keys``; empty lists allow all that the tenant's plan does."""

    tenant: Name
    label: Label = ""
    """For people, in lists."""
    admin: bool = False
    models: Some = ()
    tiers: Annotated[tuple[Tier, ...], Field(max_length=3)] = ()
    endpoints: Annotated[tuple[str, ...], Field(max_length=len(ENDPOINTS))] = ()
    networks: Annotated[tuple[IPv4Network | IPv6Network, ...], Field(max_length=100)] = ()
    """Where clients may call from, such as ``10.0.0.0/8``; the socket's address counts."""
    expires_in_seconds: Annotated[int, Field(ge=1, le=LONGEST_LIFE_S)] | None = None

    def wanted(self, fleet: Fleet) -> Wanted:
        """The key to make; Refusal 400 for a model or an endpoint that this fleet does not have."""
        _all_known("models", self.models, [*fleet.models])
        _all_known("endpoints", self.endpoints, [*ENDPOINTS])
        return Wanted(**{name: getattr(self, name) for name in Wanted._fields})


class Rotation(_Body):
    """``POST /admin/keys/{key}/rotate``."""

    overlap_seconds: Annotated[int, Field(ge=0, le=LONGEST_OVERLAP_S)] = 0
    """How long the old secret stays good; 0: not at all."""


_Model = TypeVar("_Model", bound=BaseModel)


def parsed(model: type[_Model], body: bytes) -> _Model:
    """The body as a model; Refusal 400 that names the field. No body is an empty one."""
    try:
        return model.model_validate_json(body or b"{}")
    except ValidationError as exc:
        first = exc.errors(include_url=False, include_input=False)[0]
        field = ".".join(map(str, first["loc"]))
        message = f"{field}: {first['msg']}." if field else f"{first['msg']}."
        raise Refusal(400, message[:500], param=field[:200] or None, code="invalid_request") from None


def check_reset(fields: tuple[str, ...]) -> None:
    """Refusal 400 for what is no field of a plan."""
    _all_known("reset", fields, [*Plan.model_fields])


def _all_known(field: str, given: tuple[str, ...], known: list[str]) -> None:
    for value in given:
        if value not in known:
            msg = f"{field}: there is no {value[:80]!r}; known: {', '.join(known)}."
            raise Refusal(400, msg, param=field, code="invalid_request")


def tenant_card(tenant: Tenant) -> Mapping[str, Any]:
    """A tenant as the API shows it."""
    return {
        "object": "tenant",
        "name": tenant.name,
        "plan": tenant.plan,
        "overrides": tenant.overrides,
        "effective": tenant.effective.model_dump(mode="json"),
        "keys": tenant.keys,
        "created_at": tenant.created_at,
    }


def key_card(key: Issued) -> dict[str, Any]:
    """A key as the API shows it, never with its secret."""
    return {"object": "key", **key._asdict()}
