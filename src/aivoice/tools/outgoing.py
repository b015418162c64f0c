"""What must be told later: rows written in the same transaction as the fact itself, so that neither is without the
other. `worker` sends them, each at least once."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from aivoice.store import NotFoundError, Scope
from aivoice.store.ids import new_id
from aivoice.tools.errors import ToolShapeError
from aivoice.tools.webhooks import EVENTS, webhook, webhooks

MAX_BODY = 256 * 1024


@dataclass(frozen=True, slots=True)
class Delivery:
    """kind: webhook, email or sms. target: a webhook's id, an address, a number. state: waiting, delivered or dead.
    problem: why the last attempt failed, without content."""

    delivery_id: str
    kind: str
    event: str
    event_id: str
    target: str
    state: str
    attempts: int
    created_at: datetime
    due_at: datetime
    done_at: datetime | None
    problem: str


_COLUMNS = "delivery_id, kind, event, event_id, target, state, attempts, created_at, due_at, done_at, problem"


async def emit(
    scope: Scope, event: str, data: Mapping[str, Any], *, now: datetime, message_id: str | None = None
) -> str:
    """Tell every webhook that wants `event`; the event's id. The rows are kept if `scope` commits.

    data: what JSON can say, `MAX_BODY` bytes at most; with content that the tenant may read, already redacted.
    message_id: the message it is about; erasing that erases these rows.
    """
    if event not in EVENTS:
        raise ToolShapeError(f"{event}: this is no event")
    event_id = new_id("evt")
    body = _body(event_id, event, scope.tenant_id, data, now)
    rows = [
        _row("webhook", event, event_id, each.webhook_id, body, now, message_id)
        for each in await webhooks(scope)
        if each.wants(event)
    ]
    if rows:
        await scope.many(_INSERT, rows)
    return event_id


async def send_test(scope: Scope, webhook_id: str, *, now: datetime) -> str:
    """One ``webhook.test`` to one webhook, whatever events it wants; the delivery's id. Raises NotFoundError."""
    await webhook(scope, webhook_id)
    event_id = new_id("evt")
    body = _body(event_id, "webhook.test", scope.tenant_id, {}, now)
    row = _row("webhook", "webhook.test", event_id, webhook_id, body, now, None)
    await scope.many(_INSERT, [row])
    return str(row["delivery_id"])


async def send_mail(
    scope: Scope,
    event: str,
    to: Sequence[str],
    *,
    subject: str,
    text: str,
    now: datetime,
    message_id: str | None = None,
) -> None:
    """An e-mail to each of `to`, soon after `scope` commits."""
    body = json.dumps({"subject": subject, "text": text})
    event_id = new_id("evt")
    await scope.many(_INSERT, [_row("email", event, event_id, each, body, now, message_id) for each in to])


async def send_text(
    scope: Scope, event: str, to: Sequence[str], *, text: str, now: datetime, message_id: str | None = None
) -> None:
    """An SMS to each of `to` (E.164), soon after `scope` commits."""
    event_id = new_id("evt")
    body = json.dumps({"text": text})
    await scope.many(_INSERT, [_row("sms", event, event_id, each, body, now, message_id) for each in to])


async def deliveries(
    scope: Scope,
    *,
    state: str = "",
    message_id: str = "",
    after: tuple[datetime, str] | None = None,
    limit: int = 50,
) -> list[Delivery]:
    """Newest first. state: ``dead`` is the dead-letter list. after: (created_at, id) of the last one seen."""
    at, last = after if after is not None else (None, "")
    rows = await scope.all(
        f"SELECT {_COLUMNS} FROM deliveries WHERE tenant_id = %(tenant_id)s "
        "AND (%(state)s = '' OR state = %(state)s) AND (%(message)s = '' OR message_id = %(message)s) "
        "AND (%(at)s::timestamptz IS NULL OR (created_at, delivery_id) < (%(at)s::timestamptz, %(last)s)) "
        "ORDER BY created_at DESC, delivery_id DESC LIMIT %(limit)s",
        {"state": state, "message": message_id, "at": at, "last": last, "limit": limit},
    )
    return [Delivery(**row) for row in rows]


async def replay(scope: Scope, delivery_id: str, *, now: datetime) -> None:
    """Send one again that was delivered or is dead; it has its whole time anew, and the same event id. One that still
    waits is tried at once. Raises NotFoundError."""
    if not await scope.run(_REPLAY + " AND delivery_id = %(id)s", {"id": delivery_id, "now": now}):
        raise NotFoundError("There is no such delivery.")


async def replay_dead(scope: Scope, *, now: datetime, target: str = "", since: datetime | None = None) -> int:
    """Send all of the dead-letter list again (of one target, or made since then only); how many."""
    return await scope.run(
        _REPLAY + " AND state = 'dead' AND (%(target)s = '' OR target = %(target)s) "
        "AND (%(since)s::timestamptz IS NULL OR created_at >= %(since)s::timestamptz)",
        {"now": now, "target": target, "since": since},
    )


async def forget_delivered(scope: Scope, *, before: datetime) -> int:
    """Delete what was delivered before then (retention); how many. The dead-letter list stays."""
    return await scope.run(
        "DELETE FROM deliveries WHERE tenant_id = %(tenant_id)s AND state = 'delivered' AND done_at < %(before)s",
        {"before": before},
    )


_REPLAY = (
    "UPDATE deliveries SET state = 'waiting', attempts = 0, first_at = %(now)s, due_at = %(now)s, leased_until = NULL, "
    "done_at = NULL WHERE tenant_id = %(tenant_id)s"
)
_INSERT = (
    "INSERT INTO deliveries (tenant_id, delivery_id, kind, event, event_id, target, message_id, body, created_at, "
    "first_at, due_at) VALUES (%(tenant_id)s, %(delivery_id)s, %(kind)s, %(event)s, %(event_id)s, %(target)s, "
    "%(message_id)s, %(body)s, %(now)s, %(now)s, %(now)s)"
)


def _row(
    kind: str, event: str, event_id: str, target: str, body: str, now: datetime, message_id: str | None
) -> dict[str, Any]:
    return {
        "delivery_id": new_id("dlv"), "kind": kind, "event": event, "event_id": event_id, "target": target,
        "body": body, "now": now, "message_id": message_id,
    }  # fmt: skip


def _body(event_id: str, event: str, tenant_id: str, data: Mapping[str, Any], now: datetime) -> str:
    at = now.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    whole = {"id": event_id, "type": event, "timestamp": at, "tenant_id": tenant_id, "data": dict(data)}
    text = json.dumps(whole, separators=(",", ":"), allow_nan=False)
    if len(text) > MAX_BODY:
        raise ToolShapeError(f"{event}: its data has more than {MAX_BODY // 1024} KiB")
    return text
