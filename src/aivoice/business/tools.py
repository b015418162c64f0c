"""The tools of one business, as a session runs them: arguments checked, then HTTP, the local service or the message
box."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import aiohttp
import jsonschema

from aivoice.business.model import MESSAGES, SERVICE, Business, Tool
from aivoice.business.tool_http import ToolError, post_tool
from aivoice.engine.ports import ToolOutcome

MAX_MESSAGES = 1_000

MessageSink = Callable[[str, Mapping[str, Any]], Awaitable[None]]
"""Takes (call id, {name, phone, message, …}); raising means that the message was not kept."""


@dataclass(slots=True)
class MessageBox:
    """Messages in memory, newest last; the oldest fall out past `MAX_MESSAGES`. One message a key."""

    messages: dict[str, tuple[str, dict[str, Any]]] = field(default_factory=dict[str, "tuple[str, dict[str, Any]]"])

    def keep(self, key: str, call_id: str, arguments: Mapping[str, Any]) -> bool:
        """False when this key was kept before."""
        if key in self.messages:
            return False
        while len(self.messages) >= MAX_MESSAGES:
            del self.messages[next(iter(self.messages))]
        self.messages[key] = (call_id, dict(arguments))
        return True


class BusinessTools:
    """`engine.ports.ToolRunner` for one business; serves many calls. Repeats nothing by itself.

    session: an open client session of the process, not closed here. service_url: where the business's local service
    listens (`aivoice.business.local_service`), without a trailing slash.
    """

    def __init__(
        self,
        business: Business,
        session: aiohttp.ClientSession,
        *,
        service_url: str = "",
        on_message: MessageSink | None = None,
    ) -> None:
        self._business, self._session, self._service_url = business, session, service_url
        self._on_message = on_message
        self.box = MessageBox()

    async def run(self, name: str, arguments: Mapping[str, Any], *, call_id: str, key: str) -> ToolOutcome:
        """Run one tool. Arguments that its schema refuses, and an endpoint that cannot be reached, give ``failed``
        with a
        reason (surely not run); a side effect that nobody knows about gives ``unknown``. Only cancelling raises."""
        tool = self._business.tool(name)
        if tool is None:
            return _failed("unknown_tool")
        problem = _refusal(tool, arguments)
        if problem:
            return _failed("invalid_arguments", fields=problem)
        try:
            if tool.endpoint == MESSAGES:
                return await self._message(arguments, call_id, key)
            return await post_tool(
                self._session, self._url(tool), tool=name, arguments=arguments, call_id=call_id, key=key,
                side_effects=tool.side_effects, time_limit_ms=tool.time_limit_ms,
            )  # fmt: skip
        except ToolError as error:
            return _failed(error.code)

    def _url(self, tool: Tool) -> str:
        if tool.endpoint != SERVICE:
            return tool.endpoint
        if not self._service_url:
            raise ToolError(f"tool {tool.name}: the local service is not running: start it", code="tool_unreachable")
        return f"{self._service_url}/{tool.name}"

    async def _message(self, arguments: Mapping[str, Any], call_id: str, key: str) -> ToolOutcome:
        if self.box.keep(key, call_id, arguments) and self._on_message is not None:
            try:
                await self._on_message(call_id, arguments)
            except BaseException:
                self.box.messages.pop(key, None)  # not kept: the same key may try again
                raise
        return ToolOutcome("ok", '{"status":"ok"}')


def _refusal(tool: Tool, arguments: Mapping[str, Any]) -> list[str]:
    """Names of the parameters that the schema refuses; never their values."""
    validator = jsonschema.Draft202012Validator(tool.parameters)
    errors = validator.iter_errors(dict(arguments))  # pyright: ignore[reportUnknownMemberType]
    names = {".".join(str(part) for part in error.absolute_path) or str(error.validator) for error in errors}
    return sorted(names)[:10]


def _failed(why: str, **more: Any) -> ToolOutcome:
    return ToolOutcome("failed", json.dumps({"status": "failed", "why": why, **more}, separators=(",", ":")))
