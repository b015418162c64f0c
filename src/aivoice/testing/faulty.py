"""Every port with faults: `FaultyStt(inner, injector)` and its sisters.

A stream for which no fault was drawn is the inner one itself.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Sequence

from aivoice.audio.frames import AudioChunk
from aivoice.core.prompt import GenerationRequest
from aivoice.providers.ports import (
    Embedder,
    LanguageModel,
    LlmDelta,
    SpeechAudio,
    SpeechEvent,
    SpeechMark,
    SpeechStream,
    SpeechToText,
    SttStream,
    TextDelta,
    TextToSpeech,
    ToolCallDelta,
    Transcript,
    TurnDetector,
    UsageDelta,
    VadEvent,
    VadStream,
    VoiceActivity,
)
from aivoice.testing.faults import Fault, InjectedCrash, Injector, before_answer, spoil, swallow_cancellation
from aivoice.testing.randomness import seconds

FAR = 10**9
"""A sample position no call reaches (17 hours)."""


def malformed_transcript(item: Transcript) -> Transcript:
    """Positions the wrong way round, no number for a confidence, a text of control characters."""
    return Transcript(item.kind, "\x00\ufffd\u202e", item.end + FAR, item.start - 1, math.nan)


def malformed_delta(item: LlmDelta) -> LlmDelta:
    """A tool call without a name whose arguments are no JSON, control characters, negative usage."""
    match item:
        case TextDelta():
            return TextDelta("\x00\ufffd")
        case ToolCallDelta(identity, _, _):
            return ToolCallDelta(identity, "", '{"open": [')
        case UsageDelta():
            return UsageDelta(-1, -1, -1)


def malformed_speech(item: SpeechEvent) -> SpeechEvent:
    """An odd number of bytes, a mark out of every order."""
    match item:
        case SpeechAudio(samples, _):
            return SpeechAudio(samples, b"\x01\x02\x03")
        case SpeechMark():
            return SpeechMark(-5, FAR)


def malformed_vad(item: VadEvent) -> VadEvent:
    """A position before the beginning."""
    return VadEvent(item.kind, -1)


async def _linger(injector: Injector, faults: tuple[Fault, ...]) -> None:
    """An `aclose` that takes its time and cannot be hurried."""
    for fault in faults:
        if fault.kind == "ignores_cancellation":
            injector.note(fault)
            await swallow_cancellation(seconds(fault.latency, injector.rng))


class FaultyStt:
    """SpeechToText with faults."""

    def __init__(self, inner: SpeechToText, injector: Injector) -> None:
        self.name = inner.name
        self._inner, self._injector = inner, injector

    async def open(self, *, language: str = "en", key_terms: Sequence[str] = ()) -> SttStream:
        """As the inner one, or a stream with faults."""
        faults = self._injector.draw()
        await self._injector.refuse_or_wait(faults)
        stream = await self._inner.open(language=language, key_terms=key_terms)
        return _FaultySttStream(stream, self._injector, faults) if faults else stream


class _FaultySttStream:
    def __init__(self, inner: SttStream, injector: Injector, faults: tuple[Fault, ...]) -> None:
        self._inner, self._injector, self._faults = inner, injector, faults
        self._closed = asyncio.Event()

    @property
    def dropped_samples(self) -> int:
        return self._inner.dropped_samples

    def push(self, chunk: AudioChunk) -> None:
        self._inner.push(chunk)

    def speech_started(self, position: int) -> None:
        self._inner.speech_started(position)

    def speech_ended(self, position: int) -> None:
        self._inner.speech_ended(position)

    def __aiter__(self) -> AsyncIterator[Transcript]:
        return spoil(aiter(self._inner), self._injector, self._faults, malformed_transcript, self._closed)

    async def aclose(self) -> None:
        self._closed.set()
        await self._inner.aclose()
        await _linger(self._injector, self._faults)


class FaultyLlm:
    """LanguageModel with faults."""

    def __init__(self, inner: LanguageModel, injector: Injector) -> None:
        self.name = inner.name
        self._inner, self._injector = inner, injector

    def generate(self, request: GenerationRequest) -> AsyncIterator[LlmDelta]:
        """As the inner one, or with faults."""
        faults = self._injector.draw()
        if not faults:
            return self._inner.generate(request)
        return self._spoiled(request, faults)

    async def _spoiled(self, request: GenerationRequest, faults: tuple[Fault, ...]) -> AsyncGenerator[LlmDelta]:
        for fault in faults:
            if fault.kind == "refuses":
                self._injector.note(fault)
                raise self._injector.error(fault)
        spoiled = spoil(self._inner.generate(request), self._injector, faults, malformed_delta)
        try:
            async for delta in spoiled:
                yield delta
        finally:
            await spoiled.aclose()


class FaultyTts:
    """TextToSpeech with faults."""

    def __init__(self, inner: TextToSpeech, injector: Injector) -> None:
        self.name = inner.name
        self.streams_text = inner.streams_text
        self._inner, self._injector = inner, injector

    async def open(self, *, voice: str = "default") -> SpeechStream:
        """As the inner one, or a stream with faults."""
        faults = self._injector.draw()
        await self._injector.refuse_or_wait(faults)
        stream = await self._inner.open(voice=voice)
        return _FaultySpeechStream(stream, self._injector, faults) if faults else stream


class _FaultySpeechStream:
    def __init__(self, inner: SpeechStream, injector: Injector, faults: tuple[Fault, ...]) -> None:
        self._inner, self._injector, self._faults = inner, injector, faults
        self._closed = asyncio.Event()

    def push(self, text: str) -> None:
        self._inner.push(text)

    def finish(self) -> None:
        self._inner.finish()

    def __aiter__(self) -> AsyncIterator[SpeechEvent]:
        return spoil(aiter(self._inner), self._injector, self._faults, malformed_speech, self._closed)

    async def aclose(self) -> None:
        self._closed.set()
        await self._inner.aclose()
        await _linger(self._injector, self._faults)


class FaultyVad:
    """VoiceActivity with faults. disconnect and refuses: the stream says ``failed``; crash: `push` raises;
    opens_and_says_nothing: from its event `after` on it takes audio and judges none of it."""

    def __init__(self, inner: VoiceActivity, injector: Injector) -> None:
        self.name = inner.name
        self._inner, self._injector = inner, injector

    def open(self, sink: Callable[[VadEvent], None]) -> VadStream:
        """As the inner one, or a stream with faults."""
        faults = self._injector.draw()
        return _FaultyVadStream(self._inner, sink, self._injector, faults) if faults else self._inner.open(sink)


class _FaultyVadStream:
    def __init__(
        self, inner: VoiceActivity, sink: Callable[[VadEvent], None], injector: Injector, faults: tuple[Fault, ...]
    ) -> None:
        self._sink, self._injector, self._faults = sink, injector, faults
        self._seen = 0
        self._held: VadEvent | None = None
        self._dead = False
        self._hung = False
        self._timers: list[asyncio.TimerHandle] = []
        self._inner = inner.open(self._event)

    @property
    def judged(self) -> int:
        return self._inner.judged

    def push(self, chunk: AudioChunk) -> None:
        for fault in self._faults:
            if fault.kind == "opens_and_says_nothing" and self._seen >= fault.after:
                if not self._hung:
                    self._injector.note(fault)
                self._hung = True
            if fault.kind == "crash" and self._seen >= fault.after and not self._dead:
                self._dead = True
                self._injector.note(fault)
                raise InjectedCrash("injected crash")
            if fault.kind == "refuses" and not self._dead:
                self._injector.note(fault)
                self._fail()
        if not self._hung:
            self._inner.push(chunk)

    def _fail(self) -> None:
        self._dead = True
        self._sink(VadEvent("failed", 0))

    def _event(self, event: VadEvent) -> None:
        if self._dead:
            return
        index, self._seen = self._seen, self._seen + 1
        events, later = [event], 0.0
        for fault in self._faults:
            if index < fault.after:
                continue
            hit = index < fault.after + fault.count
            match fault.kind:
                case "disconnect":
                    self._injector.note(fault)
                    self._fail()
                    return
                case "opens_and_says_nothing":
                    events = []
                case "drop" if hit:
                    events = []
                case "duplicate" if hit:
                    events = events * 2
                case "malformed" if hit:
                    events = [malformed_vad(one) for one in events]
                case "reorder" if hit and self._held is None:
                    self._held, events = event, []
                case "delay" | "stall" if fault.kind == "delay" or index == fault.after:
                    later += seconds(fault.latency, self._injector.rng)
                case _:
                    continue
            self._injector.note(fault)
        if self._held is not None and self._held is not event:
            events, self._held = [*events, self._held], None
        for one in events:
            self._deliver(one, later)

    def _deliver(self, event: VadEvent, later: float) -> None:
        if later > 0:
            self._timers = [timer for timer in self._timers if timer.when() > asyncio.get_running_loop().time()]
            self._timers.append(asyncio.get_running_loop().call_later(later, self._sink, event))
        else:
            self._sink(event)

    async def aclose(self) -> None:
        self._dead = True
        for timer in self._timers:
            timer.cancel()
        await self._inner.aclose()
        await _linger(self._injector, self._faults)


class FaultyTurnDetector:
    """TurnDetector with faults."""

    def __init__(self, inner: TurnDetector, injector: Injector) -> None:
        self.name = inner.name
        self._inner, self._injector = inner, injector

    async def score(self, text: str, audio: bytes) -> float:
        """As the inner one; malformed: not a number; drop and silence: never answers."""
        malformed = await before_answer(self._injector, self._injector.draw())
        value = await self._inner.score(text, audio)
        return math.nan if malformed else value


class FaultyEmbedder:
    """Embedder with faults."""

    def __init__(self, inner: Embedder, injector: Injector) -> None:
        self.name = inner.name
        self.dimensions = inner.dimensions
        self._inner, self._injector = inner, injector

    async def embed(self, texts: Sequence[str]) -> list[list[float]]:
        """As the inner one; malformed: too few vectors; drop and silence: never answers."""
        malformed = await before_answer(self._injector, self._injector.draw())
        vectors = await self._inner.embed(texts)
        return vectors[:-1] if malformed else vectors
