"""What answers look like, around the values of the rooms that the routes ask. `next`: cursor of the next page, null at
the end."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from aivoice.billing.statements import Line
from aivoice.billing.usage import CallCost
from aivoice.knowledge.documents import StoredDocument
from aivoice.security.api_keys import ApiKey
from aivoice.security.audit_log import Entry
from aivoice.security.users import User
from aivoice.tenants.callers import Blocked
from aivoice.tenants.lifecycle import Tenant
from aivoice.tenants.numbers import Number
from aivoice.tenants.plan import Change
from aivoice.tenants.records import CallRecord, Segment
from aivoice.tenants.versions import Version
from aivoice.tools.messages import Message
from aivoice.tools.outgoing import Delivery
from aivoice.tools.webhooks import Webhook


@dataclass(frozen=True, slots=True)
class Health:
    status: str


# ---------------------------------------------------------------- the operator's


@dataclass(frozen=True, slots=True)
class Tenants:
    tenants: Sequence[Tenant]
    next: str | None


@dataclass(frozen=True, slots=True)
class Numbers:
    numbers: Sequence[Number]


@dataclass(frozen=True, slots=True)
class Assigned:
    """made: False where the tenant had the number already."""

    e164: str
    made: bool


# ---------------------------------------------------------------- account


@dataclass(frozen=True, slots=True)
class Keys:
    keys: Sequence[ApiKey]


@dataclass(frozen=True, slots=True)
class MadeKey:
    """token: shown this once."""

    key: ApiKey
    token: str


@dataclass(frozen=True, slots=True)
class People:
    users: Sequence[User]


@dataclass(frozen=True, slots=True)
class Me:
    """tenant: null: the operator's."""

    kind: str
    id: str
    tenant: str | None
    permissions: Sequence[str]


@dataclass(frozen=True, slots=True)
class Log:
    entries: Sequence[Entry]
    next: str | None


@dataclass(frozen=True, slots=True)
class Lines:
    lines: Sequence[Line]
    next: str | None


@dataclass(frozen=True, slots=True)
class Use:
    """cost: micro-units, to the operator."""

    type: str
    provider: str
    quantity: int
    cost: int


@dataclass(frozen=True, slots=True)
class Money:
    """Micro-units."""

    revenue: int
    cost: int
    margin: int
    usage: Sequence[Use]


def money(found: CallCost) -> Money:
    used = [Use(kind, provider, quantity, cost) for (kind, provider), (quantity, cost) in found.by_type.items()]
    return Money(found.revenue, found.cost, found.margin, used)


# ---------------------------------------------------------------- the business and its knowledge


@dataclass(frozen=True, slots=True)
class BusinessVersion:
    """source: the business file. documents: their text by path."""

    version: Version
    source: str
    documents: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Changes:
    """lines: changes and notes as text for people."""

    changes: Sequence[Change]
    notes: Sequence[str]
    lines: Sequence[str]


@dataclass(frozen=True, slots=True)
class AppliedChanges:
    """made: False for a dry run, and where the file in force is the same. version: the one in force; null: dry run."""

    made: bool
    version: Version | None
    changes: Sequence[Change]
    notes: Sequence[str]
    lines: Sequence[str]


@dataclass(frozen=True, slots=True)
class Versions:
    versions: Sequence[Version]
    next: int | None


@dataclass(frozen=True, slots=True)
class Documents:
    documents: Sequence[StoredDocument]
    next: str | None


@dataclass(frozen=True, slots=True)
class Part:
    heading: str
    text: str


@dataclass(frozen=True, slots=True)
class DocumentParts:
    document: StoredDocument
    passages: Sequence[Part]


# ---------------------------------------------------------------- tools, webhooks, messages


@dataclass(frozen=True, slots=True)
class Tools:
    """Each as it was put."""

    tools: Sequence[Mapping[str, Any]]


@dataclass(frozen=True, slots=True)
class Tried:
    """outcome: ok, failed or unknown. result: JSON."""

    outcome: str
    result: str


@dataclass(frozen=True, slots=True)
class Secret:
    """Shown this once."""

    secret: str


@dataclass(frozen=True, slots=True)
class ServerTool:
    name: str
    description: str


@dataclass(frozen=True, slots=True)
class Server:
    name: str
    url: str
    tools: Sequence[ServerTool]
    read_only: Sequence[str]


@dataclass(frozen=True, slots=True)
class Servers:
    servers: Sequence[Server]


@dataclass(frozen=True, slots=True)
class Chosen:
    name: str
    offered: Sequence[str]
    chosen: Sequence[str]


@dataclass(frozen=True, slots=True)
class Webhooks:
    webhooks: Sequence[Webhook]


@dataclass(frozen=True, slots=True)
class MadeWebhook:
    """secret: shown this once."""

    webhook: Webhook
    secret: str


@dataclass(frozen=True, slots=True)
class Deliveries:
    deliveries: Sequence[Delivery]
    next: str | None


@dataclass(frozen=True, slots=True)
class Sending:
    delivery_id: str


@dataclass(frozen=True, slots=True)
class Replayed:
    replayed: int


@dataclass(frozen=True, slots=True)
class Messages:
    messages: Sequence[Message]
    next: str | None


# ---------------------------------------------------------------- calls


@dataclass(frozen=True, slots=True)
class Calls:
    calls: Sequence[CallRecord]
    next: str | None


@dataclass(frozen=True, slots=True)
class CallAndMoney:
    call: CallRecord
    money: Money


@dataclass(frozen=True, slots=True)
class Transcript:
    segments: Sequence[Segment]


@dataclass(frozen=True, slots=True)
class Events:
    """CloudEvents 1.0."""

    events: Sequence[Mapping[str, Any]]


@dataclass(frozen=True, slots=True)
class ErasedCalls:
    """Ids of the calls whose words and sounds are gone."""

    calls: Sequence[str]


@dataclass(frozen=True, slots=True)
class BlockedCallers:
    blocked: Sequence[Blocked]
