"""API keys, users, sessions, the audit log, keys of calls; the operator's own in a schema that no tenant reaches."""

from __future__ import annotations

from aivoice.store.roles import PLATFORM
from aivoice.store.tables import execute, tenant_table

revision = "0002"
down_revision = "0001"

API_KEYS = """
key_id text NOT NULL CHECK (key_id ~ '^[A-Za-z0-9]{22}$'),
label text NOT NULL DEFAULT '' CHECK (length(label) <= 100),
hash bytea NOT NULL CHECK (length(hash) = 32),
scopes text[] NOT NULL CHECK (cardinality(scopes) > 0),
created_at timestamptz NOT NULL,
created_by text NOT NULL,
expires_at timestamptz,
revoked_at timestamptz,
last_used_at timestamptz
"""
USERS = """
user_id text NOT NULL,
email text NOT NULL CHECK (email = lower(email) AND length(email) BETWEEN 3 AND 254),
name text NOT NULL DEFAULT '' CHECK (length(name) <= 100),
password text NOT NULL,
created_at timestamptz NOT NULL,
disabled_at timestamptz,
logged_in_at timestamptz
"""
SESSIONS = """
session_id text NOT NULL,
user_id text NOT NULL,
hash bytea NOT NULL CHECK (length(hash) = 32),
created_at timestamptz NOT NULL,
seen_at timestamptz NOT NULL,
expires_at timestamptz NOT NULL
"""
AUDIT_LOG = """
entry_id text NOT NULL,
at timestamptz NOT NULL,
actor_kind text NOT NULL CHECK (actor_kind IN ('key', 'user', 'system')),
actor text NOT NULL CHECK (length(actor) <= 100),
action text NOT NULL CHECK (action ~ '^[a-z_]+(\\.[a-z_]+)+$' AND length(action) <= 60),
target text NOT NULL CHECK (length(target) <= 200),
request_id text NOT NULL CHECK (length(request_id) <= 100),
detail jsonb NOT NULL CHECK (pg_column_size(detail) <= 4096)
"""
ROLE = "role text NOT NULL CHECK (role IN ('owner', 'member', 'read-only'))"
OPERATOR = "role text NOT NULL DEFAULT 'operator' CHECK (role = 'operator')"


def upgrade() -> None:
    execute(
        tenant_table("api_keys", API_KEYS, key=("key_id",), platform="SELECT"),
        # Not unique: the application may write the table, and a clash would tell it of another tenant's key.
        "CREATE INDEX api_keys_key ON api_keys (key_id)",
        tenant_table(
            "users",
            f"{USERS}, {ROLE}, UNIQUE (tenant_id, email)",
            key=("user_id",),
            platform="SELECT, INSERT, UPDATE, DELETE",
        ),
        tenant_table(
            "sessions",
            f"{SESSIONS}, FOREIGN KEY (tenant_id, user_id) REFERENCES users ON DELETE CASCADE",
            key=("session_id",),
            platform="SELECT, DELETE",
        ),
        "CREATE INDEX sessions_user ON sessions (tenant_id, user_id)",
        "CREATE INDEX sessions_expiry ON sessions (expires_at)",
        # Nobody may change an entry; the platform removes those whose time of keeping is over.
        tenant_table(
            "audit_log", AUDIT_LOG, key=("entry_id",), app="SELECT, INSERT", platform="SELECT, INSERT, DELETE"
        ),
        "CREATE INDEX audit_log_time ON audit_log (tenant_id, at DESC, entry_id DESC)",
        "CREATE INDEX audit_log_age ON audit_log (at)",
        # A row that is gone is a file that nobody can hear or read again: no copy of `sealed` is kept anywhere.
        tenant_table(
            "call_keys",
            "call_id text NOT NULL, file text NOT NULL CHECK (file IN ('journal', 'recording')), "
            "sealed bytea NOT NULL, created_at timestamptz NOT NULL",
            key=("call_id", "file"),
            platform="SELECT, UPDATE (sealed), DELETE",
        ),
        "CREATE INDEX call_keys_age ON call_keys (tenant_id, created_at)",
        "CREATE SCHEMA operator",
        f"GRANT USAGE ON SCHEMA operator TO {PLATFORM}",
        f"CREATE TABLE operator.api_keys ({API_KEYS}, PRIMARY KEY (key_id))",
        f"CREATE TABLE operator.users ({USERS}, {OPERATOR}, PRIMARY KEY (user_id), UNIQUE (email))",
        f"CREATE TABLE operator.sessions ({SESSIONS}, PRIMARY KEY (session_id), "
        "FOREIGN KEY (user_id) REFERENCES operator.users ON DELETE CASCADE)",
        f"CREATE TABLE operator.audit_log ({AUDIT_LOG}, PRIMARY KEY (entry_id))",
        "CREATE INDEX audit_log_time ON operator.audit_log (at DESC, entry_id DESC)",
        *(
            f"GRANT SELECT, INSERT, UPDATE, DELETE ON operator.{table} TO {PLATFORM}"
            for table in ("api_keys", "users", "sessions")
        ),
        f"GRANT SELECT, INSERT, DELETE ON operator.audit_log TO {PLATFORM}",
    )
