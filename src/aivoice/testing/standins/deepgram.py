"""A stand-in for Deepgram: ``/v1/listen`` (Nova) and ``/v2/listen`` (Flux) over real WebSockets.

It hears by position: frames carry theirs (`testing.sound.stamped`), and a `Truth` says which words sound there. What
it tells, and when, is `FakeStt`'s (interims every 200 ms, the final 300 ms after the end of speech); the shapes are
those of developers.deepgram.com: a result's window begins where the last final's ended and reaches as far as the
audio that came. Flux ends a turn `flux_end_s` after the last word, and says so beforehand (EagerEndOfTurn).
"""

from __future__ import annotations

import asyncio
import json
from collections import deque
from collections.abc import Callable
from typing import Any

import aiohttp
from aiohttp import web

from aivoice.audio.frames import FRAME_BYTES, FRAME_SAMPLES, SAMPLE_RATE, AudioChunk
from aivoice.providers.ports import Transcript
from aivoice.testing.fake_stt import FakeStt, FakeSttStream, SttBehaviour
from aivoice.testing.sound import stamp_of
from aivoice.testing.standins.server import Health, StandIn, cut, refusal
from aivoice.testing.truth import Truth

NOWHERE = 1 << 40
"""Position of sound that says nothing: no truth reaches it."""


class DeepgramStandIn(StandIn):
    """truth_of: what is said on the leg whose ``tag`` the query names. charged: samples that were received.

    query: of the latest stream. answers_finalize: its results say that they answer one; the service does not always.
    takes_force: Flux ends a turn by ForceEndTurn; otherwise it does nothing of the kind.
    """

    def __init__(
        self,
        truth_of: Callable[[str], Truth],
        *,
        health: Health = "fine",
        behaviour: SttBehaviour = SttBehaviour(),
        key: str = "dg-standin",
        models: tuple[str, ...] = ("nova-3-general", "flux-general-en"),
        flux_end_s: float = 0.3,
        answers_finalize: bool = True,
        takes_force: bool = True,
    ) -> None:
        super().__init__(health)
        self.answers_finalize, self.takes_force = answers_finalize, takes_force
        self._truth_of, self._behaviour, self._key, self._models = truth_of, behaviour, key, models
        self._flux_end_s = flux_end_s
        self.query: dict[str, list[str]] = {}

    def routes(self) -> list[web.RouteDef]:
        return [
            web.get("/v1/listen", self._nova),
            web.get("/v2/listen", self._flux),
            web.get("/v1/projects", self._projects),
        ]

    def _refused(self, request: web.Request) -> web.Response | None:
        if (no := refusal(self.health)) is not None:
            return no
        if request.headers.get("authorization") != f"Token {self._key}":
            return web.json_response({"err_code": "INVALID_AUTH", "err_msg": "Invalid credentials."}, status=401)
        return None

    async def _projects(self, request: web.Request) -> web.StreamResponse:
        return self._refused(request) or web.json_response({"projects": [{"project_id": "p", "name": "standin"}]})

    async def _nova(self, request: web.Request) -> web.StreamResponse:
        return await self._listen(request, _Nova)

    async def _flux(self, request: web.Request) -> web.StreamResponse:
        return await self._listen(request, _Flux)

    async def _listen(self, request: web.Request, kind: type[_Stream]) -> web.StreamResponse:
        self.requests += 1
        if (no := self._refused(request)) is not None:
            return no
        query = {key: request.query.getall(key) for key in request.query}
        model = query.get("model", [""])[0]
        if not any(name == model or name.startswith(f"{model}-") for name in self._models):
            return web.json_response({"err_code": "INVALID_QUERY_PARAMETER", "err_msg": "No such model."}, status=400)
        if self.health == "slow":
            await asyncio.sleep(self.slow_s)
        self.query = query
        ws = web.WebSocketResponse(heartbeat=None, max_msg_size=2**20)
        await ws.prepare(request)
        truth = self._truth_of(query.get("tag", [""])[0])
        stream = kind(self, ws, request, await FakeStt(truth, self._behaviour).open(), self._flux_end_s)
        self.open_streams += 1
        try:
            await stream.run()
        finally:
            self.open_streams -= 1
        return ws


class _Stream:
    """One connection. Positions inside are the leg's; what is told is seconds since the stream's first sample."""

    def __init__(
        self,
        server: DeepgramStandIn,
        ws: web.WebSocketResponse,
        request: web.Request,
        inner: FakeSttStream,
        flux_end_s: float,
    ) -> None:
        self.server, self.ws, self.request, self.inner = server, ws, request, inner
        self.flux_end_s = flux_end_s
        self.origin: int | None = None
        self.position = 0
        self.told = 0

    async def run(self) -> None:
        """Until the client closes."""
        await self.begin()
        telling = asyncio.ensure_future(self._tell())
        try:
            async for message in self.ws:
                match message.type:
                    case aiohttp.WSMsgType.BINARY:
                        self._audio(message.data)
                    case aiohttp.WSMsgType.TEXT:
                        if await self.control(json.loads(message.data)):
                            break
                    case _:
                        break
        finally:
            telling.cancel()
            await asyncio.wait([telling])
            await self.inner.aclose()

    async def begin(self) -> None:
        """Before anything is heard."""

    async def control(self, message: dict[str, Any]) -> bool:
        """True: the stream is over."""
        return message.get("type") == "CloseStream"

    async def told_of(self, transcript: Transcript) -> None:
        """Tell the client."""
        raise NotImplementedError

    def _audio(self, pcm: bytes) -> None:
        self.server.charged += len(pcm) // 2
        for at in range(0, len(pcm), FRAME_BYTES):
            frame = pcm[at : at + FRAME_BYTES]
            if self.origin is None:
                found = stamp_of(frame)
                self.origin = self.position = NOWHERE if found is None else found
            self.inner.push(AudioChunk(self.position, len(frame) // 2, frame))
            self.position += len(frame) // 2

    async def _tell(self) -> None:
        async for transcript in self.inner:
            await self.say(transcript)

    async def say(self, transcript: Transcript) -> None:
        """As healthy as the service is now."""
        match self.server.health:
            case "silent":
                return
            case "malformed":
                await self.ws.send_str('{"type": "Results", "channel": {"alternatives": [{"transcript": 7}]}}')
                await self.ws.send_str('{"type": "TurnInfo", "event": "Perhaps"}')
            case "disconnects" if self.told >= 2:
                cut(self.request)
            case "dies_midway" if self.told >= 2:
                return
            case _:
                await self.told_of(transcript)
        self.told += 1

    def seconds(self, position: int) -> float:
        return round(max(0, position - (self.origin or 0)) / SAMPLE_RATE, 4)


class _Nova(_Stream):
    window = 0
    """Where the next result begins."""

    async def begin(self) -> None:
        self.finalised: deque[int] = deque()

    async def control(self, message: dict[str, Any]) -> bool:
        if message.get("type") == "Finalize":
            if self.origin is None:
                self.origin = self.position = NOWHERE
            self.finalised.append(self.position)
            self.inner.speech_ended(self.inner.spoken_until())
        return await super().control(message)

    async def told_of(self, transcript: Transcript) -> None:
        final = transcript.kind == "final"
        start = max(self.window, self.origin or 0)
        end = max(start, self.finalised.popleft() if final else self.position)
        self.window = end if final else start
        await self.ws.send_json(
            {
                "type": "Results",
                "channel_index": [0, 1],
                "start": self.seconds(start),
                "duration": round((end - start) / SAMPLE_RATE, 4),
                "is_final": final,
                "speech_final": final,
                "from_finalize": final and self.server.answers_finalize,
                "channel": {
                    "alternatives": [{"transcript": transcript.text, "confidence": transcript.confidence, "words": []}]
                },
                "metadata": {"request_id": "r", "model_info": {}, "model_uuid": "m"},
            }
        )


class _Flux(_Stream):
    """Turns by its own ears: the inner recogniser's interims, and an end once no word is heard any more."""

    turn = 0
    words: tuple[str, ...] = ()
    end = 0
    done = 0
    """Where the last turn's words end."""
    ended_at: float | None = None

    async def begin(self) -> None:
        await self.ws.send_json({"type": "Connected", "request_id": "r", "sequence_id": 0})
        self.watching = asyncio.ensure_future(self._watch())

    async def run(self) -> None:
        try:
            await super().run()
        finally:
            self.watching.cancel()
            await asyncio.wait([self.watching])

    async def control(self, message: dict[str, Any]) -> bool:
        if message.get("type") == "ForceEndTurn" and self.server.takes_force:
            if self.words:
                await self._as_it_does("EndOfTurn", 0.1, "manual")
                self._turn_over(self.end)
            else:
                await self.ws.send_json({"type": "Warning", "code": "FORCE_END_TURN_NO_ACTIVE_TURN"})
        return await super().control(message)

    def _turn_over(self, until: int) -> None:
        self.done = self.end
        self.inner.speech_ended(until)
        self.turn, self.words, self.ended_at = self.turn + 1, (), None

    async def told_of(self, transcript: Transcript) -> None:
        if transcript.kind == "final" or transcript.end <= self.done:
            return
        fresh = not self.words
        self.words, self.end = tuple(transcript.text.split()), transcript.end
        event = "StartOfTurn" if fresh else "TurnResumed" if self.ended_at is not None else "Update"
        self.ended_at = None
        await self._info(event, 0.1)

    async def _watch(self) -> None:
        """Silence behind the last word: the turn may be over, then it is. An update every 250 ms of audio."""
        updated = 0
        while True:
            await asyncio.sleep(0.02)
            if self.origin is not None and self.position - max(updated, self.origin) >= SAMPLE_RATE // 4:
                updated = self.position
                await self._as_it_does("Update", 0.1)
            quiet = (self.position - self.end) / SAMPLE_RATE if self.words else 0.0
            if not self.words or self.inner.word_from(self.end):
                continue
            if self.ended_at is None and quiet >= self.flux_end_s * 0.6:
                self.ended_at = quiet
                await self._as_it_does("EagerEndOfTurn", 0.5)
            if quiet >= self.flux_end_s:
                await self._as_it_does("EndOfTurn", 0.9, "model")
                self._turn_over(self.position - FRAME_SAMPLES)

    async def _as_it_does(self, event: str, confidence: float, trigger: str = "") -> None:
        if self.server.health not in ("silent", "dies_midway", "disconnects"):
            await self._info(event, confidence, trigger)
        elif self.server.health == "disconnects":
            cut(self.request)

    async def _info(self, event: str, confidence: float, trigger: str = "") -> None:
        if self.server.health == "malformed":
            return
        await self.ws.send_json(
            {
                "type": "TurnInfo",
                "request_id": "r",
                "sequence_id": 1,
                "event": event,
                "turn_index": self.turn,
                "audio_window_start": 0.0,
                "audio_window_end": self.seconds(self.position),
                "transcript": " ".join(self.words),
                "words": [{"word": word, "confidence": 0.9} for word in self.words],
                "end_of_turn_confidence": confidence,
                **({"trigger": trigger} if trigger else {}),
            }
        )
