"""Drives wrk: as many whole answers as a side can give to 16 connections, each asking again as soon as it is answered.

Only complete answers count: wrk follows HTTP framing to the end of the body, and any status but 2xx or any socket
error makes the run invalid. Latency at a given rate is :mod:`benchmarks.lab.open_loop`'s subject.
"""

from __future__ import annotations

import json
import secrets
import shutil
import subprocess
import tempfile
from dataclasses import dataclass
from typing import Final

from benchmarks.lab.processes import BenchmarkError, pinned

CONNECTIONS: Final = 16

_SCRIPT: Final = """
wrk.method = "POST"
wrk.headers["content-type"] = "application/json"
%s
wrk.body = [==[%s]==]
%s
function done(summary, latency, requests)
  local e = summary.errors
  io.stderr:write(string.format('{"answers": %%d, "micros": %%d, "refused": %%d, "broken": %%d}',
    summary.requests, summary.duration, e.status, e.connect + e.read + e.write + e.timeout))
end
"""
_VARIED: Final = """
local body, number = wrk.body, 0
function request()
  number = number + 1
  return wrk.format(nil, nil, nil, (string.gsub(body, "%s", "%s" .. number, 1)))
end
"""


@dataclass(frozen=True, slots=True)
class Throughput:
    """What one wrk run saw."""

    answers: int
    seconds: float

    @property
    def per_second(self) -> float:
        """Whole answers a second."""
        return self.answers / self.seconds


def drive(  # noqa: PLR0913  by name
    url: str,
    body: bytes,
    *,
    seconds: float,
    headers: dict[str, str],
    core: int,
    connections: int = CONNECTIONS,
    vary: str = "",
) -> Throughput:
    """Ask for ``seconds``; raises :class:`BenchmarkError` without wrk or when any answer was not a whole 2xx.

    ``vary`` is a word of the body that becomes another one in each request, never the same again in any run.
    """
    if not shutil.which("wrk"):
        msg = "wrk is not installed; it is a package of Debian and Ubuntu (apt-get install wrk) and of Homebrew"
        raise BenchmarkError(msg)
    lines = "\n".join(f'wrk.headers["{name}"] = "{value}"' for name, value in headers.items())
    with tempfile.NamedTemporaryFile("w", suffix=".lua") as script:
        varied = _VARIED % (vary, f"{secrets.token_hex(4)}-") if vary else ""
        script.write(_SCRIPT % (lines, body.decode(), varied))
        script.flush()
        command = ["wrk", "--threads", "1", "--connections", str(connections), "--timeout", "60s"]
        command += ["--duration", f"{max(1, round(seconds))}s", "--script", script.name, url]
        run = subprocess.run(pinned(core, command), capture_output=True, text=True, check=False)
    if run.returncode:
        msg = f"wrk failed on {url}: {run.stderr.strip() or run.stdout.strip()}"
        raise BenchmarkError(msg)
    return _read(run.stderr, url)


def _read(summary: str, url: str) -> Throughput:
    seen = json.loads(summary[summary.index("{") :])
    if seen["refused"] or seen["broken"]:
        msg = f"{url}: {seen['refused']} answers were not 2xx and {seen['broken']} broke; its log tells why"
        raise BenchmarkError(msg)
    return Throughput(seen["answers"], seen["micros"] / 1e6)
