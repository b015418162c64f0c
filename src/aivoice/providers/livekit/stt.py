"""A plugin's recogniser behind the SpeechToText port, streaming or one request an utterance.

A port's final is one for each end of speech; plugins give finals where their service cuts. So their finals are
collected, shown as the beginning of the next interim, and given as ours once the plugin has answered our `flush` with
a final that reaches the end of speech (any final, where it tells no times), or says itself that the speech ended. A
plugin that stays silent for `answer_ms` has nothing to add to words that it gave before. One that gives none at all
may be dead: no final is made up for it, so that the chain hears the words by another recogniser, but for sounds
too short for that (`_COUGH_S`), twice in a row at most.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any

from aivoice.audio.frames import SAMPLE_RATE, AudioChunk
from aivoice.errors import ProviderError
from aivoice.providers import failures
from aivoice.providers.livekit.failing import failure_of, quieten
from aivoice.providers.livekit.utterances import UtteranceStream
from aivoice.providers.ports import SttStream, Transcript

_ANSWER_S = 15.0
_SLACK = SAMPLE_RATE // 5
"""Services tell of audio in steps; the last one may end a little before the voice did."""
_COUGH_S = 0.6
_COUGHS = 2
_MOST_WAITING = 3_000
"""Frames that a plugin may have before it, 60 s of them: it has no hold on its service any more."""


class PluginStt:
    """SpeechToText; Warm and Checked where those are given. make: a new plugin object for each stream, cheap, over
    connections that all share.

    answer_ms: how long the answer to a `flush` is waited for.
    """

    def __init__(
        self,
        make: Callable[[], Any],
        *,
        name: str,
        answer_ms: int = 900,
        check: Callable[[], Awaitable[None]] | None = None,
        warm: Callable[[], Awaitable[None]] | None = None,
        close: Callable[[], Awaitable[None]] | None = None,
    ) -> None:
        quieten()
        self.name = name
        self._make, self._answer_s = make, answer_ms / 1_000
        self._check, self._warm, self._close = check, warm, close

    async def open(self, *, language: str = "en", key_terms: Sequence[str] = ()) -> SttStream:
        """Nothing is known of the service yet: a plugin connects behind its stream, which fails where it cannot."""
        from livekit.agents import APIConnectOptions

        plugin = self._make()
        options = APIConnectOptions(max_retry=0, timeout=_ANSWER_S)
        try:
            if key_terms and plugin.capabilities.keyterms:
                plugin._update_session_keyterms(list(dict.fromkeys(key_terms)))
            if not plugin.capabilities.streaming:
                return UtteranceStream(plugin, self.name, language, options)
            return PluginHearing(
                plugin, plugin.stream(language=language, conn_options=options), self.name, self._answer_s
            )
        except Exception as error:  # noqa: BLE001 - told as one of ours
            await plugin.aclose()
            raise failure_of(self.name, "stt", error) from None

    async def warm(self) -> None:
        """See `providers.ports.Warm`; a streaming plugin connects as its stream is opened."""
        if self._warm is not None:
            await self._warm()

    async def check(self) -> None:
        """See `providers.ports.Checked`."""
        if self._check is not None:
            await self._check()

    async def aclose(self) -> None:
        if self._close is not None:
            await self._close()


@dataclass(slots=True)
class _Ended:
    """An end of speech whose final is owed. told_at: loop time."""

    position: int
    speech: int
    told_at: float


class PluginHearing:
    """One call by a streaming plugin; see the port. Nothing is dropped: one that 60 s wait for has failed."""

    dropped_samples = 0

    def __init__(self, plugin: Any, stream: Any, name: str, answer_s: float) -> None:
        self._plugin, self._stream, self._name, self._answer_s = plugin, stream, name, answer_s
        self._loop = asyncio.get_running_loop()
        self._looked = asyncio.Event()
        self._origin: int | None = None
        self._pushed = self._settled = self._started = 0
        self._parts: list[tuple[str, float]] = []
        self._newest = ""  # words that no final of the plugin has replaced
        self._first = self._last = 0
        self._owed: deque[_Ended] = deque()
        self._told = ("", "")
        self._eager = self._guessed = self._closed = self._stuck = False
        self._coughs = 0

    # ------------------------------------------------------------ pushed by the engine

    def push(self, chunk: AudioChunk) -> None:
        if chunk.pcm is None or self._closed or self._stuck:
            return
        from livekit.rtc import AudioFrame

        if self._origin is None:
            self._origin = self._settled = chunk.position
        self._pushed = chunk.end
        try:
            self._stream.push_frame(AudioFrame(chunk.pcm, SAMPLE_RATE, 1, chunk.samples))
            self._stuck = self._stream._input_ch.qsize() > _MOST_WAITING
        except RuntimeError:
            return  # the stream has ended: its iterator says why
        if self._stuck:
            self._looked.set()

    def speech_started(self, position: int) -> None:
        self._started = position
        self._guessed = False

    def speech_ended(self, position: int) -> None:
        if self._origin is None:
            self._origin = self._settled = position
        speech = max(0, position - max(self._started, self._settled))
        self._owed.append(_Ended(position, speech, self._loop.time()))
        try:
            self._stream.flush()
        except RuntimeError:
            return
        self._looked.set()

    async def aclose(self) -> None:
        if not self._closed:
            self._closed = True
            self._looked.set()
            await self._stream.aclose()
            await self._plugin.aclose()

    # ------------------------------------------------------------ heard

    async def __aiter__(self) -> AsyncIterator[Transcript]:
        reading = self._loop.create_task(anext(self._stream, None), name=f"{self._name}: transcript")
        looking = self._loop.create_task(self._looked.wait(), name=f"{self._name}: news")
        try:
            while not self._closed:
                await self._wait(reading, looking)
                if looking.done():
                    self._looked.clear()
                    looking = self._loop.create_task(self._looked.wait(), name=f"{self._name}: news")
                if self._stuck:
                    raise ProviderError(f"{self._name} takes no audio", code="timeout", stage="stt")
                if reading.done() and not self._closed:
                    event = self._event(reading)
                    reading = self._loop.create_task(anext(self._stream, None), name=f"{self._name}: transcript")
                    for transcript in self._heard(event):
                        yield transcript
                while not self._closed and self._owed and self._due() <= self._loop.time():
                    yield self._unanswered()
        finally:
            for task in (reading, looking):
                task.cancel()
            await asyncio.wait((reading, looking))
            if not reading.cancelled():
                reading.exception()

    async def _wait(self, reading: asyncio.Task[Any], looking: asyncio.Task[Any]) -> None:
        timeout = max(0.0, self._due() - self._loop.time()) if self._owed else None
        await asyncio.wait((reading, looking), timeout=timeout, return_when=asyncio.FIRST_COMPLETED)

    def _event(self, reading: asyncio.Task[Any]) -> Any:
        error = reading.exception()
        if error is not None:
            raise failure_of(self._name, "stt", error) from None
        event = reading.result()
        if event is None:
            raise failures.disconnected(self._name, "stt")
        return event

    def _due(self) -> float:
        """Loop time at which the oldest final owed is given with what there is."""
        ended = self._owed[0]
        whole = self._parts and not self._newest and self._last >= ended.position - _SLACK
        return ended.told_at if whole else ended.told_at + self._answer_s

    def _heard(self, event: Any) -> list[Transcript]:
        kind = str(event.type.value)
        words = event.alternatives[0] if event.alternatives else None
        text = words.text.strip() if words is not None else ""
        match kind:
            case "interim_transcript" | "preflight_transcript" if text:
                if self._stale(words):
                    return []
                self._newest = text
                self._at(words)
                return self._shown("eager" if kind == "preflight_transcript" else "interim")
            case "final_transcript":
                return self._finished(words, text)
            case "end_of_speech" if self._owed and (self._parts or self._newest):
                return [self._final()]
            case _:
                return []

    def _finished(self, words: Any, text: str) -> list[Transcript]:
        if self._stale(words) or (self._guessed and not self._owed):
            self._guessed = False
            return []  # its words were taken from its interims
        self._newest = ""
        if text:
            confidence = words.confidence if 0 < words.confidence <= 1 else 1.0
            self._parts.append((text, confidence))
            self._at(words)
        if self._owed and (words is None or not words.end_time or self._reached(words)):
            return [self._final()]
        return self._shown("interim")

    def _reached(self, words: Any) -> bool:
        return self._position(words.end_time) >= self._owed[0].position - _SLACK

    def _stale(self, words: Any) -> bool:
        """Whether it tells of sound that a final of ours has covered."""
        return words is not None and words.end_time > 0 and self._position(words.end_time) <= self._settled

    def _at(self, words: Any) -> None:
        start, end = self._position(words.start_time), self._position(words.end_time)
        fresh = self._last <= self._settled
        self._first = max(self._settled, start) if fresh else self._first
        self._last = min(max(self._last, end if words.end_time else self._pushed, self._first), self._pushed)

    def _shown(self, kind: str) -> list[Transcript]:
        text = self._text()
        if not text or (kind, text) == self._told:
            return []
        self._told = (kind, text)
        if kind == "eager":
            self._eager = True
            return [Transcript("eager", text, self._first, max(self._first, self._last), 0.8)]
        taken_back, self._eager = self._eager, False
        return [
            Transcript("resumed" if taken_back else "interim", text, self._first, max(self._first, self._last), 0.8)
        ]

    def _unanswered(self) -> Transcript:
        """The flush has no answer: what was said before is all, if anything was."""
        if not self._parts and not self._newest:
            self._coughs += 1
            if self._owed[0].speech > _COUGH_S * SAMPLE_RATE or self._coughs > _COUGHS:
                raise ProviderError(f"{self._name} says nothing to what it hears", code="timeout", stage="stt")
        self._guessed = bool(self._newest)
        return self._final()

    def _final(self) -> Transcript:
        ended = self._owed.popleft()
        text = self._text()
        confidence = min((part[1] for part in self._parts), default=1.0)
        if text:
            self._coughs = 0
        start = self._settled
        end = max(ended.position, start)
        self._parts, self._newest, self._told, self._eager = [], "", ("", ""), False
        self._settled = self._first = self._last = end
        return Transcript("final", text, start, end, confidence)

    def _text(self) -> str:
        return " ".join([*(text for text, _ in self._parts), *([self._newest] if self._newest else [])])

    def _position(self, seconds: float) -> int:
        return (self._origin or 0) + max(0, round(seconds * SAMPLE_RATE))
