"""What a call's media leg must offer, whatever carries it (WebRTC, a file, spans, LiveKit later)."""

from __future__ import annotations

from typing import Protocol

from aivoice.audio.frames import AudioChunk


class MediaSink(Protocol):
    """What the session hands to a transport. All methods are called on the event loop, never block, never raise."""

    def on_media_up(self) -> None:
        """Audio can flow both ways; called once, before the first `on_audio`."""
        ...

    def on_audio(self, chunk: AudioChunk) -> None:
        """The caller's next audio; chunks are contiguous (`chunk.position` is the previous `end`).

        A transport conceals losses itself. Real chunks are one 20 ms frame each; spans may be any length.
        """
        ...

    def on_dtmf(self, digit: str) -> None:
        """One key, `0`-`9 * # A-D`."""
        ...

    def on_hangup(self, reason: str) -> None:
        """The far side is gone (``caller_hung_up``, ``media_lost``, ``end_of_file``). Idempotent."""
        ...


class Transport(Protocol):
    """One leg. Lifecycle: `start` once, `write` each 20 ms, `close` once or more.

    `carries_spans`: audio is exchanged as spans; `write` is then never called and `write_span` is.
    """

    carries_spans: bool

    async def start(self, sink: MediaSink) -> None:
        """Begin delivering to `sink`. Returns when set up (media may come up later). Cancellation closes."""
        ...

    def write(self, frame: bytes) -> None:
        """Hand one 20 ms frame (640 bytes) to the network. Called by the pacer; never blocks or raises."""
        ...

    def write_span(self, chunk: AudioChunk) -> None:
        """Span transports only: a stretch of agent audio begins now (`samples` may be cut short by a later call)."""
        ...

    async def close(self, reason: str) -> None:
        """Release every socket, task and thread within 2 s. Idempotent; also safe after a failed start."""
        ...
