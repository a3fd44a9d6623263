"""``python -m serving.gpus``: tell of this machine's GPUs over HTTP until SIGTERM.

``/metrics`` is for Prometheus, ``/healthz`` says 503 with a line for every condemned GPU. Without a GPU: one line, and
exit code 3.
"""

from __future__ import annotations

import argparse
import logging
import signal
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from cluster.errors import FreeholdError, PortInUseError
from cluster.gpus.nvml import Nvml
from serving.gpus.agent import Agent
from serving.gpus.metrics import page

LOOK_S = 5.0


def main() -> int:
    """Serve; the exit code is the error's."""
    parser = argparse.ArgumentParser(prog="python -m serving.gpus", description="Tell of this machine's GPUs.")
    parser.add_argument("--host", default="127.0.0.1", help="where it listens; 127.0.0.1")
    parser.add_argument("--port", type=int, default=9400, help="9400")
    parser.add_argument("--every", type=float, default=LOOK_S, metavar="SECONDS", help=f"between two looks; {LOOK_S:g}")
    parser.add_argument("--drain", action="store_true", help="tell replicas on a condemned GPU to end")
    asked = parser.parse_args()
    logging.basicConfig(format="%(levelname)s %(message)s", level=logging.INFO)
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    try:
        with Nvml() as nvml:
            _serve(Agent(nvml, drain=asked.drain), asked, stop)
    except FreeholdError as exc:
        sys.stderr.write(f"{exc}\n")
        return exc.exit_code
    return 0


def _serve(agent: Agent, asked: argparse.Namespace, stop: threading.Event) -> None:
    class Answer(BaseHTTPRequestHandler):
        """One request, answered from the last look."""

        def do_GET(self) -> None:
            if self.path == "/metrics":
                self._send(200, page(agent), "text/plain; version=0.0.4")
            elif self.path == "/healthz":
                bad = [*agent.report.bad, *([agent.silent] if agent.silent else [])]
                self._send(503 if bad else 200, "\n".join(bad or ["ok"]).encode(), "text/plain")
            else:
                self._send(404, b"/metrics or /healthz", "text/plain")

        def _send(self, status: int, body: bytes, kind: str) -> None:
            self.send_response(status)
            self.send_header("content-type", kind)
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the library's name
            """Scrapes are not worth a line."""

    try:
        server = ThreadingHTTPServer((asked.host, asked.port), Answer)
    except OSError as exc:
        msg = f"cannot listen on {asked.host}:{asked.port}: {exc.strerror}; name another --port"
        raise PortInUseError(msg) from exc
    threading.Thread(target=server.serve_forever, daemon=True).start()
    while not stop.wait(asked.every):
        agent.look()
    server.shutdown()
    server.server_close()


if __name__ == "__main__":
    sys.exit(main())
