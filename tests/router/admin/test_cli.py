"""``freehold keys`` and ``freehold tenants``, the real command against the real API."""

from __future__ import annotations

import asyncio
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from cluster.supervise.state import Home, Record
from tests.router.accounts.reception import Reception
from tests.router.admin.office import Office

pytestmark = pytest.mark.anyio

_FREEHOLD = str(Path(sys.executable).with_name("freehold"))
Said = subprocess.CompletedProcess[str]


class Shell:
    """Someone at a terminal with an admin key in the environment."""

    def __init__(self, office: Office, key: str, home: Path) -> None:
        """The gateway and the key are named as users name them."""
        self.variables = {
            "PATH": os.environ["PATH"],
            "FREEHOLD_URL": f"http://127.0.0.1:{office.port}",
            "FREEHOLD_KEY": key,
            "FREEHOLD_HOME": str(home),
        }

    async def run(self, *words: str, **variables: str) -> Said:
        """Run ``freehold`` to its end, while the office answers."""
        environment = {**self.variables, **variables}
        arguments = [_FREEHOLD, *words]
        return await asyncio.to_thread(
            lambda: subprocess.run(arguments, env=environment, capture_output=True, text=True, check=False, timeout=60)
        )


@pytest.fixture
def shell(office: Office, admin: str, tmp_path: Path) -> Shell:
    """An admin's."""
    return Shell(office, admin, tmp_path)


async def test_a_key_from_its_making_to_its_end(shell: Shell, reception: Reception) -> None:
    """Made for a script, listed without its secret, rotated with an overlap, revoked."""
    made = await shell.run("keys", "create", "--tenant", "acme", "--label", "[bold]app[/]", "--expires", "30d")
    assert made.returncode == 0, made.stderr
    assert re.fullmatch(r"fh-[a-z2-7]{12}-[\w-]{43}\n", made.stdout), "a script takes the key from standard output"
    key, name = made.stdout.strip(), made.stdout[3:15]
    assert key not in made.stderr
    listed = await shell.run("keys", "list", "--tenant", "acme")
    assert name in listed.stdout
    assert "[bold]app[/]" in listed.stdout
    assert key not in listed.stdout
    rotated = await shell.run("keys", "rotate", name, "--overlap", "1h", "--json")
    card = json.loads(rotated.stdout)
    assert (card["replaces"]["id"], card["replaces"]["state"]) == (name, "active")
    revoked = await shell.run("keys", "revoke", card["id"])
    assert revoked.stdout == f"Key {card['id']} of acme is revoked.\n"
    assert await reception.until("key_revoked", card["key"]) == "key_revoked"


async def test_a_tenant_from_its_making_to_its_end(shell: Shell) -> None:
    """Created, changed, shown, listed; deleted after a question, with an account of what went."""
    made = await shell.run("tenants", "create", "new", "--plan", "master", "--set", 'tiers=["small"]', "--json")
    assert json.loads(made.stdout)["effective"]["tiers"] == ["small"]
    changed = await shell.run("tenants", "set", "new", "--set", "messages_per_month=5", "--reset", "tiers", "--json")
    assert json.loads(changed.stdout)["overrides"] == {"messages_per_month": 5}
    assert re.search(r"messages_per_month\s+5\s+overridden", (await shell.run("tenants", "show", "new")).stdout)
    assert "messages_per_month=5" in (await shell.run("tenants", "list")).stdout
    assert (await shell.run("tenants", "delete", "new")).returncode != 0, "nobody said yes"
    gone = await shell.run("tenants", "delete", "new", "--yes")
    assert gone.stdout == "Tenant new is deleted; rows removed: 1 tenants.\n"


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["tenants", "create", "new", "--plan", "platinum"], "There is no plan 'platinum'"),
        (["tenants", "create", "new", "--set", "priority"], "--set takes FIELD=VALUE"),
        (["tenants", "show", "nobody"], "There is no tenant 'nobody'"),
        (["tenants", "show", "a?b'#;"], "There is no tenant"),
        (["keys", "create", "--tenant", "acme", "--expires", "tomorrow"], "'tomorrow' is no duration"),
        (["keys", "create", "--tenant", "acme", "--network", "10.0.0.1/8"], "networks"),
        (["keys", "revoke", "a?b"], "There is no such key"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
async def test_wrong_use(shell: Shell, words: list[str], said: str) -> None:
    """Exit code 2 and a sentence that helps."""
    answer = await shell.run(*words)
    assert (answer.returncode, answer.stdout) == (2, "")
    assert said in answer.stderr


async def test_without_an_admin_key(shell: Shell, reception: Reception) -> None:
    """A user's key is refused, and none at all."""
    user, _ = await reception.key("acme")
    refused = await shell.run("keys", "list", FREEHOLD_KEY=user)
    assert (refused.returncode, refused.stderr) == (2, "freehold: This needs an admin key. (HTTP 403)\n")
    none = await shell.run("keys", "list", FREEHOLD_KEY="")
    assert none.returncode == 2
    assert "No API key" in none.stderr


async def test_on_the_fleets_own_machine(shell: Shell, office: Office, admin: str, tmp_path: Path) -> None:
    """The key that the first start made is the default there, and is sent to no other gateway."""
    (tmp_path / "admin.key").write_text(f"{admin}\n")
    home = Home(tmp_path)
    with home.held():
        home.write(_record(f"http://127.0.0.1:{office.port}"))
    here = await shell.run("tenants", "list", FREEHOLD_URL="", FREEHOLD_KEY="")
    assert here.returncode == 0, here.stderr
    elsewhere = await shell.run("tenants", "list", FREEHOLD_KEY="")
    assert "No API key" in elsewhere.stderr


def _record(url: str) -> Record:
    names = {"run": "r", "fleet": "f", "file": "f.yaml", "url": url, "scratch": "/nowhere"}
    return Record.model_validate({**names, "supervisor": 1, "supervisor_created": 0, "started": 0, "drain_s": 1})


async def test_long_lists_are_whole(shell: Shell, reception: Reception) -> None:
    """A list goes on until its end, whatever fits into one answer."""
    async with reception.store.begin() as connection:
        await connection.exec_driver_sql(
            "INSERT INTO tenants (name, plan) SELECT 'tenant' || n, 'explorer' FROM generate_series(1, 2500) n"
        )
    listed = json.loads((await shell.run("tenants", "list", "--json")).stdout)
    assert len({tenant["name"] for tenant in listed}) == 2503
