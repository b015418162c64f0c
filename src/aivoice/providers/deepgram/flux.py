"""Deepgram's Flux: ``/v2/listen``, a recogniser that hears turns: eager ends of turn, and their being taken back.

What its events become: Update and StartOfTurn an interim, EagerEndOfTurn `eager`, TurnResumed `resumed`. It has no
Finalize, and a port's final is owed for each end of speech that the engine's voice activity told. So a final is given

- with EndOfTurn, where the end of speech was told before it;
- at the end of speech, where EndOfTurn came sooner (until then it counts as `eager`);
- `settle_ms` after the end of speech, where Flux takes the pause for one inside a turn: what it has heard by then. The
  turn goes on in its count; the words that were given are left out of what it says of this turn later. Not where it has
  stopped telling (its updates come every 250 ms): then the chain lets another recogniser hear the words.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import aiohttp

from aivoice.audio.frames import SAMPLE_RATE, AudioChunk
from aivoice.providers import failures
from aivoice.providers.deepgram.wire import HOST, Account, Socket, key_term_pairs
from aivoice.providers.ports import Transcript

_CHUNK = SAMPLE_RATE * 80 // 1_000
"""What the service recommends."""
_SLACK = SAMPLE_RATE // 10
_EVENTS = ("Update", "StartOfTurn", "EagerEndOfTurn", "TurnResumed", "EndOfTurn")
Event = Literal["Update", "StartOfTurn", "EagerEndOfTurn", "TurnResumed", "EndOfTurn"]
_KINDS: dict[str, Literal["interim", "eager", "resumed"]] = {
    "Update": "interim",
    "StartOfTurn": "interim",
    "EagerEndOfTurn": "eager",
    "EndOfTurn": "eager",
    "TurnResumed": "resumed",
}


@dataclass(frozen=True, slots=True)
class FluxOptions:
    """eager_threshold, threshold: confidence (0.3…0.9; 0.5…0.9) at which the turn is taken for ended, at first and
    surely. timeout_ms: silence that ends it whatever the confidence. settle_ms: see the module."""

    eager_threshold: float = 0.4
    threshold: float = 0.7
    timeout_ms: int = 5_000
    settle_ms: int = 450
    extra: dict[str, str] = field(default_factory=dict[str, str], hash=False)


@dataclass(frozen=True, slots=True)
class Turn:
    """A ``TurnInfo`` message. start, end: the window heard, in samples of the stream. confidence: that it is over."""

    event: Event
    index: int
    words: tuple[str, ...]
    start: int
    end: int
    confidence: float


def parse_turn(message: dict[str, Any]) -> Turn:
    """Raises ValueError naming the member that is not as documented."""
    where = "event"
    try:
        event = message["event"]
        if event not in _EVENTS:
            raise ValueError
        where = "turn_index"
        index = int(message["turn_index"])
        where = "transcript"
        words = tuple(str.split(message["transcript"]))
        where = "audio_window_start"
        start, end = float(message["audio_window_start"]), float(message["audio_window_end"])
        if not 0 <= start <= end < 1e6:
            raise ValueError
        where = "end_of_turn_confidence"
        confidence = float(message["end_of_turn_confidence"])
        if not 0 <= confidence <= 1:
            raise ValueError
    except (KeyError, TypeError, ValueError):
        raise ValueError(where) from None
    return Turn(event, index, words, round(start * SAMPLE_RATE), round(end * SAMPLE_RATE), confidence)


class DeepgramFlux(Account):
    """SpeechToText, Warm, Checked. English alone, as the model is."""

    def __init__(
        self,
        session: aiohttp.ClientSession,
        *,
        key: str,
        name: str = "deepgram-flux",
        model: str = "flux-general-en",
        url: str = HOST,
        options: FluxOptions = FluxOptions(),
    ) -> None:
        super().__init__(session, key=key, name=name, model=model, url=url)
        self._options = options

    async def open(self, *, language: str = "en", key_terms: Sequence[str] = ()) -> FluxStream:
        options = self._options
        query = [
            ("model", self.model),
            ("encoding", "linear16"),
            ("sample_rate", str(SAMPLE_RATE)),
            ("eager_eot_threshold", str(options.eager_threshold)),
            ("eot_threshold", str(options.threshold)),
            ("eot_timeout_ms", str(options.timeout_ms)),
            *key_term_pairs(key_terms),
            *options.extra.items(),
        ]
        socket = await self.connect("/v2/listen", query, chunk=_CHUNK)
        return FluxStream(socket, self.name, options.settle_ms / 1_000)


class FluxStream:
    """One call; see the port."""

    def __init__(self, socket: Socket, name: str, settle_s: float) -> None:
        self._socket, self._name, self._settle_s = socket, name, settle_s
        self._loop = asyncio.get_running_loop()
        self._origin: int | None = None
        self._pushed = 0
        self._turn: Turn | None = None
        self._kept: list[str] = []  # words of turns that ended before the end of speech was told
        self._given = 0  # words of the turn that finals have given, or that are kept
        self._settled = 0  # sample of the stream up to which finals reach
        self._told = ("", "")
        self._owed: deque[tuple[int, float]] = deque()  # ends of speech: position, when to settle

    # ------------------------------------------------------------ pushed by the engine

    @property
    def dropped_samples(self) -> int:
        return self._socket.dropped

    def push(self, chunk: AudioChunk) -> None:
        if chunk.pcm is None:
            return
        if self._origin is None:
            self._origin = chunk.position
        self._pushed = chunk.end
        self._socket.push(chunk.pcm)

    def speech_started(self, position: int) -> None:
        """The service hears for itself."""

    def speech_ended(self, position: int) -> None:
        if self._origin is None:
            self._origin = position
        backlog = max(0, self._pushed - position) / SAMPLE_RATE
        self._owed.append((position, self._loop.time() + max(0.0, self._settle_s - backlog)))
        self._socket.news()

    async def aclose(self) -> None:
        await self._socket.aclose()

    # ------------------------------------------------------------ heard

    async def __aiter__(self) -> AsyncIterator[Transcript]:
        async for message in self._socket.messages_until(self._due):
            if message is None:
                yield self._final()
                continue
            for transcript in self._read(message):
                yield transcript

    def _due(self) -> float | None:
        """Loop time at which a final is due."""
        if not self._owed:
            return None
        if self._kept and not self._unkept():
            return self._loop.time()
        heard = self._position(self._turn.end) if self._turn is not None else 0
        return self._owed[0][1] if heard >= self._owed[0][0] - _SLACK else None

    def _read(self, message: dict[str, Any]) -> list[Transcript]:
        match message.get("type"):
            case "TurnInfo":
                try:
                    return self._heard(parse_turn(message))
                except ValueError as error:
                    raise failures.malformed(self._name, "stt", str(error)) from None
            case "Error":
                raise failures.of_status(self._name, "stt", 500)
            case str():
                return []  # Connected, and what may come to be
            case _:
                raise failures.malformed(self._name, "stt", "type")

    def _heard(self, turn: Turn) -> list[Transcript]:
        if self._turn is None or turn.index != self._turn.index:
            self._given = 0
        self._turn = turn
        if turn.event == "EndOfTurn" and self._owed:
            return [self._final()]
        text = " ".join((*self._kept, *self._unkept()))
        if turn.event == "EndOfTurn":
            self._kept.extend(self._unkept())
            self._given = len(turn.words)
        kind = _KINDS[turn.event]
        if not text or (kind, text) == self._told:
            return []
        self._told = (kind, text)
        start, end = min(max(turn.start, self._settled), turn.end), turn.end
        return [Transcript(kind, text, self._position(start), self._position(end), 0.8)]

    def _unkept(self) -> tuple[str, ...]:
        return self._turn.words[self._given :] if self._turn is not None else ()

    def _final(self) -> Transcript:
        position, _ = self._owed.popleft()
        turn = self._turn
        words = (*self._kept, *self._unkept())
        start = self._position(self._settled)
        end = max(position, start)
        if turn is not None:
            self._given = len(turn.words)
        self._kept, self._told = [], ("", "")
        self._settled = max(self._settled, end - self._position(0))
        return Transcript("final", " ".join(words), start, end, 0.95)

    def _position(self, sample: int) -> int:
        return (self._origin or 0) + self._socket.dropped + sample
