"""What the operator does: tenants made, suspended, closed; numbers given, moved, taken back; who a number leads to."""

from __future__ import annotations

import asyncio

import psycopg
import pytest
from tests.integration.store.running import NOW, new_tenant, store_test

from aivoice.errors import InputError
from aivoice.store import ConflictError, NotFoundError, Store
from aivoice.tenants.lifecycle import attach_service, create, get, set_status, tenants
from aivoice.tenants.lookup import by_id, by_number
from aivoice.tenants.numbers import CHANNEL, assign, move, numbers_of, release
from aivoice.tenants.settings import change_settings, parse_settings, settings_of

A = "+12125550101"


@store_test
async def test_a_tenant_is_made_once_under_a_name_that_can_be_in_a_room(store: Store) -> None:
    async with store.platform() as scope:
        made = await create(scope, "alpha", "  Alpha \t Ltd ", NOW, zone="Europe/Berlin")
        assert (made.name, made.status, made.version, made.zone) == ("Alpha Ltd", "active", 0, "Europe/Berlin")
        assert await get(scope, "alpha") == made
        with pytest.raises(ConflictError):
            await create(scope, "alpha", "Other", NOW)
        for name in ("Alpha", "a--", "-a", "a/b", "", "a" * 41, "a\n"):
            with pytest.raises(InputError):
                await create(scope, name, "Name", NOW)
        for wrong in ("", "  ", "x" * 201, "a\x00b"):
            with pytest.raises(InputError):
                await create(scope, "bravo", wrong, NOW)
        for zone in ("Mars/Base", "", "../etc/passwd", "\x00"):
            with pytest.raises(InputError):
                await create(scope, "bravo", "Bravo", NOW, zone=zone)


@store_test
async def test_tenants_are_listed_by_name_a_page_at_a_time(store: Store) -> None:
    for name in ("delta", "alpha", "charlie", "bravo"):
        await new_tenant(store, name)
    async with store.platform() as scope:
        await set_status(scope, "bravo", "suspended", NOW, reason="unpaid")
        assert [each.id for each in await tenants(scope, limit=2)] == ["alpha", "bravo"]
        assert [each.id for each in await tenants(scope, after="bravo", limit=9)] == ["charlie", "delta"]
        (one,) = await tenants(scope, status="suspended")
        assert (one.id, one.status_reason, one.status_at) == ("bravo", "unpaid", NOW)


@store_test
async def test_suspended_is_for_a_time_and_closed_for_good(store: Store) -> None:
    await new_tenant(store, "alpha")
    await new_tenant(store, "bravo")
    async with store.listen(CHANNEL) as told:
        async with store.platform() as scope:
            await assign(scope, "alpha", A, NOW)
            await set_status(scope, "alpha", "suspended", NOW)
        assert await asyncio.wait_for(anext(told), 5) == "alpha 0"
        await told.aclose()  # type: ignore[attr-defined]
    async with store.platform() as scope:
        await set_status(scope, "alpha", "active", NOW)
        assert await set_status(scope, "alpha", "closed", NOW) == await set_status(scope, "alpha", "closed", NOW)
        for status in ("active", "suspended"):
            with pytest.raises(ConflictError):
                await set_status(scope, "alpha", status, NOW)
        assert await by_number(scope, A) is None
        assert await assign(scope, "bravo", A, NOW)
        with pytest.raises(ConflictError):
            await move(scope, A, "alpha", NOW)
        for work in (set_status(scope, "nobody", "closed", NOW), get(scope, "nobody"), attach_service(scope, "x", "y")):
            with pytest.raises(NotFoundError):
                await work


@store_test
async def test_a_number_has_one_tenant_at_a_time(store: Store) -> None:
    for name in ("alpha", "bravo"):
        await new_tenant(store, name)

    async def ask(tenant: str) -> bool | str:
        try:
            async with store.platform() as scope:
                return await assign(scope, tenant, A, NOW, label="main")
        except ConflictError as error:
            return error.code

    got = await asyncio.gather(*(ask(tenant) for tenant in ("alpha", "bravo") * 2))
    assert sorted(map(str, got)) == ["False", "True", "number_taken", "number_taken"]
    holder = "alpha" if got[0] in (True, False) else "bravo"
    other = "bravo" if holder == "alpha" else "alpha"
    async with store.platform() as scope:
        with pytest.raises(NotFoundError):
            await release(scope, other, A)
        await move(scope, A, other, NOW)
        found = await by_number(scope, A)
        assert found is not None
        assert found.tenant_id == other
        await release(scope, other, A)
        for work in (move(scope, A, "alpha", NOW), release(scope, "alpha", A), assign(scope, "nobody", A, NOW)):
            with pytest.raises(NotFoundError):
                await work
    async with store.tenant(other) as scope:
        assert await numbers_of(scope) == []


@store_test
async def test_a_number_leads_to_all_that_is_needed_in_one_question(store: Store) -> None:
    await new_tenant(store, "alpha")
    async with store.platform() as scope:
        await assign(scope, "alpha", A, NOW)
        await attach_service(scope, "alpha", "/srv/desk.py")
    async with store.tenant("alpha") as scope:
        wanted = parse_settings({"region": "DE", "outcomes": {"closed": {"action": "reject"}}, "keep": {"callers": 7}})
        await change_settings(scope, wanted)
        assert await settings_of(scope) == wanted
    async with store.platform() as scope:
        found = await by_number(scope, A)
        assert found is not None
        assert found == await by_id(scope, "alpha")
        assert (found.settings, found.service_file, found.version, found.status) == (
            wanted,
            "/srv/desk.py",
            0,
            "active",
        )
        assert await by_number(scope, "+12125550199") is None
        assert await by_id(scope, "nobody") is None


@store_test
async def test_settings_that_a_newer_release_wrote_leave_the_rest_as_the_tenant_set_it(
    store: Store, owner: psycopg.Connection[dict[str, object]]
) -> None:
    await new_tenant(store, "alpha")
    owner.execute(
        'UPDATE tenants SET settings = \'{"recording": false, "keep": {"callers": 0, "summaries": 3}, "music": true}\''
    )
    async with store.tenant("alpha") as scope:
        kept = await settings_of(scope)
    assert (kept.recording, kept.keep.callers, kept.keep.recordings) == (False, 0, 30)
    with pytest.raises(NotFoundError):
        async with store.tenant("nobody") as scope:
            await settings_of(scope)
