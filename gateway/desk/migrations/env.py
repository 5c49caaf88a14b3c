"""Alembic's entry: migrations run inside the transaction that `database.migrate` opened."""

from __future__ import annotations

from alembic import context

from gateway.desk.tables import METADATA

context.configure(connection=context.config.attributes["connection"], target_metadata=METADATA, render_as_batch=True)
context.run_migrations()
