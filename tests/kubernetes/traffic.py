"""Callers until standard input ends: whole answers, short streams and long ones, each on a connection that is kept.

Prints ``{"answers": …, "streams": …, "failed": […]}``. Run by path, with nothing but the standard library.
"""

from __future__ import annotations

import http.client
import json
import sys
import threading

CALLERS = 8
LONG = 4
"""Every so many callers ask for nothing but long streams, a few seconds each."""
_BODY = {"model": "auto", "max_tokens": 4, "messages": [{"role": "user", "content": "Hello"}]}
_LONG = _BODY | {"max_tokens": 200, "ignore_eos": True}


class Caller(threading.Thread):
    """One caller."""

    def __init__(self, host: str, over: threading.Event, *, patient: bool) -> None:
        """Calls until it is ``over``; a ``patient`` one asks for long streams."""
        super().__init__()
        self._host, self._over, self._patient = host, over, patient
        self.done = {False: 0, True: 0}
        self.failed: list[str] = []

    def run(self) -> None:
        """Call."""
        connection = http.client.HTTPConnection(self._host, timeout=30)
        stream = False
        while not self._over.is_set():
            stream = self._patient or not stream
            try:
                self._call(connection, stream=stream)
            except (OSError, http.client.HTTPException, ValueError) as exc:
                self.failed.append(repr(exc))
                connection.close()

    def _call(self, connection: http.client.HTTPConnection, *, stream: bool) -> None:
        headers = {"content-type": "application/json"}
        body = json.dumps((_LONG if self._patient else _BODY) | {"stream": stream})
        connection.request("POST", "/v1/chat/completions", body, headers)
        answer = connection.getresponse()
        text = answer.read().decode()
        whole = text.rstrip().endswith("data: [DONE]") if stream else "choices" in json.loads(text)
        if answer.status != http.client.OK or not whole:
            self.failed.append(f"{answer.status} {text[-200:]}")
        self.done[stream] += 1


def main(host: str) -> None:
    """Call until standard input ends."""
    over = threading.Event()
    callers = [Caller(host, over, patient=number % LONG == 0) for number in range(CALLERS)]
    for caller in callers:
        caller.start()
    sys.stdin.read()
    over.set()
    for caller in callers:
        caller.join()
    figures = {
        "answers": sum(caller.done[False] for caller in callers),
        "streams": sum(caller.done[True] for caller in callers),
        "failed": [cause for caller in callers for cause in caller.failed],
    }
    json.dump(figures, sys.stdout)


if __name__ == "__main__":
    main(sys.argv[1])
