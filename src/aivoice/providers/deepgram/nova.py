"""Deepgram's Nova models: ``/v1/listen``. The engine's own voice activity ends a segment, by ``Finalize``.

The service cuts its results where it likes (`is_final`); a port's final is one for each end of speech. So its finals
are collected and shown as the beginning of the next interim, and given as ours

- once it answers our Finalize (`from_finalize`);
- at once, where its finals reach the end of speech already;
- where it does not answer ("may", says its documentation, and not if little waited): `quiet_ms` later if its finals
  reach almost to the end of speech, `answer_ms` later if only its interims do.

Never where it has not told of the audio: one that has died is silent, too, and then no final is made up here, so that
the chain hears the words again by another recogniser. Its own endpointing is the longer one (`endpointing_ms`), so
that Finalize finds something to do. Shapes: developers.deepgram.com; never run against the real service.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import aiohttp

from aivoice.audio.frames import SAMPLE_RATE, AudioChunk
from aivoice.providers import failures
from aivoice.providers.deepgram.wire import HOST, Account, Socket, key_term_pairs, told_of_error
from aivoice.providers.ports import Transcript

_SLACK = SAMPLE_RATE // 5
"""The service tells of audio in steps; the last one may end a little before the voice did."""


@dataclass(frozen=True, slots=True)
class NovaOptions:
    """answer_ms, quiet_ms: how long Finalize's own answer is waited for, see the module. endpointing_ms: silence at
    which the service ends a result by itself. extra: query parameters that are passed on as they are, such as
    ``mip_opt_out`` or ``tag``."""

    answer_ms: int = 900
    quiet_ms: int = 300
    endpointing_ms: int = 300
    extra: dict[str, str] = field(default_factory=dict[str, str], hash=False)


@dataclass(frozen=True, slots=True)
class Result:
    """A ``Results`` message. start, end: samples of the stream, or, once placed, of the call."""

    text: str
    start: int
    end: int
    confidence: float
    is_final: bool
    from_finalize: bool


def parse_result(message: dict[str, Any]) -> Result:
    """Raises ValueError naming the member that is not as documented."""
    where = "start"
    try:
        start, duration = float(message["start"]), float(message["duration"])
        if not (0 <= start < 1e6 and 0 <= duration < 1e6):
            raise ValueError
        where = "is_final"
        is_final, from_finalize = message["is_final"], message.get("from_finalize", False)
        if not (isinstance(is_final, bool) and isinstance(from_finalize, bool)):
            raise TypeError
        where = "channel.alternatives"
        best = message["channel"]["alternatives"][0]
        text, confidence = best["transcript"], float(best.get("confidence", 1.0))
        if not isinstance(text, str) or not 0 <= confidence <= 1:
            raise TypeError
    except (KeyError, IndexError, TypeError, ValueError, OverflowError):
        raise ValueError(where) from None
    return Result(
        text.strip(),
        round(start * SAMPLE_RATE),
        round((start + duration) * SAMPLE_RATE),
        confidence,
        is_final,
        from_finalize,
    )


class DeepgramNova(Account):
    """SpeechToText, Warm, Checked."""

    path = "/v1/listen"
    chunk = SAMPLE_RATE // 25
    """40 ms a message: half the sends of a frame each, and 20 ms later at most."""
    keep_alive = '{"type":"KeepAlive"}'

    def __init__(
        self,
        session: aiohttp.ClientSession,
        *,
        key: str,
        name: str = "deepgram",
        model: str = "nova-3",
        url: str = HOST,
        options: NovaOptions = NovaOptions(),
    ) -> None:
        super().__init__(session, key=key, name=name, model=model, url=url)
        self._options = options

    def query(self, language: str, key_terms: Sequence[str]) -> list[tuple[str, str]]:
        """Numerals are written as digits; key terms beyond what the service takes are left out."""
        return [
            ("model", self.model),
            ("language", language),
            ("encoding", "linear16"),
            ("sample_rate", str(SAMPLE_RATE)),
            ("channels", "1"),
            ("interim_results", "true"),
            ("smart_format", "true"),
            ("numerals", "true"),
            ("endpointing", str(self._options.endpointing_ms)),
            *key_term_pairs(key_terms, model=self.model),
            *self._options.extra.items(),
        ]

    async def open(self, *, language: str = "en", key_terms: Sequence[str] = ()) -> NovaStream:
        """See the port."""
        options = self._options
        socket = await self.connect(self.query(language, key_terms))
        return NovaStream(socket, self.name, options.answer_ms / 1_000, options.quiet_ms / 1_000)


@dataclass(slots=True)
class _Ended:
    """An end of speech whose final is owed. reached_at: loop time since when the service has told of it."""

    position: int
    reached_at: float | None = None


class NovaStream:
    """One call; see the port. All positions are the call's."""

    def __init__(self, socket: Socket, name: str, answer_s: float, quiet_s: float) -> None:
        self._socket, self._name, self._answer_s, self._quiet_s = socket, name, answer_s, quiet_s
        self._loop = asyncio.get_running_loop()
        self._origin: int | None = None
        self._settled = 0  # our finals reach so far
        self._told_to = 0  # the service has told so far, words or none
        self._final_to = 0  # its finals reach so far
        self._parts: list[Result] = []
        self._newest: Result | None = None  # interim that no final of the service has replaced
        self._owed: deque[_Ended] = deque()
        self._unanswered = 0  # Finalizes whose final was given without an answer, which may still come
        self._shown = ""

    # ------------------------------------------------------------ pushed by the engine

    @property
    def dropped_samples(self) -> int:
        return self._socket.dropped

    def push(self, chunk: AudioChunk) -> None:
        if chunk.pcm is None:
            return
        self._begin(chunk.position)
        self._socket.push(chunk.pcm)

    def speech_started(self, position: int) -> None:
        """The service hears for itself."""

    def speech_ended(self, position: int) -> None:
        self._begin(position)
        self._owed.append(_Ended(position))
        self._reach()
        self._socket.tell({"type": "Finalize"})
        self._socket.news()

    async def aclose(self) -> None:
        await self._socket.aclose()

    def _begin(self, position: int) -> None:
        if self._origin is None:
            self._origin = self._settled = self._told_to = self._final_to = position

    # ------------------------------------------------------------ heard

    async def __aiter__(self) -> AsyncIterator[Transcript]:
        async for message in self._socket.messages_until(self._due):
            if message is None:
                self._unanswered += 1
                yield self._final()  # the service has nothing to say to our Finalize: what it said before is all
                continue
            transcript = self._read(message)
            if transcript is not None:
                yield transcript

    def _due(self) -> float | None:
        """When a final is given without an answer to Finalize."""
        if not self._owed:
            return None
        ended = self._owed[0]
        if self._newest is None and self._final_to >= ended.position:
            return self._loop.time()
        if ended.reached_at is None:
            return None
        quiet = self._newest is None and self._final_to >= ended.position - _SLACK
        return ended.reached_at + (self._quiet_s if quiet else self._answer_s)

    def _reach(self) -> None:
        """Note since when the service has told of the ends of speech that are waited for."""
        for ended in self._owed:
            if ended.reached_at is None and self._told_to >= ended.position - _SLACK:
                ended.reached_at = self._loop.time()

    def _read(self, message: dict[str, Any]) -> Transcript | None:
        match message.get("type"):
            case "Results":
                try:
                    result = parse_result(message)
                except ValueError as error:
                    raise failures.malformed(self._name, "stt", str(error)) from None
                return self._result(replace(result, start=self._position(result.start), end=self._position(result.end)))
            case "Error":
                raise told_of_error(self._name, message)
            case str():
                return None  # Metadata, SpeechStarted, UtteranceEnd, and what may come to be
            case _:
                raise failures.malformed(self._name, "stt", "type")

    def _result(self, result: Result) -> Transcript | None:
        self._told_to = max(self._told_to, result.end)
        self._reach()
        if result.is_final:
            self._newest = None
            self._final_to = max(self._final_to, result.end)
            if result.text:
                self._parts.append(result)
        else:
            self._newest = result if result.text else None
        if result.from_finalize and self._answers(result):
            return self._final()
        text = self._text()
        if not text or text == self._shown:
            return None
        self._shown = text
        return Transcript("interim", text, self._first(), max(result.end, self._first()), 0.8)

    def _answers(self, result: Result) -> bool:
        """Whether it is the answer to the Finalize of the end of speech that is waited for, not of an earlier one."""
        if not self._owed:
            self._unanswered = max(0, self._unanswered - 1)
            return False
        if self._unanswered and result.end < self._owed[0].position - _SLACK:
            self._unanswered -= 1
            return False
        self._unanswered = 0  # answers come in order
        return True

    def _final(self) -> Transcript:
        position = self._owed.popleft().position
        text, parts, start = self._text(), self._heard(), self._first()
        end = max(position, start)
        confidence = min((part.confidence for part in parts), default=1.0)
        self._parts, self._newest, self._shown = [], None, ""
        self._settled = end
        return Transcript("final", text, start, end, confidence)

    def _heard(self) -> list[Result]:
        return [*self._parts, *([self._newest] if self._newest else [])]

    def _text(self) -> str:
        return " ".join(part.text for part in self._heard())

    def _first(self) -> int:
        """Where what is being heard begins."""
        parts = self._heard()
        return max(self._settled, parts[0].start) if parts else self._settled

    def _position(self, sample: int) -> int:
        return (self._origin or 0) + self._socket.pushed(sample)
