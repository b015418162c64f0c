"""Where a tenant wants to be told of events, and the secrets that messages to it are signed with."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from aivoice.errors import InputError
from aivoice.store import NotFoundError, Scope
from aivoice.store.ids import new_id
from aivoice.tools.errors import ToolShapeError
from aivoice.tools.guard import Guard
from aivoice.tools.ports import Sealer
from aivoice.tools.signing import MAX_ACTIVE, new_secret

EVENTS = (
    "call.started", "call.ended", "message.taken", "message.unread", "callback.requested", "credit.low",
    "credit.exhausted", "limit.near", "limit.reached", "tool.done", "webhook.test",
)  # fmt: skip
TOOLS = "tools"
"""Owner of the secrets that calls of tools are signed with."""
MAX_WEBHOOKS = 20
OVERLAP = timedelta(hours=24)
_PURPOSE = "signing-secret"
_PATTERN = re.compile(r"\*|[a-z]+\.\*|[a-z]+\.[a-z_]+")


@dataclass(frozen=True, slots=True)
class Webhook:
    """events: names of `EVENTS`, ``call.*``, or ``*``."""

    webhook_id: str
    url: str
    events: tuple[str, ...]
    active: bool
    created_at: datetime

    def wants(self, event: str) -> bool:
        return self.active and any(each in ("*", event, event.split(".")[0] + ".*") for each in self.events)


async def add_webhook(
    scope: Scope, sealer: Sealer, guard: Guard, *, url: str, events: Sequence[str], now: datetime
) -> tuple[Webhook, str]:
    """Make one; with it its secret, which is shown this once. Raises AddressError (the URL is not allowed),
    ToolShapeError (an unknown event), InputError (there are `MAX_WEBHOOKS` already)."""
    guard.check(url)
    chosen = _events(events)
    # One at a time within a tenant, or two at once would both find room.
    await scope.run("SELECT pg_advisory_xact_lock(hashtextextended('webhooks ' || %(tenant_id)s, 0))")
    if await scope.value("SELECT count(*) FROM webhooks WHERE tenant_id = %(tenant_id)s") >= MAX_WEBHOOKS:
        raise InputError(f"there are {MAX_WEBHOOKS} webhooks already: delete one first", code="too_many", stage="tool")
    made = Webhook(new_id("wh"), url, chosen, True, now)
    await scope.run(
        "INSERT INTO webhooks (tenant_id, webhook_id, url, events, created_at) "
        "VALUES (%(tenant_id)s, %(id)s, %(url)s, %(events)s, %(now)s)",
        {"id": made.webhook_id, "url": url, "events": list(chosen), "now": now},
    )
    return made, await rotate_secret(scope, sealer, made.webhook_id, now=now)


async def change_webhook(
    scope: Scope,
    guard: Guard,
    webhook_id: str,
    *,
    url: str | None = None,
    events: Sequence[str] | None = None,
    active: bool | None = None,
) -> Webhook:
    """Change what is given. Raises NotFoundError, AddressError, ToolShapeError."""
    if url is not None:
        guard.check(url)
    row = await scope.one(
        "UPDATE webhooks SET url = coalesce(%(url)s::text, url), events = coalesce(%(events)s::text[], events), "
        "active = coalesce(%(active)s::boolean, active) "
        "WHERE tenant_id = %(tenant_id)s AND webhook_id = %(id)s RETURNING *",
        {"id": webhook_id, "url": url, "events": None if events is None else list(_events(events)), "active": active},
    )
    return _webhook(row)


async def webhooks(scope: Scope) -> list[Webhook]:
    """All of the tenant's, oldest first."""
    rows = await scope.all(
        "SELECT * FROM webhooks WHERE tenant_id = %(tenant_id)s ORDER BY created_at, webhook_id LIMIT 100"
    )
    return [_webhook(row) for row in rows]


async def webhook(scope: Scope, webhook_id: str) -> Webhook:
    """One. Raises NotFoundError."""
    return _webhook(
        await scope.one(
            "SELECT * FROM webhooks WHERE tenant_id = %(tenant_id)s AND webhook_id = %(id)s", {"id": webhook_id}
        )
    )


async def delete_webhook(scope: Scope, webhook_id: str) -> None:
    """With its secrets; what still waits for it ends in the dead-letter list. Raises NotFoundError."""
    given = {"id": webhook_id}
    gone = await scope.run("DELETE FROM webhooks WHERE tenant_id = %(tenant_id)s AND webhook_id = %(id)s", given)
    if not gone:
        raise NotFoundError("There is no such webhook.")
    await scope.run("DELETE FROM signing_secrets WHERE tenant_id = %(tenant_id)s AND owner = %(id)s", given)


async def rotate_secret(
    scope: Scope, sealer: Sealer, owner: str, *, now: datetime, overlap: timedelta = OVERLAP
) -> str:
    """Make a new secret and give it, this once; the old ones sign for `overlap` longer (0: no more at all).

    owner: a webhook's id (the caller has looked it up) or `TOOLS`.
    """
    secret, ends = new_secret(), now + overlap
    await scope.run(
        "UPDATE signing_secrets SET expires_at = least(coalesce(expires_at, %(ends)s), %(ends)s) "
        "WHERE tenant_id = %(tenant_id)s AND owner = %(owner)s",
        {"owner": owner, "ends": ends},
    )
    await scope.run(
        "DELETE FROM signing_secrets WHERE tenant_id = %(tenant_id)s AND owner = %(owner)s AND expires_at <= %(now)s",
        {"owner": owner, "now": now},
    )
    sealed = sealer.seal(scope.tenant_id, _PURPOSE, secret.encode())
    await scope.run(
        "INSERT INTO signing_secrets (tenant_id, secret_id, owner, sealed, created_at) "
        "VALUES (%(tenant_id)s, %(id)s, %(owner)s, %(sealed)s, %(now)s)",
        {"id": new_id("sec"), "owner": owner, "sealed": sealed, "now": now},
    )
    return secret


async def active_secrets(scope: Scope, sealer: Sealer, owner: str, *, now: datetime) -> list[str]:
    """Those to sign with now, newest first, at most `signing.MAX_ACTIVE`."""
    rows = await scope.all(
        "SELECT sealed FROM signing_secrets WHERE tenant_id = %(tenant_id)s AND owner = %(owner)s "
        "AND (expires_at IS NULL OR expires_at > %(now)s) ORDER BY created_at DESC, secret_id LIMIT %(most)s",
        {"owner": owner, "now": now, "most": MAX_ACTIVE},
    )
    return [sealer.open(scope.tenant_id, _PURPOSE, bytes(row["sealed"])).decode() for row in rows]


def _events(events: Sequence[str]) -> tuple[str, ...]:
    chosen = tuple(dict.fromkeys(events))
    groups = {event.split(".")[0] for event in EVENTS}
    for each in chosen:
        known = each in EVENTS or each == "*" or (each.endswith(".*") and each[:-2] in groups)
        if not _PATTERN.fullmatch(each) or not known:
            raise ToolShapeError(f"events: one of them is unknown: use {', '.join(EVENTS)}, or a group like call.*")
    if not chosen:
        raise ToolShapeError("events: name at least one (* is all)")
    return chosen


def _webhook(row: dict[str, Any] | None) -> Webhook:
    if row is None:
        raise NotFoundError("There is no such webhook.")
    return Webhook(row["webhook_id"], row["url"], tuple(row["events"]), row["active"], row["created_at"])
