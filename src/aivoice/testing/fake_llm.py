"""A language model whose text is a function of its prompt, streamed with given latencies."""

from __future__ import annotations

import asyncio
import hashlib
import json
import random
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Sequence
from dataclasses import dataclass

from aivoice.core.prompt import GenerationRequest
from aivoice.core.text import rest_of
from aivoice.errors import ProviderError
from aivoice.providers.ports import LanguageModel, LlmDelta, TextDelta, ToolCallDelta, UsageDelta
from aivoice.testing.randomness import Constant, Latency, seconds


@dataclass(frozen=True, slots=True)
class Reply:
    """What the model says and which tools it calls: (name, arguments as a JSON object text)."""

    text: str
    tools: tuple[tuple[str, str], ...] = ()


Author = Callable[[GenerationRequest], Reply]


_FIRST, _GAP = Constant(350), Constant(10)


@dataclass(frozen=True, slots=True)
class LlmBehaviour:
    """first: ms to the first delta. gap: ms between deltas. words: words in a delta. Defaults are the benchmark's."""

    first: Latency = _FIRST
    gap: Latency = _GAP
    words: int = 1


class FakeLlm:
    """Streams what `author` writes for a request, word by word, then its tool calls, then its usage. Of a reply that
    another model began it says what is missing, and all of it where the words are others."""

    def __init__(
        self,
        author: Author,
        behaviour: LlmBehaviour = LlmBehaviour(),
        *,
        rng: random.Random | None = None,
        name: str = "fake-llm",
    ) -> None:
        self.name = name
        self._author = author
        self._behaviour = behaviour
        self._rng = rng or random.Random(0)
        self.requests = 0
        self.running = 0

    async def generate(self, request: GenerationRequest) -> AsyncGenerator[LlmDelta]:
        """One reply."""
        self.requests += 1
        self.running += 1
        try:
            reply = self._author(request)
            rest = rest_of(reply.text, request.begun)
            deltas = _text_deltas(reply.text if rest is None else rest, self._behaviour.words)
            if request.begun and deltas:
                deltas.insert(0, TextDelta(" "))
            for index, (name, arguments) in enumerate(reply.tools):
                deltas.append(ToolCallDelta(_call_id(request, index), name, arguments))
            async for delta in _timed(deltas, self._behaviour, self._rng):
                yield delta
            yield UsageDelta(prompt_tokens(request), len(reply.text.split()) + 8 * len(reply.tools))
        finally:
            self.running -= 1


class TimedLlm:
    """Any rule-based model (one that answers at once) with the latencies of a large one."""

    def __init__(
        self,
        inner: LanguageModel,
        behaviour: LlmBehaviour = LlmBehaviour(),
        *,
        rng: random.Random | None = None,
    ) -> None:
        self.name = f"timed-{inner.name}"
        self._inner = inner
        self._behaviour = behaviour
        self._rng = rng or random.Random(0)
        self.requests = 0

    async def generate(self, request: GenerationRequest) -> AsyncGenerator[LlmDelta]:
        """The inner model's reply, spread over time."""
        self.requests += 1
        deltas = [delta async for delta in self._inner.generate(request)]
        async for delta in _timed(deltas, self._behaviour, self._rng):
            yield delta


class FailingLlm:
    """Raises at the first delta: a provider that is down."""

    def __init__(self, name: str = "failing-llm") -> None:
        self.name = name

    async def generate(self, request: GenerationRequest) -> AsyncIterator[LlmDelta]:
        """Fails."""
        raise ProviderError(f"{self.name} is down", code="llm_down")
        yield TextDelta("")  # an async generator needs one


async def _timed(deltas: Sequence[LlmDelta], behaviour: LlmBehaviour, rng: random.Random) -> AsyncGenerator[LlmDelta]:
    delay = seconds(behaviour.first, rng)
    for delta in deltas:
        await asyncio.sleep(delay)
        yield delta
        delay = seconds(behaviour.gap, rng)


def _text_deltas(text: str, words: int) -> list[LlmDelta]:
    parts = text.split()
    groups = [" ".join(parts[i : i + words]) for i in range(0, len(parts), words)]
    return [TextDelta(group if i == 0 else " " + group) for i, group in enumerate(groups)]


def _call_id(request: GenerationRequest, index: int) -> str:
    return f"call-{request.turn}-{digest(request) & 0xFFFFFF:06x}-{index}"


def digest(request: GenerationRequest) -> int:
    """A number that depends on the conversation in the prompt and on nothing else."""
    text = "\x1e".join(f"{m.role}\x1f{m.text}" for m in request.messages)
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest())


def prompt_tokens(request: GenerationRequest) -> int:
    """About how many tokens the prompt has: four characters each."""
    chars = len(request.system) + len(request.state) + sum(len(m.text) for m in request.messages)
    return (chars + sum(len(p.text) for p in request.passages)) // 4


def scripted(replies: Sequence[Reply | str]) -> Author:
    """The reply of the n-th caller turn, by the number of user messages in the prompt; the last one repeats."""
    ready = [reply if isinstance(reply, Reply) else Reply(reply) for reply in replies]

    def author(request: GenerationRequest) -> Reply:
        if request.messages and request.messages[-1].role == "tool":
            return Reply(f"That is done: {_brief(request.messages[-1].text)}.")
        turn = sum(message.role == "user" for message in request.messages)
        return ready[max(0, min(turn - 1, len(ready) - 1))]

    return author


def _brief(result: str) -> str:
    try:
        value: object = json.loads(result)
    except ValueError:
        return "thank you"
    return "I could not confirm it" if isinstance(value, dict) and "status" in value else "all set"
