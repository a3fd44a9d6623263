"""Other sites in a fleet file: what fits, and the fleet that a gateway makes of it."""

from __future__ import annotations

import pytest

from cluster.errors import FleetFileError
from cluster.load import parse_fleet
from cluster.spec import Engine, Fleet

FLEET = "name: ber\nmodels: {a: {source: x/y, context_length: 4096}, c: {engine: url, url: 'http://c'}%s}\n"


def fleet(text: str, models: str = "") -> Fleet:
    """The fleet with these sections and these models more."""
    return parse_fleet(f"{FLEET % models}{text}\n".encode(), "f.yaml")


REFUSED = {
    "itself": ("sites: {fra: {url: 'http://localhost:8080'}}", "", "sites.fra.url: this is the gateway's own address"),
    "no-offer": ("sites: {fra: {url: 'http://x', offers: [b]}}", "", "sites.fra.offers.0: no model 'b' runs here"),
    "no-site": ("", ", h: {engine: freehold, site: hub}", "models.h.site: no site 'hub' in sites"),
    "no-name": ("", ", h: {engine: freehold}", "models.h.site: engine 'freehold' needs one of sites"),
    "own-name": (
        "sites: {ber: {url: 'http://x'}}",
        ", h: {engine: freehold, site: ber}",
        "models.h.site: this is this site's own name",
    ),
    "an-address": (
        "sites: {hub: {url: 'http://x'}}",
        ", h: {engine: freehold, site: hub, url: 'http://y'}",
        "models.h.url: engine 'freehold' has none",
    ),
    "a-site-of-vllm": ("", ", h: {source: x/z, site: hub}", "models.h.site: only engine 'freehold' has it"),
    "a-price-inside": (
        "sites: {fra: {url: 'http://x', price: {prompt: 1, completion: 1}}}",
        "",
        "sites.fra.egress: what costs money is outside",
    ),
    "a-price-without-budget": (
        "sites: {fra: {url: 'http://x', egress: outside, price: {prompt: 1, completion: 1}}}",
        "",
        "sites.fra.price: a model with a price needs a budget",
    ),
    "egress-of-vllm": ("", ", h: {source: x/z, egress: outside}", "models.h.egress: only engine 'url' has it"),
    "egress-against-price": (
        "spillover: {open_usd_per_day: 1}",
        ", h: {engine: url, url: 'http://x', egress: same-site, price: {prompt: 1, completion: 1}}",
        "models.h.egress: what costs money is outside",
    ),
    "a-key-in-the-url": ("sites: {fra: {url: fra}}", "", "sites.fra.url"),
}


@pytest.mark.parametrize(("text", "models", "expected"), REFUSED.values(), ids=REFUSED)
def test_what_cannot_be_is_refused_by_name(text: str, models: str, expected: str) -> None:
    """The message names the field and what is wrong there."""
    with pytest.raises(FleetFileError) as caught:
        fleet(text, models)
    assert expected in str(caught.value)


def test_a_fleet_is_spread_over_its_sites() -> None:
    """What a site has, too, comes last in its tier; a site's own entry is passed over; keys are known by name."""
    sites = "ber: {url: 'http://b'}, fra: {url: 'http://f', api_key_env: FRA}, iad: {url: 'http://i', offers: [a]}"
    spread = fleet(f"tiers: {{small: [a, c]}}\nsites: {{{sites}}}").spread()
    assert spread.tiers.small == ("a", "c", "a@fra", "c@fra", "a@iad")
    assert list(spread.models) == ["a", "c", "a@fra", "c@fra", "a@iad"]
    twin = spread.models["a@fra"]
    assert (twin.engine, twin.url, twin.site, twin.served_as) == (Engine.FREEHOLD, "http://f", "fra", "a")
    assert (twin.context_length, twin.leaves_site, twin.is_outside, twin.runs_here) == (4096, True, False, False)
    assert spread.key_envs == ("FRA",)


def test_a_model_that_only_another_site_has() -> None:
    """It has the site's address, and the name that it has there."""
    hub = "sites: {hub: {url: 'http://h', offers: [], egress: same-site}}\ntiers: {large: [big]}"
    spread = fleet(hub, ", big: {engine: freehold, site: hub, served_as: large}").spread()
    assert spread.tiers.large == ("big",)
    big = spread.models["big"]
    assert (big.url, big.served_as, big.leaves_site) == ("http://h", "large", False)


def test_without_sites_nothing_changes() -> None:
    """The very same fleet."""
    alone = fleet("tiers: {small: [a]}")
    assert alone.spread() is alone
    assert alone.here == "ber"
