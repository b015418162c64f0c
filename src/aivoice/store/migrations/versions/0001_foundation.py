"""Tenants and their numbers; the rights of the two roles begin at nothing."""

from __future__ import annotations

from aivoice.store.roles import APP, PLATFORM
from aivoice.store.tables import execute, secured, tenant_table

revision = "0001"
down_revision = None


def upgrade() -> None:
    execute(
        "CREATE EXTENSION IF NOT EXISTS vector",
        "REVOKE ALL ON SCHEMA public FROM PUBLIC",
        f"GRANT USAGE ON SCHEMA public TO {APP}, {PLATFORM}",
        """
        CREATE TABLE tenants (
            id text PRIMARY KEY CHECK (id ~ '^[a-z0-9]([a-z0-9-]{0,38}[a-z0-9])?$'),
            name text NOT NULL CHECK (length(name) BETWEEN 1 AND 200),
            status text NOT NULL DEFAULT 'active' CHECK (status IN ('active', 'suspended', 'closed')),
            zone text NOT NULL DEFAULT 'UTC',
            settings jsonb NOT NULL DEFAULT '{}',
            created_at timestamptz NOT NULL
        )
        """,
        # A tenant reads itself and changes its settings; its status, its name and its being there are the operator's.
        secured("tenants", "id", app="SELECT, UPDATE (settings)", platform="SELECT, INSERT, UPDATE, DELETE"),
        tenant_table(
            "numbers",
            """
            e164 text NOT NULL UNIQUE CHECK (e164 ~ '^\\+[1-9][0-9]{6,14}$'),
            label text NOT NULL DEFAULT '',
            created_at timestamptz NOT NULL
            """,
            key=("e164",),
            app="SELECT",
            platform="SELECT, INSERT, UPDATE, DELETE",
        ),
    )
