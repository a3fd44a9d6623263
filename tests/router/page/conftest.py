"""A gateway with accounts, as the admin API's tests have it."""

from __future__ import annotations

from tests.router.admin.conftest import admin, database, office, reception, server, store

__all__ = ["admin", "database", "office", "reception", "server", "store"]
