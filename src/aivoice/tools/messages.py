"""Messages that callers left and calls they asked for: kept as rows, told by e-mail, SMS and webhook, escalated when
nobody reads them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Literal

from psycopg.types.json import Jsonb

from aivoice.store import NotFoundError, Scope
from aivoice.store.ids import new_id
from aivoice.tools.outgoing import emit, send_mail, send_text

Kind = Literal["message", "callback"]
_EVENT = {"message": "message.taken", "callback": "callback.requested"}
_NAME = {"message": "message", "callback": "callback request"}
MAX_FIELDS, MAX_FIELD, MAX_SMS = 30, 4_000, 300


@dataclass(frozen=True, slots=True)
class Notices:
    """Who hears of a message. business: its name, for subjects. escalate_after: unread so long, and `late_emails` and
    `late_texts` hear of it too (None: never)."""

    business: str
    emails: tuple[str, ...] = ()
    texts: tuple[str, ...] = ()
    escalate_after: timedelta | None = None
    late_emails: tuple[str, ...] = ()
    late_texts: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Message:
    message_id: str
    kind: str
    call_id: str
    content: dict[str, Any]
    created_at: datetime
    read_at: datetime | None
    escalated_at: datetime | None


_COLUMNS = "message_id, kind, call_id, content, created_at, read_at, escalated_at"


async def take(
    scope: Scope,
    kind: Kind,
    content: Mapping[str, Any],
    *,
    call_id: str,
    key: str,
    notices: Notices,
    now: datetime,
) -> str:
    """Keep a message once for (call, key), with everything that tells of it; its id, also where it was kept before.

    content: redacted already; values are cut to `MAX_FIELD` characters of text.
    """
    kept, message_id = _content(content), new_id("msg")
    late = {"business": notices.business, "emails": notices.late_emails, "texts": notices.late_texts}
    made = await scope.value(
        "INSERT INTO messages (tenant_id, message_id, kind, call_id, key, content, created_at, escalate_at, "
        "escalation) VALUES (%(tenant_id)s, %(id)s, %(kind)s, %(call)s, %(key)s, %(content)s, %(now)s, %(late)s, "
        "%(escalation)s) "
        "ON CONFLICT (tenant_id, call_id, key) DO NOTHING RETURNING message_id",
        {
            "id": message_id, "kind": kind, "call": call_id, "key": key, "content": Jsonb(kept), "now": now,
            "late": None if notices.escalate_after is None else now + notices.escalate_after,
            "escalation": Jsonb(late),
        },
    )  # fmt: skip
    if made is None:
        return str(
            await scope.value(
                "SELECT message_id FROM messages WHERE tenant_id = %(tenant_id)s AND call_id = %(call)s "
                "AND key = %(key)s",
                {"call": call_id, "key": key},
            )
        )
    event = _EVENT[kind]
    data = {"message_id": message_id, "call_id": call_id, "kind": kind, "content": kept}
    await emit(scope, event, data, now=now, message_id=message_id)
    await _tell(scope, event, kept, kind, notices, f"New {_NAME[kind]}", message_id, now)
    return message_id


async def messages(
    scope: Scope, *, unread: bool = False, after: tuple[datetime, str] | None = None, limit: int = 50
) -> list[Message]:
    """Newest first. after: (created_at, id) of the last one seen."""
    at, last = after if after is not None else (None, "")
    rows = await scope.all(
        f"SELECT {_COLUMNS} FROM messages WHERE tenant_id = %(tenant_id)s AND (NOT %(unread)s OR read_at IS NULL) "
        "AND (%(at)s::timestamptz IS NULL OR (created_at, message_id) < (%(at)s::timestamptz, %(last)s)) "
        "ORDER BY created_at DESC, message_id DESC LIMIT %(limit)s",
        {"unread": unread, "at": at, "last": last, "limit": limit},
    )
    return [Message(**row) for row in rows]


async def message(scope: Scope, message_id: str) -> Message:
    """One. Raises NotFoundError."""
    row = await scope.one(
        f"SELECT {_COLUMNS} FROM messages WHERE tenant_id = %(tenant_id)s AND message_id = %(id)s", {"id": message_id}
    )
    if row is None:
        raise NotFoundError("There is no such message.")
    return Message(**row)


async def mark_read(scope: Scope, message_id: str, *, now: datetime) -> None:
    """Somebody has read it: no escalation. Once is enough; again changes nothing. Raises NotFoundError."""
    done = await scope.run(
        "UPDATE messages SET read_at = coalesce(read_at, %(now)s) "
        "WHERE tenant_id = %(tenant_id)s AND message_id = %(id)s",
        {"id": message_id, "now": now},
    )
    if not done:
        raise NotFoundError("There is no such message.")


async def delete_message(scope: Scope, message_id: str) -> None:
    """Erase it and everything that tells of it, sent or not. Raises NotFoundError."""
    given = {"id": message_id}
    if not await scope.run("DELETE FROM messages WHERE tenant_id = %(tenant_id)s AND message_id = %(id)s", given):
        raise NotFoundError("There is no such message.")


async def escalate(scope: Scope, message_id: str, *, now: datetime) -> bool:
    """Tell the next people where the message is still unread and was due; once. False where nothing was to do."""
    row = await scope.one(
        "UPDATE messages SET escalated_at = %(now)s WHERE tenant_id = %(tenant_id)s AND message_id = %(id)s "
        "AND read_at IS NULL AND escalated_at IS NULL AND escalate_at <= %(now)s "
        "RETURNING kind, call_id, content, escalation, created_at",
        {"id": message_id, "now": now},
    )
    if row is None:
        return False
    late = row["escalation"]
    notices = Notices(late["business"], tuple(late["emails"]), tuple(late["texts"]))
    minutes = int((now - row["created_at"]).total_seconds() // 60)
    data = {"message_id": message_id, "call_id": row["call_id"], "kind": row["kind"], "unread_minutes": minutes}
    await emit(scope, "message.unread", data, now=now, message_id=message_id)
    title = f"Unread for {minutes} minutes: {_NAME[row['kind']]}"
    await _tell(scope, "message.unread", row["content"], row["kind"], notices, title, message_id, now)
    return True


async def _tell(
    scope: Scope,
    event: str,
    content: Mapping[str, Any],
    kind: str,
    notices: Notices,
    title: str,
    message_id: str,
    now: datetime,
) -> None:
    lines = [f"{name.replace('_', ' ').capitalize()}: {value}" for name, value in content.items()]
    if notices.emails:
        text = "\n".join([f"{title} for {notices.business}.", "", *lines, ""])
        subject = f"{title} for {notices.business}"
        await send_mail(scope, event, notices.emails, subject=subject, text=text, now=now, message_id=message_id)
    if notices.texts:
        text = f"{title} for {notices.business}. {'; '.join(lines)}"
        short = text if len(text) <= MAX_SMS else text[: MAX_SMS - 1] + "…"
        await send_text(scope, event, notices.texts, text=short, now=now, message_id=message_id)


def _content(content: Mapping[str, Any]) -> dict[str, Any]:
    """Flat text fields; PostgreSQL keeps neither U+0000 nor half a surrogate pair."""
    kept: dict[str, Any] = {}
    for name, value in list(content.items())[:MAX_FIELDS]:
        text = value if isinstance(value, str) else str(value)
        kept[_clean(str(name))[:100]] = _clean(text)[:MAX_FIELD]
    return kept


def _clean(text: str) -> str:
    return text.replace("\x00", "").encode("utf-8", "replace").decode()
