"""Lists and watches that fail in every way that they do, and what is known afterwards."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest

from cluster.errors import KubernetesError
from cluster.kube.follow import Following

Object = dict[str, Any]


def named(*names: str) -> tuple[Object, ...]:
    """Objects."""
    return tuple({"metadata": {"name": name, "uid": name}} for name in names)


@dataclass(frozen=True, slots=True)
class Moment:
    """A list."""

    items: tuple[Object, ...]
    version: str = "1"


@dataclass(slots=True)
class Script:
    """A server that plays a list of answers; the last list stays."""

    lists: list[Moment | KubernetesError]
    watches: list[list[Object | KubernetesError]] = field(default_factory=list)
    listed: int = 0
    released: threading.Event = field(default_factory=threading.Event)

    def list(self, path: str, **query: str) -> Moment:
        """The next list."""
        assert (path, query) == ("/pods", {"labelSelector": "a"})
        now = self.lists[min(self.listed, len(self.lists) - 1)]
        self.listed += 1
        if isinstance(now, KubernetesError):
            raise now
        return now

    def watch(self, path: str, version: str, seconds: float, **query: str) -> Iterator[Object]:
        """The next watch; without one the connection stays open and silent until it is over."""
        assert (path, version, query) == ("/pods", "1", {"labelSelector": "a"})
        if not self.watches:
            self.released.wait(seconds)
            return
        for event in self.watches.pop(0):
            if isinstance(event, KubernetesError):
                raise event
            yield event


def followed(script: Script, relist_s: float, want: set[str], listed: int = 1) -> Following:
    """Follow until exactly these are known, after so many lists."""
    one = Following(script, "/pods", threading.Event(), {"labelSelector": "a"}, relist_s, pause_s=0.01)
    one.start()
    deadline = time.monotonic() + 60
    while names(one) != want or script.listed < listed:
        assert time.monotonic() < deadline, names(one)
        time.sleep(0.01)
    one.stop()
    script.released.set()
    one.join()
    return one


def names(one: Following) -> set[str]:
    """What is known."""
    return {item["metadata"]["name"] for item in one.items()}


def event(kind: str, name: str) -> Object:
    """One of a watch."""
    return {"type": kind, "object": named(name)[0]}


def test_events_change_what_is_known() -> None:
    """Added, modified and deleted; bookmarks carry no object."""
    events = [event("ADDED", "b"), event("MODIFIED", "b"), event("BOOKMARK", "x"), event("DELETED", "a")]
    assert followed(Script([Moment(named("a"))], [list(events)]), 30, {"b"}).listed.is_set()


@pytest.mark.parametrize(
    "watch",
    [
        [],
        [{"type": "ERROR", "object": {"kind": "Status", "code": 410, "reason": "Expired"}}],
        [KubernetesError("too old resource version", 410)],
        [event("ADDED", "c"), KubernetesError("the watch broke off")],
    ],
    ids=["a watch that ends", "410 within the watch", "410 at once", "a cut connection"],
)
def test_after_a_failure_the_list_tells_what_was_missed(watch: list[Object | KubernetesError]) -> None:
    """The deletion of ``b`` was in none of the events."""
    assert names(followed(Script([Moment(named("a", "b")), Moment(named("a"))], [watch]), 30, {"a"}, 2)) == {"a"}


def test_a_silent_watch_is_not_believed_for_ever() -> None:
    """The connection stands, the deletion was swallowed: the next list comes by itself."""
    assert names(followed(Script([Moment(named("a", "b")), Moment(named("a"))]), 0.1, {"a"})) == {"a"}


def test_trouble_is_told_and_forgotten() -> None:
    """While the API server is away what was known stays, with the reason; afterwards all is well."""
    script = Script([Moment(named("a")), KubernetesError("no answer"), Moment(named("a", "b"))], [[]])
    one = followed(script, 30, {"a", "b"}, 3)
    assert one.trouble is None


def test_a_refusal_is_told() -> None:
    """A user without the right sees why nothing is seen."""
    script = Script([KubernetesError("pods is forbidden", 403)])
    assert followed(script, 30, set()).trouble is script.lists[0]
