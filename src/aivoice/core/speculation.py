"""How early replies may be begun on a guess of what the caller is saying, by what that has cost and saved. Pure.

kind      begun when                                                       certainty
--------  ---------------------------------------------------------------  ---------
eager     the recogniser says the turn has ended, or its final has come    most
settled   its newest interim is younger than the end of speech
interim   the caller still speaks                                          least

A kind is used while it is within the tenant's ceiling, the waste of it and of the surer ones together stays within the
budget, and it saves enough a guess. What was found out in earlier calls is handed in with the settings (`Known`) and
fades there: a kind that did not pay is so tried again after a while. Knowledge is fetched ahead whatever this decides.

Tokens are those written, by the provider's own count where it gave one and else a quarter of the letters, and
`ASKED` for each request: its prompt has been read even where it was called off before the first word.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

Kind = Literal["eager", "settled", "interim"]
Most = Literal["off", "eager", "settled", "interim"]
KINDS: tuple[Kind, ...] = ("eager", "settled", "interim")

ASKED = 40
"""A prompt of 2,000 tokens read from a provider's cache (a tenth of the price), in written tokens (five times it)."""
_LETTERS = 4
_FEW_TOKENS, _FEW_GUESSES = 500.0, 6.0
"""Less than this proves nothing."""
_OPEN = 16
"""Requests that are kept apart: usage of a cancelled one comes a moment after it was thrown away."""


@dataclass(frozen=True, slots=True)
class Figures:
    """Of one kind of guess. hits: turned out to be the turn. wasted: tokens thrown away. saved_ms: sooner answers."""

    guesses: float = 0.0
    hits: float = 0.0
    wasted: float = 0.0
    saved_ms: float = 0.0

    def plus(self, other: Figures, keep: float = 1.0) -> Figures:
        """Both together. keep: how much of these still counts."""
        return Figures(
            keep * self.guesses + other.guesses,
            keep * self.hits + other.hits,
            keep * self.wasted + other.wasted,
            keep * self.saved_ms + other.saved_ms,
        )


@dataclass(frozen=True, slots=True)
class Known:
    """Guesses of one call or of many. tokens: all that were asked for, thrown away or not."""

    tokens: float = 0.0
    eager: Figures = Figures()
    settled: Figures = Figures()
    interim: Figures = Figures()

    def of(self, kind: Kind) -> Figures:
        return {"eager": self.eager, "settled": self.settled, "interim": self.interim}[kind]

    def plus(self, other: Known, keep: float = 1.0) -> Known:
        """Both together. keep: how much of these still counts."""
        return Known(
            keep * self.tokens + other.tokens,
            self.eager.plus(other.eager, keep),
            self.settled.plus(other.settled, keep),
            self.interim.plus(other.interim, keep),
        )

    def total(self) -> Figures:
        """Of all kinds."""
        return self.eager.plus(self.settled).plus(self.interim)

    def waste(self) -> float:
        """Share of the tokens that was thrown away, 0…1."""
        return self.total().wasted / self.tokens if self.tokens else 0.0


@dataclass(frozen=True, slots=True)
class Speculation:
    """most: the least certain kind of guess that may be made. waste: budget, share of the tokens that guesses may throw
    away. worth_ms: a kind that saves less a guess is not used. known: earlier calls of this tenant.

    limit: most speculative generations a turn. settle: an interim that came earlier than this after the end of speech
    may lack the last words and is not trusted before `stale`, when nothing newer has come (ms).
    searches: most searches for knowledge a turn ahead of its end, each once the words stood still for `steady` ms.
    """

    enabled: bool = True
    most: Most = "settled"
    limit: int = 3
    settle: int = 140
    stale: int = 220
    waste: float = 0.3
    worth_ms: int = 20
    known: Known = Known()
    searches: int = 4
    steady: int = 200


def allowed(rules: Speculation, known: Known) -> int:
    """How many of `KINDS` may be used, the surest first, given all that is known."""
    level = KINDS.index(rules.most) + 1 if rules.enabled and rules.most != "off" else 0
    while level and not _pays(rules, known, level):
        level -= 1
    return level


def _pays(rules: Speculation, known: Known, level: int) -> bool:
    wasted = sum(known.of(kind).wasted for kind in KINDS[:level])
    if known.tokens >= _FEW_TOKENS and wasted > rules.waste * known.tokens:
        return False
    last = known.of(KINDS[level - 1])
    return last.guesses < _FEW_GUESSES or last.saved_ms >= rules.worth_ms * last.guesses


@dataclass(slots=True)
class Tally:
    """`Figures` of this call as they grow; saved in µs."""

    guesses: int = 0
    hits: int = 0
    wasted: int = 0
    saved: int = 0


@dataclass(slots=True)
class Spent:
    """One request. kind: of the guess it was made for ("": for a decided turn). told: tokens its provider told."""

    kind: str
    letters: int = 0
    told: int = 0
    wasted: bool = False

    def tokens(self) -> int:
        return ASKED + (self.told or -(-self.letters // _LETTERS))


def _tallies() -> dict[str, Tally]:
    return {kind: Tally() for kind in KINDS}


@dataclass(slots=True)
class Account:
    """What this call's requests wrote, and what its guesses cost and saved. requests: the newest, by attempt."""

    tokens: int = 0
    tallies: dict[str, Tally] = field(default_factory=_tallies)
    requests: dict[int, Spent] = field(default_factory=dict[int, Spent])

    def guessed(self, kind: Kind) -> None:
        self.tallies[kind].guesses += 1

    def hit(self, kind: str) -> None:
        """The guess was the turn."""
        self.tallies[kind].hits += 1

    def saved(self, kind: str, us: int) -> None:
        """An answer was heard sooner by so much."""
        self.tallies[kind].saved += us

    def asked(self, attempt: int, kind: str) -> None:
        """A request to the language model. kind: "" where the turn is decided."""
        self.requests[attempt] = Spent(kind)
        if len(self.requests) > _OPEN:
            spent = self.requests.pop(next(iter(self.requests)))
            self.tokens += spent.tokens()
            if spent.wasted:
                self.tallies[spent.kind].wasted += spent.tokens()

    def wrote(self, attempt: int, text: str) -> None:
        if attempt in self.requests:
            self.requests[attempt].letters += len(text)

    def told(self, attempt: int, tokens: int) -> None:
        """The provider's own count, perhaps a moment after the request was cancelled."""
        if attempt in self.requests:
            self.requests[attempt].told += tokens

    def thrown_away(self, attempts: list[int]) -> None:
        """Requests of a guess that was none."""
        for attempt in attempts:
            if attempt in self.requests:
                self.requests[attempt].wasted = True

    def known(self) -> Known:
        """This call's figures so far."""
        wasted = {kind: tally.wasted for kind, tally in self.tallies.items()}
        tokens = self.tokens
        for spent in self.requests.values():
            tokens += spent.tokens()
            if spent.wasted:
                wasted[spent.kind] += spent.tokens()
        made = {
            kind: Figures(tally.guesses, tally.hits, wasted[kind], tally.saved / 1_000)
            for kind, tally in self.tallies.items()
        }
        return Known(tokens, made["eager"], made["settled"], made["interim"])

    def allows(self, rules: Speculation, kind: Kind) -> bool:
        """Whether such a guess may be made now."""
        return KINDS.index(kind) < allowed(rules, rules.known.plus(self.known()))


@dataclass(slots=True)
class Ahead:
    """The search for knowledge under way before a turn's end. attempt 0: none. count: those made for `turn`."""

    attempt: int = 0
    text: str = ""
    turn: int = 0
    count: int = 0
