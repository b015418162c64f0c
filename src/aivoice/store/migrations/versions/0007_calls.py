"""Records of calls with their transcripts, and what is remembered of callers."""

from __future__ import annotations

from aivoice.store.tables import execute, tenant_table

revision = "0007"
down_revision = "0006"


def upgrade() -> None:
    execute(
        tenant_table(
            "calls",
            """
            call_id text NOT NULL,
            number text NOT NULL,
            caller_key bytea,
            caller_sealed bytea,
            why text NOT NULL,
            action text NOT NULL,
            version int NOT NULL,
            room text NOT NULL,
            process text NOT NULL,
            started_at timestamptz NOT NULL,
            seen_at timestamptz NOT NULL,
            ended_at timestamptz,
            reason text NOT NULL DEFAULT '',
            seconds int NOT NULL DEFAULT 0 CHECK (seconds >= 0),
            turns int NOT NULL DEFAULT 0 CHECK (turns >= 0),
            transferred text NOT NULL DEFAULT '',
            summary_sealed bytea,
            CHECK (ended_at IS NULL OR ended_at >= started_at)
            """,
            key=("call_id",),
            # The operator's role closes records whose process died, and sees nothing sealed that it has no key for.
            platform="SELECT, UPDATE (seen_at, ended_at, reason, seconds)",
        ),
        # One index for each filter, all in the order of the list, so that a page is read and nothing sorted.
        "CREATE INDEX calls_by_time ON calls (tenant_id, started_at, call_id)",
        "CREATE INDEX calls_by_caller ON calls (tenant_id, caller_key, started_at, call_id)",
        "CREATE INDEX calls_by_number ON calls (tenant_id, number, started_at, call_id)",
        "CREATE INDEX calls_by_action ON calls (tenant_id, action, started_at, call_id)",
        "CREATE INDEX calls_by_why ON calls (tenant_id, why, started_at, call_id)",
        "CREATE INDEX calls_open ON calls (tenant_id, process, seen_at) WHERE ended_at IS NULL",
        tenant_table(
            "call_segments",
            """
            call_id text NOT NULL,
            position int NOT NULL CHECK (position >= 0),
            who text NOT NULL CHECK (who IN ('caller', 'agent')),
            at_ms int NOT NULL,
            until_ms int,
            text_sealed bytea NOT NULL,
            FOREIGN KEY (tenant_id, call_id) REFERENCES calls ON DELETE CASCADE
            """,
            key=("call_id", "position"),
        ),
        tenant_table(
            "callers",
            """
            caller_key bytea NOT NULL,
            caller_sealed bytea NOT NULL,
            summary_sealed bytea NOT NULL,
            calls int NOT NULL CHECK (calls >= 1),
            first_at timestamptz NOT NULL,
            last_at timestamptz NOT NULL,
            last_call_id text NOT NULL
            """,
            key=("caller_key",),
        ),
        "CREATE INDEX callers_age ON callers (tenant_id, last_at)",
    )
