"""What alembic runs. `store.migrate` hands the connection over; there is no other way to run it."""

from __future__ import annotations

from alembic import context

from aivoice.store.migrate import SCHEMA

context.configure(
    connection=context.config.attributes["connection"],
    version_table_schema=SCHEMA,
    transaction_per_migration=True,
)
with context.begin_transaction():
    context.run_migrations()
