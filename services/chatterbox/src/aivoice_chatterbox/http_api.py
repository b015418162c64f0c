"""HTTP: POST /v1/speak, the OpenAI-compatible POST /v1/audio/speech, and the voices.

POST /v1/speak: ``{"text": …, "voice": "default", "format": "pcm" | "wav", "call": ""}``. The answer is streamed as it
is made: mono s16le at the rate of the header ``x-sample-rate`` (24000), or a WAV file whose lengths are 0xFFFFFFFF, as
of any live stream. call: requests of one phone call share it; its clauses are spoken in their order, and what it was
given already counts when turns are taken. A connection that is cut before the end means that the model failed.

POST /v1/audio/speech: as the OpenAI API reference ("Create speech") tells it, `response_format` ``pcm`` or ``wav``
(nothing said: ``wav``; compressed formats are refused), `speed` 1, no `instructions`.

GET /v1/voices; PUT or POST /v1/voices/{id} with a WAV file as the body, or as the part ``clip`` of a form; DELETE.

Errors: ``{"error": {"code", "message", "type", "param"}}``, the shape of the OpenAI API. 503 has a retry-after.
"""

from __future__ import annotations

import asyncio
import struct
from collections.abc import AsyncIterator
from contextlib import aclosing
from typing import Any, cast

from aiohttp import web

from aivoice_chatterbox.asked import Asked, bad, json_object, known, spoken
from aivoice_chatterbox.clip import MAX_BYTES, BadClipError, read_clip
from aivoice_chatterbox.gpu import Gpu
from aivoice_chatterbox.model import RefusedClipError
from aivoice_chatterbox.speech import Heard, Pcm, SpeechError
from aivoice_chatterbox.voices import DEFAULT, MOST_VOICES, Voice, Voices, is_id

MODELS = ("chatterbox-turbo", "chatterbox")
SEND_S = 20.0
"""A client that takes nothing for so long is left."""
_FRAME = 24_000
"""Bytes written at once: half a second."""


class HttpApi:
    """The handlers. draining: asked before each request."""

    def __init__(self, gpu: Gpu, voices: Voices) -> None:
        self._gpu, self._voices = gpu, voices
        self._upload = asyncio.Lock()
        self._count = 0

    def routes(self) -> list[web.RouteDef]:
        return [
            web.post("/v1/speak", self._speak),
            web.post("/v1/audio/speech", self._openai),
            web.get("/v1/voices", self._list),
            web.put("/v1/voices/{id}", self._put),
            web.post("/v1/voices/{id}", self._put),
            web.delete("/v1/voices/{id}", self._delete),
        ]

    # ------------------------------------------------------------ speech

    async def _speak(self, request: web.Request) -> web.StreamResponse:
        body = json_object(await request.read())
        known(body, {"text", "voice", "format", "call"})
        form = body.get("format", "pcm")
        if form not in ("pcm", "wav"):
            raise bad("format_unknown", "`format` is pcm or wav")
        return await self._stream(request, spoken(body, "text", self._voices), form)

    async def _openai(self, request: web.Request) -> web.StreamResponse:
        body = json_object(await request.read())
        known(body, {"model", "input", "voice", "response_format", "speed", "stream_format", "instructions"})
        if body.get("model") not in MODELS:
            raise SpeechError(404, "model_not_found", f"`model` is {' or '.join(MODELS)}")
        form = body.get("response_format", "wav")
        if form not in ("pcm", "wav"):
            raise bad("format_unknown", "`response_format` is pcm or wav here; nothing is compressed")
        if body.get("speed", 1) != 1 or body.get("stream_format", "audio") != "audio" or body.get("instructions"):
            raise bad("option_unsupported", "`speed` must be 1, `stream_format` audio, and `instructions` empty")
        voice: Any = body.get("voice", DEFAULT)
        if isinstance(voice, dict):  # the API's form for custom voices
            voice = cast("dict[str, Any]", voice).get("id")
        return await self._stream(request, spoken({**body, "voice": voice}, "input", self._voices), form)

    async def _stream(self, request: web.Request, asked: Asked, form: str) -> web.StreamResponse:
        self._count += 1
        rate = self._gpu.model.sample_rate
        speech = asked.speech(f"http:{self._count}", rate)
        self._gpu.speak(speech)
        try:
            async with aclosing(cast("Any", aiter(speech))) as heard:
                first = await _next_pcm(heard)  # a failure before it still has a status of its own
                kind = "audio/wav" if form == "wav" else "audio/pcm"
                response = web.StreamResponse(headers={"content-type": kind, "x-sample-rate": str(rate)})
                response.enable_chunked_encoding()
                await response.prepare(request)
                if form == "wav":
                    await response.write(_endless_wav(rate))
                await _write(response, first)
                async for item in heard:
                    if isinstance(item, Pcm):
                        await _write(response, item.data)
                        self._gpu.read()
                await response.write_eof()
                return response
        except SpeechError:
            if request.transport is not None and speech.samples:
                request.transport.abort()
            raise
        except (TimeoutError, ConnectionError):
            if request.transport is not None:
                request.transport.abort()
            raise SpeechError(499, "client_gone", "the client takes nothing") from None
        finally:
            self._gpu.leave(speech)

    # ------------------------------------------------------------ voices

    async def _list(self, request: web.Request) -> web.Response:
        return web.json_response({"voices": [_shown(voice) for voice in self._voices.listed()]})

    async def _put(self, request: web.Request) -> web.Response:
        name = _named(request)
        if name == DEFAULT:
            raise SpeechError(409, "voice_fixed", "the model's own voice cannot be replaced; choose another id")
        data = await _uploaded(request)
        async with self._upload:
            new = self._voices.get(name) is None
            if new and len(self._voices.listed()) > MOST_VOICES:
                raise SpeechError(409, "voices_full", f"there are {MOST_VOICES} voices; remove one")
            try:
                clip = await asyncio.to_thread(read_clip, data)
            except BadClipError as error:
                raise bad(error.code, str(error)) from None
            try:
                draft = await asyncio.to_thread(self._voices.draft, clip)
                try:
                    conditionals: Any = await self._gpu.prepare(draft)
                    voice = await asyncio.to_thread(self._voices.put, name, draft)
                finally:
                    draft.unlink(missing_ok=True)
            except RefusedClipError as error:
                raise bad("clip_refused", f"the model cannot use the clip: {error}") from None
            except OSError:
                raise SpeechError(507, "disk", "the clip cannot be kept: the volume is full or away") from None
            await self._gpu.keep(voice, conditionals)
        return web.json_response(_shown(voice), status=201 if new else 200)

    async def _delete(self, request: web.Request) -> web.Response:
        name = _named(request)
        if name == DEFAULT:
            raise SpeechError(409, "voice_fixed", "the model's own voice cannot be removed")
        async with self._upload:
            if not await asyncio.to_thread(self._voices.remove, name):
                raise SpeechError(404, "voice_not_found", "there is no such voice")
        return web.Response(status=204)


def error_body(error: SpeechError) -> dict[str, Any]:
    kind = "invalid_request_error" if 400 <= error.status < 500 else "server_error"
    return {"error": {"code": error.code, "message": error.message, "type": kind, "param": None}}


async def _next_pcm(heard: AsyncIterator[Heard]) -> bytes:
    async for item in heard:
        if isinstance(item, Pcm):
            return item.data
    return b""


async def _write(response: web.StreamResponse, pcm: bytes) -> None:
    for at in range(0, len(pcm), _FRAME):
        async with asyncio.timeout(SEND_S):
            await response.write(pcm[at : at + _FRAME])


def _named(request: web.Request) -> str:
    name = request.match_info["id"]
    if not is_id(name):
        raise bad("voice_id_invalid", "a voice's id is 1 to 64 of a-z, 0-9, - and _, the first a letter or digit")
    return name


async def _uploaded(request: web.Request) -> bytes:
    if not request.content_type.startswith("multipart/"):
        return await request.read()
    try:
        field = (await request.post()).get("clip")
    except ValueError:
        raise bad("form_invalid", "the form cannot be read") from None
    if not isinstance(field, web.FileField):
        raise bad("form_invalid", "the form has no file `clip`")
    return await asyncio.to_thread(field.file.read, MAX_BYTES + 1)


def _shown(voice: Voice) -> dict[str, Any]:
    return {
        "id": voice.id,
        "seconds": voice.seconds,
        "sample_rate": voice.sample_rate,
        "revision": voice.revision,
    }


def _endless_wav(rate: int) -> bytes:
    return struct.pack(
        "<4sI4s4sIHHIIHH4sI",
        b"RIFF", 0xFFFFFFFF, b"WAVE", b"fmt ", 16, 1, 1, rate, rate * 2, 2, 16, b"data", 0xFFFFFFFF,
    )  # fmt: skip
