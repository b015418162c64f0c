"""What a tool's run leaves behind: messages without secrets, and word of what was done in a call."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from aivoice.core.prompt import ToolSpec
from aivoice.engine.ports import ToolOutcome
from aivoice.security.redact import redact
from aivoice.store import Store, StoreError
from aivoice.tools.limits import Rate
from aivoice.tools.messages import Notices
from aivoice.tools.outgoing import emit, send_mail
from aivoice.tools.ports import Now
from aivoice.tools.runner import Entry
from aivoice.tools.spec import Permissions

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class _Around:
    """`tools.runner.Entry` that is another one in all but its run."""

    entry: Entry

    @property
    def spec(self) -> ToolSpec:
        return self.entry.spec

    @property
    def arguments(self) -> Mapping[str, Any]:
        return self.entry.arguments

    @property
    def permissions(self) -> Permissions:
        return self.entry.permissions

    @property
    def rate(self) -> Rate:
        return self.entry.rate


@dataclass(frozen=True, slots=True)
class RedactedEntry(_Around):
    """One that keeps its arguments: they come without secrets."""

    kinds: tuple[str, ...]

    async def run(self, arguments: Mapping[str, Any], *, call_id: str, key: str) -> ToolOutcome:
        return await self.entry.run(without_secrets(arguments, self.kinds), call_id=call_id, key=key)


@dataclass(frozen=True, slots=True)
class ToldEntry(_Around):
    """One with side effects: what it has done is told to the business by e-mail and webhook (``tool.done``).

    The telling never changes the outcome: a database that is away costs the e-mail, not the booking.
    """

    tenant_id: str
    store: Store
    notices: Notices
    kinds: tuple[str, ...]
    now: Now

    async def run(self, arguments: Mapping[str, Any], *, call_id: str, key: str) -> ToolOutcome:
        outcome = await self.entry.run(arguments, call_id=call_id, key=key)
        if outcome.outcome == "ok":
            try:
                await self._tell(without_secrets(arguments, self.kinds), redact(outcome.result, self.kinds), call_id)
            except StoreError as error:
                _log.warning("call %s: what %s did is not told: %s", call_id, self.spec.name, error)
        return outcome

    async def _tell(self, arguments: Mapping[str, Any], result: str, call_id: str) -> None:
        title = self.spec.name.replace("_", " ").capitalize()
        lines = [f"{name.replace('_', ' ').capitalize()}: {value}" for name, value in arguments.items()]
        text = "\n".join([f"{title}, in a call for {self.notices.business}.", "", *lines, "", f"Answer: {result}", ""])
        data = {"call_id": call_id, "tool": self.spec.name, "arguments": dict(arguments), "result": result}
        async with self.store.tenant(self.tenant_id) as scope:
            await emit(scope, "tool.done", data, now=self.now())
            if self.notices.emails:
                subject = f"{title}: {self.notices.business}"
                await send_mail(scope, "tool.done", self.notices.emails, subject=subject, text=text, now=self.now())


def without_secrets(arguments: Mapping[str, Any], kinds: tuple[str, ...]) -> dict[str, Any]:
    """Every text in them redacted."""
    return {name: _clean(value, kinds) for name, value in arguments.items()}


def _clean(value: Any, kinds: tuple[str, ...]) -> Any:
    match value:
        case str():
            return redact(value, kinds)
        case dict():
            return {name: _clean(item, kinds) for name, item in value.items()}  # pyright: ignore[reportUnknownVariableType]
        case list():
            return [_clean(item, kinds) for item in value]  # pyright: ignore[reportUnknownVariableType]
        case _:
            return value
