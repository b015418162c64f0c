"""What a session needs besides providers: tools, ready-made clips, knowledge, a transfer desk."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Mapping
from typing import Any

from aivoice.core.prompt import Passage
from aivoice.core.text import words
from aivoice.engine.ports import ReadyClip, ToolOutcome
from aivoice.testing.faults import Injector, before_answer
from aivoice.testing.randomness import Constant, Latency, seconds
from aivoice.testing.sound import voice_pcm
from aivoice.testing.truth import lay_out

_TOOL, _SEARCH, _RINGING = Constant(300), Constant(40), Constant(4_000)


class FakeToolRunner:
    """Runs every tool in `latency` and notes each run by its key, before it waits: what was begun may have been done.

    outcome: what a tool gives. runs: (name, key) in order. A second run of one key is what contract 3 forbids.
    """

    def __init__(
        self,
        latency: Latency = _TOOL,
        *,
        rng: random.Random | None = None,
        injector: Injector | None = None,
        outcome: Callable[[str, Mapping[str, Any]], ToolOutcome] | None = None,
    ) -> None:
        self._latency, self._rng, self._injector = latency, rng or random.Random(0), injector
        self._outcome = outcome or _all_good
        self.runs: list[tuple[str, str]] = []
        self.running = 0

    async def run(self, name: str, arguments: Mapping[str, Any], *, call_id: str, key: str) -> ToolOutcome:
        """One run."""
        self.runs.append((name, key))
        self.running += 1
        try:
            injector = self._injector
            malformed = injector is not None and await before_answer(injector, injector.draw(), longest_s=3.0)
            await asyncio.sleep(seconds(self._latency, self._rng))
            return ToolOutcome("ok", "not json [") if malformed else self._outcome(name, arguments)
        finally:
            self.running -= 1


def _all_good(name: str, arguments: Mapping[str, Any]) -> ToolOutcome:
    return ToolOutcome("ok", '{"done": true}')


class FakeClips:
    """A clip for each key of `texts`, as long as a voice would take; `missing` ones were not made."""

    def __init__(self, texts: Mapping[str, str], *, pcm: bool = False, missing: frozenset[str] = frozenset()) -> None:
        self._clips: dict[str, ReadyClip] = {}
        for key, text in texts.items():
            spoken = lay_out(text, 0)
            if key not in missing and spoken:
                samples = spoken[-1].end
                starts = tuple(word.start for word in spoken)
                self._clips[key] = ReadyClip(samples, voice_pcm(0, samples) if pcm else None, starts)

    def get(self, key: str) -> ReadyClip | None:
        """The clip of `key`."""
        return self._clips.get(key)


class FakeRetriever:
    """Gives the passages that share words with the query, best first."""

    def __init__(
        self, passages: tuple[str, ...], latency: Latency = _SEARCH, *, rng: random.Random | None = None
    ) -> None:
        self._passages = [(text, frozenset(words(text))) for text in passages]
        self._latency, self._rng = latency, rng or random.Random(0)

    async def search(self, query: str, k: int = 4) -> tuple[Passage, ...]:
        """At most `k` passages."""
        await asyncio.sleep(seconds(self._latency, self._rng))
        wanted = frozenset(words(query))
        scored = [(len(wanted & has) / max(len(wanted), 1), text) for text, has in self._passages]
        best = sorted((pair for pair in scored if pair[0] > 0), key=lambda pair: -pair[0])
        return tuple(Passage(text, "fake", score=score) for score, text in best[:k])


class FakeTransferDesk:
    """Somebody answers after `ringing`, with the chance `answers`."""

    def __init__(self, answers: float = 0.7, ringing: Latency = _RINGING, *, rng: random.Random | None = None) -> None:
        self._answers, self._ringing, self._rng = answers, ringing, rng or random.Random(0)
        self.asked: list[str] = []

    async def transfer(self, target: str, *, call_id: str, reason: str) -> bool:
        """Ring `target`."""
        self.asked.append(target)
        await asyncio.sleep(seconds(self._ringing, self._rng))
        return self._rng.random() < self._answers
