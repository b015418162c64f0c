"""Any leg, with the agent's echo taken out of the caller's audio."""

from __future__ import annotations

from aivoice.audio.echo import EchoCanceller
from aivoice.audio.frames import AudioChunk
from aivoice.transports.ports import MediaSink, Transport


class EchoCancelled:
    """Wraps a transport of real frames (spans pass untouched). Same guarantees as the wrapped one.

    Costs about 10 µs of CPU a frame; 0.25 ms where the line echoes, while the agent speaks and 0.7 s after.
    """

    def __init__(self, inner: Transport, canceller: EchoCanceller | None = None) -> None:
        self._inner = inner
        self._canceller = canceller or EchoCanceller()
        self._sink: MediaSink | None = None
        self.carries_spans = inner.carries_spans

    @property
    def inner(self) -> Transport:
        return self._inner

    @property
    def canceller(self) -> EchoCanceller:
        return self._canceller

    async def start(self, sink: MediaSink) -> None:
        self._sink = sink
        await self._inner.start(self)

    def write(self, frame: bytes) -> None:
        self._canceller.played(frame)
        self._inner.write(frame)

    def write_span(self, chunk: AudioChunk) -> None:
        self._inner.write_span(chunk)

    async def close(self, reason: str) -> None:
        await self._inner.close(reason)

    # ------------------------------------------------------------ the sink's side

    def on_media_up(self) -> None:
        if self._sink is not None:
            self._sink.on_media_up()

    def on_audio(self, chunk: AudioChunk) -> None:
        if self._sink is None:
            return
        if chunk.pcm is not None:
            cleaned = self._canceller.process(chunk.pcm)
            if cleaned is not chunk.pcm:
                chunk = AudioChunk(chunk.position, chunk.samples, cleaned, chunk.voiced)
        self._sink.on_audio(chunk)

    def on_dtmf(self, digit: str) -> None:
        if self._sink is not None:
            self._sink.on_dtmf(digit)

    def on_hangup(self, reason: str) -> None:
        if self._sink is not None:
            self._sink.on_hangup(reason)
