"""Answers of writes that carried an Idempotency-Key."""

from __future__ import annotations

from aivoice.store.tables import execute, tenant_table

revision = "0008"
down_revision = "0007"


def upgrade() -> None:
    execute(
        tenant_table(
            "idempotent_answers",
            """
            key text NOT NULL CHECK (length(key) BETWEEN 1 AND 255),
            request bytea NOT NULL,
            status int NOT NULL,
            body bytea NOT NULL,
            location text NOT NULL DEFAULT '',
            etag text NOT NULL DEFAULT '',
            created_at timestamptz NOT NULL
            """,
            key=("key",),
            app="SELECT, INSERT, DELETE",
            platform="SELECT, DELETE",
        ),
        "CREATE INDEX idempotent_answers_age ON idempotent_answers (created_at)",
    )
