"""The loop around real requests: a gateway with a real database, scripted engines, and Claude on a scripted server."""

from __future__ import annotations

import pytest

from router.quality.judging import VERSION
from tests.router.gateway import chat
from tests.router.quality.examined import Place, hosted, local

pytestmark = pytest.mark.anyio

NEVER = {"x_freehold_egress": "never"}


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
async def test_a_loss_in_both_orders(place: Place, *, stream: bool) -> None:
    """Claude is asked the same, then judges blind in both orders; the label has all that a report needs."""
    place.outside.then(*hosted("Better words", "B", "A"))
    async with place.examined(judge="c") as bank:
        key = await bank.key("open")
        answer = await bank.ask(key, stream=stream)
        [line] = await bank.compared()
        [label] = await bank.labels()
        spent = await bank.rows("SELECT spent_micros, reserved_micros FROM budget_windows WHERE tenant = '~quality'")
        left = await bank.rows("SELECT * FROM egress ORDER BY at")
    assert (line["outcome"], line["request_id"]) == ("loss", answer.header("x-request-id"))
    expected: dict[str, object] = {
        "source": "judged",
        "tenant": "acme",
        "model": "s",
        "tier": "small",
        "reason": "short-prompt",
    }
    expected |= {"reference": "c", "propensity": 1.0, "score": 0.0, "judge": "c", "judge_version": VERSION}
    assert {name: label[name] for name in expected} == expected
    first, second = (exchange.body.decode() for exchange in place.outside.seen[1:])
    assert first.index("Grüße") < first.index("Better words")
    assert second.index("Better words") < second.index("Grüße")
    assert {(row["reserved_micros"], row["spent_micros"]) for row in spent} == {(0, label["cost_micros"])}
    assert label["cost_micros"] > 0
    assert [row["reason"] for row in left] == ["quality-reference", "quality-judge", "quality-judge"]
    assert [row["bytes"] for row in left] == [len(exchange.body) for exchange in place.outside.seen]


@pytest.mark.parametrize(
    ("replies", "outcome"),
    [
        (("Other", "A", "B"), "win"),
        (("Other", "A", "A"), "tie"),
        (("Other", "C", "C"), "tie"),
        (("Other", "Well, both"), "undecided"),
    ],
    ids=["win", "place", "tie", "talk"],
)
async def test_verdicts(place: Place, replies: tuple[str, ...], outcome: str) -> None:
    """What the judge says in both orders is what counts; without a verdict there is no label."""
    place.outside.then(*hosted(*replies))
    async with place.examined(judge="c") as bank:
        await bank.ask(await bank.key("open"))
        assert [line["outcome"] for line in await bank.compared()] == [outcome]
        assert len(await bank.labels()) == (outcome != "undecided")


async def test_large_judges_small(place: Place) -> None:
    """With models of the fleet as reference and judge nothing leaves, no money is needed, and no permission."""
    place.engines.large.then(*local("Other", "A", "B"))
    quality = {"references": ["l"], "judge": "l", "usd_per_day": 0}
    async with place.examined(**quality) as bank:
        await bank.ask(await bank.key("closed"), NEVER)
        [line] = await bank.compared()
        words = await bank.rows("SELECT * FROM samples")
    assert (line["outcome"], line["reference"]) == ("win", "l")
    assert place.outside.opened == 0
    assert len(words) == 1
    assert b"Hello" not in bytes(words[0]["prompt"])


@pytest.mark.parametrize(
    ("ours", "theirs", "outcome", "judge"),
    [
        ("B", "The answer is B.", "tie", "exact-letter"),
        ("A", "B", "loss", "exact-letter"),
        ("A", "Hm", "undecided", ""),
    ],
    ids=["same", "another", "none"],
)
async def test_without_a_judge(
    place: Place,
    ours: str,
    theirs: str,
    outcome: str,
    judge: str,
) -> None:
    """What has options is compared by the letter; where they differ, the reference is taken to be right."""
    place.engines.small.then(*local(ours))
    place.outside.then(*hosted(theirs))
    async with place.examined() as bank:
        key = await bank.key("open")
        await bank.ask(key, messages=chat("Which?\nA) one\nB) two")["messages"])
        await bank.ask(key)
        lines = await bank.compared(2)
        found = [label["judge"] for label in await bank.labels()]
    assert {line["outcome"] for line in lines} == {outcome, "unfit"}
    assert found == [judge] * bool(judge)
    assert len(place.outside.seen) == 1, "what nobody could compare is not asked"


@pytest.mark.parametrize(
    ("plan", "headers", "quality", "outcome"),
    [
        ("closed", {}, {}, "unfit"),
        ("open", NEVER, {}, "unfit"),
        ("open", {}, {"usd_per_day": 1e-6}, "unpaid"),
    ],
    ids=["plan", "request", "money"],
)
async def test_what_may_not_leave_is_not_compared(
    place: Place,
    plan: str,
    headers: dict[str, str],
    quality: dict[str, float],
    outcome: str,
) -> None:
    """Plan, request and money bind the loop as they bind an answer: not even a connection is opened."""
    async with place.examined(judge="c", **quality) as bank:
        await bank.ask(await bank.key(plan), headers)
        [line] = await bank.compared()
        assert await bank.rows("SELECT * FROM egress") == []
        assert await bank.labels() == []
    assert (line["outcome"], place.outside.opened) == (outcome, 0)


@pytest.mark.parametrize("sample", [0, 1], ids=["none", "all"])
async def test_only_a_sample(place: Place, sample: float) -> None:
    """The share of the fleet file decides; what Claude itself answered, and what was refused, is never compared."""
    place.outside.then(*hosted(*["Other"] * 4))
    async with place.examined(judge="l", sample=sample) as bank:
        place.engines.large.then(*local("C", "C"))
        key = await bank.key("paying")
        assert (await bank.ask(key, model="c")).status == 200
        assert (await bank.ask(key, model="nobody")).status == 404
        assert (await bank.ask(key)).status == 200
        lines = await bank.compared(int(sample))
        assert [line["model"] for line in lines] == ["s"] * int(sample)
    assert len(place.outside.seen) == 1 + sample


async def test_nothing_is_asked_of_the_busy(place: Place) -> None:
    """While the reference has requests of callers under way, an answer is not compared, rather than later."""
    quality = {"references": ["l"], "judge": "l", "below_in_flight": 1}
    async with place.examined(**quality) as bank:
        key = await bank.key("closed")
        target = bank.running.app.app._targets["l"]  # type: ignore[attr-defined] # through the middleware
        await target.slots.take()
        await bank.ask(key)
        [line] = await bank.compared()
        target.slots.give()
    assert line["outcome"] == "busy"
    assert not place.engines.large.seen


async def test_a_failure_is_one_comparison_less(place: Place) -> None:
    """A reference that fails is not asked again; what it could have charged is free again, and the next one goes on."""
    place.outside.stop()
    async with place.examined(judge="c") as bank:
        key = await bank.key("open")
        assert (await bank.ask(key)).status == 200
        [line] = await bank.compared()
        spent = await bank.rows("SELECT spent_micros, reserved_micros FROM budget_windows WHERE tenant = '~quality'")
    assert line["outcome"] == "failed"
    assert {(row["reserved_micros"], row["spent_micros"]) for row in spent} == {(0, 0)}
