"""VoiceActivity by Silero: one model for all calls of the process, run in batches on one thread.

Silero hears 32 ms windows one after the other, each with the state the last one left, so a batch holds one window of
each stream that has one. A batch is sent `tick` after the first window of it was complete (at once while fewer than
`FEW` streams are open), and the thread then takes whatever has come together: under load batches grow by themselves.
"""

from __future__ import annotations

import asyncio
import queue
import threading
from collections.abc import Callable
from types import TracebackType
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from aivoice.audio.frames import SAMPLE_RATE, AudioChunk
from aivoice.providers.embedded.hysteresis import Hysteresis, Sensitivity
from aivoice.providers.embedded.onnx_session import open_session
from aivoice.providers.embedded.weights import SILERO
from aivoice.providers.ports import VadEvent

Float = npt.NDArray[np.float32]

WINDOW = 512
CONTEXT = 64
STATE = 128
TICK_S = 0.012
FEW = 4
LARGEST = 64
"""Windows a batch at most: 64 take ~4 ms."""
SENSITIVITY = Sensitivity(on=0.5, off=0.35, speech_ms=60, quiet_ms=120)
BACKLOG = 10 * SAMPLE_RATE
"""Samples a stream may wait for the thread; beyond, the machine does not keep up and the stream fails over."""


class SileroVad:
    """The provider; ``async with`` starts and ends its thread. Used on one loop. Raises MissingModelError."""

    name = "silero"

    def __init__(self, sensitivity: Sensitivity = SENSITIVITY, *, tick_s: float = TICK_S) -> None:
        self._sensitivity = sensitivity
        self._tick_s = tick_s
        self._session = open_session(SILERO.path())
        self._streams: dict[int, SileroStream] = {}
        self._ready: dict[int, SileroStream] = {}
        self._numbers = iter(range(1 << 62))
        self._jobs: queue.SimpleQueue[list[_Window] | None] = queue.SimpleQueue()
        self._thread: threading.Thread | None = None
        self._ticking: asyncio.Handle | None = None
        self.windows = 0
        self.batches = 0

    async def __aenter__(self) -> Self:
        self._loop = asyncio.get_running_loop()
        self._begin: Callable[[], None] | None = getattr(self._loop, "external_begin", None)
        self._end: Callable[[], None] | None = getattr(self._loop, "external_end", None)
        self._thread = threading.Thread(target=self._work, name="silero", daemon=True)
        self._thread.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """End the thread (within one batch, some ms). Streams still open say nothing more. Idempotent."""
        if self._ticking is not None:
            self._ticking.cancel()
            self._ticking = None
        self._streams.clear()
        self._ready.clear()
        if self._thread is not None:
            self._jobs.put(None)
            self._thread.join(2.0)
            self._thread = None

    def open(self, sink: Callable[[VadEvent], None]) -> SileroStream:
        """See `providers.ports.VoiceActivity`."""
        stream = SileroStream(self, next(self._numbers), sink, Hysteresis(self._sensitivity))
        self._streams[stream.number] = stream
        return stream

    # ------------------------------------------------------------ on the loop

    def wants(self, stream: SileroStream) -> None:
        """For `SileroStream`: it has a window for the model."""
        self._ready[stream.number] = stream
        if self._ticking is not None or self._thread is None:
            return
        if len(self._streams) < FEW:
            self._ticking = self._loop.call_soon(self._tick)
        else:
            self._ticking = self._loop.call_later(self._tick_s, self._tick)

    def forget(self, stream: SileroStream) -> None:
        """For `SileroStream`: it is closed."""
        self._streams.pop(stream.number, None)
        self._ready.pop(stream.number, None)

    def _tick(self) -> None:
        self._ticking = None
        chosen = list(self._ready.values())[:LARGEST]
        batch = [window for stream in chosen if (window := stream.take()) is not None]
        for stream in chosen:
            del self._ready[stream.number]
        if batch:
            if self._begin is not None:
                self._begin()
            self._jobs.put(batch)
        if self._ready:
            self._ticking = self._loop.call_soon(self._tick)

    def _deliver(self, batch: list[_Window], probabilities: list[float] | None) -> None:
        for index, window in enumerate(batch):
            if window.stream.number in self._streams:
                window.stream.heard(window, None if probabilities is None else probabilities[index])

    # ------------------------------------------------------------ on the thread

    def _work(self) -> None:
        while (batch := self._jobs.get()) is not None:
            try:
                probabilities = self._run(batch)
            except Exception:  # noqa: BLE001 - whatever the runtime raises, the streams fail over
                probabilities = None
            try:
                self._loop.call_soon_threadsafe(self._deliver, batch, probabilities)
            except RuntimeError:
                return  # the loop has ended
            finally:
                if self._end is not None:
                    self._end()

    def _run(self, batch: list[_Window]) -> list[float]:
        samples = np.frombuffer(b"".join(window.pcm for window in batch), "<i2").reshape(len(batch), WINDOW)
        inputs = np.empty((len(batch), CONTEXT + WINDOW), np.float32)
        for row, window in enumerate(batch):
            inputs[row, :CONTEXT] = window.stream.context
        np.multiply(samples, 1 / 32768.0, out=inputs[:, CONTEXT:])
        state = np.concatenate([window.stream.state for window in batch], axis=1)
        probability, state = self._session.run(None, {"input": inputs, "state": state, "sr": _RATE})
        for row, window in enumerate(batch):
            window.stream.state = state[:, row : row + 1]
            window.stream.context = inputs[row, -CONTEXT:]
        self.windows += len(batch)
        self.batches += 1
        return [float(value) for value in probability[:, 0]]


_RATE: Any = np.array(SAMPLE_RATE, np.int64)


class _Window:
    """512 samples of one stream on their way through the model."""

    __slots__ = ("pcm", "start", "stream")

    def __init__(self, stream: SileroStream, start: int, pcm: bytes) -> None:
        self.stream, self.start, self.pcm = stream, start, pcm


class SileroStream:
    """One call's voice activity; see `providers.ports.VadStream`, also for `judged`. state and context belong to the
    thread."""

    def __init__(self, owner: SileroVad, number: int, sink: Callable[[VadEvent], None], hysteresis: Hysteresis) -> None:
        self._owner = owner
        self.number = number
        self._sink: Callable[[VadEvent], None] | None = sink
        self._hysteresis = hysteresis
        self._data = bytearray()
        self._at = 0
        self._busy = False
        self.judged = 0
        self.state: Float = np.zeros((2, 1, STATE), np.float32)
        self.context: Float = np.zeros(CONTEXT, np.float32)

    def push(self, chunk: AudioChunk) -> None:
        """See the port. Spans count as silence."""
        if self._sink is None:
            return
        if chunk.position != self._at + len(self._data) // 2:
            self._data.clear()
            self._at = chunk.position
        self._data += chunk.pcm if chunk.pcm is not None else bytes(2 * chunk.samples)
        if len(self._data) > 2 * BACKLOG:
            self._fail()
        elif not self._busy and len(self._data) >= 2 * WINDOW:
            self._owner.wants(self)

    def take(self) -> _Window | None:
        """For `SileroVad`: the next window for the model, which hears silence too: skipping it and starting from an
        empty state costs 45 ms at the next onset and loses single letters."""
        if self._sink is None or len(self._data) < 2 * WINDOW:
            return None
        window = _Window(self, self._at, bytes(self._data[: 2 * WINDOW]))
        del self._data[: 2 * WINDOW]
        self._at += WINDOW
        self._busy = True
        return window

    def heard(self, window: _Window, probability: float | None) -> None:
        """For `SileroVad`: what the model says; None when it failed."""
        self._busy = False
        if probability is None:
            self._fail()
            return
        self.judged = window.start + WINDOW
        self._report(window, probability)
        if self._sink is not None and len(self._data) >= 2 * WINDOW:
            self._owner.wants(self)

    def _report(self, window: _Window, probability: float) -> None:
        event = self._hysteresis.push(probability, window.start, window.start + WINDOW)
        if event is not None and self._sink is not None:
            self._sink(event)

    def _fail(self) -> None:
        sink, self._sink = self._sink, None
        self._owner.forget(self)
        if sink is not None:
            sink(VadEvent("failed", self._at))

    async def aclose(self) -> None:
        """See the port."""
        self._sink = None
        self._owner.forget(self)
