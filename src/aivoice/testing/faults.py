"""Fault injection: wraps an implementation of any port and breaks it as data and a seed say.

Wrappers are implementations of their port themselves, except where the fault is that a rule is broken (`ignores
cancellation` swallows one, for a bounded time, so that a test still ends).
"""

from __future__ import annotations

import asyncio
import math
import random
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from dataclasses import dataclass, replace
from typing import Literal, TypeVar

from aivoice.errors import ProviderError
from aivoice.testing.randomness import Constant, Latency, seconds

T = TypeVar("T")

FaultKind = Literal[
    "delay",  # every result from `after` on comes `latency` later
    "stall",  # nothing comes for `latency` after item `after`, then it goes on
    "drop",  # `count` results from `after` on are lost
    "duplicate",  # `count` results from `after` on come twice
    "reorder",  # results `after` and `after + 1` change places
    "malformed",  # `count` results from `after` on are nonsense of the right type
    "disconnect",  # ProviderError after `after` results
    "crash",  # another exception than the port allows, after `after` results
    "ignores_cancellation",  # cancellation is swallowed for `latency`
    "opens_and_says_nothing",  # the stream opens, takes everything, and never gives a result
    "refuses",  # opening (or the first result) raises ProviderError
]
FAULT_KINDS: tuple[FaultKind, ...] = (
    "delay", "stall", "drop", "duplicate", "reorder", "malformed", "disconnect", "crash", "ignores_cancellation",
    "opens_and_says_nothing", "refuses",
)  # fmt: skip
Stage = Literal["stt", "llm", "tts", "vad", "turn", "embed", "tool", "transport"]

_A_WHILE = Constant(2_500)


@dataclass(frozen=True, slots=True)
class Fault:
    """One way of breaking `stage`.

    chance: that a stream (or request) has it. after: results that pass first. count: how many results are hit.
    latency: its length, ms. streams: only the n-th streams of the provider, from 0 (empty: any). provider: only the
    wrapped provider of that rank in its chain (None: any).
    """

    stage: Stage
    kind: FaultKind
    chance: float = 1.0
    after: int = 0
    count: int = 1
    latency: Latency = _A_WHILE
    streams: tuple[int, ...] = ()
    provider: int | None = None


class Injector:
    """Decides which streams of one provider have which faults, and counts what happened.

    faults: of any stage; those of others are ignored. happened: (stage, kind) → times, for "every kind occurred".
    """

    def __init__(self, stage: Stage, faults: tuple[Fault, ...], rng: random.Random, *, provider: int = 0) -> None:
        self.stage: Stage = stage
        self._faults = tuple(f for f in faults if f.stage == stage and f.provider in (None, provider))
        self.rng = rng
        self._streams = 0
        self.happened: dict[tuple[str, str], int] = {}

    def draw(self) -> tuple[Fault, ...]:
        """The faults of the next stream."""
        index, self._streams = self._streams, self._streams + 1
        drawn = [(f, self.rng.random() < f.chance) for f in self._faults]
        return tuple(f for f, hit in drawn if hit and (not f.streams or index in f.streams))

    def note(self, fault: Fault) -> None:
        """`fault` took effect."""
        key = (fault.stage, fault.kind)
        self.happened[key] = self.happened.get(key, 0) + 1

    def error(self, fault: Fault) -> ProviderError:
        """The ProviderError of a fault."""
        return ProviderError(f"injected: {fault.stage} {fault.kind}", code=f"injected_{fault.kind}", stage=fault.stage)

    async def refuse_or_wait(self, faults: tuple[Fault, ...]) -> None:
        """What happens while a stream is opened."""
        for fault in faults:
            if fault.kind == "refuses":
                self.note(fault)
                raise self.error(fault)
            if fault.kind == "delay":
                self.note(fault)
                await asyncio.sleep(seconds(fault.latency, self.rng))


class InjectedCrash(RuntimeError):
    """What a buggy provider raises: not a ProviderError."""


class Spoiler:
    """Applies one stream's faults to its results, one by one, without time: what comes of each result.

    `feed` gives the results to deliver now (0, 1 or 2) and raises where the stream breaks.
    """

    def __init__(self, injector: Injector, faults: tuple[Fault, ...], malform: Callable[[object], object]) -> None:
        self._injector, self._faults, self._malform = injector, faults, malform
        self._seen = 0
        self._swapped: object | None = None

    def stopping(self) -> float | None:
        """Seconds for which cancellation is ignored, or None."""
        for fault in self._faults:
            if fault.kind == "ignores_cancellation":
                self._injector.note(fault)
                return seconds(fault.latency, self._injector.rng)
        return None

    def silent(self) -> bool:
        """Whether the stream says nothing for ever."""
        return any(fault.kind == "opens_and_says_nothing" for fault in self._faults)

    def note_silence(self) -> None:
        """The silence was met."""
        for fault in self._faults:
            if fault.kind == "opens_and_says_nothing":
                self._injector.note(fault)

    def wait_s(self) -> float:
        """How much later the next result comes."""
        total = 0.0
        for fault in self._faults:
            if (fault.kind == "delay" and self._seen >= fault.after) or (
                fault.kind == "stall" and self._seen == fault.after
            ):
                self._injector.note(fault)
                total += seconds(fault.latency, self._injector.rng)
        return total

    def broken(self) -> Exception | None:
        """The error that ends the stream here, if any."""
        for fault in self._faults:
            if self._seen >= fault.after:
                if fault.kind == "disconnect":
                    self._injector.note(fault)
                    return self._injector.error(fault)
                if fault.kind == "crash":
                    self._injector.note(fault)
                    return InjectedCrash("injected crash")
        return None

    def feed(self, item: object) -> list[object]:
        """What is delivered for `item`."""
        index, self._seen = self._seen, self._seen + 1
        out = [item]
        for fault in self._faults:
            if not fault.after <= index < fault.after + fault.count:
                continue
            match fault.kind:
                case "drop":
                    out = []
                case "duplicate":
                    out = out * 2
                case "malformed":
                    out = [self._malform(one) for one in out]
                case "reorder" if self._swapped is None:
                    self._swapped, out = item, []
                case _:
                    continue
            self._injector.note(fault)
        if self._swapped is not None and self._swapped is not item:
            out, self._swapped = [*out, self._swapped], None
        return out

    def rest(self) -> list[object]:
        """A result still held back at the end."""
        held, self._swapped = self._swapped, None
        return [] if held is None else [held]


async def spoil(
    source: AsyncIterator[T],
    injector: Injector,
    faults: tuple[Fault, ...],
    malform: Callable[[T], T],
    closed: asyncio.Event | None = None,
) -> AsyncGenerator[T]:
    """`source` with `faults`. Closing or cancelling it closes `source`; setting `closed` ends it quietly."""
    spoiler = Spoiler(injector, faults, malform)  # type: ignore[arg-type]
    over = closed or asyncio.Event()
    try:
        if spoiler.silent():
            spoiler.note_silence()
            await over.wait()
        while not over.is_set():
            if (error := spoiler.broken()) is not None:
                raise error
            try:
                item = await anext(source)
            except StopAsyncIteration:
                break
            if (wait := spoiler.wait_s()) > 0:
                await asyncio.sleep(wait)
            for one in spoiler.feed(item):
                if not over.is_set():
                    yield one  # type: ignore[misc]
        for one in spoiler.rest():
            if not over.is_set():
                yield one  # type: ignore[misc]
    except asyncio.CancelledError:
        stubborn = spoiler.stopping()
        if stubborn is not None:
            await swallow_cancellation(stubborn)
        raise
    finally:
        close = getattr(source, "aclose", None)
        if close is not None:
            await close()


async def before_answer(injector: Injector, faults: tuple[Fault, ...], *, longest_s: float = math.inf) -> bool:
    """What happens to one question before its one answer: it waits, raises, or never comes. True: the answer shall be
    malformed. longest_s: bound of an ignored cancellation."""
    malformed = False
    for fault in faults:
        injector.note(fault)
        match fault.kind:
            case "delay" | "stall":
                await asyncio.sleep(seconds(fault.latency, injector.rng))
            case "refuses" | "disconnect":
                raise injector.error(fault)
            case "crash":
                raise InjectedCrash("injected crash")
            case "opens_and_says_nothing" | "drop":
                await asyncio.get_running_loop().create_future()
            case "ignores_cancellation":
                await swallow_cancellation(min(longest_s, seconds(fault.latency, injector.rng)))
            case "malformed":
                malformed = True
            case "duplicate" | "reorder":
                continue  # one answer cannot be doubled or swapped
    return malformed


async def swallow_cancellation(duration: float) -> None:
    """Go on for `duration` whatever cancels us meanwhile; the caller raises the CancelledError afterwards."""
    loop = asyncio.get_running_loop()
    end = loop.time() + duration
    while (left := end - loop.time()) > 0:
        try:
            await asyncio.sleep(left)
        except asyncio.CancelledError:
            continue  # the fault under test; bounded by `end`


def tamed(fault: Fault, **changes: object) -> Fault:
    """`fault` with some fields changed (used when a failure is shrunken)."""
    return replace(fault, **changes)  # type: ignore[arg-type]
