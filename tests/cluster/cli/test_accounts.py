"""usage, export, backup and restore, with the real gateway and its database."""

from __future__ import annotations

import csv
import dataclasses
import json
from pathlib import Path

from tests.cluster.cli.conftest import Here


def _key_for(here: Here, tenant: str) -> str:
    assert here.run("tenants", "create", tenant).returncode == 0
    made = here.run("keys", "create", "--tenant", tenant, "--json")
    assert made.returncode == 0, made.stderr
    return str(json.loads(made.stdout)["key"])


def test_used_taken_along_and_brought_back(keyed: Here, tmp_path: Path) -> None:
    """What a tenant used is told, exported, backed up; in a new home it is told the same and its key still works."""
    assert keyed.up("--detach").returncode == 0
    key = _key_for(keyed, "acme")
    assert keyed.run("chat", "Hi", FREEHOLD_KEY=key).returncode == 0

    told = json.loads(keyed.run("usage", "--by", "tenant", "--json").stdout)
    assert [(row["heading"], row["requests"]) for row in told["data"]] == [("acme", 1), ("admin", 1)]
    own = keyed.run("usage", "--by", "tenant", "--csv", FREEHOLD_KEY=key)
    assert [row["heading"] for row in csv.DictReader(own.stdout.splitlines())] == ["acme"]
    assert "acme" in keyed.run("usage", "--by", "tenant", "--tenant", "acme").stdout
    assert keyed.run("usage", "--csv", "--json").returncode == 2
    assert keyed.run("usage", "--tenant", "admin", FREEHOLD_KEY=key).returncode == 2

    out = tmp_path / "acme.jsonl"
    assert keyed.run("export", "acme", "--out", str(out)).returncode == 0
    lines = [json.loads(line) for line in out.read_text().splitlines()]
    assert {line["table"] for line in lines} >= {"tenants", "keys", "ledger", "usage_days"}
    assert keyed.run("export", "nobody", "--out", str(tmp_path / "no")).returncode == 2
    assert not (tmp_path / "no").exists()

    sealing = {"FREEHOLD_BACKUP_KEY": "ab" * 32}
    backup = tmp_path / "backup"
    assert keyed.run("backup", str(backup)).returncode == 2
    assert keyed.run("backup", str(backup), **sealing).returncode == 0
    running = keyed.run("restore", str(backup), "--replace", **sealing)
    assert (running.returncode, "freehold down" in running.stderr) == (2, True)
    assert keyed.run("down").returncode == 0

    moved = dataclasses.replace(keyed, home=keyed.home / "moved")
    restored = moved.run("restore", str(backup), "--fleet", str(moved.fleet), **sealing)
    assert restored.returncode == 0, restored.stderr
    assert moved.up("--detach").returncode == 0
    again = json.loads(moved.run("usage", "--by", "tenant", "--json").stdout)
    moved_chat = moved.run("chat", "Hi", FREEHOLD_KEY=key)
    assert moved.run("down").returncode == 0
    assert [(row["heading"], row["requests"]) for row in again["data"]] == [("acme", 1), ("admin", 2)]
    assert "Hello world" in moved_chat.stdout
