"""Keys of calls, resealing after a rotation, and what is kept for a time only."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from pathlib import Path

import psycopg
import pytest
from argon2 import PasswordHasher
from tests.integration.store.running import NOW, new_tenant, store_test

from aivoice.engine.disk import PlainFile
from aivoice.security.audit_log import entries, record
from aivoice.security.call_crypto import (
    OpenedFile,
    SealedFile,
    call_keys,
    erase_call_keys,
    new_call_keys,
)
from aivoice.security.errors import SealError
from aivoice.security.keyring import Keyring, Sealer
from aivoice.security.passwords import Passwords
from aivoice.security.permissions import Principal
from aivoice.security.reseal import COLUMNS, keys_in_use, reseal_all
from aivoice.security.retention import forget_expired
from aivoice.security.users import IDLE, Users
from aivoice.store import NotFoundError, Store, StoreError
from aivoice.tools.guard import Guard
from aivoice.tools.mcp_source import Listed
from aivoice.tools.registry import ServerEntry, put_server, servers
from aivoice.tools.webhooks import TOOLS, active_secrets, rotate_secret

OLD = Keyring((("old", b"o" * 32),), b"r" * 32)
NEW = Keyring((("new", b"n" * 32), *OLD.keys), OLD.root)
FILES = ("journal", "recording")
MCP = ServerEntry(
    "diary", "https://mcp.example.com/mcp", (Listed("a", "A.", {"type": "object"}, True),), frozenset(), "hush"
)
SYSTEM = Principal("system", "test", None, frozenset())


# ---------------------------------------------------------------- keys of calls


@store_test
async def test_a_call_whose_keys_are_gone_cannot_be_read(store: Store, tmp_path: Path) -> None:
    for tenant in ("alpha", "bravo"):
        await new_tenant(store, tenant)
    sealer = Sealer(OLD)
    async with store.tenant("alpha") as scope:
        keys = await new_call_keys(scope, sealer, "call_1", FILES, NOW)
        assert await call_keys(scope, sealer, "call_1") == keys
    assert keys["journal"] != keys["recording"]
    file = SealedFile(PlainFile(tmp_path / "f"), keys["journal"], "journal")
    file.write(b"words")
    file.close()
    async with store.tenant("bravo") as scope:
        with pytest.raises(NotFoundError) as other:
            await call_keys(scope, sealer, "call_1")
        with pytest.raises(NotFoundError) as none:
            await call_keys(scope, sealer, "call_none")
        assert str(other.value) == str(none.value)
        assert not await erase_call_keys(scope, "call_1")
    async with store.tenant("alpha") as scope:
        kept = await call_keys(scope, sealer, "call_1")
        assert list(OpenedFile(tmp_path / "f", kept["journal"], "journal").blocks()) == [b"words"]
        assert await erase_call_keys(scope, "call_1")
        assert not await erase_call_keys(scope, "call_1")
        with pytest.raises(NotFoundError):
            await call_keys(scope, sealer, "call_1")


@store_test
async def test_a_key_that_is_moved_to_another_row_does_not_open(
    store: Store, owner: psycopg.Connection[dict[str, object]]
) -> None:
    """By somebody who writes to the database: to another call, another file, another tenant."""
    sealer = Sealer(OLD)
    for tenant, call in (("alpha", "call_1"), ("alpha", "call_2"), ("bravo", "call_1")):
        if call == "call_1":
            await new_tenant(store, tenant)
        async with store.tenant(tenant) as scope:
            await new_call_keys(scope, sealer, call, FILES, NOW)
    moved = (
        "UPDATE call_keys SET sealed = (SELECT sealed FROM call_keys WHERE tenant_id = 'alpha' AND call_id = 'call_1' "
        "AND file = 'journal') WHERE tenant_id = %s AND call_id = %s AND file = %s"
    )
    for tenant, call, file in (
        ("alpha", "call_2", "journal"),
        ("alpha", "call_1", "recording"),
        ("bravo", "call_1", "journal"),
    ):
        owner.execute(moved, (tenant, call, file))
        async with store.tenant(tenant) as scope:
            with pytest.raises(SealError):
                await call_keys(scope, sealer, call)


# ---------------------------------------------------------------- rotation


async def fill(store: Store, sealer: Sealer, calls: int = 7) -> dict[str, str]:
    """Something in every sealed column of two tenants; the secrets of their tools."""
    made: dict[str, str] = {}
    for tenant in ("alpha", "bravo"):
        await new_tenant(store, tenant)
        async with store.tenant(tenant) as scope:
            made[tenant] = await rotate_secret(scope, sealer, TOOLS, now=NOW)
            await put_server(scope, sealer, Guard(), MCP, chosen=["a"], now=NOW)
            for number in range(calls):
                await new_call_keys(scope, sealer, f"call_{number}", FILES, NOW)
    return made


@store_test
async def test_after_a_rotation_everything_is_resealed_and_the_old_key_may_go(
    store: Store, owner: psycopg.Connection[dict[str, object]]
) -> None:
    secrets = await fill(store, Sealer(OLD))
    assert await keys_in_use(store) == {"old": 2 * (7 * 2 + 2)}
    done = await reseal_all(store, Sealer(NEW), batch=3)
    assert (done.done, done.stuck) == (2 * (7 * 2 + 2), {})
    assert await keys_in_use(store) == {"new": 2 * (7 * 2 + 2)}
    assert (await reseal_all(store, Sealer(NEW), batch=3)).done == 0
    last = Sealer(NEW.without("old"))
    for tenant in ("alpha", "bravo"):
        async with store.tenant(tenant) as scope:
            assert await active_secrets(scope, last, TOOLS, now=NOW) == [secrets[tenant]]
            assert (await servers(scope, last))[0].authorization == "hush"
            assert set(await call_keys(scope, last, "call_3")) == set(FILES)


@store_test
async def test_a_sweep_that_was_stopped_goes_on(store: Store) -> None:
    await fill(store, Sealer(OLD))
    done = 0
    for _ in range(100):
        task = asyncio.create_task(reseal_all(store, Sealer(NEW), batch=1))
        await asyncio.sleep(0.02)
        task.cancel()
        done = (await keys_in_use(store))["new"]
        await asyncio.gather(task, return_exceptions=True)
        if done > 8:
            break
    assert done > 8
    await reseal_all(store, Sealer(NEW), batch=5)
    assert set(await keys_in_use(store)) == {"new"}


@store_test
async def test_rows_that_do_not_open_are_counted_and_left_and_do_not_hold_up_the_others(
    store: Store, owner: psycopg.Connection[dict[str, object]]
) -> None:
    await fill(store, Sealer(OLD))
    owner.execute("UPDATE call_keys SET sealed = set_byte(sealed, 30, 7) WHERE call_id IN ('call_0', 'call_1')")
    owner.execute("UPDATE call_keys SET sealed = 'x' WHERE call_id = 'call_2'")
    before = owner.execute("SELECT sealed FROM call_keys WHERE call_id IN ('call_0', 'call_1')").fetchall()
    done = await reseal_all(store, Sealer(NEW), batch=2)
    assert done.stuck == {"call_keys": 12}
    assert done.done == 2 * (7 * 2 + 2) - 12
    after = owner.execute("SELECT sealed FROM call_keys WHERE call_id IN ('call_0', 'call_1')").fetchall()
    assert sorted(map(str, before)) == sorted(map(str, after))
    assert (await keys_in_use(store))["old"] == 8  # so the old key does not seem to be free


def test_every_sealed_column_is_known(owner: psycopg.Connection[dict[str, object]]) -> None:
    """`tenants.sealing` keys come from the root, which is not rotated: those columns are named ``…_sealed``."""
    rows = owner.execute(
        "SELECT table_name AS t, column_name AS c FROM information_schema.columns WHERE table_schema = 'public' "
        "AND data_type = 'bytea' AND (column_name = 'sealed' OR column_name LIKE 'sealed\\_%')"
    ).fetchall()
    assert {(row["t"], row["c"]) for row in rows} == {(column.table, column.column) for column in COLUMNS}


# ---------------------------------------------------------------- for a time only


@store_test
async def test_old_entries_and_sessions_that_are_over_go_and_others_stay(store: Store) -> None:
    await new_tenant(store, "alpha")
    with Passwords(PasswordHasher(time_cost=1, memory_cost=64, parallelism=1)) as passwords:
        now = NOW
        users = Users(store, Keyring.new(), passwords, wall=lambda: now)
        for tenant in ("alpha", None):
            async with store.tenant("alpha") if tenant else store.platform() as scope:
                role = "owner" if tenant else "operator"
                await users.create(
                    scope, email="a@example.com", name="", role=role, password="long enough words", now=NOW
                )
                for days in (0, 1, 399, 401, 402, 900):
                    await record(scope, SYSTEM, "a.b", str(days), now=NOW - timedelta(days=days))
            await users.log_in(tenant, "a@example.com", "long enough words", address="x", now_s=0)
        assert await forget_expired(store, now=NOW, batch=2) == 6
        now = NOW + timedelta(hours=2)
        kept = await users.log_in("alpha", "a@example.com", "long enough words", address="x", now_s=99)
        now = NOW + IDLE + timedelta(minutes=1)
        assert await forget_expired(store, now=now) == 2
        await users.verify(kept.token)
    async with store.tenant("alpha") as scope:
        assert {entry.target for entry in (await entries(scope))[0]} == {"0", "1", "399"}
    async with store.platform() as platform:
        assert {entry.target for entry in (await entries(platform))[0]} == {"0", "1", "399"}


@store_test
async def test_a_database_that_is_away_is_told(store: Store, owner: psycopg.Connection[dict[str, object]]) -> None:
    await store.__aexit__()
    with pytest.raises(StoreError):
        await forget_expired(store, now=NOW)
    with pytest.raises(StoreError):
        await reseal_all(store, Sealer(NEW))
