"""The door under attack, and what a principal may use behind it."""

from __future__ import annotations

import pytest

from cluster.spec import Plan
from router.accounts.attempts import FREE
from router.accounts.door import NotLetIn, Why, permits, presented
from router.accounts.facts import Principal, Scope
from router.accounts.issued import Wanted
from router.accounts.pepper import Pepper
from router.accounts.secret import make_key
from router.accounts.store import Store
from tests.router.accounts.reception import Reception, request

pytestmark = pytest.mark.anyio


async def test_a_hundred_thousand_wrong_keys(store: Store) -> None:
    """From one address: no statement, no memory, and a good key from the same address passes all the while."""
    async with Reception(store) as reception:
        await reception.tenant("acme")
        good, _ = await reception.key("acme")
        late, _ = await reception.key("acme")
        await reception.admit(good, client="192.0.2.1")
        beginning = make_key(Pepper(b"q" * 32)).text[:-6]
        before = store.statements
        answers: dict[object, int] = {}
        for number in range(100_000):
            answer = await reception.admit(f"{beginning}{number:06}", client="192.0.2.1")
            answers[answer] = answers.get(answer, 0) + 1
            if not number % 1000:
                assert isinstance(await reception.admit(good, client="192.0.2.1"), Principal)
        assert store.statements == before
        assert set(answers) == {"invalid_api_key", "too_many_wrong_keys"}
        assert answers["invalid_api_key"] < FREE * 3
        assert (len(reception.door._wrong), len(reception.keys._known), len(reception.keys._gone)) == (1, 1, 0)
        assert isinstance(await reception.admit(late, client="192.0.2.1"), Principal), "also one that was not known yet"


@pytest.mark.parametrize(
    ("headers", "key"),
    [
        ([(b"authorization", b"Bearer k")], b"k"),
        ([(b"authorization", b"BEARER  k ")], b"k"),
        ([(b"x-api-key", b"k")], b"k"),
        ([(b"x-api-key", b"other"), (b"authorization", b"Bearer k")], b"k"),
        ([(b"authorization", b"Basic abc"), (b"x-api-key", b"k")], b"k"),
        ([(b"authorization", b"Bearer k"), (b"authorization", b"Bearer other")], b"k"),
        ([(b"x-api-key", b"k"), (b"x-api-key", b"other")], b"k"),
        ([(b"authorization", b"Bearerk")], None),
        ([(b"authorization", b"")], None),
        ([], None),
    ],
    ids=["bearer", "case", "x-api-key", "both", "basic", "two", "two-x", "no-space", "empty", "none"],
)
def test_which_key_counts(headers: list[tuple[bytes, bytes]], key: bytes | None) -> None:
    """Authorization goes before x-api-key, the first of several before the others."""
    assert presented(headers) == key


@pytest.mark.parametrize(
    ("scope", "plan", "model", "tier", "may"),
    [
        (Scope(), Plan(), "s", "small", True),
        (Scope(), Plan(), "x", "", True),
        (Scope(), Plan(tiers=("small",)), "s", "small", True),
        (Scope(), Plan(tiers=("small",)), "l", "large", False),
        (Scope(), Plan(tiers=("small",)), "x", "", False),
        (Scope(models=("l",)), Plan(), "l", "large", True),
        (Scope(models=("l",)), Plan(), "s", "small", False),
        (Scope(models=("l",)), Plan(tiers=("small",)), "l", "large", False),
        (Scope(tiers=("large",)), Plan(), "s", "small", False),
        (Scope(tiers=("large",)), Plan(), "x", "", False),
    ],
    ids=[
        "all",
        "no-tier",
        "plan",
        "not-in-plan",
        "no-tier-by-plan",
        "scope",
        "not-in-scope",
        "scope-cannot-exceed-plan",
        "not-in-key-tiers",
        "no-tier-by-key",
    ],
)
def test_models(scope: Scope, plan: Plan, model: str, tier: str, *, may: bool) -> None:
    """A model is for whom the plan and the key both let use it."""
    assert permits(Principal("acme", "k", scope, plan), model, tier) is may


@pytest.mark.parametrize("endpoint", ["chat", "completion", "embedding", "responses", "messages", "usage", ""])
async def test_a_key_without_endpoints_has_all(store: Store, endpoint: str) -> None:
    """An empty scope leaves everything that the plan does."""
    reception = Reception(store)
    await reception.tenant("acme")
    key, _ = await reception.key("acme")
    assert isinstance(await reception.admit(key, endpoint), Principal)


async def test_a_plan_that_is_gone_closes_the_door(store: Store) -> None:
    """A tenant whose plan left the fleet file is told so, instead of having none of its limits."""
    reception = Reception(store)
    await reception.tenants.create("acme", "master", {})
    new, _ = await reception.issued.create(Wanted("acme"))
    without = Reception(store, reception.keys._spec.model_copy(update={"plans": {"explorer": Plan()}}))
    assert await without.admit(new.text) == "unknown_plan"


@pytest.mark.parametrize("why", Why, ids=lambda why: why.name.lower())
def test_every_refusal_has_its_shape(why: Why) -> None:
    """A status of HTTP's, a sentence, and a challenge with 401 alone."""
    refusal = NotLetIn(why, request("fh-secret"), allowed="chat")
    assert refusal.status in {401, 403, 429, 503}
    assert refusal.message.endswith(".")
    assert "fh-secret" not in refusal.message
    assert ((b"www-authenticate", b"Bearer") in refusal.headers) == (refusal.status == 401)
