"""Sends what `outgoing` wrote: at least once each, whatever fails; several workers may run beside each other."""

from __future__ import annotations

import asyncio
import json
import logging
import random
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import aiohttp

from aivoice.errors import VoiceError
from aivoice.store import NotFoundError, Scope, Store, StoreError
from aivoice.tools.backoff import Backoff
from aivoice.tools.errors import AddressError, DeliveryError
from aivoice.tools.guard import Guard
from aivoice.tools.guarded_http import refused
from aivoice.tools.messages import escalate
from aivoice.tools.ports import Mail, Mailer, Now, Sealer, TextMessages
from aivoice.tools.signing import signed_headers
from aivoice.tools.webhooks import active_secrets, webhook

log = logging.getLogger(__name__)

LEASE = timedelta(minutes=2)
"""A worker that died gives its rows back after this; far longer than an attempt (15 s, SMTP 30 s)."""
WEBHOOK_LIMIT_S = 15.0
BATCH, PER_TENANT = 20, 5
"""Rows at a time, and of one tenant among them: a tenant whose receiver is slow delays itself alone."""

_LEASE = """
WITH due AS (
    SELECT tenant_id, delivery_id, due_at, row_number() OVER (PARTITION BY tenant_id ORDER BY due_at) AS place
    FROM deliveries
    WHERE state = 'waiting' AND due_at <= %(now)s AND (leased_until IS NULL OR leased_until <= %(now)s)
), chosen AS (
    SELECT d.tenant_id, d.delivery_id FROM deliveries d JOIN due USING (tenant_id, delivery_id)
    WHERE place <= %(per_tenant)s AND state = 'waiting' AND (d.leased_until IS NULL OR d.leased_until <= %(now)s)
    ORDER BY place, due.due_at LIMIT %(batch)s FOR UPDATE OF d SKIP LOCKED
)
UPDATE deliveries d SET leased_until = %(until)s FROM chosen
WHERE d.tenant_id = chosen.tenant_id AND d.delivery_id = chosen.delivery_id
RETURNING d.tenant_id, d.delivery_id
"""


@dataclass(frozen=True, slots=True)
class Senders:
    """The ways out. session: from `guarded_http.guarded_session` with the same guard."""

    session: aiohttp.ClientSession
    guard: Guard
    mailer: Mailer
    texts: TextMessages


class DeliveryWorker:
    """now: wall clock. chance: random numbers for the jitter (tests fix them)."""

    def __init__(
        self,
        store: Store,
        sealer: Sealer,
        senders: Senders,
        *,
        now: Now,
        backoff: Backoff | None = None,
        chance: Callable[[], float] = random.random,
    ) -> None:
        self._store, self._sealer, self._senders, self._now = store, sealer, senders, now
        self._backoff, self._chance = backoff or Backoff(), chance

    async def run(self, *, idle_s: float = 1.0, lanes: int = 3) -> None:
        """Work until cancelled. A database that is away is waited for. lanes: batches side by side, so that slow
        receivers in one do not hold up the next."""
        async with asyncio.TaskGroup() as group:
            for _ in range(lanes):
                group.create_task(self._lane(idle_s))

    async def _lane(self, idle_s: float) -> None:
        while True:
            try:
                done = await self.run_once() + await self.escalate_once()
            except StoreError as error:
                log.warning("deliveries wait: %s", error)
                done = 0
            if not done:
                await asyncio.sleep(idle_s)

    async def run_once(self) -> int:
        """Try what is due, `BATCH` at most, side by side; how many were tried. Raises StoreError where the rows cannot
        be read. Cancelled, or killed, in the middle: the rows come back when their lease ends, and may go out twice."""
        now = self._now()
        until = now + LEASE
        async with self._store.platform() as scope:
            given = {"now": now, "until": until, "batch": BATCH, "per_tenant": PER_TENANT}
            rows = await scope.all(_LEASE, given)
        async with asyncio.TaskGroup() as group:
            for row in rows:
                group.create_task(self._one(row["tenant_id"], row["delivery_id"], until))
        return len(rows)

    async def escalate_once(self) -> int:
        """Escalate messages that are unread too long; how many were looked at."""
        now = self._now()
        async with self._store.platform() as scope:
            rows = await scope.all(
                "SELECT tenant_id, message_id FROM messages WHERE read_at IS NULL AND escalated_at IS NULL "
                "AND escalate_at <= %(now)s ORDER BY escalate_at LIMIT 50",
                {"now": now},
            )
        for row in rows:
            async with self._store.tenant(row["tenant_id"]) as scope:
                await escalate(scope, row["message_id"], now=now)
        return len(rows)

    async def _one(self, tenant_id: str, delivery_id: str, lease: datetime) -> None:
        try:
            async with self._store.tenant(tenant_id) as scope:
                row = await scope.one(_READ, {"id": delivery_id, "lease": lease})
            if row is None:
                return  # replayed, erased or taken over meanwhile
            failure = await self._attempt(tenant_id, row)
            async with self._store.tenant(tenant_id) as scope:
                await self._record(scope, row, lease, failure)
        except StoreError as error:
            log.warning("delivery %s of %s comes back later: %s", delivery_id, tenant_id, error)

    async def _attempt(self, tenant_id: str, row: dict[str, Any]) -> DeliveryError | None:
        try:
            if row["kind"] == "webhook":
                await self._webhook(tenant_id, row)
            elif row["kind"] == "email":
                body = json.loads(row["body"])
                mail = Mail(row["delivery_id"], row["target"], body["subject"], body["text"])
                await self._senders.mailer.send(mail)
            else:
                text = json.loads(row["body"])["text"]
                await self._senders.texts.send(row["target"], text, key=row["delivery_id"])
        except DeliveryError as error:
            return error
        except StoreError:
            raise
        except VoiceError as error:
            return DeliveryError(str(error), code=error.code)
        except Exception as error:  # noqa: BLE001 - one row that breaks a library must not stop all others for ever
            log.error("delivery %s of %s broke: %s", row["delivery_id"], tenant_id, type(error).__name__)
            return DeliveryError(f"failed unexpectedly ({type(error).__name__})", code="delivery_broken")
        return None

    async def _webhook(self, tenant_id: str, row: dict[str, Any]) -> None:
        now = self._now()
        try:
            async with self._store.tenant(tenant_id) as scope:
                target = await webhook(scope, row["target"])
                keys = await active_secrets(scope, self._sealer, target.webhook_id, now=now)
        except NotFoundError:
            raise DeliveryError("the webhook was deleted", code="webhook_gone", permanent=True) from None
        if not target.active:
            raise DeliveryError("the webhook is switched off", code="webhook_inactive")
        signed = signed_headers(keys, message_id=row["event_id"], at=now, body=row["body"])
        headers = {**signed, "Content-Type": "application/json"}
        await post_webhook(self._senders.session, self._senders.guard, target.url, row["body"], headers)

    async def _record(self, scope: Scope, row: dict[str, Any], lease: datetime, failure: DeliveryError | None) -> None:
        now, attempts = self._now(), row["attempts"] + 1
        given: dict[str, Any] = {"id": row["delivery_id"], "lease": lease, "now": now, "attempts": attempts}
        if failure is None:
            await scope.run(_DELIVERED, given)
            return
        due = None
        if not failure.permanent:
            chance = self._chance()
            due = self._backoff.next(attempts=attempts, first_at=row["first_at"], now=now, chance=chance)
        given.update(problem=str(failure)[:300], due=due)
        await scope.run(_DEAD if due is None else _AGAIN, given)
        if failure.code == "receiver_gone":
            off = "UPDATE webhooks SET active = false WHERE tenant_id = %(tenant_id)s AND webhook_id = %(target)s"
            await scope.run(off, {"target": row["target"]})
        log.info(
            "delivery %s of %s: attempt %d failed (%s)", row["delivery_id"], scope.tenant_id, attempts, failure.code
        )


_HELD = "WHERE tenant_id = %(tenant_id)s AND delivery_id = %(id)s AND state = 'waiting' AND leased_until = %(lease)s"
_READ = f"SELECT delivery_id, kind, event_id, target, body, attempts, first_at FROM deliveries {_HELD}"
_DELIVERED = (
    "UPDATE deliveries SET state = 'delivered', attempts = %(attempts)s, done_at = %(now)s, leased_until = NULL, "
    f"problem = '' {_HELD}"
)
_AGAIN = (
    "UPDATE deliveries SET attempts = %(attempts)s, due_at = %(due)s, leased_until = NULL, problem = %(problem)s "
    f"{_HELD}"
)
_DEAD = (
    "UPDATE deliveries SET state = 'dead', attempts = %(attempts)s, done_at = %(now)s, leased_until = NULL, "
    f"problem = %(problem)s {_HELD}"
)


async def post_webhook(
    session: aiohttp.ClientSession, guard: Guard, url: str, body: str, headers: dict[str, str]
) -> None:
    """One attempt: any 2xx within `WEBHOOK_LIMIT_S` is success; the answer's body is not read. Raises DeliveryError."""
    try:
        guard.check(url)
        timeout = aiohttp.ClientTimeout(total=WEBHOOK_LIMIT_S)
        data = body.encode()
        async with session.post(url, data=data, headers=headers, timeout=timeout, allow_redirects=False) as response:
            status = response.status
            response.close()
    except AddressError as error:
        raise DeliveryError(str(error), code=error.code) from None
    except TimeoutError:
        raise DeliveryError(f"no answer within {WEBHOOK_LIMIT_S:g} s", code="receiver_slow") from None
    except (aiohttp.ClientError, OSError, ValueError) as error:
        why = refused(error)
        if why is not None:
            raise DeliveryError(str(why), code=why.code) from None
        raise DeliveryError(f"the receiver cannot be reached ({type(error).__name__})", code="receiver_away") from None
    if status == 410:
        raise DeliveryError("the receiver answered 410: it is switched off", code="receiver_gone", permanent=True)
    if not 200 <= status < 300:
        raise DeliveryError(f"the receiver answered {status}", code="receiver_refused")
