"""A leg without a network: frames from a function, what the agent says to another. Tests and benchmarks use it."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Literal

from aivoice.audio.frames import FRAME_BYTES, FRAME_SAMPLES, AudioChunk
from aivoice.audio.pacer import Pacer, PacerHandle
from aivoice.errors import InputError
from aivoice.transports.ports import MediaSink

Source = Callable[[], bytes | None]
"""The caller's next 20 ms frame (640 bytes), or None when there is no more; called once a tick."""
EndReason = Literal["caller_hung_up", "media_lost", "end_of_file"]


def frames_source(frames: Iterable[bytes]) -> Source:
    """A source that hands out the given frames in order."""
    iterator = iter(frames)
    return lambda: next(iterator, None)


class MemoryTransport:
    """Delivers `source` in the pacer's real (or virtual) time and passes agent frames to `heard`.

    heard: called with (frame, position of its first sample since media start) for each `write`; None discards.
    The position counts agent samples, which the session writes one frame a tick. Both callbacks run on the loop and
    must not block. When the source ends, the sink gets ``on_hangup(end)``. A source that raises InputError ends the
    call the same way; the error is kept in `error`.
    """

    carries_spans = False

    def __init__(
        self,
        source: Source,
        *,
        pacer: Pacer,
        heard: Callable[[bytes, int], None] | None = None,
        end: EndReason = "end_of_file",
    ) -> None:
        self._source = source
        self._pacer = pacer
        self._heard = heard
        self._end: EndReason = end
        self._sink: MediaSink | None = None
        self._handle: PacerHandle | None = None
        self._closed = False
        self.error: InputError | None = None
        self.position = 0
        """Samples delivered to the sink so far."""
        self.written = 0
        """Agent samples received so far."""

    async def start(self, sink: MediaSink) -> None:
        """Media comes up with the first tick, at most 20 ms from now."""
        if self._closed or self._handle is not None:
            return
        self._sink = sink
        self._handle = self._pacer.add(self._tick)

    def write(self, frame: bytes) -> None:
        position = self.written
        self.written = position + FRAME_SAMPLES
        if self._heard is not None and not self._closed:
            self._heard(frame, position)

    def write_span(self, chunk: AudioChunk) -> None:
        """Never called: this transport carries real frames."""

    def hang_up(self, reason: EndReason = "caller_hung_up") -> None:
        """The caller goes, now. Idempotent."""
        self._stop_ticks()
        sink, self._sink = self._sink, None
        if sink is not None and not self._closed:
            sink.on_hangup(reason)

    def press(self, digit: str) -> None:
        """The caller presses a key."""
        if self._sink is not None and not self._closed:
            self._sink.on_dtmf(digit)

    async def close(self, reason: str) -> None:
        del reason
        self._closed = True
        self._sink = None
        self._stop_ticks()

    def _stop_ticks(self) -> None:
        handle, self._handle = self._handle, None
        if handle is not None:
            handle.remove()

    def _tick(self) -> None:
        sink = self._sink
        if sink is None:
            return
        if self.position == 0:
            sink.on_media_up()
        try:
            frame = self._source()
        except InputError as error:
            self.error = error
            frame = None
        if frame is None:
            self.hang_up(self._end)
            return
        assert len(frame) == FRAME_BYTES, "a source gives whole frames"
        position = self.position
        self.position = position + FRAME_SAMPLES
        sink.on_audio(AudioChunk(position, FRAME_SAMPLES, frame))
