"""How the database's tables come to be, revision by revision (Alembic); :func:`migrate` brings a database up to date.

Any number of gateways may start at once on an empty database: an advisory lock lets one work, the others find it done.
"""

from __future__ import annotations

from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.util.exc import CommandError
from sqlalchemy import create_engine, text
from sqlalchemy.exc import OperationalError

from router.accounts.errors import SchemaError, StoreUnavailableError
from router.accounts.url import with_driver

OLDEST = 150_000
"""The oldest PostgreSQL that works, as ``server_version_num`` says it."""
_LOCK = 7_246_001
"""The advisory lock's key; any number that nothing else in the database uses."""
_CONNECT_S = 10


def migrate(url: str) -> None:
    """Make or update the tables of the database at ``url``; blocks, at most a few seconds on an empty database.

    Raises:
        StoreUnavailableError: the database does not answer.
        SchemaError: it is too old, or was made by a newer Freehold.

    """
    engine = create_engine(with_driver(url), connect_args={"connect_timeout": _CONNECT_S}, hide_parameters=True)
    try:
        with engine.begin() as connection:
            version = int(connection.scalar(text("SHOW server_version_num")) or 0)
            if version < OLDEST:
                msg = f"PostgreSQL {version // 10_000} is too old; Freehold needs {OLDEST // 10_000} or newer"
                raise SchemaError(msg)
            connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _LOCK})
            config = Config()
            config.set_main_option("script_location", str(Path(__file__).parent))
            config.attributes["connection"] = connection
            command.upgrade(config, "head")
    except OperationalError as exc:
        msg = f"the database does not answer: {str(exc.orig).strip().splitlines()[0]}; see database.url_env"
        raise StoreUnavailableError(msg) from exc
    except CommandError as exc:
        msg = f"the database's tables are of another version of Freehold ({exc}); run that version or restore a backup"
        raise SchemaError(msg) from exc
    finally:
        engine.dispose()
