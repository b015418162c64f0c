"""A simulated caller on the far end of a real WebRTC connection: a virtual microphone, ears that note when, a keypad.

`make call` and the tests use it. It reacts: `say` may be called at any time, also while it hears the agent.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from aivoice.audio.frames import FRAME_BYTES, SILENCE, AudioChunk
from aivoice.audio.loudness import level_dbfs
from aivoice.audio.opus import OpusDecoder
from aivoice.audio.pacer import Pacer, PacerHandle
from aivoice.errors import InputError
from aivoice.transports import rtp
from aivoice.transports.webrtc import DEFAULTS, WebRtcSettings, WebRtcTransport, offer, take_answer

Exchange = Callable[[str], Awaitable[str]]
"""Carries our offer to the server and brings its answer (an HTTP POST, or a direct call)."""


@dataclass(frozen=True, slots=True)
class Arrival:
    """One packet of the agent's: when it came (loop time, s) and how loud its 20 ms are (dBFS, −96 for silence)."""

    time: float
    level: float


class WebRtcCaller:
    """One caller, one call. `dial`, then `say` / `press` / `mute` while it lasts, then `hang_up`; `close` always.

    hears: called every 20 ms with (frame, loop time) of what comes out of the loudspeaker, after the jitter buffer.
    recording keeps the last `keep_s` seconds of that, mono s16le. arrivals: the agent's packets as they came, before
    any buffer (a decoder of its own measures their level), the last `keep_s` seconds.
    """

    def __init__(
        self,
        *,
        pacer: Pacer,
        settings: WebRtcSettings = DEFAULTS,
        hears: Callable[[bytes, float], None] | None = None,
        keep_s: float = 600.0,
    ) -> None:
        self._loop = asyncio.get_running_loop()
        self._pacer = pacer
        self._settings = settings
        self._hears = hears
        self._transport: WebRtcTransport | None = None
        self._handle: PacerHandle | None = None
        self._mouth = bytearray()
        self._muted = False
        self._meter = OpusDecoder()
        frames = round(keep_s * 50)
        self._heard: deque[bytes] = deque(maxlen=frames)
        self.arrivals: deque[Arrival] = deque(maxlen=frames)
        self.up = asyncio.Event()
        """Set when audio flows both ways."""
        self.ended = asyncio.Event()
        """Set when the call is over, whoever ended it; `reason` says how."""
        self.reason: str | None = None
        self.last_voiced_at: float | None = None
        """Loop time at which the last frame of the latest `say` was handed to the network."""
        self._said = asyncio.Event()
        self._said.set()

    # ------------------------------------------------------------ the call

    async def dial(self, exchange: Exchange, *, limit_s: float = 15.0) -> None:
        """Offer, exchange, connect; returns when audio flows both ways.

        Raises InputError when the answer is malformed, nothing connects within `limit_s`, or the far side hangs up
        first; whatever `exchange` raises passes through. Close the caller in every case.
        """
        text, transport = await offer(pacer=self._pacer, settings=self._settings)
        self._transport = transport
        take_answer(transport, await exchange(text))
        transport.tap = self._on_packet
        await transport.start(self)
        self._handle = self._pacer.add(self._tick)
        up = self._loop.create_task(self.up.wait())
        ended = self._loop.create_task(self.ended.wait())
        try:
            await asyncio.wait((up, ended), timeout=limit_s, return_when=asyncio.FIRST_COMPLETED)
        finally:
            up.cancel()
            ended.cancel()
            await asyncio.gather(up, ended, return_exceptions=True)
        if not self.up.is_set() or self.ended.is_set():
            raise InputError(
                f"WebRTC: no connection within {limit_s:g} s: check that UDP is not blocked",
                code="not_connected",
                stage="transport",
            )

    def hang_up(self) -> None:
        """Stop talking and listening; `close` says goodbye. Idempotent."""
        self._finish("hung_up")

    async def close(self) -> None:
        """End the call and release everything. Idempotent."""
        self.hang_up()
        if self._transport is not None:
            await self._transport.close("hung_up")

    # ------------------------------------------------------------ mouth and keypad

    def say(self, pcm: bytes) -> None:
        """Queue speech (16 kHz mono s16le) behind what is being said; it leaves in real time, 20 ms frames."""
        self._mouth += pcm
        if len(self._mouth) % FRAME_BYTES:
            self._mouth += bytes(FRAME_BYTES - len(self._mouth) % FRAME_BYTES)
        if self._mouth and not self.ended.is_set():
            self._said.clear()

    async def said(self) -> None:
        """Wait until everything that was queued has left, or the call is over."""
        await self._said.wait()

    def stop_talking(self) -> None:
        """Drop what was not said yet."""
        self._mouth.clear()
        self._said.set()

    def mute(self, muted: bool) -> None:
        """While muted the microphone sends silence; queued speech passes unheard, as on a phone."""
        self._muted = muted

    def press(self, digit: str) -> bool:
        """Press a key; False when the server takes none."""
        return self._transport is not None and self._transport.press(digit)

    # ------------------------------------------------------------ ears

    @property
    def transport(self) -> WebRtcTransport | None:
        return self._transport

    def recording(self) -> bytes:
        """What was heard so far, s16le."""
        return b"".join(self._heard)

    def first_sound_after(self, time: float, *, above_dbfs: float = -50.0) -> float | None:
        """Arrival (loop time) of the first agent packet after `time` that is louder than `above_dbfs`."""
        return next((a.time for a in self.arrivals if a.time > time and a.level > above_dbfs), None)

    def on_media_up(self) -> None:
        self.up.set()

    def on_audio(self, chunk: AudioChunk) -> None:
        frame = chunk.pcm or bytes(2 * chunk.samples)
        self._heard.append(frame)
        if self._hears is not None:
            self._hears(frame, self._loop.time())

    def on_dtmf(self, digit: str) -> None:
        """An agent presses no keys; ignored."""

    def on_hangup(self, reason: str) -> None:
        self._finish("agent_hung_up" if reason == "caller_hung_up" else reason)

    # ------------------------------------------------------------ inside

    def _on_packet(self, packet: rtp.Packet, now: float) -> None:
        self.arrivals.append(Arrival(now, level_dbfs(self._meter.decode(packet.payload))))

    def _finish(self, reason: str) -> None:
        handle, self._handle = self._handle, None
        if handle is not None:
            handle.remove()
        if not self.ended.is_set():
            self.reason = reason
            self.ended.set()
            self._said.set()

    def _tick(self) -> None:
        transport = self._transport
        if transport is None:
            return
        frame = SILENCE
        # Until the far side can hear, nothing is said; silence already flows, which tells it that we are there.
        if self._mouth and self.up.is_set():
            frame = bytes(self._mouth[:FRAME_BYTES])
            del self._mouth[:FRAME_BYTES]
            self.last_voiced_at = self._loop.time()
            if not self._mouth:
                self._said.set()
        transport.write(SILENCE if self._muted else frame)
