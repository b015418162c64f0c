"""A call whose caller is a WAV file and whose agent is written into another. As fast as the loop's clock runs."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from aivoice.audio.frames import FRAME_BYTES, FRAME_MS, SILENCE, AudioChunk
from aivoice.audio.pacer import Pacer
from aivoice.audio.wav import DEFAULT_MAX_S, WavWriter, frames_of, iter_wav
from aivoice.errors import InputError
from aivoice.transports.memory import MemoryTransport
from aivoice.transports.ports import MediaSink

_FLUSH_FRAMES = 50


class FileTransport:
    """Plays `source` as the caller and writes what the agent says to `output` (16 kHz mono WAV; None: nowhere).

    - Time is the loop's alone: under a virtual-time loop a call runs as fast as its providers do.
    - After the recording the caller stays silent for `tail_s` seconds, so that the last answer is heard, then the
      sink gets ``on_hangup("end_of_file")``.
    - The file is decoded as it is played: an hour of caller costs no more memory than a second.
    Raises InputError (see `iter_wav`) from the constructor, before any call exists; damage met later ends the call
    and is kept in `error`. So is a disk that becomes full, but then the call goes on unrecorded.
    """

    carries_spans = False

    def __init__(
        self,
        source: Path | str,
        output: Path | str | None = None,
        *,
        pacer: Pacer,
        tail_s: float = 12.0,
        max_seconds: float = DEFAULT_MAX_S,
    ) -> None:
        frames = frames_of(iter_wav(source, max_seconds=max_seconds))
        self._first: bytes | None = next(frames)
        self._frames: Iterator[bytes] = frames
        self._tail = round(tail_s * 1000 / FRAME_MS)
        self._writer = None if output is None else WavWriter(output, channels=1)
        self._pending = bytearray()
        self._unwritten: InputError | None = None
        self._leg = MemoryTransport(self._next, pacer=pacer, heard=self._heard)

    @property
    def error(self) -> InputError | None:
        """Why the recording ended early, if it was damaged, or why the output did."""
        return self._leg.error or self._unwritten

    async def start(self, sink: MediaSink) -> None:
        await self._leg.start(sink)

    def write(self, frame: bytes) -> None:
        self._leg.write(frame)

    def write_span(self, chunk: AudioChunk) -> None:
        """Never called: this transport carries real frames."""

    async def close(self, reason: str) -> None:
        await self._leg.close(reason)
        self._flush()
        writer, self._writer = self._writer, None
        if writer is not None:
            writer.close()
        self._frames = iter(())

    def _next(self) -> bytes | None:
        first, self._first = self._first, None
        frame = first or next(self._frames, None)
        if frame is None and self._tail > 0:
            self._tail -= 1
            return SILENCE
        return frame

    def _heard(self, frame: bytes, position: int) -> None:
        if self._writer is None:
            return
        self._pending += frame
        if len(self._pending) >= _FLUSH_FRAMES * FRAME_BYTES:
            # 32 kB into the page cache: some 50 µs, within what a tick may take.
            self._flush()

    def _flush(self) -> None:
        pending = bytes(self._pending)
        self._pending.clear()
        if self._writer is None:
            return
        try:
            self._writer.write(pending)
        except OSError as error:
            self._unwritten = self._writer.unwritable(error)
            self._writer.close()
            self._writer = None
