"""What Alembic runs: the revisions, on the connection that :func:`router.accounts.migrations.migrate` holds."""

from __future__ import annotations

from alembic import context

from router.accounts.tables import metadata

context.configure(connection=context.config.attributes["connection"], target_metadata=metadata)
context.run_migrations()
