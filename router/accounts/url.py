"""The database's address, as people write it and as SQLAlchemy wants it."""

from __future__ import annotations

from sqlalchemy import URL, make_url
from sqlalchemy.exc import ArgumentError

from router.accounts.errors import AccountsError

VARIABLE = "FREEHOLD_DATABASE_URL"
"""The environment variable in which ``freehold up`` tells the gateway its database."""


def with_driver(url: str) -> URL:
    """``postgresql://…`` for psycopg 3; AccountsError, without the password in it, for anything else."""
    try:
        parsed = make_url(url)
    except ArgumentError:
        parsed = None
    if parsed is None or parsed.get_backend_name() not in {"postgresql", "postgres"}:
        msg = "the database's URL is not of the form postgresql://user:password@host/name; see database.url_env"
        raise AccountsError(msg)
    return parsed.set(drivername="postgresql+psycopg")
