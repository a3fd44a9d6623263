"""A proxy before the API server that swallows every DELETED of a watch and then cuts it; what a follower makes of that.

Makes two ConfigMaps in namespace ``default``, deletes one, and waits until the follower knows. Prints
``{"lost": …, "cut": …, "left": [names]}``. Run by path where the API server is reached.
"""

from __future__ import annotations

import http.client
import json
import os
import ssl
import sys
import tempfile
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

sys.path.insert(0, str(Path(__file__).parents[2]))

from cluster.kube.api import Api
from cluster.kube.follow import Following

PATH = "/api/v1/namespaces/default/configmaps"
MARK = "freehold.dev/lossy"
_LIMIT_S = 120.0
_RELIST_S = 3.0


class Lossy(ThreadingHTTPServer):
    """Passes on whatever it gets, but for deletions."""

    daemon_threads = True

    def __init__(self, server: str, token: str) -> None:
        """In front of ``server``, with a user's token."""
        super().__init__(("127.0.0.1", 0), Passing)
        self.server, self.token, self.lost, self.cut = urlsplit(server), token, 0, 0
        self.watching = 0

    def ask(self, method: str, path: str, body: bytes | None = None) -> http.client.HTTPResponse:
        """The API server's own answer."""
        context = ssl._create_unverified_context()  # noqa: S323 - a test's own server
        inner = http.client.HTTPSConnection(self.server.hostname or "", self.server.port, context=context)
        headers = {"Authorization": f"Bearer {self.token}", "Content-Type": "application/json"}
        inner.request(method, path, body, headers)
        return inner.getresponse()


class Passing(BaseHTTPRequestHandler):
    """One request."""

    server: Lossy

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the parent's name
        """Say nothing."""

    def do_GET(self) -> None:
        """Lists pass whole; a watch line by line, until a deletion: that is lost, and the connection with it."""
        answer = self.server.ask("GET", self.path)
        is_watch = "watch=true" in self.path
        self.server.watching += is_watch
        self.send_response(answer.status)
        self.send_header("Content-Type", "application/json")
        self.end_headers()
        for line in answer:
            if is_watch and json.loads(line)["type"] == "DELETED":
                self.server.lost += 1
                break
            self.wfile.write(line)
            self.wfile.flush()
        self.server.cut += is_watch
        self.server.watching -= is_watch


def main() -> None:
    """Make, delete, wait, tell."""
    config = json.loads(Path(os.environ["KUBECONFIG"]).read_text())
    proxy = Lossy(config["clusters"][0]["cluster"]["server"], config["users"][0]["user"]["token"])
    threading.Thread(target=proxy.serve_forever, daemon=True).start()
    config["clusters"][0]["cluster"] = {"server": f"http://127.0.0.1:{proxy.server_port}"}
    with tempfile.NamedTemporaryFile("w", suffix=".json") as file:
        json.dump(config, file)
        file.flush()
        os.environ["KUBECONFIG"] = file.name
        api = Api.connect()
    seen = Following(api, PATH, threading.Event(), {"labelSelector": MARK}, _RELIST_S)
    for name in ("kept", "gone"):
        made: dict[str, Any] = {"metadata": {"name": name, "labels": {MARK: "yes"}}}
        proxy.ask("POST", PATH, json.dumps(made).encode()).read()
    seen.start()
    _until(lambda: len(seen.items()) == 2)
    _until(lambda: proxy.watching)
    proxy.ask("DELETE", f"{PATH}/gone").read()
    _until(lambda: len(seen.items()) == 1)
    left = [item["metadata"]["name"] for item in seen.items()]
    proxy.ask("DELETE", f"{PATH}/kept").read()
    json.dump({"lost": proxy.lost, "cut": proxy.cut, "left": left}, sys.stdout)


def _until(ready: Any) -> None:  # noqa: ANN401 - a question
    deadline = time.monotonic() + _LIMIT_S
    while not ready() and time.monotonic() < deadline:
        time.sleep(0.05)


if __name__ == "__main__":
    main()
