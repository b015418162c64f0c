"""A stand-in for OpenAI's API and what speaks it (Ollama, vLLM, servers of Whisper): POST /v1/chat/completions,
streamed, POST /v1/audio/transcriptions, GET /v1/models.

Shapes: platform.openai.com, "Chat completions", streaming: ``chat.completion.chunk`` objects, tool calls in pieces, a
last chunk with usage and no choices, ``[DONE]``; "Create transcription": a form with a WAV file, ``{"text": …}`` back.
"""

from __future__ import annotations

import asyncio
import json
import wave
from typing import Any

from aiohttp import web

from aivoice.core.prompt import GenerationRequest, Message, ToolCall, ToolSpec
from aivoice.providers.ports import TextDelta, ToolCallDelta
from aivoice.testing.sound import stamp_of
from aivoice.testing.standins.anthropic import Pace
from aivoice.testing.standins.prompts import Answer, own_system, with_begun, with_data
from aivoice.testing.standins.server import Health, StandIn, cut, refusal, worsen
from aivoice.testing.truth import Truth


class OpenAiStandIn(StandIn):
    """As `AnthropicStandIn`. key "": none is asked for. charged: tokens, and samples that it was given to hear.

    truth: what is said, for recordings whose first frame carries its position (`testing.sound.stamped`).
    tells_usage: its replies end with their usage; not every server's do. last_body: of the latest chat request.
    """

    tells_usage = True

    def __init__(
        self,
        answer: Answer,
        *,
        health: Health = "fine",
        pace: Pace = Pace(),
        key: str = "sk-standin",
        models: tuple[str, ...] = ("standin-small",),
        truth: Truth | None = None,
    ) -> None:
        super().__init__(health)
        self._truth = truth
        self.last_body: dict[str, Any] = {}
        self._answer, self._pace, self._key, self._models = answer, pace, key, models
        self.last: GenerationRequest | None = None

    @property
    def base_url(self) -> str:
        return f"{self.url}/v1"

    def routes(self) -> list[web.RouteDef]:
        return [
            web.post("/v1/chat/completions", self._create),
            web.post("/v1/audio/transcriptions", self._transcribe),
            web.get("/v1/models", self._list),
            web.get("/v1/models/{id}", self._model),
        ]

    def _refused(self, request: web.Request) -> web.Response | None:
        if (no := refusal(self.health)) is not None:
            return no
        if self._key and request.headers.get("authorization") != f"Bearer {self._key}":
            return _error(401, "invalid_api_key")
        return None

    async def _list(self, request: web.Request) -> web.StreamResponse:
        models = [{"id": name, "object": "model", "created": 0, "owned_by": "standin"} for name in self._models]
        return self._refused(request) or web.json_response({"object": "list", "data": models})

    async def _model(self, request: web.Request) -> web.StreamResponse:
        if (no := self._refused(request)) is not None:
            return no
        name = request.match_info["id"]
        if name not in self._models:
            return _error(404, "model_not_found")
        return web.json_response({"id": name, "object": "model", "created": 0, "owned_by": "standin"})

    async def _create(self, request: web.Request) -> web.StreamResponse:
        self.requests += 1
        if (no := self._refused(request)) is not None:
            return no
        body = await request.json()
        if body.get("model") not in self._models:
            return _error(404, "model_not_found")
        self.last = asked = parsed(body)
        self.last_body = body
        self.open_streams += 1
        try:
            return await self._stream(request, asked, len(json.dumps(body["messages"])) // 4)
        finally:
            self.open_streams -= 1

    async def _stream(self, request: web.Request, asked: GenerationRequest, prompt: int) -> web.StreamResponse:
        health = self.health
        await asyncio.sleep(self.slow_s if health == "slow" else 0)
        response = web.StreamResponse(headers={"content-type": "text/event-stream"})
        await response.prepare(request)
        if health == "silent":
            await asyncio.Event().wait()
        await asyncio.sleep(self._pace.first_s)
        if health == "malformed":
            await response.write(b"data: {not json\n\n")
            return response
        self.charged += prompt
        written, tools = 0, 0
        await _send(response, {"role": "assistant", "content": ""})
        async for delta in self._answer(asked):
            match delta:
                case TextDelta(text):
                    await _send(response, {"content": text})
                case ToolCallDelta(call_id, name, arguments):
                    begin = {"index": tools, "id": call_id, "type": "function"}
                    await _send(response, {"tool_calls": [{**begin, "function": {"name": name, "arguments": ""}}]})
                    for at in range(0, len(arguments), 9):
                        piece = {"index": tools, "function": {"arguments": arguments[at : at + 9]}}
                        await _send(response, {"tool_calls": [piece]})
                    tools += 1
                case _:
                    continue
            written += 1
            self.charged += 1
            if written >= 3 or self.health != health:
                await worsen(self.health, request)
            await asyncio.sleep(self._pace.gap_s)
        await _send(response, {}, finish="tool_calls" if tools else "stop")
        usage = {"prompt_tokens": prompt, "completion_tokens": written, "total_tokens": prompt + written}
        if self.tells_usage:
            await response.write(f"data: {json.dumps({**_chunk(), 'choices': [], 'usage': usage})}\n\n".encode())
        await response.write(b"data: [DONE]\n\n")
        return response

    async def _transcribe(self, request: web.Request) -> web.StreamResponse:
        self.requests += 1
        if (no := self._refused(request)) is not None:
            return no
        form = await request.post()
        if form.get("model") not in self._models:
            return _error(404, "model_not_found")
        file = form["file"]
        assert isinstance(file, web.FileField)
        with wave.open(file.file, "rb") as recording:
            pcm = recording.readframes(recording.getnframes())
        self.open_streams += 1
        self.charged += len(pcm) // 2
        try:
            match self.health:
                case "silent" | "dies_midway":
                    await asyncio.Event().wait()
                case "disconnects":
                    cut(request)
                case "malformed":
                    return web.Response(text="{not json", content_type="application/json")
                case "slow":
                    await asyncio.sleep(self.slow_s)
                case _:
                    await asyncio.sleep(self._pace.first_s)
            return web.json_response({"text": self._heard(pcm)})
        finally:
            self.open_streams -= 1

    def _heard(self, pcm: bytes) -> str:
        start = stamp_of(pcm)
        if self._truth is None or start is None:
            return ""
        return " ".join(word.text for word in self._truth.between(start, start + len(pcm) // 2))


def parsed(body: dict[str, Any]) -> GenerationRequest:
    """The request behind a body."""
    system, data = "", ""
    messages: list[Message] = []
    for each in body["messages"]:
        text = each.get("content") or ""
        if not isinstance(text, str):
            text = "".join(part.get("text", "") for part in text)
        match each["role"]:
            case "system":
                system = own_system(text)
            case "tool":
                messages.append(Message("tool", text, tool_call_id=each["tool_call_id"]))
            case "user" if "<context>" in text:
                said, _, block = text.rpartition("<context>")
                data = f"<context>{block}"
                messages += [Message("user", said.strip())] if said.strip() else []
            case "user":
                messages.append(Message("user", text))
            case _:
                calls = tuple(
                    ToolCall(call["id"], call["function"]["name"], call["function"]["arguments"])
                    for call in each.get("tool_calls") or ()
                )
                messages.append(Message("assistant", text, calls))
    tools = tuple(
        ToolSpec(
            tool["function"]["name"],
            tool["function"].get("description", ""),
            tool["function"].get("parameters", {}),
            side_effects=False,
        )
        for tool in body.get("tools") or ()
    )
    request = GenerationRequest(system, tools, tuple(messages))
    return with_begun(with_data(request, data) if data else request)


def _chunk() -> dict[str, Any]:
    return {"id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 0, "model": "standin-small"}


async def _send(response: web.StreamResponse, delta: dict[str, Any], finish: str | None = None) -> None:
    choice = {"index": 0, "delta": delta, "finish_reason": finish}
    await response.write(f"data: {json.dumps({**_chunk(), 'choices': [choice]})}\n\n".encode())


def _error(status: int, code: str) -> web.Response:
    return web.json_response({"error": {"message": code, "type": "error", "code": code}}, status=status)
