"""What /metrics tells, in Prometheus' text format, from a registry of its own."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
_FIRST = (0.05, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.7, 1.0, 1.5, 2.5, 5.0)
_RTF = (0.05, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.75, 1.0, 1.5, 2.0)
_LATE = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.5)


class Metrics:
    """All names begin with ``aivoice_chatterbox_``; no label holds anything of a caller or a tenant."""

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        prefix, registry = "aivoice_chatterbox_", self._registry
        self._first = Histogram(
            prefix + "first_audio_seconds", "Admission to first audio", buckets=_FIRST, registry=registry
        )
        self._rtf = Histogram(prefix + "rtf", "Work per second of audio, a step", buckets=_RTF, registry=registry)
        self._late = Histogram(
            prefix + "loop_lateness_seconds", "How late the event loop was", buckets=_LATE, registry=registry
        )
        self._audio = Counter(prefix + "audio_seconds", "Audio made", registry=registry)
        self._busy = Counter(prefix + "busy_seconds", "Time the model worked", registry=registry)
        self._rejected = Counter(prefix + "rejected", "Refused for lack of room", ["reason"], registry=registry)
        self._cancelled = Counter(prefix + "cancelled", "Speeches left before their end", registry=registry)
        self._failed = Counter(prefix + "failed_steps", "Steps in which the model raised", registry=registry)
        self._open = Gauge(prefix + "open_speeches", "Speeches under way", registry=registry)
        self._queued = Gauge(prefix + "queued_pieces", "Pieces that are not complete", registry=registry)
        for reason in ("queue_full", "too_late"):
            self._rejected.labels(reason)

    def first_audio(self, seconds: float) -> None:
        self._first.observe(seconds)

    def stepped(self, took_s: float, audio_s: list[float]) -> None:
        total = sum(audio_s)
        self._audio.inc(total)
        self._busy.inc(took_s)
        if total:
            self._rtf.observe(took_s / total)

    def loop_late(self, seconds: float) -> None:
        self._late.observe(seconds)

    def rejected(self, reason: str) -> None:
        self._rejected.labels(reason).inc()

    def cancelled(self) -> None:
        self._cancelled.inc()

    def failed(self) -> None:
        self._failed.inc()

    def waiting(self, speeches: int, pieces: int) -> None:
        self._open.set(speeches)
        self._queued.set(pieces)

    def text(self) -> bytes:
        return generate_latest(self._registry)
