"""Where a tenant is told of its credit and limits: a port, so that billing knows nothing of webhooks."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

from aivoice.store import Scope


class Notices(Protocol):
    async def notify(self, scope: Scope, kind: str, data: Mapping[str, Any]) -> None:
        """Write a row from which the tenant will be told, in the transaction of what caused it.

        kind: ``credit.low``, ``credit.exhausted``, ``limit.near``, ``limit.reached``. data: JSON, without caller
        content. Each comes once: credit's until money comes in or the period ends, minutes' and calls' once a day,
        spend's once a period.
        """
        ...


class NoNotices:
    """`Notices` that nobody hears."""

    async def notify(self, scope: Scope, kind: str, data: Mapping[str, Any]) -> None:
        pass
