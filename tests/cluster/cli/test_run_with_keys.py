"""A fleet with accounts: its database starts with it, survives what happens to it, and goes with it."""

from __future__ import annotations

import json
import subprocess

import psutil
import pytest

from cluster.client.http import Endpoint
from cluster.errors import RefusedError
from cluster.supervise.processes import lives, module_of, of_run
from cluster.supervise.state import Home
from tests.cluster.cli.conftest import Here


def _database(here: Here) -> psutil.Process:
    pid = int((here.home / "postgres" / "data" / "postmaster.pid").read_text().partition("\n")[0])
    return psutil.Process(pid)


def test_a_keyed_fleet(keyed: Here) -> None:
    """It says how long the database took and where its key is; with that key its models answer, without it none."""
    up = keyed.up("--detach")
    assert up.returncode == 0, up.stderr
    record = keyed.record()
    database = _database(keyed)
    assert "  database                 ready in" in up.stdout
    assert str(keyed.home / "admin.key") in up.stdout

    [line] = [line for line in up.stdout.splitlines() if line.startswith("curl ")]
    pasted = subprocess.run(["/bin/sh", "-c", line], capture_output=True, check=True, timeout=60)
    assert json.loads(pasted.stdout)["choices"][0]["message"]["content"] == "Hello world"
    assert "Hello world" in keyed.run("chat", "Hi").stdout
    with pytest.raises(RefusedError, match="401"):
        Endpoint(record["url"]).get("/v1/models")

    assert keyed.run("down").returncode == 0
    keyed.leaves_nothing(record)
    assert not lives(database)


def test_down_after_everything_was_killed(keyed: Here) -> None:
    """After kill -9 of the supervisor and the gateway, down still ends the database; the next start finds its rows."""
    assert keyed.up("--detach").returncode == 0
    record, key, database = keyed.record(), Home(keyed.home).admin_key(), _database(keyed)
    psutil.Process(record["supervisor"]).kill()
    for process in of_run(record["run"]):
        if module_of(process) == "router":
            process.kill()
    assert lives(database)
    assert keyed.run("down").returncode == 0
    keyed.leaves_nothing(record)
    assert not lives(database)
    assert keyed.up("--detach").returncode == 0
    assert Endpoint(keyed.record()["url"], key).get("/v1/models").body["data"]


def test_a_database_that_is_not_named(keyed: Here) -> None:
    """A fleet file that names a variable which is not set is an error that names both."""
    keyed.fleet.write_text(keyed.fleet.read_text() + "database: {url_env: NO_SUCH_VARIABLE}\n")
    up = keyed.up("--detach")
    assert up.returncode == 3
    assert "database.url_env: the environment variable NO_SUCH_VARIABLE is not set" in up.stderr
