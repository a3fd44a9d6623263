"""A release as it changes: everything that belongs to it is followed, and given as rows.

Kinds that this user may not see, or that the cluster has not, stay empty; :attr:`Live.troubles` says why. Neighbours:
:mod:`cluster.kube.follow` keeps the objects, :mod:`cluster.kube.deploy.rollout` makes the rows.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterable, Iterator, Mapping
from types import TracebackType
from typing import Any, Protocol, Self

from cluster.errors import KubernetesError
from cluster.kube.deploy.progress import progress
from cluster.kube.deploy.rollout import Phase, Row, Seen, is_ready, rows
from cluster.kube.deploy.survey import INSTANCE
from cluster.kube.follow import RELIST_S, Following, Source

Object = dict[str, Any]
_FIRST_S = 20.0
"""How long the first lists may take."""
_NOT_FOUND = 404
_LOOK_S = 5.0
"""Between two looks at the logs of pods that load."""
_WORKLOADS = (
    ("apis/apps/v1", "deployments", "Deployment"),
    ("apis/batch/v1", "jobs", "Job"),
    ("apis/ray.io/v1", "rayservices", "RayService"),
)


class Watched(Source, Protocol):
    """What is followed, and has logs."""

    def text(self, path: str, **query: str) -> str:
        """A log."""


class Live:
    """One release, followed while the context is open."""

    def __init__(
        self, api: Watched, release: str, namespace: str, names: Mapping[str, str], relist_s: float = RELIST_S
    ) -> None:
        """``names`` gives a model's name by its slug."""
        self._api, self._names, self._home = api, names, f"/api/v1/namespaces/{namespace}"
        self._changed = threading.Event()
        mine = {"labelSelector": f"{INSTANCE}={release}"}

        def follow(path: str, **query: str) -> Following:
            return Following(api, path, self._changed, query, relist_s)

        self._pods = follow(f"{self._home}/pods", **mine)
        self._events = follow(f"{self._home}/events", fieldSelector="type=Warning")
        self._workloads = {
            kind: follow(f"/{root}/namespaces/{namespace}/{plural}", **mine) for root, plural, kind in _WORKLOADS
        }
        self._progress: dict[str, str] = {}
        self._looked = 0.0

    @property
    def _all(self) -> tuple[Following, ...]:
        return (self._pods, self._events, *self._workloads.values())

    def __enter__(self) -> Self:
        """Begin; returns when everything that can be listed has been."""
        deadline = time.monotonic() + _FIRST_S
        for one in self._all:
            one.start()
        while not all(one.listed.is_set() or one.trouble for one in self._all) and time.monotonic() < deadline:
            self._changed.wait(0.2)
            self._changed.clear()
        return self

    def __exit__(self, _: type[BaseException] | None, __: BaseException | None, ___: TracebackType | None) -> None:
        """Follow no longer."""
        for one in self._all:
            one.stop()

    @property
    def troubles(self) -> tuple[str, ...]:
        """Why some of it cannot be told; a kind that the cluster has not is no trouble."""
        known = [one.trouble for one in self._all if one.trouble and one.trouble.status != _NOT_FOUND]
        return tuple(dict.fromkeys(map(str, known)))

    def rows(self, expected: Iterable[tuple[str, str]] = ()) -> tuple[Row, ...]:
        """Everything of the release as it is now."""
        workloads = tuple(item | {"kind": kind} for kind, one in self._workloads.items() for item in one.items())
        seen = Seen(workloads, self._pods.items(), self._events.items(), self._progress)
        return rows(seen, self._names, expected)

    def changes(self, seconds: float, expected: Iterable[tuple[str, str]] = ()) -> Iterator[tuple[Row, ...]]:
        """The rows now, and again after every change and at least once a second, for so long."""
        kinds, deadline = tuple(expected), time.monotonic() + seconds
        while True:
            found = self.rows(kinds)
            yield found
            if any(row.phase is Phase.LOADING for row in found):
                self._look()
            left = deadline - time.monotonic()
            if left <= 0:
                return
            self._changed.wait(min(left, 1.0))
            self._changed.clear()

    def _look(self) -> None:
        """Read the last lines of the logs of pods that are not ready."""
        if time.monotonic() - self._looked < _LOOK_S:
            return
        self._looked, told = time.monotonic(), {}
        for pod in self._pods.items():
            if pod.get("status", {}).get("phase") == "Running" and not is_ready(pod):
                name, container = pod["metadata"]["name"], pod["spec"]["containers"][0]["name"]
                try:
                    log = self._api.text(f"{self._home}/pods/{name}/log", container=container, tailLines="60")
                except KubernetesError:
                    continue  # a log that cannot be had is only a column that stays empty
                told[name] = progress(log)
        self._progress = told
