"""Tools, MCP servers, messages of callers, webhooks, and everything that goes out later."""

from __future__ import annotations

from aivoice.store.tables import execute, tenant_table

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    execute(
        tenant_table(
            "tools",
            "name text NOT NULL, definition jsonb NOT NULL, updated_at timestamptz NOT NULL",
            key=("name",),
        ),
        tenant_table(
            "mcp_servers",
            """
            name text NOT NULL,
            definition jsonb NOT NULL,
            sealed_authorization bytea,
            updated_at timestamptz NOT NULL
            """,
            key=("name",),
        ),
        # owner: 'tools', or the id of a webhook.
        tenant_table(
            "signing_secrets",
            """
            secret_id text NOT NULL,
            owner text NOT NULL,
            sealed bytea NOT NULL,
            created_at timestamptz NOT NULL,
            expires_at timestamptz
            """,
            key=("secret_id",),
        ),
        "CREATE INDEX ON signing_secrets (tenant_id, owner)",
        tenant_table(
            "webhooks",
            """
            webhook_id text NOT NULL,
            url text NOT NULL,
            events text[] NOT NULL,
            active boolean NOT NULL DEFAULT true,
            created_at timestamptz NOT NULL
            """,
            key=("webhook_id",),
        ),
        tenant_table(
            "messages",
            """
            message_id text NOT NULL,
            kind text NOT NULL CHECK (kind IN ('message', 'callback')),
            call_id text NOT NULL,
            key text NOT NULL,
            content jsonb NOT NULL,
            created_at timestamptz NOT NULL,
            read_at timestamptz,
            escalate_at timestamptz,
            escalated_at timestamptz,
            escalation jsonb NOT NULL DEFAULT '{}',
            UNIQUE (tenant_id, call_id, key)
            """,
            key=("message_id",),
            # The worker finds what is unread too long; what a caller said stays in the tenant's scope.
            platform="SELECT (tenant_id, message_id, read_at, escalate_at, escalated_at)",
        ),
        "CREATE INDEX ON messages (tenant_id, created_at, message_id)",
        "CREATE INDEX ON messages (escalate_at) WHERE read_at IS NULL AND escalated_at IS NULL",
        tenant_table(
            "deliveries",
            """
            delivery_id text NOT NULL,
            kind text NOT NULL CHECK (kind IN ('webhook', 'email', 'sms')),
            event text NOT NULL,
            event_id text NOT NULL,
            target text NOT NULL,
            message_id text,
            body text NOT NULL,
            state text NOT NULL DEFAULT 'waiting' CHECK (state IN ('waiting', 'delivered', 'dead')),
            attempts integer NOT NULL DEFAULT 0,
            created_at timestamptz NOT NULL,
            first_at timestamptz NOT NULL,
            due_at timestamptz NOT NULL,
            leased_until timestamptz,
            done_at timestamptz,
            problem text NOT NULL DEFAULT '',
            FOREIGN KEY (tenant_id, message_id) REFERENCES messages ON DELETE CASCADE
            """,
            key=("delivery_id",),
            # FOR UPDATE needs a column to update; the body is not the operator's to read.
            platform="SELECT (tenant_id, delivery_id, state, due_at, leased_until), UPDATE (leased_until)",
        ),
        "CREATE INDEX ON deliveries (due_at) WHERE state = 'waiting'",
        "CREATE INDEX ON deliveries (tenant_id, created_at, delivery_id)",
        "CREATE INDEX ON deliveries (tenant_id, message_id)",
    )
