"""The register of tenants: plans, overrides, and what is refused."""

from __future__ import annotations

from typing import Any

import pytest

from cluster.spec.tenants import Tenants
from router.accounts.plans import CLOSED, checked, effective
from router.accounts.store import Store
from router.wire.errors import Refusal
from tests.router.accounts.reception import SPEC, Reception

pytestmark = pytest.mark.anyio


async def test_a_tenant_has_the_default_plan(store: Store) -> None:
    """Created without a plan, it gets the fleet's default."""
    tenant = await Reception(store).tenants.create("acme", None, {})
    assert (tenant.plan, tenant.effective, tenant.keys) == ("explorer", SPEC.plans["explorer"], 0)


async def test_overrides_hold_for_one_tenant(store: Store) -> None:
    """A field is overridden, null lifts a limit, a reset follows the plan again."""
    register = Reception(store).tenants
    await register.create("acme", "explorer", {"messages_per_month": 7, "priority": 3})
    changed = await register.change("acme", None, {"messages_per_month": None}, ["priority"])
    assert changed.overrides == {"messages_per_month": None}
    assert changed.effective.messages_per_month is None
    assert changed.effective.priority == 0
    assert (await register.create("other", None, {})).effective.messages_per_month == 100


async def test_another_plan_keeps_overrides(store: Store) -> None:
    """Changing the plan changes what is not overridden."""
    register = Reception(store).tenants
    await register.create("acme", "explorer", {"priority": 3})
    tenant = await register.change("acme", "master", {}, [])
    assert (tenant.effective.priority, tenant.effective.egress, tenant.effective.messages_per_month) == (3, True, None)


@pytest.mark.parametrize(
    ("plan", "overrides", "param"),
    [
        ("platinum", {}, "plan"),
        ("explorer", {"mesages_per_month": 1}, "overrides.mesages_per_month"),
        ("explorer", {"messages_per_month": -1}, "overrides.messages_per_month"),
        ("explorer", {"messages_per_month": "many"}, "overrides.messages_per_month"),
        ("explorer", {"tiers": ["huge"]}, "overrides.tiers.0"),
        ("explorer", {"priority": 10}, "overrides.priority"),
        ("explorer", {"usd_per_day": -1}, "overrides.usd_per_day"),
        ("explorer", {"'; DROP TABLE tenants; --": 1}, "overrides.'; DROP TABLE tenants; --"),
    ],
    ids=["plan", "typo", "negative", "text", "tier", "priority", "money", "sql"],
)
def test_a_wrong_plan_is_refused(plan: str, overrides: dict[str, Any], param: str) -> None:
    """Only what a plan in the fleet file could say can be an override; the refusal names the field."""
    with pytest.raises(Refusal) as caught:
        checked(SPEC, plan, overrides)
    assert (caught.value.status, caught.value.param) == (400, param)


@pytest.mark.parametrize(
    ("plan", "overrides"),
    [("gone", {}), ("explorer", {"no_longer_a_field": 1})],
    ids=["plan", "override"],
)
def test_what_no_longer_makes_sense_allows_nothing(plan: str, overrides: dict[str, Any]) -> None:
    """A fleet file that lost a tenant's plan closes the door instead of opening it wide."""
    assert effective(SPEC, plan, overrides) is CLOSED


async def test_names_are_taken_once(store: Store) -> None:
    """409 for a name that is taken, 404 for one that is not."""
    register = Reception(store).tenants
    await register.create("acme", None, {})
    with pytest.raises(Refusal) as taken:
        await register.create("acme", None, {})
    with pytest.raises(Refusal) as missing:
        await register.change("nobody", None, {}, [])
    assert (taken.value.status, missing.value.status) == (409, 404)


async def test_pages(store: Store) -> None:
    """Every tenant is on one page, in the order of names."""
    register = Reception(store).tenants
    for name in ("c", "a", "e", "b", "d"):
        await register.create(name, None, {})
    first = await register.page("", 3)
    second = await register.page(first[-1].name, 3)
    assert [tenant.name for tenant in (*first, *second)] == ["a", "b", "c", "d", "e"]


async def test_a_plan_that_left_the_fleet_file_is_shown(store: Store) -> None:
    """The register still shows the tenant, so that an admin can give it another plan."""
    await Reception(store).tenants.create("acme", "master", {})
    register = Reception(store, Tenants.model_validate({"plans": {"unlimited": {}}})).tenants
    assert (await register.find("acme")).effective is CLOSED
    assert (await register.change("acme", "unlimited", {}, [])).effective == SPEC.plans["master"].model_copy(
        update={"priority": 0, "egress": False},
    )
