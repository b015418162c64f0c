"""WebSocket GET /v1/stream: one text after the other over a connection that is kept.

Text frames are JSON objects with a `type`, binary frames are audio: mono s16le at the rate that ``hello`` tells.

    server  {"type": "hello", "protocol": 1, "sample_rate": 24000, "revision": "…", "tags": ["laugh", …]}
    client  {"type": "start", "voice": "front-desk", "call": "…"}   both may be left out; as in `http_api`
    client  {"type": "text", "text": "We are open "}                any number; they concatenate
    client  {"type": "finish"}                                      now it is admitted and spoken
    server  {"type": "clause", "index": 0, "word": 0, "words": 9, "sample": 0}    before the audio of each piece:
            the words of the text split at white space that it holds, and where in this text's audio it begins
    server  binary …
    server  {"type": "done", "samples": 51840}
    server  {"type": "error", "status": 503, "code": "at_capacity", "message": "…", "retry_after": 1}   instead of done
    client  {"type": "cancel"}                                      at any time
    server  {"type": "cancelled"}                                   exactly one for each cancel; nothing of the text
            comes after it, and its places are free

After ``done``, ``error`` or ``cancelled`` the next ``start`` may come; `text` and `finish` without a start are ignored,
so that a client need not wait between start and finish. A text without anything to say is done with 0 samples. A
`start` before the last text is done is an error and ends the connection (1008), as is a frame that is none of these.
HTTP errors of the upgrade: 401 the key, 503 not ready.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import Any

from aiohttp import WSCloseCode, WSMsgType, web

from aivoice_chatterbox.asked import MOST_CHARACTERS, Asked, call_of, json_object, pieces_of, text_of, voice_of
from aivoice_chatterbox.cutting import TAGS
from aivoice_chatterbox.gpu import Gpu
from aivoice_chatterbox.speech import ClauseStart, Pcm, Speech, SpeechError
from aivoice_chatterbox.voices import DEFAULT, Voice, Voices

PROTOCOL = 1
_MOST_BYTES = 64 * 2**10
_PING_S = 20.0
_SEND_S = 20.0
_FRAME = 24_000


class ProtocolError(Exception):
    """The client does not speak this protocol; the text says where."""


@dataclass(slots=True)
class _Draft:
    voice: Voice
    call: str
    text: list[str] = field(default_factory=list[str])
    characters: int = 0


class SocketApi:
    """The handler of /v1/stream. revision: asked at each hello."""

    def __init__(self, gpu: Gpu, voices: Voices, revision: Any) -> None:
        self._gpu, self._voices, self._revision = gpu, voices, revision
        self._sockets: set[web.WebSocketResponse] = set()
        self._count = 0

    def routes(self) -> list[web.RouteDef]:
        return [web.get("/v1/stream", self._serve)]

    async def close(self) -> None:
        """All connections, with 1001."""
        for socket in list(self._sockets):
            await socket.close(code=WSCloseCode.GOING_AWAY, message=b"the server stops")

    async def _serve(self, request: web.Request) -> web.WebSocketResponse:
        socket = web.WebSocketResponse(heartbeat=_PING_S, max_msg_size=_MOST_BYTES, compress=False)
        await socket.prepare(request)
        self._count += 1
        line = _Line(socket, self._gpu, self._voices, f"socket:{self._count}")
        self._sockets.add(socket)
        try:
            await line.send(
                {
                    "type": "hello",
                    "protocol": PROTOCOL,
                    "sample_rate": self._gpu.model.sample_rate,
                    "revision": self._revision(),
                    "tags": list(TAGS),
                }
            )
            await line.run()
        except ProtocolError as error:
            await socket.close(code=WSCloseCode.POLICY_VIOLATION, message=str(error).encode())
        except (ConnectionError, TimeoutError):
            if request.transport is not None:
                request.transport.abort()
        finally:
            self._sockets.discard(socket)
            await line.end()
        return socket


class _Line:
    """One connection: what it was told so far, and the task that sends what is spoken."""

    def __init__(self, socket: web.WebSocketResponse, gpu: Gpu, voices: Voices, name: str) -> None:
        self._socket, self._gpu, self._voices, self._name = socket, gpu, voices, name
        self._draft: _Draft | None = None
        self._sending: asyncio.Task[None] | None = None
        self._speech: Speech | None = None
        self._count = 0

    async def send(self, message: dict[str, Any]) -> None:
        async with asyncio.timeout(_SEND_S):
            await self._socket.send_json(message)

    async def run(self) -> None:
        """Until the client closes. Raises ProtocolError, ConnectionError, TimeoutError."""
        async for message in self._socket:
            if message.type is not WSMsgType.TEXT:
                raise ProtocolError("only text frames are taken")
            try:
                await self._told(json_object(message.data))
            except SpeechError as error:
                if error.code == "json_invalid":
                    raise ProtocolError("a frame is no JSON object") from None
                self._draft = None
                await self.send(_told_error(error))

    async def end(self) -> None:
        """Stop what is being spoken; its places are free afterwards."""
        task, self._sending = self._sending, None
        if task is not None:
            task.cancel()
            await asyncio.wait([task])
        if self._speech is not None:  # a task that was cancelled before it began has left nothing
            self._gpu.leave(self._speech)

    async def _told(self, message: dict[str, Any]) -> None:
        match message.get("type"):
            case "start":
                if self._draft is not None or (self._sending is not None and not self._sending.done()):
                    raise ProtocolError("a text was started before the last was done")
                call = call_of(message.get("call", ""))
                self._draft = _Draft(voice_of(message.get("voice", DEFAULT), self._voices), call)
            case "text":
                self._more(text_of(message.get("text"), "text"))
            case "finish":
                draft, self._draft = self._draft, None
                if draft is not None:
                    await self._finish(draft)
            case "cancel":
                self._draft = None
                await self.end()
                await self.send({"type": "cancelled"})
            case _:
                raise ProtocolError("a frame has no known type")

    def _more(self, text: str) -> None:
        draft = self._draft
        if draft is None:
            return
        draft.characters += len(text)
        if draft.characters > MOST_CHARACTERS:
            raise SpeechError(400, "text_too_long", f"at most {MOST_CHARACTERS} characters are spoken at once")
        draft.text.append(text)

    async def _finish(self, draft: _Draft) -> None:
        pieces = pieces_of("".join(draft.text))
        if not pieces:
            await self.send({"type": "done", "samples": 0})
            return
        self._count += 1
        asked = Asked(draft.voice, draft.call, pieces)
        speech = asked.speech(f"{self._name}:{self._count}", self._gpu.model.sample_rate)
        self._gpu.speak(speech)
        self._speech = speech
        self._sending = asyncio.get_running_loop().create_task(self._send(speech), name="speech")

    async def _send(self, speech: Speech) -> None:
        try:
            async for item in speech:
                match item:
                    case ClauseStart(index, word, words, sample):
                        start = {"type": "clause", "index": index, "word": word, "words": words, "sample": sample}
                        await self.send(start)
                    case Pcm(data):
                        await self._audio(data)
                        self._gpu.read()
            self._gpu.leave(speech)  # before `done`: the next text may follow it at once
            await self.send({"type": "done", "samples": speech.samples})
        except SpeechError as error:
            self._gpu.leave(speech)
            await self._try_to_tell(error)
        except (ConnectionError, TimeoutError):
            await self._socket.close()  # ends `run`
        finally:
            self._gpu.leave(speech)

    async def _try_to_tell(self, error: SpeechError) -> None:
        try:
            await self.send(_told_error(error))
        except (ConnectionError, TimeoutError):
            await self._socket.close()

    async def _audio(self, data: bytes) -> None:
        for at in range(0, len(data), _FRAME):
            async with asyncio.timeout(_SEND_S):
                await self._socket.send_bytes(data[at : at + _FRAME])


def _told_error(error: SpeechError) -> dict[str, Any]:
    told: dict[str, Any] = {
        "type": "error",
        "status": error.status,
        "code": error.code,
        "message": error.message,
    }
    return {**told, "retry_after": error.retry_after_s} if error.retry_after_s else told
