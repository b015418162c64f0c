"""Writes that may be sent twice: the same Idempotency-Key gives the same answer, and does nothing the second time.

As in the IETF draft "The Idempotency-Key HTTP Header Field": another request under the same key is a 422, one that is
still being worked on a 409.
"""

from __future__ import annotations

import hashlib
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Annotated

from fastapi import Header, Request
from fastapi.responses import Response

from aivoice.api.problem import Problem
from aivoice.store import PlatformScope, Scope, Store

KEPT = timedelta(hours=24)
Key = Annotated[
    str | None,
    Header(
        alias="Idempotency-Key",
        min_length=1,
        max_length=255,
        pattern=r"^[\x21-\x7e]+$",
        description="A name for this write: sent again under it within a day, it is done once and answered alike.",
    ),
]


@dataclass(slots=True)
class Once:
    """One keyed write. answer: set by whoever did it; it is what a repetition gets."""

    scope: Scope
    repeated: Response | None = None
    answer: Response | None = None


@asynccontextmanager
async def once(store: Store, tenant_id: str, key: str | None, request: Request, now: datetime) -> AsyncGenerator[Once]:
    """A tenant's transaction for a write. With a key, the answer is kept in the same transaction: both are there or
    neither. Whoever holds the block returns `repeated` where it is set, and does nothing then.

    Raises Problem 409 while the first is being worked on, 422 for another request under this key.
    """
    digest = hashlib.sha256(f"{request.method} {request.url.path}?{request.url.query}\n".encode())
    digest.update(await request.body())
    async with store.tenant(tenant_id) as scope:
        if key is None:
            yield Once(scope)
            return
        lock = int.from_bytes(hashlib.sha256(f"{tenant_id} {key}".encode()).digest()[:8], "big", signed=True)
        if not await scope.value("SELECT pg_try_advisory_xact_lock(%(lock)s)", {"lock": lock}):
            raise Problem(409, "A request with this Idempotency-Key is being worked on.", code="idempotency_busy")
        kept = await scope.one(
            "SELECT request, status, body, location, etag FROM idempotent_answers "
            "WHERE tenant_id = %(tenant_id)s AND key = %(key)s",
            {"key": key},
        )
        if kept is not None:
            if kept["request"] != digest.digest():
                text = "This Idempotency-Key was used for another request: take a new one."
                raise Problem(422, text, code="idempotency_mismatch")
            headers = {"Idempotent-Replayed": "true"}
            headers |= {name: kept[name.lower()] for name in ("Location", "ETag") if kept[name.lower()]}
            yield Once(scope, Response(kept["body"], kept["status"], headers, "application/json"))
            return
        write = Once(scope)
        yield write
        if write.answer is None:
            return
        await scope.run(
            "INSERT INTO idempotent_answers VALUES "
            "(%(tenant_id)s, %(key)s, %(request)s, %(status)s, %(body)s, %(location)s, %(etag)s, %(now)s)",
            {
                "key": key,
                "request": digest.digest(),
                "status": write.answer.status_code,
                "body": bytes(write.answer.body),
                "location": write.answer.headers.get("location", ""),
                "etag": write.answer.headers.get("etag", ""),
                "now": now,
            },
        )


async def forget_old(scope: PlatformScope, now: datetime) -> int:
    """Delete answers that are older than a day; how many."""
    return await scope.run("DELETE FROM idempotent_answers WHERE created_at < %(before)s", {"before": now - KEPT})
