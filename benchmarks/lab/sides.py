"""The sides of the comparison, each as a context manager: started, checked with one real answer, ended.

Every side answers the same two questions in OpenAI's format. Where a side has an engine behind it, that is the
do-nothing engine of :mod:`benchmarks.lab.engine`, so that what differs is the gateway alone.
"""

from __future__ import annotations

import json
import secrets
import subprocess
import sys
import tempfile
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import psutil

from benchmarks.lab.answers import CHUNKS
from benchmarks.lab.processes import ROOT, BenchmarkError, module, pinned, running
from cluster.ports import free_port

CHAT: Final = "/v1/chat/completions"
GATEWAY_CORE: Final = 0
"""One worker of ours and of LiteLLM has this CPU for itself …"""
LOAD_CORE: Final = 1
"""… and the do-nothing engine shares this one with the load."""
_LITELLM: Final = ROOT / ".venv-litellm"
PROMPT: Final = (
    "A customer writes that the parcel with order number 48213 arrived with a broken lid. She asks whether she can get "
    "a new lid rather than return the whole box, and how long that would take. Answer politely in two sentences."
)


@dataclass(frozen=True, slots=True)
class Side:
    """Something that answers chat requests over HTTP."""

    name: str
    url: str
    """Base, without ``/v1``."""
    model: str
    process: psutil.Process
    """Root of its process tree."""
    headers: dict[str, str] = field(default_factory=dict)
    counts: Callable[[str], bool] = lambda _title: True
    """Which processes of the tree stand for the gateway, by command line."""

    def body(self, *, stream: bool, model: str = "", chunks: int = 0) -> bytes:
        """A chat request of ordinary size; ``chunks`` sets the length of the engine's stream."""
        asked: dict[str, object] = {
            "model": model or self.model,
            "messages": [
                {"role": "system", "content": "You work for a shop and answer letters."},
                {"role": "user", "content": PROMPT},
            ],
            "temperature": 0.7,
            "stream": stream,
        }
        return json.dumps(asked | ({"max_tokens": chunks} if chunks else {})).encode()

    def members(self) -> list[psutil.Process]:
        """The processes that stand for the gateway, as they are now."""
        tree = [self.process, *self.process.children(recursive=True)]
        return [process for process in tree if self.counts(_title(process))]


def check(side: Side) -> None:
    """Ask once whole and once streamed; raises :class:`BenchmarkError` unless both answers are complete."""
    message = json.loads(_ask(side, side.body(stream=False)))["choices"][0]["message"]
    if message["content"].count("token") != CHUNKS:
        msg = f"{side.name} answered {message['content']!r} instead of {CHUNKS} words"
        raise BenchmarkError(msg)
    stream = _ask(side, side.body(stream=True))
    if not is_whole(stream):
        msg = f"{side.name} streamed something else than {CHUNKS} chunks and [DONE]: …{stream[-200:]!r}"
        raise BenchmarkError(msg)


def is_whole(stream: bytes) -> bool:
    """Whether a stream brought all of the engine's words and ended as OpenAI's streams end."""
    return stream.count(b'" token"') == CHUNKS - 1 and stream.rstrip().endswith(b"data: [DONE]")


@contextmanager
def engine(logs: Path) -> Iterator[Side]:
    """The do-nothing engine alone."""
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    command = pinned(LOAD_CORE, module("benchmarks.lab.engine", "--port", str(port)))
    with running(command, ready=f"{url}/health", log=logs / "engine.log") as process:
        yield Side("engine", url, "burst", process)


@contextmanager
def gateway(logs: Path, upstream: str) -> Iterator[Side]:
    """Freehold's gateway, one worker, everything on: parsing, decision, metrics, a log line a request.

    Accounts are off, as LiteLLM's database is: no keys, quotas or ledger.
    """
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    fleet = logs / "fleet.yaml"
    fleet.write_text(_fleet(upstream))
    command = module("router", "--fleet", str(fleet), "--engines", upstream, "--host", "127.0.0.1", "--port", str(port))
    env = {"FREEHOLD_HOME": str(logs / "home"), "FREEHOLD_DATABASE_URL": ""}
    log = logs / "gateway.log"
    with running(pinned(GATEWAY_CORE, command), ready=f"{url}/readyz", log=log, env=env) as process:
        yield Side("gateway", url, "auto", process)


@contextmanager
def litellm(logs: Path, upstream: str) -> Iterator[Side]:
    """LiteLLM's proxy as its production guide wants it: one worker, errors logged only, no database."""
    port, key = free_port(), f"sk-{secrets.token_hex(24)}"
    url = f"http://127.0.0.1:{port}"
    config = logs / "litellm.yaml"
    config.write_text(_litellm_config(upstream, key))
    command = [str(_litellm()), "--config", str(config), "--host", "127.0.0.1", "--port", str(port)]
    command += ["--num_workers", "1", "--telemetry", "False"]
    env = {"LITELLM_LOG": "ERROR", "LITELLM_MODE": "PRODUCTION", "LITELLM_LOCAL_MODEL_COST_MAP": "True"}
    ready, log = f"{url}/health/liveliness", logs / "litellm.log"
    with running(pinned(GATEWAY_CORE, command), ready=ready, log=log, env=env, patience=120) as process:
        yield Side("litellm", url, "burst", process, {"authorization": f"Bearer {key}"})


@contextmanager
def ray_ingress(logs: Path) -> Iterator[Side]:
    """``ray.serve.llm.build_openai_app`` before a server class that does nothing; free to use every core."""
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    off = ("RAY_SERVE_ENABLE_HA_PROXY", "RAY_SERVE_LLM_ENABLE_DIRECT_STREAMING", "RAY_USAGE_STATS_ENABLED")
    ready = f"{url}/v1/models"
    with (
        tempfile.TemporaryDirectory(prefix="fhb-", ignore_cleanup_errors=True) as temp,
        running(
            module("benchmarks.lab.ray_ingress", "--port", str(port), "--temp", temp),
            ready=ready,
            log=logs / "ray.log",
            env=dict.fromkeys(off, "0"),
            patience=180,
        ) as process,
    ):
        yield Side("ray", url, "burst", process, counts=_is_ray_ingress)


def _is_ray_ingress(title: str) -> bool:
    """Whether a process stands where Freehold's gateway stands; the server class and Ray's daemons do not."""
    return "ProxyActor" in title or "OpenAiIngress" in title


def _litellm() -> Path:
    """LiteLLM's command, installed on first use."""
    command = _LITELLM / "bin" / "litellm"
    if not command.exists():
        subprocess.run([sys.executable, "-m", "venv", str(_LITELLM)], check=True)
        requirements = ROOT / "benchmarks" / "requirements-litellm.txt"
        subprocess.run([str(_LITELLM / "bin" / "pip"), "install", "--quiet", "-r", str(requirements)], check=True)
    return command


def _fleet(upstream: str) -> str:
    models = "".join(
        f"  {name}: {{ engine: url, url: '{upstream}', served_as: {served_as}, context_length: 131072 }}\n"
        for name, served_as in (("first", "burst"), ("second", "burst"), ("paced", "paced"))
    )
    return f"name: benchmark\nmodels:\n{models}tiers:\n  small: [first]\n  large: [second]\n"


def _litellm_config(upstream: str, key: str) -> str:
    return (
        "model_list:\n"
        "  - model_name: burst\n"
        f"    litellm_params: {{ model: openai/burst, api_base: '{upstream}/v1', api_key: none }}\n"
        f"general_settings: {{ master_key: '{key}' }}\n"
    )


def _ask(side: Side, body: bytes) -> bytes:
    headers = {"content-type": "application/json"} | side.headers
    request = urllib.request.Request(side.url + CHAT, data=body, headers=headers)  # noqa: S310  our own address
    with urllib.request.urlopen(request, timeout=60) as answer:  # noqa: S310
        return bytes(answer.read())


def _title(process: psutil.Process) -> str:
    try:
        return " ".join(process.cmdline())
    except (psutil.NoSuchProcess, psutil.ZombieProcess):
        return ""
