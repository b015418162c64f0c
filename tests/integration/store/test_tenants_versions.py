"""Versions of a business file: applied, compared, taken back; two who change at once; another tenant's are unknown."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from pathlib import Path

import psycopg
import pytest
from tests.integration.store.running import NOW, new_tenant, store_test

from aivoice.errors import InputError
from aivoice.store import ConflictError, NotFoundError, Store, StoreError
from aivoice.tenants.bundle import Bundle, Draft, check_bundle, read_bundle
from aivoice.tenants.lifecycle import set_status
from aivoice.tenants.numbers import CHANNEL
from aivoice.tenants.versions import (
    Applied,
    apply,
    business_of,
    current_number,
    diff,
    documents_of,
    get_version,
    list_versions,
    plan_for,
    rollback,
    source_of,
)

EXAMPLES = Path(__file__).resolve().parents[3] / "examples"


def draft(price: str = "$20", **documents: str) -> Draft:
    source = f"name: Corner\ntimezone: America/Chicago\nprices:\n  - item: Cut\n    price: {price}\n"
    if documents:
        source += "knowledge:\n" + "".join(f"  - {name}.md\n" for name in documents)
    return check_bundle(Bundle(source, {f"{name}.md": text for name, text in documents.items()}))


async def put(store: Store, tenant: str, what: Draft, *, expected: int | str | None = None) -> Applied:
    async with store.tenant(tenant) as scope:
        return await apply(scope, what, NOW, author="ann", note="why", expected=expected)


@store_test
async def test_what_was_applied_is_there_whole_and_the_same_again_changes_nothing(store: Store) -> None:
    await new_tenant(store, "alpha")
    for name in ("northside-dental", "harbour-plumbing"):
        bundle = read_bundle(EXAMPLES / name / "business.yaml")
        checked = check_bundle(bundle)
        done = await put(store, "alpha", checked)
        assert done.made
        again = await put(store, "alpha", checked)
        assert (again.made, again.version, again.plan.changes) == (False, done.version, ())
        async with store.tenant("alpha") as scope:
            kept = await source_of(scope, done.version.number)
            assert (kept.source, dict(kept.documents), kept.file_name) == (
                bundle.source, dict(bundle.documents), "business.yaml",
            )  # fmt: skip
            assert await business_of(scope, done.version.number) == checked.business
            assert await scope.value("SELECT zone FROM tenants") == checked.business.timezone


@store_test
async def test_going_back_makes_a_new_version_that_equals_the_old_one(store: Store) -> None:
    await new_tenant(store, "alpha")
    await put(store, "alpha", draft("$20", faq="# Questions\n\nOne.\n"))
    async with store.tenant("alpha") as scope:
        planned = await plan_for(scope, draft("$25"))
    assert "~ prices, Cut: $20 → $25" in planned.lines()
    assert any(line.startswith("- documents, faq.md") for line in planned.lines())
    assert (await put(store, "alpha", draft("$25"))).plan == planned
    async with store.tenant("alpha") as scope:
        back = await rollback(scope, 1, NOW, author="bob")
        assert (back.version.number, back.version.restores, back.version.author) == (3, 1, "bob")
        assert (await diff(scope, 1, 3)).changes == ()
        assert await documents_of(scope, 3) == await documents_of(scope, 1)
        assert [version.number for version in await list_versions(scope)] == [3, 2, 1]
        assert [version.number for version in await list_versions(scope, limit=1, before=3)] == [2]
        assert not (await rollback(scope, 1, NOW, author="bob")).made
        for number in (0, 9, -1):
            with pytest.raises(NotFoundError):
                await rollback(scope, number, NOW, author="bob")


@store_test
async def test_a_change_planned_against_another_version_is_refused_and_leaves_nothing(store: Store) -> None:
    await new_tenant(store, "alpha")
    first = await put(store, "alpha", draft("$20"), expected=0)
    for expected in (0, 2, '"1-0000"', ""):
        with pytest.raises(ConflictError) as error:
            await put(store, "alpha", draft("$25"), expected=expected)
        assert error.value.code == "version_conflict"
    await put(store, "alpha", draft("$25"), expected=first.version.etag)
    async with store.tenant("alpha") as scope:
        with pytest.raises(ConflictError):
            await rollback(scope, 1, NOW, author="ann", expected=first.version.etag)
    async with store.tenant("alpha") as scope:
        assert await current_number(scope) == 2
        assert len(await list_versions(scope)) == 2


@store_test
async def test_of_many_who_change_at_once_each_sees_the_one_before(store: Store) -> None:
    await new_tenant(store, "alpha")
    await put(store, "alpha", draft("$1"))
    made = await asyncio.gather(
        *(put(store, "alpha", draft(f"${price}"), expected=1) for price in range(2, 8)), return_exceptions=True
    )
    assert sum(isinstance(each, Applied) for each in made) == 1
    assert sum(isinstance(each, ConflictError) for each in made) == 5
    made = await asyncio.gather(*(put(store, "alpha", draft(f"${price}")) for price in range(12, 18)))
    assert sorted(each.version.number for each in made) == [3, 4, 5, 6, 7, 8]
    async with store.tenant("alpha") as scope:
        for one, next_ in ((3, 4), (7, 8)):
            assert len((await diff(scope, one, next_)).changes) == 1


@store_test
async def test_it_is_told_when_it_counts_and_not_before(store: Store) -> None:
    await new_tenant(store, "alpha")
    async with store.listen(CHANNEL) as told:
        with pytest.raises(StoreError):
            async with store.tenant("alpha") as scope:
                await apply(scope, draft("$20"), NOW, author="ann")
                raise StoreError("away")
        await put(store, "alpha", draft("$25"))
        assert await asyncio.wait_for(anext(told), 5) == "alpha 1"
        await told.aclose()  # type: ignore[attr-defined]
    async with store.tenant("alpha") as scope:
        assert (await business_of(scope, 1)).prices[0].price == "$25"


@store_test
async def test_versions_of_another_tenant_are_unknown_and_texts_are_kept_once_for_each(
    store: Store, owner: psycopg.Connection[dict[str, object]]
) -> None:
    for tenant in ("alpha", "bravo"):
        await new_tenant(store, tenant)
        for price in ("$1", "$2"):
            await put(store, tenant, draft(price, faq="# Same\n\nText.\n"))
    await put(store, "alpha", draft("$3", faq="# Other\n\nText.\n"))
    kept = owner.execute(
        "SELECT tenant_id AS t, count(*) AS n FROM business_documents GROUP BY 1 ORDER BY 1"
    ).fetchall()
    assert [(row["t"], row["n"]) for row in kept] == [("alpha", 2), ("bravo", 1)]
    async with AsyncExitStack() as stack:
        scope = await stack.enter_async_context(store.tenant("bravo"))
        for read in (get_version, source_of, business_of):
            with pytest.raises(NotFoundError) as other:
                await read(scope, 3)
            with pytest.raises(NotFoundError) as none:
                await read(scope, 99)
            assert str(other.value) == str(none.value)
        assert await documents_of(scope, 3) == ()


@store_test
async def test_a_version_packed_by_another_release_is_compiled_anew_and_none_can_be_changed(
    store: Store, owner: psycopg.Connection[dict[str, object]]
) -> None:
    await new_tenant(store, "alpha")
    await put(store, "alpha", draft("$20", faq="# Same\n\nText.\n"))
    owner.execute("UPDATE business_versions SET compiled = 'x', format = 0")
    async with store.tenant("alpha") as scope:
        assert (await business_of(scope, 1)).prices[0].price == "$20"
        assert (await business_of(scope, 1, documents=False)).documents == ()
        assert (await rollback(scope, 1, NOW, author="ann")).made is False
    owner.execute("UPDATE business_versions SET compiled = '{}', format = 1")
    async with store.tenant("alpha") as scope:
        with pytest.raises(InputError):
            await business_of(scope, 1)
    for statement in ("UPDATE business_versions SET source = ''", "DELETE FROM business_versions"):
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            async with store.tenant("alpha") as scope:
                await scope.run(statement)  # type: ignore[arg-type]


@store_test
async def test_a_closed_tenant_is_not_changed_and_an_unknown_one_not_found(store: Store) -> None:
    await new_tenant(store, "alpha")
    async with store.platform() as scope:
        await set_status(scope, "alpha", "closed", NOW)
    with pytest.raises(ConflictError) as error:
        await put(store, "alpha", draft())
    assert error.value.code == "tenant_closed"
    with pytest.raises(NotFoundError):
        await put(store, "nobody", draft())
