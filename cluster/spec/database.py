"""Where accounts are kept: an embedded PostgreSQL on one machine, yours in production."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from cluster.spec.base import Noun


class Database(Noun):
    """PostgreSQL 15 or newer."""

    url_env: str = ""
    """The environment variable that holds ``postgresql://user:password@host/name``. Empty: Freehold runs one itself
    under ``FREEHOLD_HOME``, for gateways on this machine alone."""
    connections: Annotated[int, Field(ge=1, le=1000)] = 4
    """Connections that one gateway worker opens at most."""
