"""Stand-ins for voice services as LiveKit's plugins call them: Cartesia and ElevenLabs (WebSocket), Resemble (HTTP).

Shapes: docs.cartesia.ai ("Text to speech, WebSocket"), elevenlabs.io/docs ("Multi-context WebSocket"),
docs.app.resemble.ai ("Synthesize"), as the plugins of livekit-plugins-* 1.8.9 read them. They speak in tones, each word
as long as `testing.truth.word_ms` says, with word times where the service has them. charged: characters, as far as
their speech was sent.
"""

from __future__ import annotations

import asyncio
import base64
import io
import json
import wave
from typing import Any

import aiohttp
from aiohttp import web

from aivoice.testing.fake_tts import END_PAUSE_SAMPLES, word_starts
from aivoice.testing.sound import voice_pcm
from aivoice.testing.standins.server import Health, StandIn, refusal, worsen
from aivoice.testing.truth import word_ms

RATE = 24_000
_PIECE_MS = 200


class VoiceStandIn(StandIn):
    """first_s: to the first audio of a text. key, voices: others are refused."""

    def __init__(
        self,
        *,
        health: Health = "fine",
        first_s: float = 0.1,
        key: str = "voice-standin",
        voices: tuple[str, ...] = ("front-desk",),
    ) -> None:
        super().__init__(health)
        self.first_s, self.key, self.voices = first_s, key, voices

    def charge(self, text: str, number: int) -> None:
        """The characters of `text` that piece `number` of its speech is worth; all but equal shares."""
        count = max(1, len(samples_of(text, RATE)))
        if number < count:
            self.charged += len(text) * (number + 1) // count - len(text) * number // count

    tells_words = True
    """Whether word times are told where the service has them (`word_starts`)."""

    async def pieces(self, text: str, rate: int) -> list[bytes]:
        """What is said, s16le at `rate` Hz; a subclass may have a better voice."""
        return samples_of(text, rate)

    async def begin(self) -> bool:
        """The wait for the first audio; False: there will be none."""
        health = self.health
        if health in ("silent",):
            await asyncio.Event().wait()
        await asyncio.sleep(self.slow_s if health == "slow" else self.first_s)
        return True


def samples_of(text: str, rate: int) -> list[bytes]:
    """The text as PCM in pieces of 200 ms."""
    starts = word_starts(text)
    words = text.split()
    total = starts[-1] + word_ms(words[-1]) * 16 + END_PAUSE_SAMPLES if words else 0
    count = total * rate // 16_000
    step = rate * _PIECE_MS // 1_000
    return [voice_pcm(at, min(step, count - at)) for at in range(0, count, step)]


class CartesiaStandIn(VoiceStandIn):
    """``wss /tts/websocket`` with contexts, ``GET /voices/{id}``."""

    def routes(self) -> list[web.RouteDef]:
        return [web.get("/tts/websocket", self._socket), web.get("/voices/{id}", self._voice)]

    def _refused(self, request: web.Request) -> web.Response | None:
        if (no := refusal(self.health)) is not None:
            return no
        given = request.query.get("api_key") or request.headers.get("x-api-key")
        return None if given == self.key else web.json_response({"error": "unauthorized"}, status=401)

    async def _voice(self, request: web.Request) -> web.StreamResponse:
        known = request.match_info["id"] in self.voices
        return self._refused(request) or web.json_response({"id": "v"}, status=200 if known else 404)

    async def _socket(self, request: web.Request) -> web.StreamResponse:
        if (no := self._refused(request)) is not None:
            return no
        ws = web.WebSocketResponse()
        await ws.prepare(request)
        texts: dict[str, str] = {}
        async for message in ws:
            if message.type is not aiohttp.WSMsgType.TEXT:
                break
            asked = json.loads(message.data)
            context = asked["context_id"]
            texts[context] = texts.get(context, "") + asked["transcript"]
            if asked["voice"].get("id") not in self.voices:
                told = {"title": "Voice not found", "message": "no such voice", "error_code": "voice_not_found"}
                await ws.send_json({"type": "error", "context_id": context, "status_code": 404, "done": True, **told})
            elif not asked.get("continue"):
                self.open_streams += 1
                self.requests += 1
                try:
                    await self._speak(request, ws, context, texts.pop(context), asked["output_format"]["sample_rate"])
                finally:
                    self.open_streams -= 1
        return ws

    async def _speak(self, request: web.Request, ws: web.WebSocketResponse, context: str, text: str, rate: int) -> None:
        health = self.health
        await self.begin()
        if health == "malformed":
            await ws.send_str('{"context_id": 7, "data": ')
            return
        words, starts = text.split(), word_starts(text)
        seconds = [start / 16_000 for start in starts]
        ends = [start + word_ms(word) / 1_000 for start, word in zip(seconds, words, strict=True)]
        times = {"words": words, "start": seconds, "end": ends}
        timed = {"type": "timestamps", "context_id": context, "status_code": 206, "word_timestamps": times}
        if self.tells_words:
            await ws.send_json({**timed, "done": False})
        for number, pcm in enumerate(await self.pieces(text, rate)):
            self.charge(text, number)
            data = base64.b64encode(pcm).decode()
            await ws.send_json(
                {"type": "chunk", "context_id": context, "data": data, "status_code": 206, "done": False}
            )
            if number >= 1:
                await worsen(self.health, request)
            await asyncio.sleep(0.01)
        await ws.send_json({"type": "done", "context_id": context, "status_code": 200, "done": True})


class ElevenLabsStandIn(VoiceStandIn):
    """``wss /v1/text-to-speech/{voice}/multi-stream-input``, ``GET /v1/voices/{id}``."""

    @property
    def base_url(self) -> str:
        return f"{self.url}/v1"

    def routes(self) -> list[web.RouteDef]:
        return [
            web.get("/v1/text-to-speech/{voice}/multi-stream-input", self._socket),
            web.get("/v1/voices/{id}", self._voice),
        ]

    def _refused(self, request: web.Request) -> web.Response | None:
        if (no := refusal(self.health)) is not None:
            return no
        given = request.headers.get("xi-api-key")
        return None if given == self.key else web.json_response({"detail": "invalid_api_key"}, status=401)

    async def _voice(self, request: web.Request) -> web.StreamResponse:
        known = request.match_info["id"] in self.voices
        return self._refused(request) or web.json_response({"voice_id": "v"}, status=200 if known else 404)

    async def _socket(self, request: web.Request) -> web.StreamResponse:
        if (no := self._refused(request)) is not None:
            return no
        ws = web.WebSocketResponse()
        await ws.prepare(request)
        texts: dict[str, str] = {}
        speaking: set[asyncio.Task[None]] = set()
        try:
            async for message in ws:
                if message.type is not aiohttp.WSMsgType.TEXT:
                    break
                asked = json.loads(message.data)
                context = asked["context_id"]
                if request.match_info["voice"] not in self.voices:
                    await ws.send_json({"error": "voice_id_does_not_exist", "message": "no such voice", "code": 1008})
                    await ws.close(code=1008, message=b"no such voice")
                elif asked.get("close_context"):
                    text = texts.pop(context, "").strip()
                    speaking.add(asyncio.ensure_future(self._speak(request, ws, context, text)))
                else:
                    texts[context] = texts.get(context, "") + asked.get("text", "")
        finally:
            for task in speaking:
                task.cancel()
            if speaking:
                await asyncio.wait(speaking)
        return ws

    async def _speak(self, request: web.Request, ws: web.WebSocketResponse, context: str, text: str) -> None:
        rate = int(request.query["output_format"].removeprefix("pcm_"))
        self.open_streams += 1
        self.requests += 1
        try:
            health = self.health
            await self.begin()
            if health == "malformed":
                await ws.send_str('{"contextId": ')
                return
            alignment: dict[str, Any] | None = _characters(text) if self.tells_words else None
            for number, pcm in enumerate(await self.pieces(text, rate)):
                self.charge(text, number)
                audio = {"audio": base64.b64encode(pcm).decode(), "contextId": context}
                await ws.send_json({**audio, "alignment": alignment, "normalizedAlignment": alignment})
                alignment = None
                if number >= 1:
                    await worsen(self.health, request)
                await asyncio.sleep(0.01)
            await ws.send_json({"isFinal": True, "contextId": context})
        finally:
            self.open_streams -= 1


def _characters(text: str) -> dict[str, Any]:
    """When each character is spoken, ms: those of a word spread over it."""
    begins: list[int] = []
    lasts: list[int] = []
    starts = iter(word_starts(text))
    at, step = 0, 0
    fresh = True
    for character in text:
        if fresh and not character.isspace():
            at = next(starts) // 16
        fresh = character.isspace()
        step = 0 if fresh else 20
        begins.append(at)
        lasts.append(step)
        at += step
    return {"chars": list(text), "charStartTimesMs": begins, "charDurationsMs": lasts}


class ResembleStandIn(VoiceStandIn):
    """``POST /synthesize``: the whole clause as a WAV in JSON. ``GET /api/v2/voices/{id}``."""

    @property
    def base_url(self) -> str:
        return f"{self.url}/api/v2"

    def routes(self) -> list[web.RouteDef]:
        return [web.post("/synthesize", self._synthesize), web.get("/api/v2/voices/{id}", self._voice)]

    async def _voice(self, request: web.Request) -> web.StreamResponse:
        if (no := refusal(self.health)) is not None:
            return no
        if request.headers.get("authorization") != f"Bearer {self.key}":
            return web.json_response({"success": False}, status=401)
        known = request.match_info["id"] in self.voices
        return web.json_response({"success": known}, status=200 if known else 404)

    async def _synthesize(self, request: web.Request) -> web.StreamResponse:
        self.requests += 1
        if (no := refusal(self.health)) is not None:
            return no
        if request.headers.get("authorization") != f"Bearer {self.key}":
            return web.json_response({"success": False}, status=401)
        asked: dict[str, Any] = await request.json()
        if asked["voice_uuid"] not in self.voices:
            return web.json_response({"success": False, "message": "no such voice"}, status=404)
        self.open_streams += 1
        try:
            health = self.health
            await self.begin()
            if health == "malformed":
                return web.json_response({"success": True})
            text, rate = str(asked["data"]), int(asked["sample_rate"])
            pieces = await self.pieces(text, rate)
            for number in range(len(pieces)):
                self.charge(text, number)
            audio = base64.b64encode(_wav(b"".join(pieces), rate)).decode()
            body = json.dumps({"success": True, "audio_content": audio, "sample_rate": rate}).encode()
            if health not in ("dies_midway", "disconnects"):
                return web.Response(body=body, content_type="application/json")
            headers = {"content-type": "application/json", "content-length": str(len(body))}
            response = web.StreamResponse(headers=headers)
            await response.prepare(request)
            await response.write(body[: len(body) // 2])
            await worsen(health, request)
            return response
        finally:
            self.open_streams -= 1


def _wav(pcm: bytes, rate: int) -> bytes:
    out = io.BytesIO()
    with wave.open(out, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(rate)
        file.writeframes(pcm)
    return out.getvalue()
