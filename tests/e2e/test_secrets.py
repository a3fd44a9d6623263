"""Canaries in a real fleet with accounts: after traffic, none of them is anywhere but where it belongs."""

from __future__ import annotations

import json
import secrets
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from cluster.supervise.processes import RUN_VARIABLE, of_run
from cluster.supervise.state import Home
from tests.e2e.fleet import freehold

FLEET = """\
name: canaries
tenants: { access: keys }
models:
  only:
    source: builtin:tiny-small
    context_length: 512
    engine_args: { enforce_eager: true, dtype: bfloat16, max_num_seqs: 4 }
tiers:
  small: [only]
"""
BELONGS = {"admin.key", "pepper"}
"""Files of the home that hold a secret, each its own, for its owner alone."""
_CHAT = "/v1/chat/completions"
_MOST = 1 << 26


def _files(*folders: Path) -> Iterator[tuple[str, bytes]]:
    """Everything below some folders, but the database's own files."""
    for folder in folders:
        for file in folder.rglob("*"):
            if file.is_file() and "postgres/data" not in str(file) and file.name not in BELONGS:
                with file.open("rb") as opened:
                    yield str(file), opened.read(_MOST)


def _processes(run: str) -> Iterator[tuple[str, bytes]]:
    """Arguments and environment of every process of a fleet."""
    for process in of_run(run):
        try:
            yield f"arguments of {process.name()}", "\0".join(process.cmdline()).encode()
            if not process.environ()[RUN_VARIABLE].endswith(
                (".gateway", ".supervisor")
            ):  # they need the provider's key
                yield f"environment of {process.name()}", json.dumps(process.environ()).encode()
        except psutil.Error:
            continue


def _ask(url: str, key: str, body: bytes) -> int:
    headers = {"authorization": f"Bearer {key}", "content-type": "application/json"}
    request = urllib.request.Request(url, body, headers)  # noqa: S310 - as below
    try:
        with urllib.request.urlopen(request, timeout=60) as answer:  # noqa: S310 - the fleet's own address
            answer.read()
            return int(answer.status)
    except urllib.error.HTTPError as refusal:
        return refusal.code


def test_canaries(home: Path, port: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Keys, pepper and prompts in no log, metric, argument, environment, session directory or spool; no core dumps."""
    home.mkdir()
    file = home / "fleet.yaml"
    file.write_text(FLEET)
    prompt, provider = f"canary{secrets.token_hex(8)}", f"sk-ant-{secrets.token_hex(16)}"
    monkeypatch.setenv("ANTHROPIC_API_KEY", provider)
    up = freehold(home, "up", "--fleet", str(file), "--detach", "--port", str(port))
    assert up.returncode == 0, up.stderr
    record = Home(home).read()
    admin = (home / "admin.key").read_text().strip()
    assert freehold(home, "tenants", "create", "acme").returncode == 0
    made = freehold(home, "keys", "create", "--tenant", "acme")
    key = made.stdout.strip()
    assert key.startswith("fh-"), made.stderr
    for token, stream in ((key, False), (key, True), (key[:-1] + "-", False)):
        body = {"model": "auto", "messages": [{"role": "user", "content": prompt}], "stream": stream, "max_tokens": 4}
        assert _ask(record.url + _CHAT, token, json.dumps(body).encode()) in {200, 401}
    assert _ask(record.url + _CHAT, key, f'{{"model": "{prompt}'.encode()) == 400
    with urllib.request.urlopen(record.url + "/metrics") as answer:  # noqa: S310 - as above
        metrics = answer.read()
    pepper = (home / "pepper").read_text().strip()
    canaries = {
        "key": key,
        "its secret": key[16:],
        "admin key": admin,
        "pepper": pepper,
        "prompt": prompt,
        "provider": provider,
    }
    places = [("metrics", metrics), *_processes(record.run), *_files(home, Path(record.scratch))]
    assert len(places) > 20, "a fleet has processes and logs"
    found = [(what, where) for where, data in places for what, one in canaries.items() if one.encode() in data]
    assert found == []
    gateways = [one for one in of_run(record.run) if "router" in one.cmdline()]
    assert {one.rlimit(psutil.RLIMIT_CORE)[0] for one in gateways} == {0}
