"""Deepgram's Flux: ``/v2/listen``, a recogniser that hears turns: eager ends of turn, and their being taken back.

What its events become: Update and StartOfTurn an interim, EagerEndOfTurn `eager`, TurnResumed `resumed`. It ends turns
by itself, and a port's final is owed for each end of speech that the engine's voice activity told. So a final is given

- with EndOfTurn, where the end of speech was told before it;
- at the end of speech, where EndOfTurn came sooner (until then it counts as `eager`);
- otherwise, `settle_ms` after the end of speech (Flux takes the pause for one inside a turn), by ``ForceEndTurn``,
  which it answers with EndOfTurn;
- with what Flux has heard by then, where it does not answer within `FORCE_S`, the caller speaks again already (nothing
  is cut inside a word), or the installation has no ForceEndTurn (`force`; Deepgram's self-hosted one in 2026). The
  turn then goes on in its count; what was given is left out of what it says of this turn later. Words it has changed
  meanwhile are said again rather than lost.

Never where Flux has stopped telling of the audio (its updates come every 250 ms of it): then the chain lets another
recogniser hear the words; after `STALL_S` of audio without a message the stream fails by itself, so that this is
noticed in silence, too. It is told nothing while no audio comes (KeepAlive is Nova's).

Shapes: developers.deepgram.com ("Flux": state machine, configuration, force end turn, numerals). Never run against the
real service.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field, replace
from difflib import SequenceMatcher
from typing import Any, Literal

import aiohttp

from aivoice.audio.frames import SAMPLE_RATE, AudioChunk
from aivoice.errors import ProviderError
from aivoice.providers import failures
from aivoice.providers.deepgram.wire import HOST, Account, Socket, key_term_pairs, told_of_error
from aivoice.providers.ports import Transcript

FORCE_S = 0.3
STALL_S = 6.0
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
    """eager_threshold, threshold: confidence (0.3…0.9; 0.5…1.0) at which the turn is taken for ended, at first (at most
    `threshold`) and surely. timeout_ms: silence that ends it whatever the confidence, 500…60 000. settle_ms, force: see
    the module. numerals: numbers are written as digits. extra: query parameters that are passed on as they are."""

    eager_threshold: float = 0.4
    threshold: float = 0.7
    timeout_ms: int = 5_000
    settle_ms: int = 450
    force: bool = True
    numerals: bool = True
    extra: dict[str, str] = field(default_factory=dict[str, str], hash=False)

    def __post_init__(self) -> None:
        """Raises ValueError for what the service would refuse each stream for."""
        if not 0.5 <= self.threshold <= 1.0:
            raise ValueError("threshold must be 0.5 to 1.0")
        if not 0.3 <= self.eager_threshold <= min(0.9, self.threshold):
            raise ValueError("eager_threshold must be 0.3 to 0.9 and at most threshold")
        if not 500 <= self.timeout_ms <= 60_000:
            raise ValueError("timeout_ms must be 500 to 60000")


@dataclass(frozen=True, slots=True)
class Turn:
    """A ``TurnInfo`` message. start, end: the window heard, in samples of the stream or, once placed, of the call.
    confidence: that it is over."""

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
    except (KeyError, TypeError, ValueError, OverflowError):
        raise ValueError(where) from None
    return Turn(event, index, words, round(start * SAMPLE_RATE), round(end * SAMPLE_RATE), confidence)


def rest_of(words: tuple[str, ...], given: tuple[str, ...]) -> tuple[str, ...]:
    """What of a turn's `words` was not `given` when less of it had been heard.

    Case and marks do not count. From the first given word on that has changed, and which no later given word follows
    unchanged, all is news: rather twice than lost.
    """
    one, other = _bare(given), _bare(words[: len(given) + 1])
    if other[: len(one)] == one:
        return words[len(one) :]
    same = [block for block in SequenceMatcher(None, one, other, autojunk=False).get_matching_blocks() if block.size]
    return words[same[-1].b + same[-1].size :] if same else words


def _bare(words: tuple[str, ...]) -> list[str]:
    return [word.strip(".,!?;:").lower() for word in words]


class DeepgramFlux(Account):
    """SpeechToText, Warm, Checked. ``flux-general-en`` hears English, whatever language is asked for;
    ``flux-general-multi`` is told the language as a hint."""

    path = "/v2/listen"
    chunk = SAMPLE_RATE * 80 // 1_000
    """What the service recommends."""

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

    def query(self, language: str, key_terms: Sequence[str]) -> list[tuple[str, str]]:
        """Key terms beyond what the service takes are left out."""
        options = self._options
        return [
            ("model", self.model),
            ("encoding", "linear16"),
            ("sample_rate", str(SAMPLE_RATE)),
            ("eager_eot_threshold", str(options.eager_threshold)),
            ("eot_threshold", str(options.threshold)),
            ("eot_timeout_ms", str(options.timeout_ms)),
            *([("numerals", "true")] if options.numerals else []),
            *([("language_hint", language)] if self.model.endswith("-multi") else []),
            *key_term_pairs(key_terms, model=self.model),
            *options.extra.items(),
        ]

    async def open(self, *, language: str = "en", key_terms: Sequence[str] = ()) -> FluxStream:
        """See the port."""
        socket = await self.connect(self.query(language, key_terms))
        return FluxStream(socket, self.name, self._options.settle_ms / 1_000, force=self._options.force)


@dataclass(slots=True)
class _Ended:
    """An end of speech whose final is owed, at loop time `settle_at` at the latest (forced: ForceEndTurn was sent)."""

    position: int
    settle_at: float
    forced: bool = False


class FluxStream:
    """One call; see the port. All positions are the call's."""

    def __init__(self, socket: Socket, name: str, settle_s: float, *, force: bool = True) -> None:
        self._socket, self._name, self._settle_s, self._force = socket, name, settle_s, force
        self._loop = asyncio.get_running_loop()
        self._origin: int | None = None
        self._pushed = 0
        self._unheard_since: float | None = None  # audio was pushed then, and nothing was told since
        self._speaking = False
        self._turn: Turn | None = None
        self._kept: list[str] = []  # words of turns that ended before the end of speech was told
        self._given: tuple[str, ...] = ()  # words of the turn that finals have given, or that are kept
        self._settled = 0  # our finals reach so far
        self._told = ("", "")
        self._owed: deque[_Ended] = deque()

    # ------------------------------------------------------------ pushed by the engine

    @property
    def dropped_samples(self) -> int:
        return self._socket.dropped

    def push(self, chunk: AudioChunk) -> None:
        if chunk.pcm is None:
            return
        self._begin(chunk.position)
        self._pushed = chunk.end
        self._socket.push(chunk.pcm)
        if self._unheard_since is None:
            self._unheard_since = self._loop.time()
            self._socket.news()

    def speech_started(self, position: int) -> None:
        """The service hears for itself; but a turn is not ended by force while somebody speaks."""
        self._speaking = True

    def speech_ended(self, position: int) -> None:
        self._begin(position)
        self._speaking = False
        backlog = max(0, self._pushed - position) / SAMPLE_RATE
        self._owed.append(_Ended(position, self._loop.time() + max(0.0, self._settle_s - backlog)))
        self._socket.news()

    async def aclose(self) -> None:
        await self._socket.aclose()

    def _begin(self, position: int) -> None:
        if self._origin is None:
            self._origin = self._settled = position

    # ------------------------------------------------------------ heard

    async def __aiter__(self) -> AsyncIterator[Transcript]:
        async for message in self._socket.messages_until(self._due):
            transcript = self._overdue() if message is None else self._read(message)
            if transcript is not None:
                yield transcript

    def _due(self) -> float | None:
        """Loop time at which something is to be done without a message."""
        stalled = None if self._unheard_since is None else self._unheard_since + STALL_S
        final = self._final_due()
        return min((at for at in (stalled, final) if at is not None), default=None)

    def _final_due(self) -> float | None:
        if not self._owed or self._turn is None or self._turn.end < self._owed[0].position - _SLACK:
            return None
        if self._kept and not self._unkept():
            return self._loop.time()
        return self._owed[0].settle_at

    def _overdue(self) -> Transcript | None:
        due, now = self._final_due(), self._loop.time()
        if due is None or due > now:
            raise ProviderError(f"{self._name} has stopped telling", code="timeout", stage="stt")
        ended, turn = self._owed[0], self._turn
        ongoing = turn is not None and turn.event != "EndOfTurn" and self._unkept()
        if self._force and ongoing and not self._speaking and not ended.forced:
            ended.forced, ended.settle_at = True, now + FORCE_S
            self._socket.tell({"type": "ForceEndTurn"})
            return None
        return self._final()

    def _read(self, message: dict[str, Any]) -> Transcript | None:
        self._unheard_since = None
        match message.get("type"):
            case "TurnInfo":
                try:
                    turn = parse_turn(message)
                except ValueError as error:
                    raise failures.malformed(self._name, "stt", str(error)) from None
                return self._heard(replace(turn, start=self._position(turn.start), end=self._position(turn.end)))
            case "Error":
                raise told_of_error(self._name, message)
            case str():
                return None  # Connected, Warning, and what may come to be
            case _:
                raise failures.malformed(self._name, "stt", "type")

    def _heard(self, turn: Turn) -> Transcript | None:
        if self._turn is None or turn.index != self._turn.index:
            self._given = ()
        self._turn = turn
        if turn.event == "EndOfTurn" and self._owed:
            ended = self._owed[0]
            if ended.forced or turn.end >= ended.position - _SLACK:
                return self._final()
        text = " ".join((*self._kept, *self._unkept()))
        if turn.event == "EndOfTurn":
            self._kept.extend(self._unkept())
            self._given = turn.words
        kind = _KINDS[turn.event]
        if not text or (kind, text) == self._told:
            return None
        self._told = (kind, text)
        start = min(max(turn.start, self._settled), turn.end)
        return Transcript(kind, text, start, turn.end, 0.8)

    def _unkept(self) -> tuple[str, ...]:
        return rest_of(self._turn.words, self._given) if self._turn is not None else ()

    def _final(self) -> Transcript:
        position = self._owed.popleft().position
        words = (*self._kept, *self._unkept())
        start, end = self._settled, max(position, self._settled)
        if self._turn is not None:
            self._given = self._turn.words
        self._kept, self._told = [], ("", "")
        self._settled = end
        return Transcript("final", " ".join(words), start, end, 0.95)

    def _position(self, sample: int) -> int:
        return (self._origin or 0) + self._socket.pushed(sample)
