"""Business versions with their documents, the version in force, callers that are blocked."""

from __future__ import annotations

from aivoice.store.roles import APP
from aivoice.store.tables import execute, tenant_table

revision = "0003"
down_revision = "0002"

_DIGEST = "digest text NOT NULL CHECK (digest ~ '^[0-9a-f]{64}$')"


def upgrade() -> None:
    execute(
        """
        ALTER TABLE tenants
            ADD COLUMN version int NOT NULL DEFAULT 0 CHECK (version >= 0),
            ADD COLUMN service_file text NOT NULL DEFAULT '',
            ADD COLUMN status_reason text NOT NULL DEFAULT '',
            ADD COLUMN status_at timestamptz
        """,
        # A tenant puts its own versions in force; the zone follows from the business file.
        f"GRANT UPDATE (version, zone) ON tenants TO {APP}",
        # A version is never changed: nobody may UPDATE one. The operator deletes them when a tenant is erased.
        tenant_table(
            "business_versions",
            f"""
            number int NOT NULL CHECK (number >= 1),
            {_DIGEST},
            file_name text NOT NULL,
            source text NOT NULL,
            compiled text NOT NULL,
            format int NOT NULL,
            author text NOT NULL,
            note text NOT NULL,
            restores int,
            created_at timestamptz NOT NULL
            """,
            key=("number",),
            app="SELECT, INSERT",
            platform="SELECT, DELETE",
        ),
        tenant_table(
            "business_documents",
            f"{_DIGEST}, content text NOT NULL",
            key=("digest",),
            app="SELECT, INSERT",
            platform="SELECT, DELETE",
        ),
        tenant_table(
            "business_version_documents",
            f"""
            number int NOT NULL,
            position int NOT NULL,
            source text NOT NULL,
            title text NOT NULL,
            {_DIGEST},
            FOREIGN KEY (tenant_id, number) REFERENCES business_versions ON DELETE CASCADE,
            FOREIGN KEY (tenant_id, digest) REFERENCES business_documents
            """,
            key=("number", "position"),
            app="SELECT, INSERT",
            platform="SELECT, DELETE",
        ),
        "CREATE INDEX business_version_documents_digest ON business_version_documents (tenant_id, digest)",
        tenant_table(
            "blocked_callers",
            """
            caller_key bytea NOT NULL,
            caller_sealed bytea NOT NULL,
            reason text NOT NULL,
            author text NOT NULL,
            created_at timestamptz NOT NULL,
            until timestamptz
            """,
            key=("caller_key",),
        ),
    )
