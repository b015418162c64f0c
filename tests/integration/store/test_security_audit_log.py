"""The audit log: whole, unchangeable, without secrets."""

from __future__ import annotations

from datetime import timedelta

import psycopg
import pytest
from tests.integration.store.running import NOW, new_tenant, store_test

from aivoice.errors import InputError
from aivoice.security.audit_log import Simple, entries, record
from aivoice.security.permissions import Principal
from aivoice.store import Store, Urls

ANN = Principal("user", "user_ann", "alpha", frozenset())
DESK = Principal("key", "desk", None, frozenset())


@store_test
async def test_each_reads_its_own_and_a_tenant_what_the_operator_did_to_it(store: Store) -> None:
    for tenant in ("alpha", "bravo"):
        await new_tenant(store, tenant)
    async with store.tenant("alpha") as scope:
        await record(scope, ANN, "key.created", "k1", now=NOW, request_id="r1", detail={"scopes": "read"})
    async with store.platform() as platform:
        await record(platform, DESK, "tenant.suspended", "alpha", now=NOW, tenant_id="alpha")
        await record(platform, DESK, "plan.made", "basic", now=NOW)
    async with store.tenant("alpha") as scope:
        found, _ = await entries(scope)
        assert {(entry.actor, entry.action) for entry in found} == {
            ("user_ann", "key.created"),
            ("desk", "tenant.suspended"),
        }
        ((only,), _) = await entries(scope, action="key.")
        assert (only.target, only.request_id, only.detail) == ("k1", "r1", {"scopes": "read"})
    async with store.tenant("bravo") as scope:
        assert await entries(scope) == ([], "")
    async with store.platform() as platform:
        ((own,), _) = await entries(platform)
        assert own.action == "plan.made"


@store_test
async def test_what_was_not_done_is_not_written(store: Store) -> None:
    await new_tenant(store, "alpha")
    with pytest.raises(RuntimeError):
        async with store.tenant("alpha") as scope:
            await record(scope, ANN, "key.created", "k1", now=NOW)
            raise RuntimeError
    async with store.tenant("alpha") as scope:
        assert await entries(scope) == ([], "")


@store_test
async def test_pages_hold_every_entry_once_in_order(store: Store) -> None:
    await new_tenant(store, "alpha")
    async with store.tenant("alpha") as scope:
        for number in range(23):  # several of one moment
            await record(scope, ANN, "a.b", str(number), now=NOW + timedelta(seconds=number // 5))
        seen: list[str] = []
        cursor = ""
        while True:
            page, cursor = await entries(scope, limit=4, after=cursor)
            assert [entry.at for entry in page] == sorted((entry.at for entry in page), reverse=True)
            seen += [entry.target for entry in page]
            if not cursor:
                break
        assert sorted(seen, key=int) == [str(number) for number in range(23)]
        for wrong in ("x", "é", "MjAyNi0wMS0wMSBh", "=" * 300):
            with pytest.raises(InputError):
                await entries(scope, after=wrong)


@pytest.mark.parametrize("role", ["app", "platform"])
@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE audit_log SET action = 'a.b'",
        "UPDATE audit_log SET at = now()",
        "TRUNCATE audit_log",
        "ALTER TABLE audit_log DISABLE ROW LEVEL SECURITY",
        "DROP TABLE audit_log",
    ],
)
def test_nobody_changes_it(urls: Urls, role: str, statement: str) -> None:
    with psycopg.connect(getattr(urls, role)) as connection, pytest.raises(psycopg.errors.InsufficientPrivilege):
        connection.execute(statement.encode())


def test_the_application_removes_nothing_and_does_not_see_the_operators(urls: Urls) -> None:
    for statement in ("DELETE FROM audit_log", "SELECT 1 FROM operator.audit_log", "SELECT 1 FROM operator.users"):
        with psycopg.connect(urls.app) as connection, pytest.raises(psycopg.errors.InsufficientPrivilege):
            connection.execute(statement.encode())
    with psycopg.connect(urls.platform) as connection, pytest.raises(psycopg.errors.InsufficientPrivilege):
        connection.execute("UPDATE operator.audit_log SET target = ''")


@store_test
async def test_secrets_do_not_get_in(store: Store) -> None:
    await new_tenant(store, "alpha")
    wrong: list[dict[str, Simple]] = [
        {"password": "x"},
        {"new_secret": "x"},
        {"token": "x"},
        {"value": "avk_abc"},
        {"value": "whsec_abc"},
        {"value": "x" * 201},
        {"a b": 1},
        {f"n{number}": 1 for number in range(21)},
    ]
    for detail in wrong:
        with pytest.raises(InputError) as caught:
            async with store.tenant("alpha") as scope:
                await record(scope, ANN, "a.b", "t", now=NOW, detail=detail)
        assert "abc" not in str(caught.value)
    async with store.tenant("alpha") as scope:
        await record(scope, ANN, "a.b", "card 4111 1111 1111 1111", now=NOW, detail={"note": "4111111111111111"})
        ((entry,), _) = await entries(scope)
    assert (entry.target, entry.detail) == ("card 1111 1111 1111 1111", {"note": "1" * 16})
