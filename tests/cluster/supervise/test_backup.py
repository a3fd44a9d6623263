"""A backup brings everything back, into an empty database or in the place of what is there, or changes nothing."""

from __future__ import annotations

import os
import resource
import subprocess
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import psutil
import pytest

from cluster.errors import FreeholdError, UsageError
from cluster.load import load_fleet
from cluster.spec import Fleet
from cluster.supervise.backup import back_up, reach, restore
from cluster.supervise.database import embedded
from cluster.supervise.postgres import Postgres, programs
from cluster.supervise.sealed import SealError
from cluster.supervise.state import Home

KEY = bytes(range(32))
_TABLES = """
    CREATE TABLE rows (at timestamptz PRIMARY KEY, word text) PARTITION BY RANGE (at);
    CREATE TABLE rows_default PARTITION OF rows DEFAULT;
    CREATE TABLE responses (answer text);
    INSERT INTO responses VALUES ('cached');
    INSERT INTO rows SELECT now() + n * interval '1 second', 'it''s \\N ☂ ' || n FROM generate_series(1, 5000) n;
"""
_STATE = "SELECT md5(string_agg(at::text || word, ',' ORDER BY at)) FROM rows"


@pytest.fixture
def fleet(tmp_path: Path) -> Fleet:
    """One with accounts."""
    file = tmp_path / "fleet.yaml"
    file.write_text("name: f\nmodels: {m: {engine: url, url: 'http://127.0.0.1:1'}}\ntenants: {access: keys}\n")
    return load_fleet(file)


@pytest.fixture
def home() -> Iterator[Home]:
    """A home with a pepper; its path is short enough for a socket."""
    with TemporaryDirectory(prefix="fh-", ignore_cleanup_errors=True) as directory:
        root = Path(directory)
        (root / "pepper").write_text("the pepper")
        yield Home(root)


@pytest.fixture
def running(home: Home, fleet: Fleet) -> Iterator[Postgres]:
    """Its database, with some rows."""
    home.logs.mkdir()
    postgres = embedded(home, home.root, fleet)
    process = postgres.start(os.environ)
    _sql(postgres, _TABLES)
    yield postgres
    postgres.stop()
    process.wait()


def _sql(postgres: Postgres, statement: str) -> str:
    command = [str(programs() / "psql"), postgres.url, "-Atq", "-v", "ON_ERROR_STOP=1", "-c", statement]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()


def _ignore(size: int) -> None:
    """Nobody watches."""


def _backup(home: Home, fleet: Fleet, out: Path) -> None:
    with reach(home, fleet) as vault:
        assert back_up(vault, out, KEY, _ignore) == out.stat().st_size


@pytest.mark.usefixtures("running")
def test_into_another_home(home: Home, fleet: Fleet, running: Postgres, tmp_path: Path) -> None:
    """A new home has the same rows, partitions and pepper; cached answers stay behind; the file tells nothing."""
    out = tmp_path / "backup"
    _backup(home, fleet, out)
    content = out.read_bytes()
    assert b"pepper" not in content
    assert b"PGDMP" not in content
    assert out.stat().st_mode & 0o077 == 0
    with TemporaryDirectory(prefix="fh-", ignore_cleanup_errors=True) as directory:
        other = Home(Path(directory))
        with reach(other, fleet) as vault:
            restore(vault, out, KEY, _ignore, replace=False)
            there = embedded(other, other.root, fleet)
            assert _sql(there, _STATE) == _sql(running, _STATE)
            assert _sql(there, "SELECT count(*) FROM rows_default, responses") == "0"
        assert there.process() is None
        assert (other.root / "pepper").read_text() == "the pepper"
        assert (other.root / "pepper").stat().st_mode & 0o077 == 0
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith("backup")] == ["backup"]


def test_in_the_place_of_what_is_there(home: Home, fleet: Fleet, running: Postgres, tmp_path: Path) -> None:
    """Only when asked for, and then all of it, again and again."""
    out = tmp_path / "backup"
    _backup(home, fleet, out)
    before = _sql(running, _STATE)
    _sql(running, "DELETE FROM rows WHERE word LIKE '%7'; CREATE TABLE later (n int)")
    with reach(home, fleet) as vault:
        with pytest.raises(UsageError, match="not empty; --replace"):
            restore(vault, out, KEY, _ignore, replace=False)
        assert _sql(running, _STATE) != before
        for _ in range(2):
            restore(vault, out, KEY, _ignore, replace=True)
            assert _sql(running, _STATE) == before
    assert _sql(running, "SELECT to_regclass('later') IS NULL") == "t"
    _backup(home, fleet, out)


@pytest.mark.parametrize("where", [100, -1, -100], ids=["early", "last byte", "late"])
def test_damaged(home: Home, fleet: Fleet, running: Postgres, tmp_path: Path, where: int) -> None:
    """A backup that is damaged anywhere changes nothing."""
    out = tmp_path / "backup"
    _backup(home, fleet, out)
    before = _sql(running, _STATE)
    _sql(running, "INSERT INTO rows VALUES (now() - interval '1 day', 'after')")
    after = _sql(running, _STATE)
    content = bytearray(out.read_bytes())
    content[where] ^= 1
    out.write_bytes(content)
    with reach(home, fleet) as vault, pytest.raises(SealError):
        restore(vault, out, KEY, _ignore, replace=True)
    assert _sql(running, _STATE) == after != before


def test_a_dump_that_does_not_load(home: Home, fleet: Fleet, running: Postgres, tmp_path: Path) -> None:
    """A restore that fails half-way, here because a function is missing, leaves what was there, and says why."""
    _sql(running, "CREATE SCHEMA apart; CREATE FUNCTION apart.f(int) RETURNS int LANGUAGE sql IMMUTABLE AS 'SELECT 1'")
    _sql(running, "CREATE TABLE zz (n int CHECK (apart.f(n) = 1))")
    out = tmp_path / "backup"
    _backup(home, fleet, out)
    _sql(running, "DROP SCHEMA apart CASCADE")
    before = _sql(running, _STATE)
    with reach(home, fleet) as vault, pytest.raises(FreeholdError, match=r"psql failed: .*apart"):
        restore(vault, out, KEY, _ignore, replace=True)
    assert _sql(running, _STATE) == before


@pytest.mark.usefixtures("running")
def test_a_disk_that_fills(home: Home, fleet: Fleet, tmp_path: Path) -> None:
    """A backup that cannot be written is an error and leaves no part of a file."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    with reach(home, fleet) as vault:
        resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, before[1]))
        try:
            with pytest.raises(OSError, match="too large"):
                back_up(vault, tmp_path / "backup", KEY, _ignore)
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert not list(tmp_path.glob("backup*"))


def test_passwords(fleet: Fleet, home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    """The password of a database that the fleet names is in a file that only we can read, and in no argument."""
    named = fleet.model_copy(update={"database": fleet.database.model_copy(update={"url_env": "THE_DATABASE"})})
    monkeypatch.setenv("THE_DATABASE", "postgresql://me:s3%2Fcret@127.0.0.1:1/accounts?sslmode=disable")
    with reach(home, named) as vault:
        service = Path(vault.environment["PGSERVICEFILE"])
        assert service.stat().st_mode & 0o077 == 0
        expected = ["host=127.0.0.1", "port=1", "user=me", "password=s3/cret", "dbname=accounts", "sslmode=disable"]
        assert service.read_text().splitlines() == ["[freehold]", *expected]
        with pytest.raises(FreeholdError, match="pg_dump failed") as error:
            back_up(vault, home.root / "out", KEY, _ignore)
        assert "s3" not in str(error.value)
        assert not any("s3/cret" in " ".join(child.cmdline()) for child in psutil.Process().children())
    assert not service.exists()


def test_open_fleet(fleet: Fleet, home: Home) -> None:
    """A fleet without accounts has nothing to back up, and no database is made for it."""
    free = fleet.model_copy(update={"tenants": fleet.tenants.model_copy(update={"access": "open"})})
    with pytest.raises(UsageError, match="nothing to back up"), reach(home, free):
        pass
    assert not (home.root / "postgres").exists()
