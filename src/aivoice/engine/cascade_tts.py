"""The fallback chain for speech: when a voice breaks off, the next one says the words that are still missing."""

from __future__ import annotations

import asyncio
import re
from collections import deque
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from functools import partial

from aivoice.engine.attempts import End, Pump, current_reporter
from aivoice.engine.breaker import BreakerRules
from aivoice.engine.cascade import Attempt, Chain
from aivoice.engine.health import Board
from aivoice.errors import ProviderError
from aivoice.providers.ports import Revised, SpeechAudio, SpeechEvent, SpeechMark, SpeechStream, TextToSpeech

SAMPLES_PER_CHARACTER = 1_000
"""16 characters a second at 16 kHz, spaces included: an unhurried voice. Only for providers that give no marks."""
SLOWEST_PER_CHARACTER = 1_300
"""A slow voice, so that a word is not taken for finished before it is."""
_WORD = re.compile(r"\S+")


@dataclass(frozen=True, slots=True)
class TtsLimits:
    """first_s: from the last text handed in (or `finish`) to the first audio. gap_s: between stretches of audio once
    all text is there. Wall-clock seconds. last: the chain's last provider gets so many times as long."""

    first_s: float = 1.0
    gap_s: float = 1.5
    last: float = 2.0


class TtsCascade:
    """TextToSpeech over several. `streams_text` is the first provider's; a later one that wants whole texts gets the
    text at `finish`. Opening never fails: a failure shows when the audio is iterated."""

    def __init__(
        self,
        providers: Sequence[TextToSpeech],
        limits: TtsLimits = TtsLimits(),
        rules: BreakerRules = BreakerRules(),
        *,
        board: Board | None = None,
    ) -> None:
        self.chain: Chain[TextToSpeech] = Chain("tts", providers, rules, board)
        self.name = self.chain.name
        self.streams_text = providers[0].streams_text
        self._limits = limits

    @property
    def revision(self) -> str:
        """Changes with any voice of the chain; see `providers.ports.Revised`."""
        return "|".join(voice.revision if isinstance(voice, Revised) else "" for voice in self.chain.providers)

    async def open(self, *, voice: str = "default") -> SpeechStream:
        return _Speech(self.chain, self._limits, voice)

    async def aclose(self) -> None:
        """End abandoned attempts, within 1 s."""
        await self.chain.aclose()


@dataclass(slots=True)
class _Run:
    """One provider's part of the clause: from word `first_word` (character `offset`), from sample `first_sample` on."""

    attempt: Attempt[TextToSpeech]
    first_word: int
    offset: int
    first_sample: int
    produced: int = 0
    marked: int = 0
    given: int = 0
    finished: bool = False
    stream: SpeechStream | None = None
    marks: list[SpeechMark] = field(default_factory=list[SpeechMark])


class _Speech:
    def __init__(self, chain: Chain[TextToSpeech], limits: TtsLimits, voice: str) -> None:
        self._chain = chain
        self._limits = limits
        self._voice = voice
        self._loop = asyncio.get_running_loop()
        self._text = ""
        self._finished = False
        self._closed = False
        self._complete = False
        self._out: deque[SpeechEvent] = deque()
        self._attempts = chain.attempts(current_reporter())
        self._run: _Run | None = None
        self._pump: Pump[SpeechEvent] | None = None
        self._start(0, 0)

    # ------------------------------------------------------------ the port

    def push(self, text: str) -> None:
        self._text += text
        self._feed()
        self._set_limit()

    def finish(self) -> None:
        self._finished = True
        self._feed()
        self._set_limit()

    def __aiter__(self) -> AsyncIterator[SpeechEvent]:
        return self

    async def __anext__(self) -> SpeechEvent:
        while not self._closed:
            if self._out:
                return self._out.popleft()
            if self._complete:
                break
            run, pump = self._run, self._pump
            if run is None or pump is None:
                raise self._chain.exhausted()
            try:
                event = await pump.next()
                if not isinstance(event, End):
                    self._account(run, event)
                elif not self._closed:
                    self._ended(run)
            except ProviderError as error:
                run.attempt.failed(error)
                pump.abandon()
                self._go_on(run)
        raise StopAsyncIteration

    async def aclose(self) -> None:
        self._closed = True
        if self._run is not None:
            self._run.attempt.over()
        if self._pump is not None:
            await self._pump.aclose()

    # ------------------------------------------------------------ one provider

    def _start(self, word: int, sample: int) -> None:
        """The next provider takes over from source word `word` on; none left: the iterator raises."""
        attempt = next(self._attempts, None)
        if attempt is None:
            self._run = self._pump = None
            return
        run = _Run(attempt, word, self._offset_of(word), sample)
        self._run = run
        name = attempt.provider.name
        self._pump = Pump(partial(self._speak, run), self._chain.reaper, "tts", name)
        self._set_limit()

    async def _speak(self, run: _Run) -> AsyncIterator[SpeechEvent]:
        stream = await run.attempt.provider.open(voice=self._voice)
        try:
            run.stream = stream
            self._feed()
            async for event in stream:
                yield event
        finally:
            run.stream = None
            await stream.aclose()

    def _feed(self) -> None:
        """Hand the provider the text it has not got yet, all at once where it wants whole texts."""
        run, pump = self._run, self._pump
        if run is None or pump is None or run.stream is None or run.finished:
            return
        try:
            self._hand_over(run, run.stream)
        except Exception as error:  # noqa: BLE001 - a voice's bug must not reach whoever pushes the text
            pump.fail("provider_crashed", f"raised {type(error).__name__} when given text")

    def _hand_over(self, run: _Run, stream: SpeechStream) -> None:
        if run.attempt.provider.streams_text or self._finished:
            text = self._text[run.offset + run.given :]
            if text:
                run.given += len(text)
                stream.push(text)
            if self._finished:
                run.finished = True
                stream.finish()

    def _set_limit(self) -> None:
        run, pump = self._run, self._pump
        if run is None or pump is None:
            return
        waiting = self._finished or run.attempt.provider.streams_text
        has_words = self._finished or self._text[run.offset :].strip() != ""
        if run.attempt.was_useful:
            limit = self._limits.gap_s if self._finished else None
        else:
            limit = self._limits.first_s if has_words and waiting else None
        if limit is None:
            pump.limit(None)
        else:
            pump.limit(self._loop.time() + run.attempt.patience(limit, self._limits.last))

    # ------------------------------------------------------------ what has been said

    def _account(self, run: _Run, event: SpeechEvent) -> None:
        """Pass the event on in the clause's own word and sample numbers; a mark when the audio has reached it, for the
        audio promised by a mark may never come."""
        match event:
            case SpeechAudio(samples, pcm):
                if samples < 0 or (pcm is not None and len(pcm) != 2 * samples):
                    raise ProviderError("a voice gave audio of the wrong size", code="malformed", stage="tts")
                self._out.append(event)
                run.produced += samples
                if samples:
                    run.attempt.useful()
                self._set_limit()
            case SpeechMark(word, sample):
                if word < 0 or sample < 0:
                    raise ProviderError("a voice gave a mark out of range", code="malformed", stage="tts")
                run.marks.append(event)
        self._pass_marks(run, run.produced)

    def _pass_marks(self, run: _Run, until: int) -> None:
        while run.marked < len(run.marks) and (mark := run.marks[run.marked]).sample <= until:
            run.marked += 1
            self._out.append(SpeechMark(mark.word + run.first_word, mark.sample + run.first_sample))

    def _ended(self, run: _Run) -> None:
        """The provider says that all is said; believe it unless it was silent or stopped before `finish`."""
        if not self._finished:
            raise ProviderError(f"{run.attempt.provider.name} ended too early", code="ended_early", stage="tts")
        if not run.produced and self._text[run.offset :].strip():
            raise ProviderError(f"{run.attempt.provider.name} gave no audio", code="empty_audio", stage="tts")
        self._pass_marks(run, run.produced)
        run.attempt.over()
        self._complete = True

    def _go_on(self, run: _Run) -> None:
        word = self._reached(run)
        if self._finished and word >= len(self._text.split()):
            self._complete = True  # it broke after its last word, or had none to say
            return
        self._start(word, run.first_sample + run.produced)

    def _reached(self, run: _Run) -> int:
        """First source word that was not wholly produced: better a word begun twice than one never said.

        With marks the last word that was begun counts as unfinished, unless more audio came than it can need.
        """
        words = self._text[run.offset :].split()
        begun = [mark for mark in run.marks if mark.sample <= run.produced]
        if begun:
            latest = max(begun, key=lambda mark: mark.word)
            index = min(latest.word, len(words))
            if index < len(words) and run.produced - latest.sample >= (len(words[index]) + 2) * SLOWEST_PER_CHARACTER:
                index += 1
            return run.first_word + index
        index, left = 0, run.produced
        while index < len(words) and left >= (length := (len(words[index]) + 1) * SAMPLES_PER_CHARACTER):
            index, left = index + 1, left - length
        return run.first_word + index

    def _offset_of(self, word: int) -> int:
        """Character at which the `word`-th word of the clause begins."""
        for index, match in enumerate(_WORD.finditer(self._text)):
            if index == word:
                return match.start()
        return len(self._text)
