"""One run of a web tool: a signed POST, bounded in time and size, sent again only where that is safe."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

import aiohttp

from aivoice.engine.ports import ToolOutcome
from aivoice.tools.errors import AddressError, ToolError
from aivoice.tools.guard import Guard
from aivoice.tools.guarded_http import read_bounded, refused
from aivoice.tools.ports import Now
from aivoice.tools.schema import misfits
from aivoice.tools.signing import signed_headers
from aivoice.tools.spec import WebTool

MAX_RESPONSE_BYTES = 64 * 1024
CONNECT_LIMIT_S = 2.0
ATTEMPTS, PAUSE_S = 3, 0.15
MARGIN = 0.95
"""Part of a tool's time limit that is used: the session cancels at the limit, and then could only guess the outcome."""


@dataclass(frozen=True, slots=True)
class WebCaller:
    """keep: a session that uses connections again, for read-only tools. fresh: one that does not, for side effects: on
    a connection that the server is just closing nobody could tell whether the request was read."""

    keep: aiohttp.ClientSession
    fresh: aiohttp.ClientSession
    guard: Guard
    now: Now

    async def run(
        self, tool: WebTool, arguments: Mapping[str, Any], *, call_id: str, key: str, keys: Sequence[str]
    ) -> ToolOutcome:
        """POST ``{call_id, tool, arguments, idempotency_key}``; key: its Idempotency-Key and webhook-id, in every
        attempt. keys: the tenant's signing secrets.

        ``ok``: the tool answered. ``failed``: it surely did nothing, with the reason. ``unknown``: a side effect was
        asked for and nobody knows whether it was done. Further attempts follow only read-only failures and connections
        that were never made, within the tool's time limit. Raises nothing but what cancelling raises.
        """
        whole = {"call_id": call_id, "tool": tool.name, "arguments": dict(arguments), "idempotency_key": key}
        body = json.dumps(whole, separators=(",", ":"))
        limit = tool.time_limit_ms / 1_000 * MARGIN
        ends = asyncio.get_running_loop().time() + limit
        for attempt in range(1, ATTEMPTS + 1):
            left = ends - asyncio.get_running_loop().time()
            try:
                return await self._once(tool, body, call_id, key, keys, left)
            except ToolError as error:
                pause = PAUSE_S * 2 ** (attempt - 1)
                safe = error.again or (error.retryable and not tool.side_effects)
                left = ends - asyncio.get_running_loop().time()
                if attempt == ATTEMPTS or not safe or left <= pause * 2:
                    return failed(error.code)
                await asyncio.sleep(pause)
        raise AssertionError  # the last attempt returns

    async def _once(
        self, tool: WebTool, body: str, call_id: str, key: str, keys: Sequence[str], limit: float
    ) -> ToolOutcome:
        headers = {
            **signed_headers(keys, message_id=f"{call_id}.{key}", at=self.now(), body=body),
            "Idempotency-Key": f"{call_id}.{key}",
            "Content-Type": "application/json",
            "Accept": "application/json",
        }
        timeout = aiohttp.ClientTimeout(total=limit, connect=min(CONNECT_LIMIT_S, limit))
        session = self.fresh if tool.side_effects else self.keep
        try:
            self.guard.check(tool.url)
            async with session.post(
                tool.url, data=body.encode(), headers=headers, timeout=timeout, allow_redirects=False
            ) as response:
                return await _outcome(response, tool)
        except AddressError as error:
            raise ToolError(str(error), code=error.code, retryable=False) from None
        except (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError, aiohttp.InvalidURL) as error:
            why = refused(error)
            if why is not None:
                raise ToolError(str(why), code=why.code, retryable=False) from None
            raise ToolError("its endpoint cannot be reached", code="tool_unreachable", again=True) from None
        except TimeoutError:
            return _lost(tool, "time_limit", "tool_timeout")
        except (aiohttp.ClientError, OSError):
            return _lost(tool, "connection_lost", "tool_failed")


async def _outcome(response: aiohttp.ClientResponse, tool: WebTool) -> ToolOutcome:
    """A 4xx, and a redirect, which is not followed, mean that nothing was done."""
    data = await _object(response)
    if 300 <= response.status < 500:
        if data is not None and isinstance(data.get("message"), str):
            return ToolOutcome("failed", compact({**data, "status": "failed"}))
        raise ToolError(f"its endpoint answered {response.status}", retryable=response.status == 429)
    if response.status >= 500:
        return _lost(tool, "server_error", "tool_failed")
    if data is None or (tool.result is not None and misfits(tool.result, data)):
        return _lost(tool, "unreadable_answer", "tool_bad_answer")
    return ToolOutcome("ok", compact(data))


async def _object(response: aiohttp.ClientResponse) -> dict[str, Any] | None:
    data = await read_bounded(response, MAX_RESPONSE_BYTES)
    try:
        value: object = json.loads((data or b"").decode("utf-8"))
    except (ValueError, RecursionError):
        return None
    return cast("dict[str, Any]", value) if isinstance(value, dict) else None


def _lost(tool: WebTool, why: str, code: str) -> ToolOutcome:
    """Asked, but no answer that can be used."""
    if tool.side_effects:
        return ToolOutcome("unknown", compact({"status": "unknown", "why": why}))
    raise ToolError(f"tool {tool.name}: {why}", code=code, retryable=code != "tool_bad_answer")


def compact(data: Mapping[str, Any]) -> str:
    """As JSON. Half a surrogate pair, which JSON can say and UTF-8 cannot, becomes a question mark."""
    return json.dumps(data, ensure_ascii=False, separators=(",", ":")).encode(errors="replace").decode()


def failed(why: str, **more: Any) -> ToolOutcome:
    """Surely not done; `why` is a code."""
    return ToolOutcome("failed", compact({"status": "failed", "why": why, **more}))
