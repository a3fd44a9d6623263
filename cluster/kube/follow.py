"""All objects of a kind, kept as the API server has them: listed, watched, and listed again and again.

A watch alone is not enough: a connection that breaks, a server that has forgotten the moment to go on from (410), or a
proxy in between may swallow a DELETED, and then a pod that is gone lives on in memory for as long as the process does.
So every watch ends after ``relist_s`` and a full list takes its place. Invariant: what :meth:`Following.items` gives is
never older than ``relist_s`` while the API server answers. Neighbour: :mod:`cluster.kube.api`.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping
from typing import Any, Protocol

from cluster.errors import KubernetesError

Object = dict[str, Any]
RELIST_S = 30.0
"""How long a missed event may go unnoticed; a list of a release's pods is some kilobytes."""
_PAUSE_S = 1.0


class Listed(Protocol):
    """What there was at one moment."""

    @property
    def items(self) -> tuple[Object, ...]:
        """The objects."""

    @property
    def version(self) -> str:
        """The moment."""


class Source(Protocol):
    """What is followed; :class:`cluster.kube.api.Api` is one."""

    def list(self, path: str, **query: str) -> Listed:
        """All objects."""

    def watch(self, path: str, version: str, seconds: float, **query: str) -> Iterator[Object]:
        """What changes after a moment."""


class Following(threading.Thread):
    """Follows one kind of objects until told to stop."""

    def __init__(  # noqa: PLR0913, PLR0917 - what is followed, and how
        self,
        source: Source,
        path: str,
        changed: threading.Event,
        query: Mapping[str, str],
        relist_s: float = RELIST_S,
        pause_s: float = _PAUSE_S,
    ) -> None:
        """``changed`` is set whenever there is something new; several may share one.

        Between a watch and the next list there is a pause, so that a server in trouble is not asked without end.
        """
        super().__init__(name=f"follow {path}", daemon=True)
        self._source, self._path, self._query = source, path, query
        self._changed, self._relist_s, self._pause_s = changed, relist_s, pause_s
        self._over = threading.Event()
        self._objects: dict[str, Object] = {}
        self._lock = threading.Lock()
        self.listed = threading.Event()
        """Set after the first list."""
        self.trouble: KubernetesError | None = None
        """Why nothing new can be told at the moment; None while all is well."""

    def items(self) -> tuple[Object, ...]:
        """The objects as they are known now."""
        with self._lock:
            return tuple(self._objects.values())

    def stop(self) -> None:
        """Follow no longer; a read under way ends by itself."""
        self._over.set()

    def run(self) -> None:
        """List, watch, list again."""
        while not self._over.is_set():
            try:
                version = self._list()
                self._watch(version)
            except KubernetesError as exc:
                self.trouble = exc
                self._changed.set()
            self._over.wait(self._pause_s)

    def _list(self) -> str:
        found = self._source.list(self._path, **self._query)
        with self._lock:
            self._objects = {_identity(item): item for item in found.items}
        self.trouble = None
        self.listed.set()
        self._changed.set()
        return found.version

    def _watch(self, version: str) -> None:
        for event in self._source.watch(self._path, version, self._relist_s, **self._query):
            if self._over.is_set() or event["type"] == "ERROR":  # 410: that moment is forgotten
                return
            with self._lock:
                if event["type"] == "DELETED":
                    self._objects.pop(_identity(event["object"]), None)
                elif event["type"] in {"ADDED", "MODIFIED"}:
                    self._objects[_identity(event["object"])] = event["object"]
            self._changed.set()


def _identity(item: Object) -> str:
    return str(item["metadata"]["uid"])
