"""What an API server says, and what becomes of it; the server is a small real one."""

from __future__ import annotations

import base64
import json
import ssl
import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from cluster.errors import KubernetesError
from cluster.kube.api import Api
from tests.cluster.kube.test_expiry import certificate

FORBIDDEN = 'pods is forbidden: User "ann" cannot list resource "pods"'
ANSWERS: dict[str, tuple[int, bytes]] = {
    "/pods": (
        200,
        b'{"kind": "PodList", "apiVersion": "v1", "metadata": {"resourceVersion": "7"}, "items": [{"a": 1}]}',
    ),
    "/401": (401, b'{"message": "Unauthorized"}'),
    "/403": (403, json.dumps({"message": FORBIDDEN}).encode()),
    "/404": (404, b"404 page not found\n"),
    "/portal": (200, b"<html>please log in</html>"),
    "/watch": (200, b'{"type": "ADDED", "object": {}}\n{"type": "DELETED", "object": {}}\n'),
}


class Answering(BaseHTTPRequestHandler):
    """Answers by path."""

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the parent's name
        """Say nothing."""

    def do_GET(self) -> None:
        """One answer."""
        status, body = ANSWERS[self.path.partition("?")[0]]
        self.send_response(status)
        self.end_headers()
        self.wfile.write(body)


@pytest.fixture
def api(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Api]:
    """The server's client, whose certificate has expired."""
    pem, key = certificate(datetime(2026, 1, 1, tzinfo=UTC))
    (tmp_path / "server.pem").write_text(pem + key)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tmp_path / "server.pem")
    server = ThreadingHTTPServer(("127.0.0.1", 0), Answering)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    place = {"server": f"https://127.0.0.1:{server.server_port}", "insecure-skip-tls-verify": True}
    user = {"client-certificate-data": _encoded(pem), "client-key-data": _encoded(key)}
    config: dict[str, Any] = {
        "current-context": "here",
        "contexts": [{"name": "here", "context": {"cluster": "c", "user": "ann", "namespace": "llm"}}],
        "clusters": [{"name": "c", "cluster": place}],
        "users": [{"name": "ann", "user": user}],
    }
    (tmp_path / "config").write_text(json.dumps(config))
    monkeypatch.setenv("KUBECONFIG", str(tmp_path / "config"))
    yield Api.connect()
    server.shutdown()
    thread.join()
    server.server_close()


def _encoded(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


@pytest.mark.parametrize(
    ("path", "status", "said"),
    [
        ("/401", 401, "does not know user 'ann' of context 'here': its certificate expired on 2026-01-01 00:00 UTC"),
        ("/403", 403, f"{FORBIDDEN} (context 'here')\nask for the rights in helm/roles.yaml"),
        ("/404", 404, "/404: HTTP 404 404 page not found"),
        ("/portal", 0, "what answers is no API server; is the context right?"),
    ],
    ids=["expired", "no right", "not found", "a portal in between"],
)
def test_refusals_name_the_cause_and_the_way_out(api: Api, path: str, status: int, said: str) -> None:
    """Whatever the server says, it is one error with its status."""
    with pytest.raises(KubernetesError) as caught:
        api.get(path)
    assert said in str(caught.value)
    assert caught.value.status == status
    assert caught.value.lacks_right is (status == 403)


def test_a_list_gives_its_kind_to_its_items(api: Api) -> None:
    """The API server leaves that out."""
    found = api.list("/pods")
    assert (found.items, found.version) == (({"kind": "Pod", "apiVersion": "v1", "a": 1},), "7")
    assert api.place.namespace == "llm"


def test_a_watch_gives_events_line_by_line(api: Api) -> None:
    """Until the server ends it."""
    assert [event["type"] for event in api.watch("/watch", "7", 5)] == ["ADDED", "DELETED"]


def test_what_is_not_there_is_none(api: Api) -> None:
    """For those who only ask whether."""
    assert api.find("/404") is None
