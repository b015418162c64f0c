"""What the database itself refuses, whatever the code above it forgets."""

from __future__ import annotations

from typing import Any

import psycopg
import pytest
from psycopg import sql
from psycopg.rows import dict_row
from tests.integration.store.running import NOW, new_tenant, store_test

from aivoice.store import ConflictError, NotFoundError, Store, StoreError, Urls
from aivoice.store.audit import audit
from aivoice.store.roles import APP


def test_every_table_keeps_its_tenants_apart(owner: psycopg.Connection[dict[str, object]]) -> None:
    assert audit(owner) == []


@pytest.mark.parametrize(
    ("statement", "said"),
    [
        ("CREATE TABLE notes (id text PRIMARY KEY)", "table notes: row-level security is not enabled"),
        ("ALTER TABLE numbers NO FORCE ROW LEVEL SECURITY", "not forced"),
        ("DROP POLICY tenant ON numbers", "has no policy of its tenant"),
        (f"CREATE POLICY more ON numbers FOR SELECT TO {APP} USING (true)", "policy more is not the tenant's own"),
        ("CREATE POLICY all_see ON numbers USING (true)", "policy all_see is not the tenant's own"),
        (f"GRANT INSERT ON numbers TO {APP}", "unique index numbers_e164_key spans tenants"),
        ("CREATE VIEW seen AS SELECT * FROM numbers", "view seen: runs with its owner's rights"),
        ("CREATE FUNCTION f() RETURNS int LANGUAGE sql SECURITY DEFINER AS 'SELECT 1'", "function f: runs"),
        (f"ALTER ROLE {APP} BYPASSRLS", "role aivoice_app: has rights beyond"),
        (f"GRANT USAGE ON SCHEMA aivoice_migrations TO {APP}", "schema aivoice_migrations"),
    ],
)
def test_the_audit_sees(urls: Urls, statement: str, said: str) -> None:
    with psycopg.connect(urls.owner, row_factory=dict_row) as connection:
        connection.execute(statement.encode())
        found = audit(connection)
        connection.rollback()
    assert any(said in line for line in found), found


async def _two_with_numbers(store: Store) -> None:
    for tenant, number in (("alpha", "+15550100"), ("beta", "+15550101")):
        await new_tenant(store, tenant)
        async with store.platform() as scope:
            row = {"tenant": tenant, "number": number, "now": NOW}
            await scope.run("INSERT INTO numbers VALUES (%(tenant)s, %(number)s, '', %(now)s)", row)


@store_test
async def test_a_tenant_sees_its_own_rows_alone(store: Store) -> None:
    await _two_with_numbers(store)
    async with store.tenant("alpha") as scope:
        assert await scope.all("SELECT e164 FROM numbers") == [{"e164": "+15550100"}]
        assert await scope.all("SELECT id FROM tenants") == [{"id": "alpha"}]
        assert await scope.one("SELECT 1 FROM numbers WHERE tenant_id = %(other)s", {"other": "beta"}) is None
        assert await scope.run("UPDATE tenants SET settings = '{}' WHERE id = 'beta'") == 0
    async with store.platform() as scope:
        assert await scope.value("SELECT count(*) FROM numbers") == 2


@store_test
async def test_the_tenant_of_a_transaction_ends_with_it(store: Store, urls: Urls) -> None:
    await _two_with_numbers(store)
    async with await psycopg.AsyncConnection.connect(urls.app, autocommit=True, row_factory=dict_row) as raw:
        async with raw.transaction():
            await raw.execute("SELECT set_config('aivoice.tenant', 'alpha', true)")
            assert len(await (await raw.execute("SELECT * FROM numbers")).fetchall()) == 1
        assert await (await raw.execute("SELECT * FROM numbers")).fetchall() == []


@pytest.mark.parametrize(
    "statement",
    [
        "INSERT INTO numbers VALUES ('alpha', '+15550109', '', now())",
        "DELETE FROM numbers",
        "UPDATE tenants SET status = 'active'",
        "INSERT INTO tenants (id, name, created_at) VALUES ('gamma', 'Gamma', now())",
        "SET ROLE aivoice_platform",
        "SELECT * FROM aivoice_migrations.alembic_version",
        "ALTER TABLE numbers DISABLE ROW LEVEL SECURITY",
    ],
)
def test_the_application_may_not(urls: Urls, statement: str) -> None:
    with psycopg.connect(urls.app) as connection, pytest.raises(psycopg.errors.InsufficientPrivilege):
        connection.execute(statement.encode())


def test_no_table_shows_a_row_without_a_tenant(urls: Urls, owner: psycopg.Connection[dict[str, object]]) -> None:
    tables: list[Any] = owner.execute("SELECT tablename AS t FROM pg_tables WHERE schemaname = 'public'").fetchall()
    assert len(tables) >= 2
    owner.execute("INSERT INTO tenants (id, name, created_at) VALUES ('alpha', 'Alpha', now())")
    with psycopg.connect(urls.app, autocommit=True) as connection:
        for row in tables:
            if connection.execute("SELECT has_table_privilege(%s, 'SELECT')", [row["t"]]).fetchone() == (True,):
                seen = connection.execute(sql.SQL("SELECT * FROM {}").format(sql.Identifier(row["t"]))).fetchall()
                assert seen == [], row["t"]


@store_test
async def test_errors_tell_no_row(store: Store) -> None:
    await _two_with_numbers(store)
    with pytest.raises(ConflictError) as caught:
        async with store.platform() as scope:
            await scope.run("INSERT INTO numbers VALUES ('alpha', '+15550101', 'secret', now())")
    assert "5550101" not in str(caught.value)
    assert caught.value.__cause__ is None
    with pytest.raises(NotFoundError):
        async with store.tenant("x'; DROP TABLE numbers; --"):
            pass


@store_test
async def test_an_error_that_is_swallowed_inside_is_no_commit(store: Store) -> None:
    await _two_with_numbers(store)
    with pytest.raises(StoreError, match="went on"):
        async with store.platform() as scope:
            await scope.run("UPDATE numbers SET label = 'kept?'")
            try:
                await scope.run("INSERT INTO numbers VALUES ('alpha', '+15550101', '', now())")
            except ConflictError:
                pass
    async with store.platform() as scope:
        assert await scope.value("SELECT count(*) FROM numbers WHERE label <> ''") == 0
