"""Webhooks out, what was delivered by them, and messages that callers left."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from fastapi import APIRouter, Path, Query
from fastapi.responses import Response
from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from aivoice.api.control import shapes
from aivoice.api.control.asked import Asked, Route, answer, nothing, tenants
from aivoice.api.control.idempotency import Key
from aivoice.api.control.pages import Cursor, Limit, next_cursor, read_cursor
from aivoice.store import Scope
from aivoice.tools import messages, outgoing, webhooks

router = APIRouter(prefix="/v1/tenants/{tenant}", tags=["webhooks and messages"], route_class=Route)

Id = Annotated[str, Path(max_length=60)]
Url = Annotated[str, StringConstraints(min_length=1, max_length=2_000)]
Events = Annotated[list[str], Field(min_length=1, max_length=30)]


class WebhookForm(BaseModel):
    """events: names, groups (``call.*``) or ``*``."""

    model_config = ConfigDict(extra="forbid")

    url: Url
    events: Events


class WebhookChange(BaseModel):
    model_config = ConfigDict(extra="forbid")

    url: Url | None = None
    events: Events | None = None
    active: bool | None = None


@router.get("/webhooks", response_model=shapes.Webhooks)
async def list_webhooks(asked: Annotated[Asked, tenants("tools.read")]) -> Response:
    async with asked.reading() as scope:
        return answer(shapes.Webhooks(await webhooks.webhooks(scope)))


@router.post("/webhooks", response_model=shapes.MadeWebhook, status_code=201)
async def create_webhook(body: WebhookForm, asked: Annotated[Asked, tenants("tools.write")]) -> Response:
    """With its secret, which is shown this once."""
    control = asked.control
    async with asked.reading() as scope:
        made, secret = await webhooks.add_webhook(
            scope, control.sealer, control.guard, url=body.url, events=body.events, now=asked.now
        )
        await asked.audit(scope, "webhook.created", made.webhook_id)
    location = f"/v1/tenants/{asked.tenant_id}/webhooks/{made.webhook_id}"
    return answer(shapes.MadeWebhook(made, secret), 201, Location=location)


@router.get("/webhooks/{webhook_id}", response_model=webhooks.Webhook)
async def show_webhook(webhook_id: Id, asked: Annotated[Asked, tenants("tools.read")]) -> Response:
    async with asked.reading() as scope:
        return answer(await webhooks.webhook(scope, webhook_id))


@router.patch("/webhooks/{webhook_id}", response_model=webhooks.Webhook)
async def change_webhook(
    webhook_id: Id, body: WebhookChange, asked: Annotated[Asked, tenants("tools.write")], key: Key = None
) -> Response:
    async def work(scope: Scope) -> tuple[str, Response]:
        changed = await webhooks.change_webhook(
            scope, asked.control.guard, webhook_id, url=body.url, events=body.events, active=body.active
        )
        return webhook_id, answer(changed)

    return await asked.write("webhook.changed", work, key=key)


@router.delete("/webhooks/{webhook_id}", status_code=204)
async def delete_webhook(webhook_id: Id, asked: Annotated[Asked, tenants("tools.write")]) -> Response:
    async def work(scope: Scope) -> tuple[str, Response]:
        await webhooks.delete_webhook(scope, webhook_id)
        return webhook_id, nothing()

    return await asked.write("webhook.deleted", work)


@router.post("/webhooks/{webhook_id}/rotate", response_model=shapes.Secret, status_code=201)
async def rotate_webhook(webhook_id: Id, asked: Annotated[Asked, tenants("tools.write")]) -> Response:
    """A new secret, shown this once; the old one signs beside it for a day."""
    async with asked.reading() as scope:
        await webhooks.webhook(scope, webhook_id)
        secret = await webhooks.rotate_secret(scope, asked.control.sealer, webhook_id, now=asked.now)
        await asked.audit(scope, "webhook.secret_rotated", webhook_id)
    return answer(shapes.Secret(secret), 201)


@router.post("/webhooks/{webhook_id}/test", response_model=shapes.Sending, status_code=202)
async def send_test(webhook_id: Id, asked: Annotated[Asked, tenants("tools.write")], key: Key = None) -> Response:
    """Send one ``webhook.test``; the delivery says what became of it."""

    async def work(scope: Scope) -> tuple[str, Response]:
        delivery = await outgoing.send_test(scope, webhook_id, now=asked.now)
        return webhook_id, answer(shapes.Sending(delivery), 202)

    return await asked.write("webhook.tested", work, key=key)


# ---------------------------------------------------------------- deliveries


@router.get("/deliveries", response_model=shapes.Deliveries)
async def list_deliveries(
    asked: Annotated[Asked, tenants("tools.read")],
    limit: Limit = 50,
    after: Cursor = "",
    state: Annotated[Literal["", "waiting", "delivered", "dead"], Query(description="dead: the dead letters.")] = "",
    message_id: Annotated[str, Query(max_length=60)] = "",
) -> Response:
    place = read_cursor(after)
    async with asked.reading() as scope:
        found = await outgoing.deliveries(scope, state=state, message_id=message_id, after=place, limit=limit + 1)
    following = next_cursor(found, limit, lambda row: (row.created_at, row.delivery_id))
    return answer(shapes.Deliveries(found[:limit], following))


@router.post("/deliveries/{delivery_id}/replay", response_model=shapes.Sending, status_code=202)
async def replay_delivery(
    delivery_id: Id, asked: Annotated[Asked, tenants("tools.write")], key: Key = None
) -> Response:
    """Send one again."""

    async def work(scope: Scope) -> tuple[str, Response]:
        await outgoing.replay(scope, delivery_id, now=asked.now)
        return delivery_id, answer(shapes.Sending(delivery_id), 202)

    return await asked.write("delivery.replayed", work, key=key)


@router.post("/deliveries/replay-dead", response_model=shapes.Replayed, status_code=202)
async def replay_dead(asked: Annotated[Asked, tenants("tools.write")], key: Key = None) -> Response:
    """Send every dead letter again."""

    async def work(scope: Scope) -> tuple[str, Response]:
        count = await outgoing.replay_dead(scope, now=asked.now)
        return "dead letters", answer(shapes.Replayed(count), 202)

    return await asked.write("delivery.replayed", work, key=key)


# ---------------------------------------------------------------- messages


@router.get("/messages", response_model=shapes.Messages)
async def list_messages(
    asked: Annotated[Asked, tenants("messages.read")],
    limit: Limit = 50,
    after: Cursor = "",
    unread: Annotated[bool, Query()] = False,
) -> Response:
    place = read_cursor(after)
    async with asked.reading() as scope:
        found = await messages.messages(scope, unread=unread, after=place, limit=limit + 1)
    following = next_cursor(found, limit, lambda row: (row.created_at, row.message_id))
    return answer(shapes.Messages(found[:limit], following))


@router.get("/messages/{message_id}", response_model=messages.Message)
async def show_message(message_id: Id, asked: Annotated[Asked, tenants("messages.read")]) -> Response:
    async with asked.reading() as scope:
        return answer(await messages.message(scope, message_id))


@router.post("/messages/{message_id}/read", status_code=204)
async def read_message(message_id: Id, asked: Annotated[Asked, tenants("messages.write")]) -> Response:
    """Somebody has read it: nobody is told again."""

    async def work(scope: Scope) -> tuple[str, Response]:
        await messages.mark_read(scope, message_id, now=asked.now)
        return message_id, nothing()

    return await asked.write("message.read", work)


@router.delete("/messages/{message_id}", status_code=204)
async def delete_message(message_id: Id, asked: Annotated[Asked, tenants("messages.write")]) -> Response:
    async def work(scope: Scope) -> tuple[str, Response]:
        await messages.delete_message(scope, message_id)
        return message_id, nothing()

    return await asked.write("message.deleted", work)


ROUTERS: tuple[Any, ...] = (router,)
