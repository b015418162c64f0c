"""Transactions, listening, migrations and the embedded server."""

from __future__ import annotations

import asyncio
from pathlib import Path

import psycopg
import pytest
from tests.integration.store.conftest import Postgres
from tests.integration.store.running import derive, new_tenant, store_test

from aivoice.errors import InputError
from aivoice.store import Store, StoreError, Urls, urls_for
from aivoice.store.embedded import embedded_server
from aivoice.store.ids import new_id
from aivoice.store.migrate import check, migrate


@store_test
async def test_cancelling_a_transaction_rolls_it_back(store: Store) -> None:
    begun = asyncio.Event()

    async def write() -> None:
        async with store.platform() as scope:
            await scope.run("INSERT INTO tenants (id, name, created_at) VALUES ('alpha', 'Alpha', now())")
            begun.set()
            await scope.run("SELECT pg_sleep(30)")

    async with asyncio.TaskGroup() as group:
        task = group.create_task(write())
        await begun.wait()
        task.cancel()
    async with store.platform() as scope:
        assert await scope.value("SELECT count(*) FROM tenants") == 0


@store_test
async def test_a_transaction_that_the_server_ended_for_idling_is_told_as_a_database_that_is_away(store: Store) -> None:
    with pytest.raises(StoreError):
        async with store.platform() as scope:
            await scope.run("SET LOCAL idle_in_transaction_session_timeout = '20ms'")
            await asyncio.sleep(0.5)
            await scope.value("SELECT 1")
    async with store.platform() as scope:
        assert await scope.value("SELECT 1") == 1


@store_test
async def test_listeners_hear_what_was_committed(store: Store) -> None:
    await new_tenant(store, "alpha")
    async with store.listen("changes") as payloads:
        async with store.tenant("alpha") as scope:
            await scope.notify("changes", "alpha 2")
        async with asyncio.timeout(5):
            assert await anext(payloads) == "alpha 2"
        await payloads.aclose()  # type: ignore[attr-defined]


@store_test
async def test_connections_that_broke_are_replaced(store: Store, owner: psycopg.Connection[dict[str, object]]) -> None:
    await new_tenant(store, "alpha")
    owner.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'aivoice'")
    async with store.tenant("alpha") as scope:
        assert await scope.value("SELECT id FROM tenants") == "alpha"


def test_migrating_again_changes_nothing_and_the_revision_is_this_releases(postgres: Postgres, database: str) -> None:
    async def both() -> tuple[str, tuple[str | None, str]]:
        return await migrate(postgres.owner(database), derive), await check(postgres.owner(database))

    head, (found, wanted) = asyncio.run(both())
    assert head == found == wanted


def test_a_newer_database_is_refused(postgres: Postgres, database: str) -> None:
    with psycopg.connect(postgres.owner(database), autocommit=True) as connection:
        connection.execute("UPDATE aivoice_migrations.alembic_version SET version_num = '9999'")
    with pytest.raises(StoreError, match="newer") as caught:
        asyncio.run(migrate(postgres.owner(database), derive))
    assert caught.value.code == "store_newer"


def test_a_server_that_is_not_there_is_told_without_its_password() -> None:
    urls = urls_for("postgresql://someone:hush@127.0.0.1:1/none", derive)
    assert "hush" not in repr(urls)

    async def reach() -> None:
        async with Store(Urls(urls.owner, urls.app, urls.platform)):
            pass

    for attempt in (reach(), migrate(urls.owner, derive)):
        with pytest.raises(StoreError) as caught:
            asyncio.run(attempt)
        assert "hush" not in str(caught.value)


def test_an_address_that_is_none_is_refused() -> None:
    with pytest.raises(InputError, match="DATABASE_URL"):
        urls_for("postgres://[half", derive)


def test_the_embedded_server_keeps_its_data(tmp_path: Path) -> None:
    async def run(statement: str) -> str:
        async with embedded_server(tmp_path / "pg" / "data") as owner:
            with psycopg.connect(owner, autocommit=True) as connection:
                cursor = connection.execute(statement.encode())
                return str(cursor.fetchone()) if cursor.description else ""

    asyncio.run(run("CREATE TABLE kept AS SELECT 7 AS n"))
    assert asyncio.run(run("SELECT n FROM kept")) == "(7,)"


def test_a_folder_that_cannot_be_made_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")

    async def start() -> None:
        async with embedded_server(tmp_path / "file" / "data"):
            pass

    with pytest.raises(StoreError, match="does not start"):
        asyncio.run(start())


def test_ids_are_of_one_shape() -> None:
    ids = {new_id("doc") for _ in range(1_000)}
    assert len(ids) == 1_000
    assert all(item.startswith("doc_") and len(item) == 26 and item[4:].isalnum() for item in ids)
