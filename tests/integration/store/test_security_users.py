"""People and their sessions: roles, logins that tell nothing, and ends of sessions."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any

import psycopg
import pytest
from argon2 import PasswordHasher, Type
from tests.integration.store.running import NOW, new_tenant, store_test

from aivoice.errors import InputError
from aivoice.security.errors import RateLimitedError, UnauthenticatedError
from aivoice.security.keyring import Keyring
from aivoice.security.passwords import Passwords, check_password
from aivoice.security.permissions import ROLES
from aivoice.security.rate import Rate
from aivoice.security.users import ABSOLUTE, IDLE, MOST_SESSIONS, Session, User, Users
from aivoice.store import ConflictError, NotFoundError, Store

RING = Keyring((("k1", b"k" * 32),), b"r" * 32)
WORDS = "correct horse battery"
OFTEN = Rate(10_000, 1_000)


class Place:
    """The store with Users over it and a clock that tests move."""

    def __init__(self, store: Store, passwords: Passwords, **rates: Rate) -> None:
        self.now = NOW
        self.store = store
        self.users = Users(store, RING, passwords, wall=lambda: self.now, **rates)

    async def add(self, tenant: str | None, email: str, role: str = "owner", password: str = WORDS) -> User:
        if tenant is None:
            async with self.store.platform() as platform:
                return await self.users.create(
                    platform, email=email, name="", role=role, password=password, now=self.now
                )
        async with self.store.tenant(tenant) as scope:
            return await self.users.create(scope, email=email, name="", role=role, password=password, now=self.now)

    async def log_in(
        self, tenant: str | None, email: str, password: str = WORDS, *, address: str = "a", now_s: float = 0.0
    ) -> Session:
        return await self.users.log_in(tenant, email, password, address=address, now_s=now_s)

    async def refuses(self, token: str) -> None:
        with pytest.raises(UnauthenticatedError, match=r"^Log in again\.$"):
            await self.users.verify(token)


def cheap(memory_kib: int = 64, passes: int = 1) -> PasswordHasher:
    return PasswordHasher(time_cost=passes, memory_cost=memory_kib, parallelism=1, type=Type.ID)


@asynccontextmanager
async def place(store: Store, **rates: Rate) -> AsyncGenerator[Place]:
    for tenant in ("alpha", "bravo"):
        await new_tenant(store, tenant)
    with Passwords(cheap()) as passwords:
        yield Place(store, passwords, **({"per_account": OFTEN, "per_address": OFTEN} | rates))


@store_test
async def test_everybody_gets_what_their_role_says_in_their_own_home(store: Store) -> None:
    async with place(store) as here:
        for tenant, role in (("alpha", "owner"), ("alpha", "member"), ("alpha", "read-only"), (None, "operator")):
            made = await here.add(tenant, f"{role}@example.com", role)
            session = await here.log_in(tenant, f" {role.upper()}@example.com")
            principal, user = await here.users.verify(session.token)
            assert (principal.kind, principal.id, principal.tenant_id) == ("user", made.user_id, tenant)
            assert principal.permissions == ROLES[role]  # type: ignore[index]
            assert (user.email, user.logged_in_at) == (f"{role}@example.com", NOW)
            assert session.token not in repr(session)
        for tenant, role in (("alpha", "operator"), ("alpha", ""), (None, "owner")):
            with pytest.raises(InputError):
                await here.add(tenant, "x@example.com", role)
        with pytest.raises(ConflictError):
            await here.add("alpha", "OWNER@example.com")
        await here.add("bravo", "owner@example.com", password="another long one 1")
        with pytest.raises(UnauthenticatedError):
            await here.log_in("bravo", "owner@example.com")


@store_test
async def test_a_login_that_fails_says_the_same_whatever_is_wrong(store: Store) -> None:
    async with place(store) as here:
        user = await here.add("alpha", "ann@example.com")
        second = await here.add("alpha", "bob@example.com")
        async with store.tenant("alpha") as scope:
            await here.users.change(scope, second.user_id, now=NOW, disabled=True)
        wrong: list[tuple[str | None, str, str]] = [
            ("alpha", "ann@example.com", "no"),
            ("alpha", "ann@example.com", ""),
            ("alpha", "ann@example.com", "x" * 100_000),
            ("alpha", "nobody@example.com", WORDS),
            ("alpha", "bob@example.com", WORDS),
            ("bravo", "ann@example.com", WORDS),
            ("nowhere", "ann@example.com", WORDS),
            ("No Tenant!", "ann@example.com", WORDS),
            (None, "ann@example.com", WORDS),
            ("alpha", "ann\0@example.com", WORDS),
            ("alpha", user.user_id, WORDS),
        ]
        for case in wrong:
            with pytest.raises(UnauthenticatedError) as caught:
                await here.log_in(*case)
            assert (str(caught.value), caught.value.code) == ("E-mail or password is wrong.", "login_failed"), case


@store_test
async def test_who_does_not_exist_takes_as_long(store: Store) -> None:
    """With a hash of 20 ms: a login that skipped it would answer in a tenth of the time."""
    for tenant in ("alpha", "bravo"):
        await new_tenant(store, tenant)
    with Passwords(cheap(8_192, 4)) as passwords:
        here = Place(store, passwords, per_account=OFTEN, per_address=OFTEN)
        await here.add("alpha", "ann@example.com")
        seconds: dict[str, list[float]] = {}
        for _ in range(7):
            for tenant, email in (("alpha", "ann@example.com"), ("alpha", "no@example.com"), ("no", "a@example.com")):
                began = time.perf_counter()
                with pytest.raises(UnauthenticatedError):
                    await here.log_in(tenant, email, "wrong")
                seconds.setdefault(f"{tenant} {email}", []).append(time.perf_counter() - began)
    known, *unknown = (min(times) for times in seconds.values())
    assert all(0.5 < other / known < 2 for other in unknown)


@store_test
async def test_guessing_is_slowed_down_for_names_that_exist_and_for_those_that_do_not(store: Store) -> None:
    async with place(store, per_account=Rate(3, 1 / 60)) as here:
        await here.add("alpha", "ann@example.com")
        for email in ("ann@example.com", "nobody@example.com"):
            for _ in range(3):
                with pytest.raises(UnauthenticatedError):
                    await here.log_in("alpha", email, "wrong")
            with pytest.raises(RateLimitedError) as caught:
                await here.log_in("alpha", f" {email.upper()} ")
            assert 59 < caught.value.retry_after_s <= 60
        await here.log_in("alpha", "ann@example.com", now_s=61.0)
        with pytest.raises(UnauthenticatedError):  # who has logged in starts afresh
            await here.log_in("alpha", "ann@example.com", "wrong", now_s=61.0)
        with pytest.raises(UnauthenticatedError):  # the same name elsewhere is another account
            await here.log_in("bravo", "ann@example.com", "wrong", now_s=61.0)


@store_test
async def test_one_address_is_slowed_down_whatever_names_it_tries(store: Store) -> None:
    async with place(store, per_address=Rate(5, 1.0)) as here:
        for number in range(5):
            with pytest.raises(UnauthenticatedError):
                await here.log_in("alpha", f"u{number}@example.com")
        with pytest.raises(RateLimitedError):
            await here.log_in("bravo", "u9@example.com")
        with pytest.raises(UnauthenticatedError):
            await here.log_in("alpha", "u9@example.com", address="b")


@store_test
async def test_sessions_end_by_idling_by_age_by_log_out_and_with_their_user(store: Store) -> None:
    async with place(store) as here:
        await here.add("alpha", "own@example.com")
        user = await here.add("alpha", "ann@example.com", "member")
        idle = await here.log_in("alpha", "ann@example.com")
        here.now += IDLE - timedelta(seconds=1)
        await here.users.verify(idle.token)  # seen: from now on again
        here.now += IDLE - timedelta(seconds=1)
        await here.users.verify(idle.token)
        here.now += IDLE
        await here.refuses(idle.token)
        old = await here.log_in("alpha", "ann@example.com")
        end = here.now + ABSOLUTE
        while here.now + timedelta(hours=7) < end:
            here.now += timedelta(hours=7)
            await here.users.verify(old.token)
        here.now = end
        await here.refuses(old.token)

        out, other = [await here.log_in("alpha", "ann@example.com") for _ in range(2)]
        await here.users.log_out(out.token)
        await here.users.log_out(out.token)
        await here.refuses(out.token)
        await here.users.verify(other.token)
        async with store.tenant("alpha") as scope:
            await here.users.change(scope, user.user_id, now=here.now, role="read-only")
        await here.refuses(other.token)
        for act in ("disable", "password"):
            session = await here.log_in("alpha", "ann@example.com")
            async with store.tenant("alpha") as scope:
                if act == "password":
                    await here.users.set_password(scope, user.user_id, "a new one, quite long")
                else:
                    await here.users.change(scope, user.user_id, now=here.now, disabled=True)
                    await here.users.change(scope, user.user_id, now=here.now, disabled=False)
            await here.refuses(session.token)


@store_test
async def test_tokens_that_are_none(store: Store, owner: psycopg.Connection[dict[str, object]]) -> None:
    async with place(store) as here:
        await here.add("alpha", "ann@example.com")
        await here.add("bravo", "bob@example.com")
        session = await here.log_in("alpha", "ann@example.com")
        kind, _, session_id, secret = session.token.split("_")
        for token in (
            "",
            session.token[:-1],
            session.token + "\n",
            f"{kind}_bravo_{session_id}_{secret}",
            f"{kind}_~_{session_id}_{secret}",
            f"{kind}_-_{session_id}_{secret}",
            f"{kind}_alpha_{session_id}_{'0' * 64}",
            f"{kind}_alpha_{session_id[::-1]}_{secret}",
        ):
            await here.refuses(token)
            await here.users.log_out(token)
        await here.users.verify(session.token)
        (row,) = owner.execute("SELECT * FROM sessions").fetchall()
        assert secret not in str(row)
        (stored,) = owner.execute("SELECT password FROM users WHERE tenant_id = 'alpha'").fetchall()
        assert str(stored["password"]).startswith("$argon2id$")


@store_test
async def test_the_last_owner_stays_even_when_two_remove_each_other(store: Store) -> None:
    async with place(store) as here:
        first, second = [await here.add("alpha", f"{name}@example.com") for name in ("ann", "bob")]

        async def demote(user: User) -> Any:
            async with store.tenant("alpha") as scope:
                return await here.users.change(scope, user.user_id, now=NOW, role="member")

        done = await asyncio.gather(demote(first), demote(second), return_exceptions=True)
        assert sorted(type(each).__name__ for each in done) == ["InputError", "User"]
        async with store.tenant("alpha") as scope:
            (left,) = [user for user in await here.users.all(scope) if user.role == "owner"]
            with pytest.raises(InputError) as caught:
                await here.users.change(scope, left.user_id, now=NOW, disabled=True)
        assert caught.value.code == "last_owner"


@store_test
async def test_another_tenants_people_are_unknown(store: Store) -> None:
    async with place(store) as here:
        user = await here.add("alpha", "ann@example.com")
        for user_id in (user.user_id, "user_none"):
            async with store.tenant("bravo") as scope:
                assert await here.users.all(scope) == []
                with pytest.raises(NotFoundError, match=r"There is no such user\."):
                    await here.users.change(scope, user_id, now=NOW, disabled=True)
                with pytest.raises(NotFoundError, match=r"There is no such user\."):
                    await here.users.set_password(scope, user_id, "a new one, quite long")
        await here.log_in("alpha", "ann@example.com")


@store_test
async def test_a_user_has_a_bounded_number_of_sessions_and_old_hashes_are_renewed(
    store: Store, owner: psycopg.Connection[dict[str, object]]
) -> None:
    async with place(store) as here:
        await here.add("alpha", "ann@example.com")
        tokens: list[str] = []
        for second in range(MOST_SESSIONS + 2):
            here.now = NOW + timedelta(seconds=second)
            tokens.append((await here.log_in("alpha", "ann@example.com")).token)
        await here.refuses(tokens[1])
        await here.users.verify(tokens[2])
        with Passwords(cheap(128)) as stronger:
            later = Place(store, stronger, per_account=OFTEN, per_address=OFTEN)
            await later.log_in("alpha", "ann@example.com")
        (row,) = owner.execute("SELECT password FROM users").fetchall()
        assert "m=128," in str(row["password"])
        await here.log_in("alpha", "ann@example.com")


@pytest.mark.parametrize("password", ["short", "aaaaaaaaaaaaaaaa", "ann.smith@alpha-dental", "x" * 257])
def test_weak_passwords(password: str) -> None:
    with pytest.raises(InputError):
        check_password(password, "ann.smith@example.com", "alpha-dental")


def test_a_queue_of_logins_is_refused_and_not_grown() -> None:
    async def crowd() -> list[Any]:
        with Passwords(cheap(1_024, 2)) as passwords:
            return await asyncio.gather(*(passwords.hash(WORDS) for _ in range(40)), return_exceptions=True)

    done = asyncio.run(crowd())
    assert sum(isinstance(each, str) for each in done) >= 16
    assert all(isinstance(each, str | RateLimitedError) for each in done)
    assert any(isinstance(each, RateLimitedError) for each in done)
