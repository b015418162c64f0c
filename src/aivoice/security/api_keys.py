"""API keys: ``avk_<id>_<secret>``, of a tenant or of the operator. The secret is shown once and stored as a digest.

256 random bits need no slow hash; the digest is keyed (HMAC) from the installation's root, so that a row written into
the database by somebody else makes no key that works.
"""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
import time
from collections import OrderedDict
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final, LiteralString

from aivoice.errors import InputError, VoiceError
from aivoice.security.errors import UnauthenticatedError
from aivoice.security.home import AnyScope, home, scope_of
from aivoice.security.keyring import Keyring
from aivoice.security.permissions import Principal, check_scopes, of_scopes
from aivoice.store import NotFoundError, Scope, Store
from aivoice.store.ids import new_id

CACHE_S: Final = 5.0
"""Longest that a revoked key may still work."""
CACHED: Final = 10_000
USED_EVERY: Final = timedelta(minutes=1)
MOST_KEYS: Final = 100
"""Live keys of a tenant."""
OVERLAP: Final = timedelta(days=1)
_KEY = re.compile(r"avk_([A-Za-z0-9]{22})_([0-9a-f]{64})")
_COLUMNS: Final[LiteralString] = "key_id, label, scopes, created_at, created_by, expires_at, revoked_at, last_used_at"


@dataclass(frozen=True, slots=True)
class ApiKey:
    """A key as its owner sees it; the secret is not in it. last_used_at: to about a minute."""

    key_id: str
    label: str
    scopes: tuple[str, ...]
    created_at: datetime
    created_by: str
    expires_at: datetime | None
    revoked_at: datetime | None
    last_used_at: datetime | None

    def is_live(self, now: datetime) -> bool:
        return self.revoked_at is None and (self.expires_at is None or self.expires_at > now)


@dataclass(frozen=True, slots=True)
class NewKey:
    """key: what is stored. token: shown once, now."""

    key: ApiKey
    token: str

    def __repr__(self) -> str:
        return f"NewKey({self.key.key_id})"


class ApiKeys:
    """Makes and manages keys. A `Scope` means the tenant's, a `PlatformScope` the operator's."""

    def __init__(self, keyring: Keyring) -> None:
        self._pepper = keyring.derive("api keys")

    async def create(
        self,
        scope: AnyScope,
        *,
        scopes: Iterable[str],
        label: str,
        by: str,
        now: datetime,
        expires_at: datetime | None = None,
    ) -> NewKey:
        """by: who made it, for people. Raises InputError: scopes, label, expiry or too many keys. The caller asks
        `permissions.check_grant(principal, of_scopes(scopes))` before."""
        tenant_id = scope.tenant_id if isinstance(scope, Scope) else None
        wanted = check_scopes(scopes, tenant_id)
        if len(label) > 100 or (expires_at is not None and expires_at <= now):
            raise InputError(
                "A key's label has at most 100 characters, and it expires in the future.", stage="security"
            )
        at = home(scope)
        live = await scope.value(
            f"SELECT count(*) FROM {at.prefix}api_keys WHERE {at.where} revoked_at IS NULL "
            "AND (expires_at IS NULL OR expires_at > %(now)s)",
            {"now": now},
        )
        if live >= MOST_KEYS:
            raise InputError(f"There are {MOST_KEYS} keys; revoke some.", code="too_many_keys", stage="security")
        key_id, secret = new_id("k").removeprefix("k_"), secrets.token_hex(32)
        row = await scope.one(
            f"INSERT INTO {at.prefix}api_keys ({at.columns}key_id, label, hash, scopes, created_at, created_by, "
            f"expires_at) VALUES ({at.values}%(key_id)s, %(label)s, %(hash)s, %(scopes)s, %(now)s, %(by)s, "
            f"%(expires_at)s) RETURNING {_COLUMNS}",
            {
                "key_id": key_id,
                "label": label,
                "hash": digest(self._pepper, key_id, secret),
                "scopes": list(wanted),
                "now": now,
                "by": by,
                "expires_at": expires_at,
            },
        )
        assert row is not None
        return NewKey(_key(row), f"avk_{key_id}_{secret}")

    async def all(self, scope: AnyScope) -> list[ApiKey]:
        """The newest 500, dead ones too."""
        at = home(scope)
        rows = await scope.all(
            f"SELECT {_COLUMNS} FROM {at.prefix}api_keys WHERE {at.where} true "
            "ORDER BY created_at DESC, key_id LIMIT 500"
        )
        return [_key(row) for row in rows]

    async def get(self, scope: AnyScope, key_id: str) -> ApiKey:
        """Raises NotFoundError."""
        at = home(scope)
        row = await scope.one(
            f"SELECT {_COLUMNS} FROM {at.prefix}api_keys WHERE {at.where} key_id = %(key_id)s", {"key_id": key_id}
        )
        if row is None:
            raise NotFoundError("There is no such key.")
        return _key(row)

    async def rotate(
        self, scope: AnyScope, key_id: str, *, by: str, now: datetime, overlap: timedelta = OVERLAP
    ) -> NewKey:
        """A new key with the same scopes and label, without an end; the old one ends after `overlap`, or when it did.

        Raises NotFoundError for a key that is unknown, revoked or over.
        """
        old = await self.get(scope, key_id)
        if not old.is_live(now):
            raise NotFoundError("There is no such key.")
        at = home(scope)
        await scope.run(
            f"UPDATE {at.prefix}api_keys SET expires_at = least(expires_at, %(until)s) "
            f"WHERE {at.where} key_id = %(key_id)s",
            {"key_id": key_id, "until": now + overlap},
        )
        return await self.create(scope, scopes=old.scopes, label=old.label, by=by, now=now)

    async def revoke(self, scope: AnyScope, key_id: str, *, now: datetime) -> None:
        """Works no more in `CACHE_S` at the latest. Idempotent. Raises NotFoundError."""
        at = home(scope)
        touched = await scope.run(
            f"UPDATE {at.prefix}api_keys SET revoked_at = coalesce(revoked_at, %(now)s) "
            f"WHERE {at.where} key_id = %(key_id)s",
            {"key_id": key_id, "now": now},
        )
        if not touched:
            raise NotFoundError("There is no such key.")


@dataclass(slots=True)
class _Known:
    """A key's row as it was at `read_at` (monotonic); row None: there is none."""

    read_at: float
    rows: list[dict[str, Any]]


_FIND: Final[LiteralString] = """
SELECT tenant_id, key_id, hash, scopes, expires_at, revoked_at, last_used_at FROM api_keys WHERE key_id = %(key_id)s
UNION ALL
SELECT NULL, key_id, hash, scopes, expires_at, revoked_at, last_used_at FROM operator.api_keys
 WHERE key_id = %(key_id)s
LIMIT 4
"""


class KeyVerifier:
    """Says whose a token is. One a process. monotonic, wall: clocks; tests steer them."""

    def __init__(
        self,
        store: Store,
        keyring: Keyring,
        *,
        monotonic: Callable[[], float] = time.monotonic,
        wall: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._store = store
        self._pepper = keyring.derive("api keys")
        self._monotonic, self._wall = monotonic, wall
        self._known: OrderedDict[str, _Known] = OrderedDict()

    async def verify(self, token: str) -> Principal:
        """Raises UnauthenticatedError, the same whatever is wrong, and StoreError where nothing can be asked."""
        match = _KEY.fullmatch(token)
        key_id, secret = match.groups() if match else ("", "")
        rows = (await self._read(key_id)).rows if match else []
        given = digest(self._pepper, key_id, secret)
        # The same work for a key that is not there: what an answer takes tells nothing of ids.
        found: dict[str, Any] | None = None
        for row in rows or [{"hash": bytes(32)}]:
            if hmac.compare_digest(given, row["hash"]) and "key_id" in row:
                found = row
        now = self._wall()
        if found is None or found["revoked_at"] is not None or (found["expires_at"] or now) < now:
            raise UnauthenticatedError("The API key is not valid.", code="key_invalid")
        await self._used(found, now)
        return Principal("key", key_id, found["tenant_id"], of_scopes(found["scopes"]))

    def forget(self, key_id: str) -> None:
        """Read it anew at the next request: this process has just revoked it."""
        self._known.pop(key_id, None)

    async def _read(self, key_id: str) -> _Known:
        now = self._monotonic()
        known = self._known.get(key_id)
        if known is None or now - known.read_at >= CACHE_S:
            async with self._store.platform() as scope:
                known = _Known(now, await scope.all(_FIND, {"key_id": key_id}))
            self._known[key_id] = known
            while len(self._known) > CACHED:
                self._known.popitem(last=False)
        return known

    async def _used(self, row: dict[str, Any], now: datetime) -> None:
        if row["last_used_at"] is not None and now - row["last_used_at"] < USED_EVERY:
            return
        row["last_used_at"] = now
        try:
            async with scope_of(self._store, row["tenant_id"]) as scope:
                at = home(scope)
                await scope.run(
                    f"UPDATE {at.prefix}api_keys SET last_used_at = %(now)s WHERE {at.where} key_id = %(key_id)s "
                    "AND (last_used_at IS NULL OR last_used_at < %(now)s)",
                    {"key_id": row["key_id"], "now": now},
                )
        except VoiceError:
            return  # a note for people; the request does not fail for it


def digest(pepper: bytes, key_id: str, secret: str) -> bytes:
    """What is stored of a secret."""
    return hmac.new(pepper, f"{key_id} {secret}".encode(), hashlib.sha256).digest()


def _key(row: dict[str, Any]) -> ApiKey:
    scopes = tuple(row.pop("scopes"))
    return ApiKey(scopes=scopes, **row)
