"""The hop header: believed from sites, and only ever taking away."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from cluster.spec import Fleet
from router.decide.hops import Came, Hops
from router.wire.errors import Refusal

FLEET = Fleet.model_validate(
    {
        "name": "ber",
        "models": {"s": {"engine": "url", "url": "http://x"}, "big": {"engine": "freehold", "site": "fra"}},
        "sites": {"fra": {"url": "http://f"}},
    }
).spread()
HOPS = Hops(FLEET)


@given(
    st.lists(st.binary(max_size=40), max_size=3),
    st.booleans(),
    st.sampled_from(["s", "big", "s@fra", "auto"]),
    st.none() | st.sets(st.sampled_from(sorted(FLEET.models))),
)
def test_whatever_is_sent_opens_nothing(
    values: list[bytes], is_site: bool, model: str, allowed: set[str] | None
) -> None:
    """No header at all gives anybody a model that it had not; with one, no other site is left."""
    headers = [(b"x-freehold-hops", value) for value in values] + [(b"x-request-id", b"req_" + b"0" * 24)]
    before = set(FLEET.models) if allowed is None else allowed
    try:
        came = HOPS.came(headers, from_site=is_site)
        found = HOPS.allowed(allowed, came, model)
    except Refusal:
        came, found = Came(()), ()
    after = set(FLEET.models) if found is None else set(found)
    assert after <= before
    assert not came.sites or (is_site and not after & HOPS.away)


def test_the_askers_name_for_a_request_is_taken_with_its_hops() -> None:
    """And only then, and only where it is one of a gateway's."""
    one = (b"x-request-id", b"req_" + b"a" * 24)
    hops = (b"x-freehold-hops", b"fra, iad")
    assert HOPS.came([one, hops], from_site=True) == Came(("fra", "iad"), "req_" + "a" * 24)
    assert HOPS.came([one], from_site=True) == Came(())
    assert HOPS.came([(b"x-request-id", b"req_0'; DROP"), hops], from_site=True) == Came(("fra", "iad"))
