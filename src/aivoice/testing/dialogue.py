"""Text conversations with any LanguageModel: the messages as the engine would keep them, without audio or time.

For tests of prompts, tools and dialogue managers: `Dialogue(model, tools).say("hello")` is a caller's turn with every
round of the reply, tool calls answered by a function of the test.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, cast

from aivoice.core.prompt import GenerationRequest, Message, Passage, ToolCall, ToolSpec
from aivoice.providers.ports import LanguageModel, TextDelta, ToolCallDelta, UsageDelta

_ENDING = frozenset({"transfer", "end_call"})
_MOST_ROUNDS = 6


def accepted(name: str, arguments: dict[str, Any]) -> object:
    """A tool that always works."""
    return {"status": "ok"}


def nothing_found(text: str) -> tuple[Passage, ...]:
    """A search without results."""
    return ()


@dataclass(slots=True)
class Dialogue:
    """One call in text.

    answer: tool name and arguments → result (a JSON value, or JSON text as it is). search: caller's text → passages.
    now: ISO 8601 call time. messages, calls: what has happened so far; `calls` are those of this model, in order.
    """

    model: LanguageModel
    specs: tuple[ToolSpec, ...] = ()
    answer: Callable[[str, dict[str, Any]], object] = accepted
    search: Callable[[str], tuple[Passage, ...]] = nothing_found
    now: str = "2026-11-23T10:00:00-05:00"
    messages: list[Message] = field(default_factory=list[Message])
    calls: list[tuple[str, dict[str, Any]]] = field(default_factory=list[tuple[str, dict[str, Any]]])
    turn: int = 0

    def say(self, text: str, heard_words: int | None = None) -> str:
        """A caller's turn; returns everything the agent said. heard_words: the caller cuts in after so many words (the
        reply's tools then never run)."""
        self.turn += 1
        self.messages.append(Message("user", text))
        said: list[str] = []
        for _ in range(_MOST_ROUNDS):
            words, made = collect(self.model, self.request(text))
            if heard_words is not None:
                self._cut(words, heard_words)
                return words
            said.append(words)
            if words or made:
                self.messages.append(Message("assistant", words, tuple(made)))
            for call in made:
                self._run(call)
            if not made or any(call.name in _ENDING for call in made):
                break
        return " ".join(part for part in said if part)

    def _cut(self, words: str, count: int) -> None:
        heard = words.split()[:count]
        mark = f"[interrupted while saying: {' '.join(heard[-6:])}…]"
        if heard:
            self.messages.append(Message("assistant", f"{' '.join(heard)} {mark}"))

    def _run(self, call: ToolCall) -> None:
        arguments = cast("dict[str, Any]", json.loads(call.arguments))
        self.calls.append((call.name, arguments))
        result = {"status": "ok"} if call.name in _ENDING else self.answer(call.name, arguments)
        text = result if isinstance(result, str) else json.dumps(result)
        self.messages.append(Message("tool", text, tool_call_id=call.id))

    def request(self, query: str = "") -> GenerationRequest:
        """What the model is asked next."""
        return GenerationRequest(
            "You are the receptionist.",
            self.specs,
            tuple(self.messages),
            self.search(query),
            call_time=self.now,
            turn=self.turn,
        )

    def made(self, name: str) -> list[dict[str, Any]]:
        """The arguments of every call of the tool `name`."""
        return [arguments for called, arguments in self.calls if called == name]


def collect(model: LanguageModel, request: GenerationRequest) -> tuple[str, list[ToolCall]]:
    """The text and the tool calls of one reply, streamed to its end in an event loop of its own."""

    async def run() -> tuple[str, list[ToolCall]]:
        text = ""
        calls: list[ToolCall] = []
        async for delta in model.generate(request):
            match delta:
                case TextDelta():
                    text += delta.text
                case ToolCallDelta():
                    calls.append(ToolCall(delta.id, delta.name, delta.arguments))
                case UsageDelta():
                    pass
        return text.strip(), calls

    return asyncio.run(run())
