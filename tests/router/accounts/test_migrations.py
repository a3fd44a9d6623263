"""The migrations and the tables that the code uses are the same."""

from __future__ import annotations

import subprocess
from concurrent.futures import ThreadPoolExecutor

import psycopg
import pytest
from sqlalchemy import create_engine

from cluster.supervise.postgres import programs
from router.accounts.errors import AccountsError, SchemaError, StoreUnavailableError
from router.accounts.migrations import migrate
from router.accounts.tables import metadata
from router.accounts.url import with_driver
from tests.router.accounts.conftest import Server


def _schema(url: str) -> list[str]:
    """What pg_dump says of every table, except Alembic's own and the partitions."""
    options = ["--schema-only", "--no-owner", "--exclude-table=alembic_version", "--exclude-table=ledger_*"]
    dump = subprocess.run([programs() / "pg_dump", *options, url], check=True, capture_output=True, text=True)
    return [line for line in dump.stdout.splitlines() if line and not line.startswith(("--", "\\"))]


def test_migrations_equal_tables(server: Server) -> None:
    """A migrated database and one made from tables.py have the same schema to the last constraint and comment."""
    migrated, made = server.create(empty=True), server.create(empty=True)
    migrate(migrated)
    engine = create_engine(with_driver(made))
    metadata.create_all(engine)
    engine.dispose()
    assert _schema(migrated) == _schema(made)
    assert "CREATE TABLE public.ledger (" in _schema(migrated)


def test_migrating_twice_and_at_once(server: Server) -> None:
    """Eight gateways that start together on an empty database make its tables once."""
    url = server.create(empty=True)
    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(migrate, [url] * 8)) == [None] * 8
    with psycopg.connect(url) as connection:
        assert connection.execute("SELECT version_num FROM alembic_version").fetchall() == [("r0003",)]


def test_newer_database(server: Server) -> None:
    """A database of a newer Freehold is left alone."""
    url = server.create()
    with psycopg.connect(url) as connection:
        connection.execute("UPDATE alembic_version SET version_num = 'r9999'")
    with pytest.raises(SchemaError, match="another version"):
        migrate(url)


def test_no_database() -> None:
    """A database that does not answer is named by what the kernel says, without the password."""
    with pytest.raises(StoreUnavailableError, match=r"does not answer.*database.url_env") as error:
        migrate("postgresql://someone:s3cret@127.0.0.1:1/none")
    assert "s3cret" not in str(error.value)


@pytest.mark.parametrize("url", ["mysql://u:s3cret@h/n", "s3cret", "", "postgresql+nothing"], ids=str)
def test_wrong_url(url: str) -> None:
    """A URL of something else is refused without being quoted."""
    with pytest.raises(AccountsError, match="form postgresql://") as error:
        migrate(url)
    assert "s3cret" not in str(error.value)
