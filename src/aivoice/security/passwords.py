"""Passwords: Argon2id in threads of its own, so that no call and no page waits for a hash."""

from __future__ import annotations

import asyncio
import secrets
import threading
import unicodedata
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, Self

from argon2 import PasswordHasher, Type
from argon2.exceptions import InvalidHashError, VerificationError

from aivoice.errors import InputError
from aivoice.security.errors import RateLimitedError

SHORTEST, LONGEST = 12, 256
"""Characters of a password."""
THREADS, WAITING = 2, 16
"""Hashes at once (46 MiB each), and those that may be under way or wait; beyond it the login is refused for now."""


class Passwords:
    """``with Passwords() as passwords``. Leaving the block waits for the hashes under way.

    hasher: by default Argon2id with 46 MiB and two passes (above OWASP's minimum); tests give a cheaper one.
    """

    def __init__(self, hasher: PasswordHasher | None = None) -> None:
        self._hasher = hasher or PasswordHasher(time_cost=2, memory_cost=47_104, parallelism=1, type=Type.ID)
        self._threads = ThreadPoolExecutor(THREADS, thread_name_prefix="aivoice-passwords")
        self._lock = threading.Lock()
        self._pending = 0
        self._nobody = self._hasher.hash(secrets.token_hex(16))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self._threads.shutdown()

    async def hash(self, password: str) -> str:
        """For the database. Raises RateLimitedError where too many wait. Cancelled: the hash is thrown away."""
        return await self._run(self._hasher.hash, normal(password))

    async def verify(self, stored: str | None, password: str) -> bool:
        """Whether it is the password. stored None (there is no such user): False after the same work."""
        return await self._run(self._verify, stored, normal(password)[: LONGEST * 4])

    def is_outdated(self, stored: str) -> bool:
        """Whether it was made with other settings than those of now: hash it again at the next login."""
        return self._hasher.check_needs_rehash(stored)

    def _verify(self, stored: str | None, password: str) -> bool:
        try:
            return self._hasher.verify(stored or self._nobody, password) and stored is not None
        except (VerificationError, InvalidHashError):
            return False

    async def _run(self, work: Any, *arguments: Any) -> Any:
        with self._lock:
            if self._pending >= WAITING:
                raise RateLimitedError("Too many people log in just now; try again in a moment.", 1.0)
            self._pending += 1
        running: Future[Any] = self._threads.submit(work, *arguments)
        running.add_done_callback(self._done)  # when the thread has ended, however early its waiter left
        return await asyncio.wrap_future(running)

    def _done(self, _: Future[Any]) -> None:
        with self._lock:
            self._pending -= 1


def normal(password: str) -> str:
    """One form of what looks the same, so that a password typed on another keyboard is the same one."""
    return unicodedata.normalize("NFKC", password)


def check_password(password: str, *known: str) -> None:
    """A new password is long enough, and is neither one character again and again nor what everybody knows (`known`:
    e-mail, tenant). Raises InputError. NIST SP 800-63B: length counts, no rules about kinds of characters."""
    text = normal(password)
    if not SHORTEST <= len(text) <= LONGEST:
        raise InputError(f"A password has {SHORTEST} to {LONGEST} characters.", code="password_weak", stage="security")
    told = {part for name in known for part in (name.casefold(), name.casefold().split("@")[0]) if len(part) >= 4}
    rest = text.casefold()
    for part in sorted(told, key=len, reverse=True):
        rest = rest.replace(part, "")
    if len(set(text)) < 5 or len(rest) < SHORTEST // 2:
        raise InputError("This password is too easy to guess.", code="password_weak", stage="security")
