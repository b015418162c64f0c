"""People: e-mail, password, role, and the sessions that they log in to. A tenant's, or the operator's own.

An e-mail address belongs to one tenant's list, so the same person may be a user of several tenants, and no tenant
learns of another's users. A login names the tenant (none: the operator).
"""

from __future__ import annotations

import hmac
import re
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final, Literal, LiteralString, get_args

from email_validator import EmailNotValidError, validate_email

from aivoice.errors import InputError
from aivoice.security.api_keys import digest
from aivoice.security.errors import UnauthenticatedError
from aivoice.security.home import AnyScope, home, scope_of
from aivoice.security.keyring import Keyring
from aivoice.security.passwords import Passwords, check_password
from aivoice.security.permissions import ROLES, Permission, Principal
from aivoice.security.rate import Rate, RateLimiter
from aivoice.store import NotFoundError, Scope, Store
from aivoice.store.ids import new_id
from aivoice.store.pool import TENANT_ID

TenantRole = Literal["owner", "member", "read-only"]
IDLE, ABSOLUTE = timedelta(hours=8), timedelta(days=7)
"""A session ends so long after it was last used, and so long after its login."""
SEEN_EVERY: Final = timedelta(minutes=1)
MOST_SESSIONS: Final = 20
"""Of one user; the oldest ends."""
_TOKEN = re.compile(r"avs_([a-z0-9-]{1,40}|~)_([A-Za-z0-9]{22})_([0-9a-f]{64})")
_COLUMNS: Final[LiteralString] = "user_id, email, name, role, created_at, disabled_at, logged_in_at"


@dataclass(frozen=True, slots=True)
class User:
    user_id: str
    email: str
    name: str
    role: str
    created_at: datetime
    disabled_at: datetime | None
    logged_in_at: datetime | None


@dataclass(frozen=True, slots=True)
class Session:
    """token: for a cookie (Secure, HttpOnly, SameSite=Strict, Path=/); a secret. expires_at: at the latest."""

    token: str
    user: User
    expires_at: datetime

    def __repr__(self) -> str:
        return f"Session({self.user.user_id})"


class Users:
    """Manages and logs in. One a process. A `Scope` means the tenant's users, a `PlatformScope` the operator's.

    per_account, per_address: how often a login may be tried, for each e-mail of a tenant whether or not there is such a
    user, and for each network address.
    """

    def __init__(
        self,
        store: Store,
        keyring: Keyring,
        passwords: Passwords,
        *,
        wall: Callable[[], datetime] = lambda: datetime.now(UTC),
        per_account: Rate = Rate(8, 1 / 60),
        per_address: Rate = Rate(30, 1 / 10),
    ) -> None:
        self._store, self._passwords, self._wall = store, passwords, wall
        self._pepper = keyring.derive("sessions")
        self._accounts, self._addresses = RateLimiter(per_account), RateLimiter(per_address)

    # ------------------------------------------------------------ managing

    async def create(self, scope: AnyScope, *, email: str, name: str, role: str, password: str, now: datetime) -> User:
        """Raises InputError (address, role, password), ConflictError (this tenant has the address). Hashes inside the
        caller's transaction: about 0.1 s."""
        address = normal_email(email)
        _check_role(scope, role)
        check_password(password, address, scope.tenant_id if isinstance(scope, Scope) else "")
        at = home(scope)
        row = await scope.one(
            f"INSERT INTO {at.prefix}users ({at.columns}user_id, email, name, role, password, created_at) VALUES "
            f"({at.values}%(user_id)s, %(email)s, %(name)s, %(role)s, %(password)s, %(now)s) RETURNING {_COLUMNS}",
            {
                "user_id": new_id("user"),
                "email": address,
                "name": name[:100],
                "role": role,
                "password": await self._passwords.hash(password),
                "now": now,
            },
        )
        assert row is not None
        return User(**row)

    async def all(self, scope: AnyScope) -> list[User]:
        """At most 1,000, by address."""
        at = home(scope)
        rows = await scope.all(
            f"SELECT {_COLUMNS} FROM {at.prefix}users WHERE {at.where} true ORDER BY email LIMIT 1000"
        )
        return [User(**row) for row in rows]

    async def change(
        self, scope: AnyScope, user_id: str, *, now: datetime, role: str | None = None, disabled: bool | None = None
    ) -> User:
        """A new role, or whether the user may log in. Ends the user's sessions. Raises NotFoundError, InputError (the
        last owner who can log in stays one)."""
        at = home(scope)
        if role is not None:
            _check_role(scope, role)
        # Locked in one order, so that two owners cannot each remove the other.
        users = await scope.all(
            f"SELECT {_COLUMNS} FROM {at.prefix}users WHERE {at.where} "
            "(user_id = %(id)s OR (role IN ('owner', 'operator') AND disabled_at IS NULL)) ORDER BY user_id FOR UPDATE",
            {"id": user_id},
        )
        found = next((row for row in users if row["user_id"] == user_id), None)
        if found is None:
            raise NotFoundError("There is no such user.")
        stays = (role or found["role"]) in ("owner", "operator") and not disabled
        was = found["role"] in ("owner", "operator") and found["disabled_at"] is None
        if was and not stays and len(users) == 1:
            raise InputError("The last owner cannot be removed.", code="last_owner", stage="security")
        row = await scope.one(
            f"UPDATE {at.prefix}users SET role = coalesce(%(role)s::text, role), disabled_at = CASE "
            "WHEN %(disabled)s::boolean IS NULL THEN disabled_at "
            "WHEN %(disabled)s::boolean THEN %(now)s::timestamptz END "
            f"WHERE {at.where} user_id = %(id)s RETURNING {_COLUMNS}",
            {"id": user_id, "role": role, "disabled": disabled, "now": now},
        )
        await self._end(scope, user_id)
        assert row is not None
        return User(**row)

    async def set_password(self, scope: AnyScope, user_id: str, password: str) -> None:
        """Ends all sessions of the user. Raises NotFoundError, InputError."""
        at = home(scope)
        email = await scope.value(
            f"SELECT email FROM {at.prefix}users WHERE {at.where} user_id = %(id)s", {"id": user_id}
        )
        if email is None:
            raise NotFoundError("There is no such user.")
        check_password(password, email, scope.tenant_id if isinstance(scope, Scope) else "")
        await scope.run(
            f"UPDATE {at.prefix}users SET password = %(password)s WHERE {at.where} user_id = %(id)s",
            {"id": user_id, "password": await self._passwords.hash(password)},
        )
        await self._end(scope, user_id)

    # ------------------------------------------------------------ sessions

    async def log_in(self, tenant_id: str | None, email: str, password: str, *, address: str, now_s: float) -> Session:
        """address: of the client, for the rate limit. now_s: monotonic seconds.

        Raises RateLimitedError, and UnauthenticatedError for everything else that is wrong: no such tenant, no such
        user, a wrong password, a disabled user; in the same words and after the same work.
        """
        account = f"{tenant_id or '~'} {email.strip().casefold()[:254]}"
        self._addresses.require(address, now_s)
        self._accounts.require(account, now_s)
        # The hash is checked outside of any transaction: no connection is held for it.
        found = await self._find(tenant_id, email.strip().lower()[:254])
        right = await self._passwords.verify(found["password"] if found else None, password)
        if found is None or not right or found["disabled_at"] is not None:
            raise UnauthenticatedError("E-mail or password is wrong.", code="login_failed")
        self._accounts.forget(account)
        now = self._wall()
        stored: str = found.pop("password")
        fresh = await self._passwords.hash(password) if self._passwords.is_outdated(stored) else stored
        session_id, secret = new_id("s").removeprefix("s_"), secrets.token_hex(32)
        async with scope_of(self._store, tenant_id) as scope:
            at = home(scope)
            # Only while the password is still the one that was checked, so that a change meanwhile is not undone.
            touched = await scope.run(
                f"UPDATE {at.prefix}users SET logged_in_at = %(now)s, password = %(fresh)s "
                f"WHERE {at.where} user_id = %(id)s AND password = %(stored)s AND disabled_at IS NULL",
                {"id": found["user_id"], "now": now, "fresh": fresh, "stored": stored},
            )
            if not touched:
                raise UnauthenticatedError("E-mail or password is wrong.", code="login_failed")
            await scope.run(
                f"INSERT INTO {at.prefix}sessions ({at.columns}session_id, user_id, hash, created_at, seen_at, "
                f"expires_at) VALUES ({at.values}%(session)s, %(id)s, %(hash)s, %(now)s, %(now)s, %(until)s)",
                {
                    "session": session_id,
                    "id": found["user_id"],
                    "hash": digest(self._pepper, session_id, secret),
                    "now": now,
                    "until": now + ABSOLUTE,
                },
            )
            await scope.run(
                f"DELETE FROM {at.prefix}sessions WHERE {at.where} user_id = %(id)s AND session_id NOT IN "
                f"(SELECT session_id FROM {at.prefix}sessions WHERE {at.where} user_id = %(id)s "
                "ORDER BY created_at DESC LIMIT %(most)s)",
                {"id": found["user_id"], "most": MOST_SESSIONS},
            )
        token = f"avs_{tenant_id or '~'}_{session_id}_{secret}"
        found["logged_in_at"] = now
        return Session(token, User(**found), now + ABSOLUTE)

    async def verify(self, token: str) -> tuple[Principal, User]:
        """Raises UnauthenticatedError: unknown, idle for too long, over, its user disabled; the same for all."""
        now = self._wall()
        match = _TOKEN.fullmatch(token)
        if match is None:
            raise _no_session()
        home_name, session_id, secret = match.groups()
        tenant_id = None if home_name == "~" else home_name
        if tenant_id is not None and not TENANT_ID.fullmatch(tenant_id):
            raise _no_session()
        async with scope_of(self._store, tenant_id) as scope:
            at = home(scope)
            row = await scope.one(
                f"SELECT hash, seen_at, expires_at, {_COLUMNS.replace('created_at', 'users.created_at')} "
                f"FROM {at.prefix}sessions AS sessions JOIN {at.prefix}users AS users USING ({at.columns}user_id) "
                f"WHERE {at.where} session_id = %(id)s",
                {"id": session_id},
            )
            right = hmac.compare_digest(digest(self._pepper, session_id, secret), row["hash"] if row else bytes(32))
            if row is None or not right or not _is_live(row, now):
                raise _no_session()
            if now - row["seen_at"] >= SEEN_EVERY:
                await scope.run(
                    f"UPDATE {at.prefix}sessions SET seen_at = %(now)s WHERE {at.where} session_id = %(id)s",
                    {"id": session_id, "now": now},
                )
        user = User(**{name: row[name] for name in _COLUMNS.split(", ")})
        return Principal("user", user.user_id, tenant_id, _permissions(user.role)), user

    async def log_out(self, token: str) -> None:
        """Idempotent; a token that is none changes nothing."""
        match = _TOKEN.fullmatch(token)
        if match is None:
            return
        home_name, session_id, secret = match.groups()
        if home_name != "~" and not TENANT_ID.fullmatch(home_name):
            return
        async with scope_of(self._store, None if home_name == "~" else home_name) as scope:
            at = home(scope)
            await scope.run(
                f"DELETE FROM {at.prefix}sessions WHERE {at.where} session_id = %(id)s AND hash = %(hash)s",
                {"id": session_id, "hash": digest(self._pepper, session_id, secret)},
            )

    async def _end(self, scope: AnyScope, user_id: str) -> None:
        at = home(scope)
        await scope.run(f"DELETE FROM {at.prefix}sessions WHERE {at.where} user_id = %(id)s", {"id": user_id})

    async def _find(self, tenant_id: str | None, email: str) -> dict[str, Any] | None:
        # A name that no tenant can have is asked of one that does not exist, so that it takes as long.
        known = tenant_id if tenant_id is None or TENANT_ID.fullmatch(tenant_id) else "0"
        if "\0" in email:
            email = ""
        async with scope_of(self._store, known) as scope:
            at = home(scope)
            return await scope.one(
                f"SELECT {_COLUMNS}, password FROM {at.prefix}users WHERE {at.where} email = %(email)s",
                {"email": email},
            )


def normal_email(email: str) -> str:
    """The address in the one form that is stored. Raises InputError, which does not quote it."""
    try:
        found = validate_email(email.strip(), check_deliverability=False, allow_smtputf8=True)
    except EmailNotValidError:
        raise InputError("This is no e-mail address.", code="email_invalid", stage="security") from None
    return found.normalized.lower()


def _check_role(scope: AnyScope, role: str) -> None:
    allowed = get_args(TenantRole) if isinstance(scope, Scope) else ("operator",)
    if role not in allowed:
        raise InputError(f"A role is one of: {', '.join(allowed)}.", code="role_invalid", stage="security")


def _permissions(role: str) -> frozenset[Permission]:
    """A role of a newer release gives nothing."""
    for name, permissions in ROLES.items():
        if name == role:
            return permissions
    return frozenset()


def _is_live(row: dict[str, Any], now: datetime) -> bool:
    return row["disabled_at"] is None and now < row["expires_at"] and now - row["seen_at"] < IDLE


def _no_session() -> UnauthenticatedError:
    return UnauthenticatedError("Log in again.", code="session_invalid")
