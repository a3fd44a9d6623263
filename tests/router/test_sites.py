"""Two sites that stand in for each other: who answers, what crosses the border, and that nothing goes round."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from cluster.spec import Fleet, Routing
from router.backends.retries import RESERVE, SHARE
from tests.router.engine import Engine, Exchange, Play, silent, soon, until
from tests.router.gateway import Running, Trio, chat
from tests.router.sites import Json, Pair, ScriptedSite, fleet_at, known, pair

pytestmark = pytest.mark.anyio

CHAT = "/v1/chat/completions"
ALL_PATHS: dict[str, Json] = {
    CHAT: {"messages": [{"role": "user", "content": "Hello?"}]},
    "/v1/completions": {"prompt": "Hello?"},
    "/v1/responses": {"input": "Hello?"},
    "/v1/messages": {"max_tokens": 5, "messages": [{"role": "user", "content": "Hello?"}]},
}


@pytest.fixture
async def far() -> AsyncIterator[Trio]:
    """The engines of the other site."""
    async with Trio() as trio:
        yield trio


@pytest.fixture
async def two(engines: Trio, far: Trio) -> AsyncIterator[Pair]:
    """Both sites, well."""
    async with pair(engines, far) as both:
        yield both


def fails(status: int = 503) -> Play:
    """An engine that answers with an error."""

    async def play(exchange: Exchange) -> None:
        exchange.answer({"error": {"message": "no", "type": "x", "param": None, "code": None}}, status)

    return play


async def test_local_first(two: Pair) -> None:
    """While this site is well, the other one is asked for nothing."""
    answers = [await two.ber.chat(model=model) for model in ("auto", "small", "s")]
    assert [answer.header("x-freehold-model") for answer in answers] == ["s", "s", "s"]
    assert two.counts() == (3, 0)


@pytest.mark.parametrize("path", ALL_PATHS)
@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
async def test_an_outage_is_answered_by_the_other_site(two: Pair, path: str, stream: bool) -> None:
    """Before its first byte, on every endpoint; headers say who and why; the same model answers there."""
    asked = {**ALL_PATHS[path], "model": "small", "stream": stream}
    before = await two.ber.post(path, asked)
    two.near.small.stop()
    answer = await two.ber.post(path, asked)
    assert (answer.status, answer.whole, answer.body) == (200, True, before.body)
    told = [answer.header(f"x-freehold-{name}") for name in ("model", "tier", "reason")]
    assert told == ["s@fra", "small", "site"]
    assert two.counts() == (1, 1)


async def test_who_names_a_model_gets_it_from_the_other_site(two: Pair) -> None:
    """The name is the model's, wherever it runs; a site's own name for it asks that site alone."""
    there = await two.ber.chat(model="l@fra")
    two.near.large.stop()
    named = await two.ber.chat(model="l")
    assert [one.header("x-freehold-reason") for one in (there, named)] == ["named", "site"]
    assert [one.header("x-freehold-model") for one in (there, named)] == ["l@fra", "l@fra"]


async def test_a_rule_keeps_to_its_model(two: Pair) -> None:
    """The same model at the other site stands in before another model of its tier does here."""
    engines = two.near
    async with Engine() as other:
        plain = fleet_at("ber", engines, {"fra": {"url": f"http://127.0.0.1:{two.fra.port}"}}).model_dump(
            exclude_unset=True
        )
        plain["models"]["t"] = {"engine": "url", "url": other.url}
        plain |= {"tiers": {"small": ["s", "t"]}, "routes": {"role": {"model": "s"}}}
        engines.small.stop()
        async with Running(Fleet.model_validate(plain)) as ber:
            await known(ber)
            ber.targets["s"].breaker.rest(9)
            answer = await ber.chat(model="role")
        assert not other.seen
    assert (answer.header("x-freehold-model"), answer.header("x-freehold-reason")) == ("s@fra", "site")


async def test_what_crosses_the_border(two: Pair) -> None:
    """The other site is told where a request is from and what it is called there, and to let it go no further."""
    async with ScriptedSite("fra") as site, Running(fleet_at("ber", two.near, {"fra": {"url": site.url}})) as ber:
        await known(ber)
        two.near.small.stop()
        answer = await ber.chat(model="s", user="ann")
    [sent] = site.seen
    told = {name: sent.header(f"x-freehold-{name}") for name in ("hops", "egress", "cache")}
    assert told == {"hops": ["ber"], "egress": ["never"], "cache": ["off"]}
    assert sent.header("x-request-id") == [answer.header("x-request-id")]
    assert sent.request["model"] == "s"


async def test_the_other_sites_name_for_a_request_has_ours_in_it(two: Pair) -> None:
    """So that the two ledgers can be joined, and yet nobody can give a name that is another request's."""
    two.near.small.stop()
    answer = await two.ber.chat(model="s")
    [line] = await two.fra.told()
    ours, _, theirs = line["request_id"].partition(".")
    assert ours == answer.header("x-request-id")
    assert len(theirs) == 24


async def test_two_sites_without_engines_end_in_one_error(two: Pair) -> None:
    """Each engine is asked once, each site once, and the caller gets one clear refusal."""
    for engine in (two.near.small, two.far.small):
        engine.then(*[fails(429)] * 10)
    answer = await two.ber.chat(model="s")
    assert answer.status == 429
    assert answer.error["code"] == "upstream_busy"
    assert two.counts() == (1, 1)


async def test_sites_do_not_multiply_an_outage(two: Pair) -> None:
    """Where all engines fail everything, what is tried again, here and there, is within both budgets."""
    asked = 60
    for engine in (two.near.small, two.far.small):
        engine.then(*[fails(500)] * 10 * asked)
    statuses = {(await two.ber.chat(model="s")).status for _ in range(asked)}
    near, far = two.counts()
    again = RESERVE + SHARE * asked
    assert statuses == {503}
    assert asked <= near <= asked + again
    assert far <= 2 * again


async def test_two_dead_sites_do_not_ask_each_other_again(two: Pair) -> None:
    """The same where nobody listens: one request here, one there, none back."""
    two.near.small.stop()
    two.far.small.stop()
    answer = await two.ber.chat(model="s")
    assert (answer.status, answer.error["code"]) == (503, "upstream_status_503")
    assert [len(await running.told()) for running in (two.ber, two.fra)] == [1, 1]


@pytest.mark.parametrize(
    ("hops", "status", "code"),
    [
        ("ber", 508, "loop_detected"),
        ("iad,ber", 508, "loop_detected"),
        ("a b", 400, "invalid_value"),
        (",", 400, "invalid_value"),
        (",".join("abcdefghi"), 400, "invalid_value"),
        ("fra", 503, "upstream_connect"),
        ("anyone", 503, "upstream_connect"),
    ],
    ids=["been here", "been here later", "no name", "nothing", "too many", "from fra", "from a stranger"],
)
async def test_a_request_that_came_from_a_site_goes_to_no_other(two: Pair, hops: str, status: int, code: str) -> None:
    """Whoever is named; and a header that is none is a 400, a loop a 508."""
    two.near.small.stop()
    answer = await two.ber.post(CHAT, {**chat(), "model": "s"}, x_freehold_hops=hops)
    assert (answer.status, answer.error["code"]) == (status, code)
    assert two.counts() == (0, 0)


async def test_a_model_of_another_site_is_not_reached_through_this_one(two: Pair) -> None:
    """Not by name, either."""
    answer = await two.ber.post(CHAT, {**chat(), "model": "s@fra"}, x_freehold_hops="iad")
    assert (answer.status, answer.error["code"]) == (508, "loop_detected")
    assert two.counts() == (0, 0)


async def test_forging_hops_gains_nothing(two: Pair) -> None:
    """It can only take answerers away: while this site is well, its answer is the same."""
    answer = await two.ber.post(CHAT, {**chat(), "model": "s"}, x_freehold_hops="fra", x_request_id="req_0")
    assert (answer.status, answer.header("x-freehold-model")) == (200, "s")
    assert len(answer.header("x-request-id")) == 28


@pytest.mark.parametrize(
    ("egress", "statuses"),
    [("same-site", (200, 200)), ("same-owner", (200, 503)), ("outside", (200, 503))],
    ids=["same site", "same owner", "outside"],
)
async def test_never_stays_on_the_site(engines: Trio, egress: str, statuses: tuple[int, int]) -> None:
    """``x-freehold-egress: never`` reaches only a site within the same walls; what leaves is on record."""
    engines.small.stop()
    async with ScriptedSite("fra") as site:
        fleet = fleet_at("ber", engines, {"fra": {"url": site.url, "egress": egress}})
        async with Running(fleet) as ber:
            await known(ber)
            free = await ber.chat(model="small")
            kept = await ber.post(CHAT, {**chat(), "model": "small"}, x_freehold_egress="never")
            left = [line["host"] for line in ber.lines if line["event"] == "egress"]
    assert (free.status, kept.status) == statuses
    assert left == ([] if egress == "same-site" else ["127.0.0.1"])
    assert len(site.seen) == statuses.count(200)


async def test_a_server_of_your_own_elsewhere_is_bound_alike(engines: Trio) -> None:
    """Any ``url`` may be said to be elsewhere: never keeps requests from it, and its tokenizer is sent no prompt."""
    async with Engine() as far:
        far.tokens = 4000
        plain = engines.fleet().model_dump(exclude_unset=True)
        plain["models"]["u"] = {"engine": "url", "url": far.url, "egress": "same-owner", "context_length": 512}
        async with Running(Fleet.model_validate(plain)) as gateway:
            kept = await gateway.post(CHAT, {**chat(), "model": "u"}, x_freehold_egress="never")
            gone = await gateway.chat(model="u", messages=[{"role": "user", "content": "word " * 300}])
            left = [line["model"] for line in gateway.lines if line["event"] == "egress"]
        assert (kept.status, kept.error["code"], gone.status) == (403, "egress_forbidden", 200)
        assert (left, len(far.seen), far.asides) == (["u"], 1, [])


@pytest.mark.parametrize(
    ("here", "ready"), [(True, 200), (False, 503)], ids=["the other site is gone", "nobody answers here"]
)
async def test_readiness_is_not_another_sites(engines: Trio, here: bool, ready: int) -> None:
    """Without tiers, what answers here decides."""
    plain = fleet_at("ber", engines, {"fra": {"url": "http://127.0.0.1:9"}}).model_dump(exclude_unset=True)
    del plain["tiers"]
    if not here:
        engines.large.stop()
    async with Running(Fleet.model_validate(plain)) as ber:
        answer = await ber.get("/readyz")
    assert (answer.status, answer.json["models"]["s@fra"]) == (ready, False)


@pytest.mark.parametrize(
    ("cheap", "dear", "asked"),
    [
        ({"weight": 1}, {"weight": 3}, "iad"),
        ({}, {}, "fra"),
    ],
    ids=["weight", "order"],
)
async def test_which_site_is_asked_first(engines: Trio, cheap: Json, dear: Json, asked: str) -> None:
    """The one with the greater weight; the first of the file where nothing tells them apart."""
    engines.small.stop()
    async with ScriptedSite("fra") as fra, ScriptedSite("iad") as iad:
        sites: dict[str, Json] = {"fra": {"url": fra.url, **cheap}, "iad": {"url": iad.url, **dear}}
        async with Running(fleet_at("ber", engines, sites)) as ber:
            await known(ber)
            answer = await ber.chat(model="s")
    assert answer.header("x-freehold-model") == f"s@{asked}"


@pytest.mark.parametrize(
    "offer", [{"available": False}, {"free": False}, {"ttft_s": 3.0}], ids=["down", "saturated", "slow"]
)
async def test_a_site_is_asked_by_what_it_says_of_itself(engines: Trio, offer: Json) -> None:
    """One that is down, saturated or slow comes after one that is not."""
    engines.small.stop()
    async with ScriptedSite("fra", **offer) as fra, ScriptedSite("iad") as iad:
        sites: dict[str, Json] = {"fra": {"url": fra.url, "weight": 2}, "iad": {"url": iad.url}}
        async with Running(fleet_at("ber", engines, sites)) as ber:
            await known(ber)
            answer = await ber.chat(model="small")
    assert answer.header("x-freehold-model") == "s@iad"


async def test_saturated_here_means_there(two: Pair) -> None:
    """With as many under way as a tier takes, the next one goes to the other site; then it comes back."""
    busy, most = two.ber.targets["s"].slots, Routing().busy_in_flight
    for _ in range(most):
        await busy.take()
    away = await two.ber.chat(model="small")
    for _ in range(most):
        busy.give()
    back = await two.ber.chat(model="small")
    assert [one.header("x-freehold-model") for one in (away, back)] == ["s@fra", "s"]


async def test_a_cut_stream_ends_with_an_error(two: Pair) -> None:
    """After the first byte nothing is tried again, as anywhere else."""

    async def cut(exchange: Exchange) -> None:
        exchange.begin()
        exchange.piece(b'data: {"id":"c","choices":[{"index":0,"delta":{"content":"Gr"},"finish_reason":null}]}\n\n')
        exchange.reset()

    two.near.small.stop()
    two.far.small.then(cut)
    answer = await two.ber.chat(model="s", stream=True)
    assert answer.status == 200
    assert "[DONE]" not in answer.events
    assert b"event: error" in answer.body
    assert two.counts() == (0, 1)


@pytest.mark.parametrize("why", ["another name", "no site", "no offers"])
async def test_a_site_that_is_not_what_it_should_be(engines: Trio, why: str) -> None:
    """It comes last, and the log says what is wrong."""
    engines.small.stop()
    site: Engine = ScriptedSite("iad") if why == "another name" else Engine()

    async def page(exchange: Exchange) -> None:
        exchange.answer({"hello": 1} if why == "no offers" else b"nothing here", 404 if why == "no site" else 200)

    async with site, ScriptedSite("bak") as other:
        if why != "another name":
            site.then(*[page] * 3)
        sites = {"fra": {"url": site.url}, "bak": {"url": other.url}}
        async with Running(fleet_at("ber", engines, sites)) as ber:
            await known(ber)
            answer = await ber.chat(model="s")
            assert not await ber.targets["s@fra"].answers()
    assert answer.header("x-freehold-model") == "s@bak"


async def test_a_site_that_falls_silent_is_gone_and_comes_back(engines: Trio, monkeypatch: pytest.MonkeyPatch) -> None:
    """A request that waits there is answered by somebody else; once the site answers again, it is asked again."""
    monkeypatch.setattr("router.backends.site.ASK_S", 0.05)
    async with ScriptedSite("fra") as site, Running(fleet_at("ber", engines, {"fra": {"url": site.url}})) as ber:
        await known(ber)
        site.then(silent)
        asked = asyncio.create_task(ber.chat(model="s@fra", stream=True))
        await site.arrival()
        site.is_silent = True
        refused = await soon(asked)
        assert (refused.status, refused.error["code"]) == (502, "upstream_cut")
        assert not await ber.targets["s@fra"].answers()
        site.is_silent = False

        async def back() -> bool:
            return await ber.targets["s@fra"].answers()

        await until(back)
        assert (await ber.chat(model="s@fra")).status == 200
