"""A stand-in for the Messages API: POST /v1/messages (streamed) and GET /v1/models/{id}, over a real socket.

Shapes as docs.anthropic.com tells them: events message_start, ping, content_block_start, content_block_delta,
content_block_stop, message_delta, message_stop; errors ``{"type": "error", "error": {"type", "message"}}``. It refuses
with 400 what the service refuses: roles that do not alternate, a tool use without its result, empty texts, unknown
members. Prompt caching by the service's rule: the longest prefix that ended at a breakpoint of an earlier request.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any, cast

from aiohttp import web

from aivoice.core.prompt import GenerationRequest, Message, ToolCall, ToolSpec
from aivoice.providers.ports import TextDelta, ToolCallDelta
from aivoice.testing.standins.prompts import Answer, own_system, with_begun, with_data
from aivoice.testing.standins.server import Health, StandIn, refusal, worsen

_CHARACTERS = 4
"""Of a token, about."""


@dataclass(frozen=True, slots=True)
class Pace:
    """Seconds to the first text and between pieces (a word each)."""

    first_s: float = 0.35
    gap_s: float = 0.01


class BadRequestError(Exception):
    """What the service would answer with 400."""


class AnthropicStandIn(StandIn):
    """answer: writes the replies. key, models: others are refused. charged: tokens, of prompts and replies.

    cached: prompt tokens that were read from the cache so far; prompts: all prompt tokens.
    """

    def __init__(
        self,
        answer: Answer,
        *,
        health: Health = "fine",
        pace: Pace = Pace(),
        key: str = "sk-ant-standin",
        models: tuple[str, ...] = ("claude-haiku-4-5",),
    ) -> None:
        super().__init__(health)
        self._answer, self._pace, self._key, self._models = answer, pace, key, models
        self._prefixes: set[str] = set()
        self.cached = self.prompts = 0
        self.last: GenerationRequest | None = None

    def routes(self) -> list[web.RouteDef]:
        return [web.post("/v1/messages", self._create), web.get("/v1/models/{id}", self._model)]

    async def _model(self, request: web.Request) -> web.StreamResponse:
        if (no := refusal(self.health) or self._refused(request)) is not None:
            return no
        name = request.match_info["id"]
        if name not in self._models:
            return _error(404, "not_found_error")
        return web.json_response(
            {"type": "model", "id": name, "display_name": name, "created_at": "2026-01-01T00:00:00Z"}
        )

    async def _create(self, request: web.Request) -> web.StreamResponse:
        self.requests += 1
        health = self.health
        if (no := refusal(health) or self._refused(request)) is not None:
            return no
        body = await request.json()
        if body.get("model") not in self._models:
            return _error(404, "not_found_error")
        try:
            asked = parsed(body)
        except BadRequestError as error:
            return _error(400, "invalid_request_error", str(error))
        self.last = asked
        self.open_streams += 1
        try:
            return await self._stream(request, body, asked, health)
        finally:
            self.open_streams -= 1

    def _refused(self, request: web.Request) -> web.Response | None:
        given = {request.headers.get("x-api-key"), request.headers.get("authorization", "").removeprefix("Bearer ")}
        return None if self._key in given else _error(401, "authentication_error")

    async def _stream(
        self, request: web.Request, body: dict[str, Any], asked: GenerationRequest, health: Health
    ) -> web.StreamResponse:
        response = web.StreamResponse(headers={"content-type": "text/event-stream; charset=utf-8"})
        usage = self._usage(body)
        await asyncio.sleep(self.slow_s if health == "slow" else 0)
        await response.prepare(request)
        if health == "silent":
            await asyncio.Event().wait()
        await asyncio.sleep(self._pace.first_s)
        message: dict[str, Any] = {
            "id": "msg_1",
            "type": "message",
            "role": "assistant",
            "content": [],
            "model": body["model"],
        }
        start: dict[str, Any] = {
            **message,
            "stop_reason": None,
            "stop_sequence": None,
            "usage": {**usage, "output_tokens": 1},
        }
        await _send(response, {"type": "message_start", "message": start})
        await _send(response, {"type": "ping"})
        if health == "malformed":
            await _send(
                response, {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": 7}}
            )
            await response.write(b'event: content_block_delta\ndata: {"type": "content_block_del\n\n')
            return response
        written = 0
        async for event in self._blocks(asked):
            await _send(response, event)
            if event["type"] == "content_block_delta":
                written += 1
                self.charged += 1
                if written >= 3 or self.health != health:
                    await worsen(self.health, request)
                await asyncio.sleep(self._pace.gap_s)
        stop = {"stop_reason": "end_turn", "stop_sequence": None}
        await _send(response, {"type": "message_delta", "delta": stop, "usage": {"output_tokens": written + 1}})
        await _send(response, {"type": "message_stop"})
        return response

    async def _blocks(self, asked: GenerationRequest) -> AsyncIterator[dict[str, Any]]:
        """The reply's blocks as the service streams them: one of text, then one a tool call, arguments in pieces."""
        index = 0
        talking = False
        async for delta in self._answer(asked):
            match delta:
                case TextDelta(text):
                    if not talking:
                        talking = True
                        yield _start(index, {"type": "text", "text": ""})
                    yield _delta(index, {"type": "text_delta", "text": text})
                case ToolCallDelta(call_id, name, arguments):
                    if talking:
                        yield {"type": "content_block_stop", "index": index}
                        talking, index = False, index + 1
                    block: dict[str, Any] = {"type": "tool_use", "id": f"toolu_{call_id}", "name": name, "input": {}}
                    yield _start(index, block)
                    for at in range(0, len(arguments), 7):
                        yield _delta(index, {"type": "input_json_delta", "partial_json": arguments[at : at + 7]})
                    yield {"type": "content_block_stop", "index": index}
                    index += 1
                case _:
                    pass
        if talking:
            yield {"type": "content_block_stop", "index": index}

    def _usage(self, body: dict[str, Any]) -> dict[str, int]:
        """Tokens of the prompt: read from the cache, written to it, neither."""
        text, known, last = "", 0, 0
        for block in _in_order(body):
            marked = block.pop("cache_control", None)
            text += json.dumps(block, sort_keys=True)
            known = len(text) if text in self._prefixes else known
            if marked is not None:
                self._prefixes.add(text)
                last = len(text)
        total = len(text) // _CHARACTERS
        read, written = known // _CHARACTERS, max(0, last - known) // _CHARACTERS
        self.cached += read
        self.prompts += total
        self.charged += total
        return {
            "input_tokens": total - read - written,
            "cache_creation_input_tokens": written,
            "cache_read_input_tokens": read,
        }


def _in_order(body: dict[str, Any]) -> list[dict[str, Any]]:
    """Every block of the prompt, in the order in which the cache sees them."""
    blocks: list[dict[str, Any]] = [dict(tool) for tool in body.get("tools", [])]
    blocks += [dict(block) for block in body.get("system", [])]
    for message in body["messages"]:
        blocks += [{"role": message["role"], **block} for block in message["content"]]
    return blocks


def parsed(body: dict[str, Any]) -> GenerationRequest:
    """The request behind a body. Raises BadRequestError for what the service refuses."""
    unknown = set(body) - {"model", "max_tokens", "stream", "system", "messages", "tools", "thinking", "output_config"}
    if unknown:
        raise BadRequestError(f"{sorted(unknown)[0]}: Extra inputs are not permitted")
    if body.get("stream") is not True or not isinstance(body.get("max_tokens"), int):
        raise BadRequestError("stream, max_tokens: required here")
    turns = cast("list[dict[str, Any]]", body["messages"])
    _check_roles(turns)
    messages: list[Message] = []
    data = ""
    for number, turn in enumerate(turns):
        found, data = _read(turn, newest=number == len(turns) - 1)
        messages += found
    tools = tuple(
        ToolSpec(tool["name"], tool["description"], tool["input_schema"], side_effects=False)
        for tool in body.get("tools", [])
    )
    request = GenerationRequest(
        own_system(body["system"][0]["text"]), tools, tuple(messages), answer_tokens=body["max_tokens"]
    )
    return with_begun(with_data(request, data) if data else request)


def _check_roles(turns: list[dict[str, Any]]) -> None:
    if not turns or turns[0]["role"] != "user":
        raise BadRequestError("messages: first message must use the user role")
    owed: set[str] = set()
    for number, turn in enumerate(turns):
        if turn["role"] != ("assistant" if number % 2 else "user"):
            raise BadRequestError("messages: roles must alternate")
        blocks = turn["content"]
        if not blocks:
            raise BadRequestError(f"messages.{number}: content must not be empty")
        results = [block["tool_use_id"] for block in blocks if block["type"] == "tool_result"]
        if set(results) != owed or len(results) != len(set(results)):
            raise BadRequestError(f"messages.{number}: tool_use ids were found without tool_result blocks after")
        if any(block["type"] == "tool_result" for block in blocks[len(results) :]):
            raise BadRequestError(f"messages.{number}: tool_result blocks must come first")
        if any(block["type"] == "text" and not block["text"].strip() for block in blocks):
            raise BadRequestError(f"messages.{number}: text content blocks must be non-empty")
        owed = {block["id"] for block in blocks if block["type"] == "tool_use"}
    if turns[-1]["role"] != "user":
        raise BadRequestError("messages: this model does not support assistant message prefill")


def _read(turn: dict[str, Any], *, newest: bool) -> tuple[list[Message], str]:
    """The messages of one turn, and its data block."""
    out: list[Message] = []
    data = ""
    calls: list[ToolCall] = []
    texts: list[str] = []
    for block in turn["content"]:
        match block["type"]:
            case "text" if newest and block["text"].startswith("<context>"):
                data = block["text"]
            case "text":
                texts.append(block["text"])
            case "tool_use":
                arguments = json.dumps(block["input"], sort_keys=True, separators=(",", ":"))
                calls.append(ToolCall(block["id"], block["name"], arguments))
            case "tool_result":
                out.append(Message("tool", block["content"], tool_call_id=block["tool_use_id"]))
            case kind:
                raise BadRequestError(f"messages: unknown block {kind}")
    if turn["role"] == "assistant":
        out.append(Message("assistant", " ".join(texts), tuple(calls)))
    else:
        out.extend(Message("user", text) for text in texts)
    return out, data


def _start(index: int, block: dict[str, Any]) -> dict[str, Any]:
    return {"type": "content_block_start", "index": index, "content_block": block}


def _delta(index: int, delta: dict[str, Any]) -> dict[str, Any]:
    return {"type": "content_block_delta", "index": index, "delta": delta}


async def _send(response: web.StreamResponse, event: dict[str, Any]) -> None:
    await response.write(f"event: {event['type']}\ndata: {json.dumps(event)}\n\n".encode())


def _error(status: int, kind: str, message: str = "") -> web.Response:
    return web.json_response({"type": "error", "error": {"type": kind, "message": message or kind}}, status=status)
