"""The audio ends of an AgentSession: the caller's frames in, an ideal pacer out."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator

from livekit import rtc
from livekit.agents.voice.io import AudioInput, AudioOutput, AudioOutputCapabilities, TextOutput

from benchmarks import stages
from benchmarks.caller import Call


def to_pcm(frame: rtc.AudioFrame) -> bytes:
    """Its samples as s16le bytes."""
    return bytes(frame.data.cast("B"))


def to_frame(pcm: bytes) -> rtc.AudioFrame:
    """16 kHz mono."""
    return rtc.AudioFrame(pcm, stages.SAMPLE_RATE, 1, len(pcm) // 2)


class Mouth(AudioInput):
    """The caller's frames as the session's audio input."""

    def __init__(self, call: Call) -> None:
        super().__init__(label="caller")
        self._frames: asyncio.Queue[rtc.AudioFrame] = asyncio.Queue(100)
        call.feed = lambda pcm: self._frames.put_nowait(to_frame(pcm))

    def __aiter__(self) -> AsyncIterator[rtc.AudioFrame]:
        return self

    async def __anext__(self) -> rtc.AudioFrame:
        return await self._frames.get()


class Ear(AudioOutput):
    """An ideal output: takes frames at once, plays them on a 20 ms grid, pauses and clears within a frame."""

    def __init__(self, call: Call) -> None:
        super().__init__(label="ear", capabilities=AudioOutputCapabilities(pause=True), sample_rate=stages.SAMPLE_RATE)
        self._call = call
        self._loop = asyncio.get_running_loop()
        self._buffer = bytearray()
        self._segment = False
        self._flushed = False
        self._position = 0.0
        self._paused = False
        self._next = 0.0
        self._timer: asyncio.TimerHandle | None = None

    async def capture_frame(self, frame: rtc.AudioFrame) -> None:
        await super().capture_frame(frame)
        pcm = to_pcm(frame)
        self._segment, self._flushed = True, False
        self._call.offered(pcm)
        self._buffer += pcm
        self._arm()

    def flush(self) -> None:
        super().flush()
        if self._segment:
            self._flushed = True
            self._arm()

    def clear_buffer(self) -> None:
        self._buffer.clear()
        if self._segment:
            self._finish(interrupted=True)

    def pause(self) -> None:
        super().pause()
        self._paused = True
        self._cancel()

    def resume(self) -> None:
        super().resume()
        self._paused = False
        self._arm()

    def _cancel(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _arm(self) -> None:
        ready = len(self._buffer) >= stages.FRAME_BYTES or self._flushed
        if self._timer is None and ready and not self._paused:
            self._next = max(self._next, self._loop.time())
            self._timer = self._loop.call_at(self._next, self._tick)

    def _tick(self) -> None:
        self._timer = None
        self._next += stages.FRAME_S
        if len(self._buffer) >= stages.FRAME_BYTES or (self._flushed and self._buffer):
            chunk = bytes(self._buffer[: stages.FRAME_BYTES])
            del self._buffer[: stages.FRAME_BYTES]
            if self._position == 0.0:
                self.on_playback_started(created_at=time.time())
            self._position += len(chunk) / 2 / stages.SAMPLE_RATE
            self._call.paced(chunk.ljust(stages.FRAME_BYTES, b"\0"))
            self._arm()
        elif self._flushed:
            self._finish(interrupted=False)

    def _finish(self, *, interrupted: bool) -> None:
        self._cancel()
        position, self._position = self._position, 0.0
        self._segment = self._flushed = False
        self.on_playback_finished(playback_position=position, interrupted=interrupted)


class NoText(TextOutput):
    """Where the synchronised transcript would go; the session needs it to know what was heard."""

    def __init__(self) -> None:
        super().__init__(label="none", next_in_chain=None)

    async def capture_text(self, text: str) -> None:
        """Drop it."""

    def flush(self) -> None:
        """Nothing is kept."""
