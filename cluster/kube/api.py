"""One API server, asked by one user: JSON in, JSON out; the only importer of Kubernetes' own client.

That client finds the kubeconfig, its credentials and their plugins, and speaks TLS. Invariant: whatever goes wrong
becomes a :class:`~cluster.errors.KubernetesError` that names the object and the way out. Neighbour:
:mod:`cluster.kube.follow`.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import urllib3
from kubernetes import client, config

from cluster.errors import KubernetesError, UsageError
from cluster.kube.expiry import Credentials, expired

Object = dict[str, Any]
"""A Kubernetes object as JSON."""
_CONNECT_S, _READ_S = 5.0, 30.0
_OK, _UNAUTHORIZED, _FORBIDDEN = 200, 401, 403


@dataclass(frozen=True, slots=True)
class Listing:
    """What there was at one moment."""

    items: tuple[Object, ...]
    version: str
    """The moment, as the API server counts them (``resourceVersion``)."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where the requests go, in the words of the kubeconfig."""

    context: str
    user: str
    server: str
    namespace: str


class Api:
    """Requests to one API server."""

    def __init__(self, api_client: client.ApiClient, place: Place, credentials: Credentials) -> None:
        """Take what :meth:`connect` found."""
        self._client, self.place, self._credentials = api_client, place, credentials

    @classmethod
    def connect(cls, context: str = "", namespace: str = "") -> Self:
        """The API server that the kubeconfig names; nothing is sent yet.

        Raises:
            UsageError: there is no kubeconfig, or no such context in it.
            KubernetesError: a plugin that should bring credentials failed.

        """
        try:
            file = os.environ.get("KUBECONFIG")
            contexts, current = config.list_kube_config_contexts(file)
            named = {item["name"]: item for item in contexts}
            chosen = named.get(context) if context else current
            if chosen is None:
                msg = f"--context {context}: the kubeconfig has {', '.join(sorted(named))}"
                raise UsageError(msg)
            settings = client.Configuration()
            settings.retries = False
            api_client = config.new_client_from_config(file, chosen["name"], client_configuration=settings)
        except config.ConfigException as exc:
            msg = f"no usable kubeconfig ({exc}); set KUBECONFIG, or make one as your cluster's vendor says"
            raise UsageError(msg) from exc
        if not settings.verify_ssl:  # as the kubeconfig says; a warning with each request would say nothing new
            urllib3.disable_warnings(urllib3.exceptions.InsecureRequestWarning)
        inner = chosen["context"]
        place = Place(
            context=chosen["name"],
            user=inner.get("user", ""),
            server=settings.host,
            namespace=namespace or inner.get("namespace") or "default",
        )
        return cls(api_client, place, Credentials(*_credentials(api_client.configuration)))

    def get(self, path: str, **query: str) -> Object:
        """One object, or whatever ``path`` gives as JSON."""
        return self._json("GET", path, query)

    def find(self, path: str) -> Object | None:
        """One object, None where there is none."""
        try:
            return self.get(path)
        except KubernetesError as exc:
            if exc.status == 404:  # noqa: PLR2004 - HTTP's own number
                return None
            raise

    def list(self, path: str, **query: str) -> Listing:
        """All objects of a kind."""
        found = self.get(path, **query)
        kind, version = found.get("kind", "").removesuffix("List"), found.get("apiVersion", "")
        items = tuple({"kind": kind, "apiVersion": version} | item for item in found.get("items") or ())
        return Listing(items, found.get("metadata", {}).get("resourceVersion", ""))

    def watch(self, path: str, version: str, seconds: float, **query: str) -> Iterator[Object]:
        """What changes after ``version``, for so many seconds: ``{"type": "ADDED", "object": …}``."""
        query |= {"watch": "true", "resourceVersion": version, "timeoutSeconds": str(max(1, round(seconds)))}
        with closing(self._send("GET", path, query, read_s=seconds + _CONNECT_S)) as answer:
            _check(answer, path, self)
            rest = b""
            while piece := self._read(answer, path):
                *lines, rest = (rest + piece).split(b"\n")
                for line in lines:
                    yield json.loads(line)

    def text(self, path: str, **query: str) -> str:
        """What ``path`` gives as text; a log."""
        with closing(self._send("GET", path, query)) as answer:
            _check(answer, path, self)
            return bytes(answer.data).decode(errors="replace")

    def apply_dry(self, path: str, body: Object, manager: str) -> Object:
        """What an object would be if ``body`` were applied; nothing is."""
        query = {"dryRun": "All", "fieldManager": manager, "force": "true", "fieldValidation": "Strict"}
        return self._json("PATCH", path, query, body)

    def _json(self, method: str, path: str, query: Mapping[str, str], body: Object | None = None) -> Object:
        with closing(self._send(method, path, query, body)) as answer:
            _check(answer, path, self)
            try:
                found: Object = json.loads(answer.data)
            except ValueError as exc:
                msg = f"{self.place.server}{path}: what answers is no API server; is the context right?"
                raise KubernetesError(msg) from exc
            return found

    def _send(
        self, method: str, path: str, query: Mapping[str, str], body: Object | None = None, read_s: float = _READ_S
    ) -> urllib3.BaseHTTPResponse:
        headers = {"Accept": "*/*"} | ({"Content-Type": "application/apply-patch+yaml"} if body else {})
        parameters = list(query.items())
        call = self._client.param_serialize(
            method, path, query_params=parameters, header_params=headers, body=body, auth_settings=["BearerToken"]
        )
        try:
            answer = self._client.call_api(*call, _request_timeout=(_CONNECT_S, read_s))
        except (client.ApiException, urllib3.exceptions.HTTPError, OSError) as exc:
            raise self._unreachable(exc) from exc
        response: urllib3.BaseHTTPResponse = answer.response
        return response

    def _read(self, answer: urllib3.BaseHTTPResponse, path: str) -> bytes:
        try:
            return answer.read1(1 << 16)
        except (urllib3.exceptions.HTTPError, OSError) as exc:
            msg = f"{path}: the watch broke off ({exc})"
            raise KubernetesError(msg) from exc

    def _unreachable(self, exc: Exception) -> KubernetesError:
        told = str(getattr(exc, "reason", "") or exc).strip().splitlines()[-1]
        msg = (
            f"no answer from {self.place.server} (context {self.place.context}): {told}\n"
            "is that the right context, and does this machine reach it? try: kubectl cluster-info"
        )
        return KubernetesError(msg)

    def refusal(self, status: int, reason: str, path: str) -> KubernetesError:
        """What the API server's no means here."""
        who = f"user {self.place.user!r} of context {self.place.context!r}"
        if status == _UNAUTHORIZED:
            cause = expired(self._credentials) or "its token or certificate is not accepted; it may have expired"
            text = f"{self.place.server} does not know {who}: {cause}\nlog in again, or get a new kubeconfig"
        elif status == _FORBIDDEN:
            text = f"{reason} (context {self.place.context!r})"
            text += "\nask for the rights in helm/roles.yaml" if " cannot " in reason else ""
        else:
            text = f"{path}: {reason}"
        return KubernetesError(text, status)


def _check(answer: urllib3.BaseHTTPResponse, path: str, api: Api) -> None:
    if answer.status // 100 == _OK // 100:
        return
    told = bytes(answer.data).decode(errors="replace")
    try:
        reason = json.loads(told)["message"]
    except (ValueError, KeyError, TypeError):
        reason = f"HTTP {answer.status} {told[:200]}"
    raise api.refusal(answer.status, reason, path)


def _credentials(settings: client.Configuration) -> tuple[str, str]:
    """The token, and the client's certificate as PEM."""
    token = str((settings.api_key or {}).get("BearerToken") or "").removeprefix("Bearer ")
    file = Path(settings.cert_file) if settings.cert_file else None
    return token, file.read_text() if file and file.is_file() else ""
