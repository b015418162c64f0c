"""Deepgram's Nova models: ``/v1/listen``. The engine's own voice activity ends a segment, by ``Finalize``.

The service cuts its results where it likes (`is_final`); a port's final is one for each end of speech. So its finals
are collected and shown as the beginning of the next interim, and given as ours once it answers our Finalize
(`from_finalize`), or, where it has nothing left to tell and stays silent, after `answer_ms`. That is so only where it
has told of all the audio before: one that has died is silent, too, and then no final is made up here, so that the chain
hears the words again by another recogniser.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import aiohttp

from aivoice.audio.frames import SAMPLE_RATE, AudioChunk
from aivoice.providers import failures
from aivoice.providers.deepgram.wire import HOST, Account, Socket, key_term_pairs
from aivoice.providers.ports import Transcript

_CHUNK = SAMPLE_RATE // 25
"""40 ms a message: half the sends of a frame each, and 20 ms later at most."""
_SLACK = SAMPLE_RATE // 5
"""The service tells of audio in steps; the last one may end a little before the voice did."""


@dataclass(frozen=True, slots=True)
class NovaOptions:
    """answer_ms: how long Finalize's own answer is waited for. extra: query parameters that are passed on as they are,
    such as ``mip_opt_out`` or ``tag``."""

    answer_ms: int = 900
    extra: dict[str, str] = field(default_factory=dict[str, str], hash=False)


@dataclass(frozen=True, slots=True)
class Result:
    """A ``Results`` message, positions in samples of the stream."""

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
    except (KeyError, IndexError, TypeError, ValueError):
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

    async def open(self, *, language: str = "en", key_terms: Sequence[str] = ()) -> NovaStream:
        """See the port. Numerals are written as digits; key terms beyond what the service takes are left out."""
        query = [
            ("model", self.model),
            ("language", language),
            ("encoding", "linear16"),
            ("sample_rate", str(SAMPLE_RATE)),
            ("channels", "1"),
            ("interim_results", "true"),
            ("smart_format", "true"),
            ("numerals", "true"),
            *key_term_pairs(key_terms),
            *self._options.extra.items(),
        ]
        socket = await self.connect("/v1/listen", query, chunk=_CHUNK)
        return NovaStream(socket, self.name, self._options.answer_ms / 1_000)


@dataclass(slots=True)
class _Ended:
    """An end of speech whose final is owed."""

    position: int
    told_at: float


class NovaStream:
    """One call; see the port."""

    def __init__(self, socket: Socket, name: str, answer_s: float) -> None:
        self._socket, self._name, self._answer_s = socket, name, answer_s
        self._loop = asyncio.get_running_loop()
        self._origin: int | None = None
        self._settled = 0  # samples of the stream that finals have covered
        self._covered = 0  # sample of the stream up to which the service has told, words or none
        self._parts: list[Result] = []
        self._newest: Result | None = None  # interim that no final of the service has replaced
        self._owed: deque[_Ended] = deque()
        self._told = ""

    # ------------------------------------------------------------ pushed by the engine

    @property
    def dropped_samples(self) -> int:
        return self._socket.dropped

    def push(self, chunk: AudioChunk) -> None:
        if chunk.pcm is None:
            return
        if self._origin is None:
            self._origin = chunk.position
        self._socket.push(chunk.pcm)

    def speech_started(self, position: int) -> None:
        """The service hears for itself."""

    def speech_ended(self, position: int) -> None:
        if self._origin is None:
            self._origin = position
        self._owed.append(_Ended(position, self._loop.time()))
        self._socket.tell({"type": "Finalize"})
        self._socket.news()

    async def aclose(self) -> None:
        await self._socket.aclose()

    # ------------------------------------------------------------ heard

    async def __aiter__(self) -> AsyncIterator[Transcript]:
        async for message in self._socket.messages_until(self._due):
            if message is None:
                yield self._final()  # the service has nothing to say to our Finalize: what it said before is all
                continue
            for transcript in self._read(message):
                yield transcript

    def _due(self) -> float | None:
        if not self._owed or self._position(self._covered) < self._owed[0].position - _SLACK:
            return None
        return self._owed[0].told_at + self._answer_s

    def _read(self, message: dict[str, Any]) -> list[Transcript]:
        match message.get("type"):
            case "Results":
                try:
                    return self._result(parse_result(message))
                except ValueError as error:
                    raise failures.malformed(self._name, "stt", str(error)) from None
            case "Error":
                raise failures.of_status(self._name, "stt", 500)
            case str():
                return []  # Metadata, SpeechStarted, UtteranceEnd, and what may come to be
            case _:
                raise failures.malformed(self._name, "stt", "type")

    def _result(self, result: Result) -> list[Transcript]:
        self._covered = max(self._covered, result.end)
        if result.is_final:
            self._newest = None
            if result.text:
                self._parts.append(result)
        else:
            self._newest = result if result.text else None
        if result.from_finalize and self._owed:
            return [self._final()]
        text = self._text()
        if not text or text == self._told:
            return []
        self._told = text
        return [Transcript("interim", text, self._position(self._first()), self._position(result.end), 0.8)]

    def _final(self) -> Transcript:
        ended = self._owed.popleft()
        text, parts = self._text(), [*self._parts, *([self._newest] if self._newest else [])]
        start = self._position(self._first())
        end = max(ended.position, *(self._position(part.end) for part in parts), start) if parts else ended.position
        confidence = min((part.confidence for part in parts), default=1.0)
        self._parts, self._newest, self._told = [], None, ""
        self._settled = max(self._settled, end - self._position(0))
        return Transcript("final", text, min(start, end), end, confidence)

    def _text(self) -> str:
        pieces = [part.text for part in self._parts]
        if self._newest is not None:
            pieces.append(self._newest.text)
        return " ".join(pieces)

    def _first(self) -> int:
        """Sample of the stream at which what is being heard begins."""
        parts = [*self._parts, *([self._newest] if self._newest else [])]
        return max(self._settled, parts[0].start) if parts else self._settled

    def _position(self, sample: int) -> int:
        """In the call; audio that was dropped before it is not in the stream's own count."""
        return (self._origin or 0) + self._socket.dropped + sample
