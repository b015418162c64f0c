"""A stand-in for ``aivoice-chatterbox``: its /v1/stream, /health and /v1/voices, over a real socket.

Written from the wire format that `services/chatterbox` documents (`socket_api.py`), not from its code: what passes
against both is what the document says. A health counts for texts that are finished while it is set, also over a
connection that was opened before, and for connections that are opened.
"""

from __future__ import annotations

import asyncio
import json
import math
from array import array
from dataclasses import dataclass
from typing import Any

from aiohttp import WSCloseCode, WSMsgType, web

from aivoice.testing.standins.server import STATUS, Health, StandIn, cut, refusal

RATE = 24_000
"""Hz, of the audio."""
_FRAME = RATE // 4
"""Samples of one binary frame."""


@dataclass(frozen=True, slots=True)
class Pace:
    """first_s: to the first audio. rtf: seconds a second of audio takes from then on. character_s: audio of one."""

    first_s: float = 0.1
    rtf: float = 0.1
    character_s: float = 1 / 15


class ChatterboxStandIn(StandIn):
    """voices, key: others are refused. charged: samples made. said: the texts that were finished, with tags and all.

    calls: which phone calls they were for, as far as the client told.
    """

    def __init__(
        self,
        health: Health = "fine",
        *,
        pace: Pace = Pace(),
        key: str = "chatterbox-standin",
        voices: tuple[str, ...] = ("default", "front-desk"),
    ) -> None:
        super().__init__(health)
        self._pace, self._key, self._voices = pace, key, voices
        self.said: list[str] = []
        self.calls: list[str] = []
        self.connections = 0

    def routes(self) -> list[web.RouteDef]:
        return [
            web.get("/v1/stream", self._stream),
            web.get("/v1/voices", self._list),
            web.get("/health", self._healthy),
        ]

    # ------------------------------------------------------------ plain requests

    async def _healthy(self, request: web.Request) -> web.StreamResponse:
        if (no := await self._unwell()) is not None:
            return no
        return web.json_response({"status": "ready", "revision": "standin-1", "sample_rate": RATE})

    async def _list(self, request: web.Request) -> web.StreamResponse:
        if (no := await self._unwell() or self._refused(request)) is not None:
            return no
        return web.json_response({"voices": [{"id": voice, "revision": "1"} for voice in self._voices]})

    async def _unwell(self) -> web.Response | None:
        if self.health == "silent":
            await asyncio.Event().wait()
        return refusal(self.health)

    def _refused(self, request: web.Request) -> web.Response | None:
        if request.headers.get("authorization") == f"Bearer {self._key}":
            return None
        return web.json_response({"error": {"code": "bad_key", "message": "wrong key"}}, status=401)

    # ------------------------------------------------------------ the stream

    async def _stream(self, request: web.Request) -> web.StreamResponse:
        if (no := refusal(self.health) or self._refused(request)) is not None:
            return no
        socket = web.WebSocketResponse(heartbeat=20.0, compress=False)
        await socket.prepare(request)
        self.connections += 1
        hello = {"type": "hello", "protocol": 1, "sample_rate": RATE, "revision": "standin-1", "tags": ["laugh"]}
        await socket.send_json(hello)
        speaking: asyncio.Task[None] | None = None
        voice, call, text = "", "", ""
        refused = False
        try:
            async for frame in socket:
                message: dict[str, Any] = json.loads(frame.data) if frame.type is WSMsgType.TEXT else {}
                match message.get("type"):
                    case "start" if speaking is None or speaking.done():
                        voice, call, text = message.get("voice", "default"), message.get("call", ""), ""
                        refused = voice not in self._voices
                        if refused:
                            await socket.send_json(_error(404, "voice_not_found"))
                    case "text":
                        text += message["text"]
                    case "finish" if not refused:
                        refused = True
                        speaking = asyncio.ensure_future(self._speak(request, socket, text, call))
                    case "finish":
                        pass
                    case "cancel":
                        await _over(speaking)
                        await socket.send_json({"type": "cancelled"})
                    case _:
                        await socket.close(code=WSCloseCode.POLICY_VIOLATION, message=b"out of place")
        except ConnectionError:
            pass
        finally:
            await _over(speaking)
        return socket

    async def _speak(self, request: web.Request, socket: web.WebSocketResponse, text: str, call: str) -> None:
        self.requests += 1
        self.said.append(text)
        self.calls.append(call)
        self.open_streams += 1
        try:
            await self._say(request, socket, text, self.health)
        except (ConnectionError, RuntimeError):
            return
        finally:
            self.open_streams -= 1

    async def _say(self, request: web.Request, socket: web.WebSocketResponse, text: str, health: Health) -> None:
        if (status := STATUS.get(health)) is not None:
            await socket.send_json(_error(status, "bad_key" if status == 401 else "model_failed"))
            return
        if health == "silent":
            await asyncio.Event().wait()
        words = len(text.split())
        total = int((0.2 + len(text) * self._pace.character_s) * RATE) if words else 0
        await asyncio.sleep(self.slow_s if health == "slow" else self._pace.first_s)
        if health == "malformed":
            await socket.send_json({"type": "clause", "index": 0})
            await socket.send_bytes(b"\0\0\0")
            return
        if total:
            await socket.send_json({"type": "clause", "index": 0, "word": 0, "words": words, "sample": 0})
        for at in range(0, total, _FRAME):
            count = min(_FRAME, total - at)
            await socket.send_bytes(_tone(at, count))
            self.charged += count
            if at and health == "dies_midway":
                await asyncio.Event().wait()
            if at and health == "disconnects":
                cut(request)
                return
            await asyncio.sleep(self._pace.rtf * count / RATE)
        await socket.send_json({"type": "done", "samples": total})


async def _over(task: asyncio.Task[None] | None) -> None:
    if task is not None:
        task.cancel()
        await asyncio.wait([task])


def _error(status: int, code: str) -> dict[str, Any]:
    return {"type": "error", "status": status, "code": code, "message": code}


def _tone(first: int, count: int) -> bytes:
    step = 2 * math.pi * 150 / RATE
    return array("h", (int(8_000 * math.sin(step * (first + at))) for at in range(count))).tobytes()
