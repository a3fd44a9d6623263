"""The dial, rules, named routes: what contradicts itself is refused where it stands."""

from __future__ import annotations

import pytest

from cluster.errors import FleetFileError
from cluster.load import parse_fleet
from cluster.spec import Fleet, WhenBusy

FLEET = "name: f\nmodels: {a: {source: x/y, adapters: {poet: x/poet}}, b: {source: x/z}}\ntiers: {small: [a]}\n"


def fleet(text: str) -> Fleet:
    """The fleet with these sections more."""
    return parse_fleet(f"{FLEET}{text}\n".encode(), "f.yaml")


REFUSED = {
    "two-dials": ("routing: {quality: 0.9, large_share: 0.1}", "large_share and quality are one dial"),
    "a-rule-for-all": ("routing: {rules: [{to: small}]}", "this rule would take every request"),
    "a-rule-to-nowhere": ("routing: {rules: [{to: huge, needs: [tools]}]}", "no model 'huge'"),
    "a-rule-for-no-plan": ("routing: {rules: [{to: a, plans: [gold]}]}", "no plan 'gold'"),
    "a-rule-with-a-capital": ("routing: {rules: [{to: a, headers: {X-Team: r}}]}", "routing.rules.0.headers"),
    "a-route-to-nowhere": ("routes: {code: {model: huge}}", "no model 'huge'"),
    "a-route-of-a-model's-name": ("routes: {a: {}}", "rename the route"),
    "a-route-of-a-tier's-name": ("routes: {auto: {}}", "rename the route"),
    "an-adapter-of-another": ("routes: {code: {model: b, adapter: poet}}", "'b' has no adapter 'poet'"),
    "an-adapter-of-a-tier": ("routes: {code: {model: small, adapter: poet}}", "'small' has no adapter 'poet'"),
    "an-adapter-of-a-route's-name": ("routes: {poet: {model: a}}", "this is the name of another model or tier"),
    "a-plan-of-no-route": ("tenants: {plans: {unlimited: {routes: [code]}}}", "no route 'code'"),
}


@pytest.mark.parametrize(("text", "expected"), REFUSED.values(), ids=REFUSED)
def test_what_cannot_be_is_refused_by_name(text: str, expected: str) -> None:
    """The message names the field and what is wrong there."""
    with pytest.raises(FleetFileError) as caught:
        fleet(text)
    assert expected in str(caught.value)


def test_a_model_with_a_price_has_no_cost_of_its_own() -> None:
    """One of both would be a lie."""
    dear = "spillover: {open_usd_per_day: 1}\n"
    both = "{engine: url, url: 'http://x', price: {prompt: 1, completion: 1}, own_cost: {prompt: 1, completion: 1}}"
    with pytest.raises(FleetFileError, match="a model with a price costs that"):
        parse_fleet(f"name: f\nmodels: {{a: {both}}}\n{dear}".encode(), "f.yaml")


def test_one_of_each_is_taken() -> None:
    """Rules, routes, and an order for busy times."""
    found = fleet(
        "routing: {quality: 0.95, rules: [{to: large, needs: [tools]}], when_busy: [queue]}\n"
        "routes: {code: {model: a, adapter: poet, system: Be brief., temperature: 0.1}}"
    )
    assert (found.routing.quality, found.routing.large_share) == (0.95, 0.2)
    assert found.routing.when_busy == (WhenBusy.QUEUE,)
    assert found.routes["code"].adapter == "poet"
