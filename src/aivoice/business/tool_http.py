"""Running a tool by HTTP: one POST of JSON, bounded in time and size, never repeated by itself."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, cast

import aiohttp

from aivoice.engine.ports import ToolOutcome
from aivoice.errors import VoiceError

MAX_RESPONSE_BYTES = 64 * 1024
CONNECT_LIMIT_S = 2.0


class ToolError(VoiceError):
    """A tool could not be run, or refused to: it surely did nothing. The message names the tool, never the caller."""

    code, stage, status = "tool_failed", "tool", 502
    retryable = True


async def post_tool(
    session: aiohttp.ClientSession,
    url: str,
    *,
    tool: str,
    arguments: Mapping[str, Any],
    call_id: str,
    key: str,
    side_effects: bool,
    time_limit_ms: int,
) -> ToolOutcome:
    """POST ``{call_id, tool, arguments, idempotency_key}`` and give the JSON object that comes back.

    ``ok``: the tool answered; its own answer may still be a refusal. ``unknown``: a tool with side effects was
    asked, and
    nobody knows whether it ran (time limit, connection lost, server error, unreadable answer). Raises ToolError when it
    surely did not run, or has no side effects. Follows no redirect. Cancelling leaves the session usable.
    """
    body = {"call_id": call_id, "tool": tool, "arguments": dict(arguments), "idempotency_key": key}
    limit = time_limit_ms / 1_000
    timeout = aiohttp.ClientTimeout(total=limit, connect=min(CONNECT_LIMIT_S, limit))
    headers = {"Idempotency-Key": key, "Accept": "application/json"}
    try:
        async with session.post(url, json=body, timeout=timeout, headers=headers, allow_redirects=False) as response:
            return await _outcome(response, tool, side_effects)
    except (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError, aiohttp.InvalidURL):
        text = f"tool {tool}: its endpoint cannot be reached: check the address and that the service runs"
        raise ToolError(text, code="tool_unreachable") from None
    except TimeoutError:
        if side_effects:
            return _unknown("time_limit")
        raise ToolError(f"tool {tool}: no answer within {time_limit_ms} ms", code="tool_timeout") from None
    except (aiohttp.ClientError, OSError) as error:
        if side_effects:
            return _unknown("connection_lost")
        raise ToolError(f"tool {tool}: the connection failed ({type(error).__name__})") from None


async def _outcome(response: aiohttp.ClientResponse, tool: str, side_effects: bool) -> ToolOutcome:
    """Read one answer. A 4xx (and a redirect, which is not followed) means that nothing was done."""
    data = await _read(response)
    if 300 <= response.status < 500:
        message = data.get("message") if data else None
        if isinstance(message, str):
            return ToolOutcome("failed", _text({**cast("dict[str, Any]", data), "status": "failed"}))
        raise ToolError(f"tool {tool}: its endpoint answered {response.status}", retryable=False)
    if response.status >= 500 or data is None:
        if side_effects:
            return _unknown("server_error" if response.status >= 500 else "unreadable_answer")
        what = f"answered {response.status}" if response.status >= 500 else "gave no JSON object of at most 64 KiB"
        raise ToolError(f"tool {tool}: its endpoint {what}")
    return ToolOutcome("ok", _text(data))


async def _read(response: aiohttp.ClientResponse) -> dict[str, Any] | None:
    """The JSON object of a response, or None where it is none or too large."""
    data = bytearray()
    async for chunk in response.content.iter_chunked(8_192):
        data += chunk
        if len(data) > MAX_RESPONSE_BYTES:
            response.close()
            return None
    try:
        value: object = json.loads(data.decode("utf-8"))
    except (ValueError, RecursionError):
        return None
    return cast("dict[str, Any]", value) if isinstance(value, dict) else None


def _text(data: Mapping[str, Any]) -> str:
    """As JSON. Half a surrogate pair, which JSON can say and UTF-8 cannot, becomes a question mark."""
    text = json.dumps(data, ensure_ascii=False, separators=(",", ":"))
    return text.encode(errors="replace").decode()


def _unknown(why: str) -> ToolOutcome:
    return ToolOutcome("unknown", _text({"status": "unknown", "why": why}))
