"""How a tenant's table is made, so that no migration has to remember it. Checked by `store.audit`."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from alembic import op

from aivoice.store.roles import APP, PLATFORM

TENANT = "current_setting('aivoice.tenant', true)"
"""The tenant of the transaction. Unset it is NULL or '', which equals no tenant: nothing is seen."""


def tenant_table(
    name: str,
    columns: str,
    *,
    key: Sequence[str],
    app: str = "SELECT, INSERT, UPDATE, DELETE",
    platform: str = "",
) -> list[str]:
    """SQL for a table whose rows belong to tenants: ``tenant_id`` first, in the primary key too, and row-level security
    for everybody.

    columns: the other columns and constraints, as inside CREATE TABLE. key: the rest of the primary key.
    app, platform: what either role may do (the platform to rows of every tenant; empty: nothing).
    """
    return [
        f"CREATE TABLE {name} (tenant_id text NOT NULL REFERENCES tenants (id), {columns}, "
        f"PRIMARY KEY ({', '.join(('tenant_id', *key))}))",
        *secured(name, "tenant_id", app=app, platform=platform),
    ]


def secured(name: str, tenant: str, *, app: str, platform: str) -> list[str]:
    """Row-level security for a table whose column `tenant` says whose a row is."""
    statements = [
        f"ALTER TABLE {name} ENABLE ROW LEVEL SECURITY",
        f"ALTER TABLE {name} FORCE ROW LEVEL SECURITY",
        f"CREATE POLICY tenant ON {name} TO {APP} USING ({tenant} = {TENANT}) WITH CHECK ({tenant} = {TENANT})",
    ]
    if app:
        statements.append(f"GRANT {app} ON {name} TO {APP}")
    if platform:
        statements.append(f"CREATE POLICY platform ON {name} TO {PLATFORM} USING (true) WITH CHECK (true)")
        statements.append(f"GRANT {platform} ON {name} TO {PLATFORM}")
    return statements


def execute(*statements: str | Iterable[str]) -> None:
    """Run SQL in a migration, one statement each, as it stands (no ``:name`` of SQLAlchemy's)."""
    for statement in statements:
        for sql in [statement] if isinstance(statement, str) else statement:
            op.get_bind().exec_driver_sql(sql.replace("%", "%%"))
