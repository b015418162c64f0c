"""The fallback chain for hearing: when a recogniser dies, the next one hears everything since the last final again."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Literal

from aivoice.audio.frames import SAMPLE_RATE, AudioChunk
from aivoice.engine.attempts import End, Pump, current_reporter
from aivoice.engine.breaker import BreakerRules
from aivoice.engine.cascade import Attempt, Chain
from aivoice.engine.health import Board
from aivoice.errors import ProviderError
from aivoice.providers.ports import SpeechToText, SttStream, Transcript

KEPT_SAMPLES = 30 * SAMPLE_RATE
"""Audio since the last final that a successor hears; past that the oldest is dropped and counted."""
QUIET_SAMPLES = 3 * SAMPLE_RATE
"""Of that, what is kept while nobody speaks: enough for the start of a word before the VAD noticed it."""


@dataclass(frozen=True, slots=True)
class SttLimits:
    """open_s: to open a stream. final_s: from the end of speech to its final (plus `catch_up` × the audio heard again
    after a switch). words_s: from the start of speech to the first text of any kind; None: not every recogniser gives
    interims. Wall-clock seconds. last: the chain's last provider gets so many times as long."""

    open_s: float = 2.0
    final_s: float = 1.5
    words_s: float | None = None
    catch_up: float = 0.15
    last: float = 2.0


class SttCascade:
    """SpeechToText over several. No word is lost by a switch; opening never fails, the iterator does."""

    def __init__(
        self,
        providers: Sequence[SpeechToText],
        limits: SttLimits = SttLimits(),
        rules: BreakerRules = BreakerRules(),
        *,
        board: Board | None = None,
    ) -> None:
        self.chain: Chain[SpeechToText] = Chain("stt", providers, rules, board)
        self.name = self.chain.name
        self._limits = limits

    async def open(self, *, language: str = "en", key_terms: Sequence[str] = ()) -> SttStream:
        return _Hearing(self.chain, self._limits, language, tuple(key_terms))

    async def aclose(self) -> None:
        """End abandoned attempts, within 1 s."""
        await self.chain.aclose()


@dataclass(frozen=True, slots=True)
class _Hint:
    kind: Literal["start", "end"]
    position: int


class _Backlog:
    """Audio and VAD hints since the last final, in order, bounded."""

    def __init__(self) -> None:
        self.entries: deque[AudioChunk | _Hint] = deque()
        self.samples = 0
        self.pending = 0
        self.dropped = 0
        self._speaking = False

    def add(self, chunk: AudioChunk) -> None:
        self.entries.append(chunk)
        self.samples += chunk.samples
        allowed = KEPT_SAMPLES if self._speaking or self.pending else QUIET_SAMPLES
        while self.samples > allowed and len(self.entries) > 1:
            oldest = self.entries.popleft()
            if isinstance(oldest, AudioChunk):
                self.samples -= oldest.samples
                self.dropped += oldest.samples if self._speaking or self.pending else 0
            elif oldest.kind == "end":
                self.pending -= 1

    def hint(self, hint: _Hint) -> None:
        self.entries.append(hint)
        self._speaking = hint.kind == "start"
        self.pending += hint.kind == "end"

    def final(self, end: int) -> None:
        """A final came: forget what it covers, which is all up to the first end of speech, or to position `end`.

        In the midst of speech its start is kept, moved to `end`: a successor is told that a voice is on.
        """
        self.dropped = 0  # it was heard
        if self.pending:
            while self.entries:
                entry = self._pop()
                if isinstance(entry, _Hint) and entry.kind == "end":
                    return
        starts: deque[_Hint] = deque()
        while self.entries:
            first = self.entries[0]
            if isinstance(first, _Hint):
                starts.append(_Hint(first.kind, max(first.position, end)))
            elif first.end > end:
                break
            self._pop()
        self.entries.extendleft(reversed(starts))

    def _pop(self) -> AudioChunk | _Hint:
        entry = self.entries.popleft()
        if isinstance(entry, AudioChunk):
            self.samples -= entry.samples
        elif entry.kind == "end":
            self.pending -= 1
        return entry


class _Hearing:
    def __init__(
        self, chain: Chain[SpeechToText], limits: SttLimits, language: str, key_terms: tuple[str, ...]
    ) -> None:
        self._chain = chain
        self._limits = limits
        self._language = language
        self._key_terms = key_terms
        self._loop = asyncio.get_running_loop()
        self._backlog = _Backlog()
        self._closed = False
        self._reporter = current_reporter()
        self._attempts = chain.attempts(self._reporter)
        self._attempt: Attempt[SpeechToText] | None = None
        self._pump: Pump[Transcript] | None = None
        self._stream: SttStream | None = None
        self._wordless = False
        self._lost = self._settled = self._told_lost = 0
        self._start()

    # ------------------------------------------------------------ the port

    @property
    def dropped_samples(self) -> int:
        """See the port: what streams dropped, and what a successor did not hear because more than 30 s waited."""
        open_ = self._backlog.dropped if self._stream is None else self._stream.dropped_samples - self._settled
        self._told_lost = max(self._told_lost, self._lost + open_)
        return self._told_lost

    def push(self, chunk: AudioChunk) -> None:
        self._backlog.add(chunk)
        self._tell(chunk)

    def speech_started(self, position: int) -> None:
        hint = _Hint("start", position)
        self._backlog.hint(hint)
        self._wordless = True
        self._tell(hint)
        self._set_limit()

    def speech_ended(self, position: int) -> None:
        hint = _Hint("end", position)
        self._backlog.hint(hint)
        self._tell(hint)
        if self._backlog.pending == 1:
            self._set_limit()

    def __aiter__(self) -> AsyncIterator[Transcript]:
        return self

    async def __anext__(self) -> Transcript:
        while not self._closed:
            attempt, pump = self._attempt, self._pump
            if attempt is None or pump is None:
                raise self._chain.exhausted()
            try:
                transcript = await pump.next()
                if not isinstance(transcript, End):
                    return self._accounted(attempt, transcript)
                if not self._closed:
                    raise ProviderError(f"{attempt.provider.name} ended", code="ended_early", stage="stt")
            except ProviderError as error:
                attempt.failed(error)
                pump.abandon()
                self._start()
        raise StopAsyncIteration

    async def aclose(self) -> None:
        self._closed = True
        if self._attempt is not None:
            self._attempt.over()
        if self._pump is not None:
            await self._pump.aclose()

    # ------------------------------------------------------------ one provider

    def _settle(self) -> None:
        """A final came: what the stream dropped before it is lost. What it drops later a successor may hear."""
        if self._stream is not None:
            self._lost += self._stream.dropped_samples - self._settled
            self._settled = self._stream.dropped_samples

    def _leave(self) -> None:
        self._stream, self._settled = None, 0

    def _start(self) -> None:
        self._leave()
        self._attempt = attempt = next(self._attempts, None)
        if attempt is None:
            self._pump = None
            return
        self._pump = Pump(partial(self._hear, attempt), self._chain.reaper, "stt", attempt.provider.name)
        self._pump.limit(self._loop.time() + attempt.patience(self._limits.open_s, self._limits.last))

    async def _hear(self, attempt: Attempt[SpeechToText]) -> AsyncIterator[Transcript]:
        stream = await attempt.provider.open(language=self._language, key_terms=self._key_terms)
        try:
            if attempt is self._attempt and not self._closed:
                for entry in tuple(self._backlog.entries):
                    _pass_on(stream, entry)
                self._lost += self._backlog.dropped  # while it was opened, or before its predecessor failed
                self._backlog.dropped = 0
                self._stream = stream
                self._set_limit(self._limits.catch_up * self._backlog.samples / SAMPLE_RATE)
            async for transcript in stream:
                yield transcript
        finally:
            if self._stream is stream:
                self._leave()
            await stream.aclose()

    def _tell(self, entry: AudioChunk | _Hint) -> None:
        if self._stream is None or self._pump is None:
            return
        try:
            _pass_on(self._stream, entry)
        except Exception as error:  # noqa: BLE001 - a recogniser's bug must not reach the transport that pushes audio
            self._leave()
            self._pump.fail("provider_crashed", f"raised {type(error).__name__} when given audio")

    def _set_limit(self, extra_s: float = 0.0) -> None:
        """What is owed now: a final after the end of speech; some text while speech goes on, where that is asked."""
        if self._pump is None or self._stream is None or self._attempt is None:
            return
        owed: float | None = None
        if self._backlog.pending:
            owed = self._limits.final_s
        elif self._wordless and self._limits.words_s is not None:
            owed = self._limits.words_s
        if owed is None:
            self._pump.limit(None)
        else:
            self._pump.limit(self._loop.time() + self._attempt.patience(owed, self._limits.last) + extra_s)

    def _accounted(self, attempt: Attempt[SpeechToText], transcript: Transcript) -> Transcript:
        if not (0 <= transcript.start <= transcript.end and 0.0 <= transcript.confidence <= 1.0):
            raise ProviderError(f"{attempt.provider.name} gave positions out of order", code="malformed", stage="stt")
        if transcript.text.strip():
            attempt.useful()
            self._wordless = False
        if transcript.kind == "final":
            attempt.proved()
            self._backlog.final(transcript.end)
            self._settle()
        if transcript.kind == "final" or not self._backlog.pending:
            self._set_limit()
        return transcript


def _pass_on(stream: SttStream, entry: AudioChunk | _Hint) -> None:
    match entry:
        case AudioChunk():
            stream.push(entry)
        case _Hint("start", position):
            stream.speech_started(position)
        case _Hint(_, position):
            stream.speech_ended(position)
