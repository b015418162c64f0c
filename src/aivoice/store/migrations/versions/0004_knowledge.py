"""Documents, their passages with words and vectors, and the snapshots that calls read."""

from __future__ import annotations

from aivoice.store.tables import execute, tenant_table

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    execute(
        # One row a published state. A call keeps the version that it began with.
        tenant_table(
            "knowledge_snapshots",
            """
            version int NOT NULL CHECK (version > 0),
            passages int NOT NULL CHECK (passages >= 0),
            created_at timestamptz NOT NULL
            """,
            key=("version",),
        ),
        # since, until: the snapshots that have it: since <= version < until.
        tenant_table(
            "documents",
            """
            document_id text NOT NULL,
            origin text NOT NULL CHECK (origin IN ('upload', 'business')),
            name text NOT NULL CHECK (length(name) BETWEEN 1 AND 300),
            title text NOT NULL CHECK (length(title) <= 300),
            size bigint NOT NULL CHECK (size >= 0),
            digest text NOT NULL,
            passages int NOT NULL CHECK (passages >= 0),
            since int NOT NULL,
            until int,
            created_at timestamptz NOT NULL,
            updated_at timestamptz NOT NULL
            """,
            key=("document_id",),
        ),
        "CREATE UNIQUE INDEX documents_name ON documents (tenant_id, origin, name) WHERE until IS NULL",
        # words: the stems of `knowledge.terms`; weight A those of the heading, B those of the text.
        tenant_table(
            "passages",
            """
            passage_id text NOT NULL,
            document_id text NOT NULL,
            position int NOT NULL,
            heading text NOT NULL,
            body text NOT NULL,
            digest text NOT NULL,
            words tsvector NOT NULL,
            model text NOT NULL,
            embedding vector(384) NOT NULL,
            since int NOT NULL,
            until int,
            FOREIGN KEY (tenant_id, document_id) REFERENCES documents ON DELETE CASCADE
            """,
            key=("passage_id",),
        ),
        "CREATE INDEX passages_document ON passages (tenant_id, document_id, position)",
        "CREATE INDEX passages_digest ON passages (tenant_id, digest)",
        # A search reads every vector of a tenant: kept in the row, not beside it.
        "ALTER TABLE passages SET (toast_tuple_target = 4080)",
    )
