"""API keys: whose they are, what they may, and that they end."""

from __future__ import annotations

import secrets
from datetime import datetime, timedelta

import psycopg
import pytest
from tests.integration.store.running import NOW, new_tenant, store_test

from aivoice.errors import InputError
from aivoice.security.api_keys import CACHE_S, MOST_KEYS, ApiKeys, KeyVerifier, NewKey
from aivoice.security.errors import UnauthenticatedError
from aivoice.security.keyring import Keyring
from aivoice.security.permissions import SCOPES
from aivoice.store import NotFoundError, Store

RING = Keyring((("k1", b"k" * 32),), b"r" * 32)


class Clock:
    """Both of a verifier's."""

    def __init__(self) -> None:
        self.now = NOW

    def wall(self) -> datetime:
        return self.now

    def monotonic(self) -> float:
        return (self.now - NOW).total_seconds()

    def go(self, **time: float) -> None:
        self.now += timedelta(**time)


def verifier(store: Store, clock: Clock, ring: Keyring = RING) -> KeyVerifier:
    return KeyVerifier(store, ring, monotonic=clock.monotonic, wall=clock.wall)


async def make(store: Store, tenant: str | None, *scopes: str, **more: datetime) -> NewKey:
    keys = ApiKeys(RING)
    if tenant is None:
        async with store.platform() as platform:
            return await keys.create(platform, scopes=scopes, label="", by="test", now=NOW, **more)
    async with store.tenant(tenant) as scope:
        return await keys.create(scope, scopes=scopes, label="", by="test", now=NOW, **more)


async def refused(check: KeyVerifier, token: str) -> None:
    with pytest.raises(UnauthenticatedError) as caught:
        await check.verify(token)
    assert (str(caught.value), caught.value.code) == ("The API key is not valid.", "key_invalid")


@store_test
async def test_a_key_is_its_tenants_and_the_operators_are_of_no_tenant(store: Store) -> None:
    for tenant in ("alpha", "bravo"):
        await new_tenant(store, tenant)
    check = verifier(store, Clock())
    for tenant, scope in (("alpha", "read"), ("bravo", "admin"), (None, "operator")):
        made = await make(store, tenant, scope)
        found = await check.verify(made.token)
        assert (found.tenant_id, found.id, found.kind) == (tenant, made.key.key_id, "key")
        assert found.permissions == SCOPES[scope]
    with pytest.raises(InputError):
        await make(store, "alpha", "operator")
    with pytest.raises(InputError):
        await make(store, "alpha")


@store_test
async def test_what_is_none_is_refused_in_the_same_words(store: Store) -> None:
    await new_tenant(store, "alpha")
    made = await make(store, "alpha", "read")
    check = verifier(store, Clock())
    _, key_id, secret = made.token.split("_")
    for token in (
        "",
        "avk_",
        made.token + "0",
        f"avk_{key_id}_{secrets.token_hex(32)}",
        f"avk_{key_id[::-1]}_{secret}",
        made.token.upper(),
        f" {made.token}",
        made.token + "\n",
        "avk_" + "é" * 22 + "_" + secret,
    ):
        await refused(check, token)
    assert (await check.verify(made.token)).tenant_id == "alpha"
    await refused(verifier(store, Clock(), Keyring.new()), made.token)  # another installation's pepper


@store_test
async def test_no_secret_is_stored_and_a_row_of_somebody_else_makes_no_key(
    store: Store, owner: psycopg.Connection[dict[str, object]]
) -> None:
    await new_tenant(store, "alpha")
    made = await make(store, "alpha", "read")
    _, key_id, secret = made.token.split("_")
    (row,) = owner.execute("SELECT * FROM api_keys").fetchall()
    assert secret not in str(row)
    assert bytes.fromhex(secret) not in bytes(row["hash"])  # type: ignore[call-overload]
    assert secret not in repr(made)
    check = verifier(store, Clock())
    # An attacker who writes to the database moves the digest to a key of more rights, and to another tenant.
    await new_tenant(store, "bravo")
    other = await make(store, "bravo", "admin")
    owner.execute("UPDATE api_keys SET hash = %s WHERE key_id = %s", (row["hash"], other.key.key_id))
    await refused(check, f"avk_{other.key.key_id}_{secret}")
    assert (await check.verify(made.token)).id == key_id


@store_test
async def test_the_same_id_written_by_another_tenant_takes_nothing_over(
    store: Store, owner: psycopg.Connection[dict[str, object]]
) -> None:
    """The application may write any id into its own tenant's table; the id alone decides nothing."""
    for tenant in ("alpha", "bravo"):
        await new_tenant(store, tenant)
    made = await make(store, "alpha", "read")
    copy = (
        "INSERT INTO api_keys (tenant_id, key_id, hash, scopes, created_at, created_by) "
        "VALUES ('bravo', %s, %s, '{admin}', now(), 'x')"
    )
    owner.execute(copy, (made.key.key_id, b"x" * 32))
    assert (await verifier(store, Clock()).verify(made.token)).tenant_id == "alpha"


@store_test
async def test_rotation_overlaps_and_revocation_does_not(store: Store) -> None:
    await new_tenant(store, "alpha")
    clock = Clock()
    check = verifier(store, clock)
    keys = ApiKeys(RING)
    old = await make(store, "alpha", "read", "calls")
    async with store.tenant("alpha") as scope:
        new = await keys.rotate(scope, old.key.key_id, by="test", now=NOW, overlap=timedelta(hours=1))
    assert new.key.scopes == old.key.scopes
    clock.go(minutes=59)
    assert (await check.verify(old.token)).id == old.key.key_id
    assert (await check.verify(new.token)).id == new.key.key_id
    clock.go(minutes=2)
    await refused(check, old.token)
    async with store.tenant("alpha") as scope:
        with pytest.raises(NotFoundError):  # over: it is not brought back
            await keys.rotate(scope, old.key.key_id, by="test", now=clock.now)
    await check.verify(new.token)
    async with store.tenant("alpha") as scope:
        await keys.revoke(scope, new.key.key_id, now=clock.now)
        await keys.revoke(scope, new.key.key_id, now=clock.now)
    assert (await check.verify(new.token)).id == new.key.key_id  # this process has not looked again
    clock.go(seconds=CACHE_S)
    await refused(check, new.token)
    async with store.tenant("alpha") as scope:
        with pytest.raises(NotFoundError):
            await keys.rotate(scope, new.key.key_id, by="test", now=clock.now)


@store_test
async def test_a_rotation_never_makes_a_key_live_longer(store: Store) -> None:
    await new_tenant(store, "alpha")
    clock = Clock()
    old = await make(store, "alpha", "read", expires_at=NOW + timedelta(minutes=5))
    async with store.tenant("alpha") as scope:
        await ApiKeys(RING).rotate(scope, old.key.key_id, by="test", now=NOW, overlap=timedelta(days=1))
    clock.go(minutes=5, seconds=1)
    await refused(verifier(store, clock), old.token)


@store_test
async def test_another_tenants_key_is_unknown(store: Store) -> None:
    for tenant in ("alpha", "bravo"):
        await new_tenant(store, tenant)
    made = await make(store, "alpha", "read")
    keys = ApiKeys(RING)
    for key_id in (made.key.key_id, "x" * 22):
        async with store.tenant("bravo") as scope:
            assert await keys.all(scope) == []
            with pytest.raises(NotFoundError, match=r"There is no such key\."):
                await keys.revoke(scope, key_id, now=NOW)
            with pytest.raises(NotFoundError, match=r"There is no such key\."):
                await keys.rotate(scope, key_id, by="x", now=NOW)
    async with store.platform() as platform:
        with pytest.raises(NotFoundError):
            await keys.revoke(platform, made.key.key_id, now=NOW)
    assert (await verifier(store, Clock()).verify(made.token)).tenant_id == "alpha"


@store_test
async def test_keys_are_bounded_and_their_use_is_noted(store: Store) -> None:
    await new_tenant(store, "alpha")
    clock = Clock()
    made = await make(store, "alpha", "read")
    await verifier(store, clock).verify(made.token)
    keys = ApiKeys(RING)
    async with store.tenant("alpha") as scope:
        assert (await keys.get(scope, made.key.key_id)).last_used_at == NOW
        for _ in range(MOST_KEYS - 1):
            await keys.create(scope, scopes=("read",), label="", by="test", now=NOW)
        with pytest.raises(InputError) as caught:
            await keys.create(scope, scopes=("read",), label="", by="test", now=NOW)
    assert caught.value.code == "too_many_keys"
