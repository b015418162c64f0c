"""The call of the matrix: somebody books a cleaning. Three turns, one tool with a side effect, one task to complete."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from typing import Any

from aivoice.core.config import DEFAULT_CLIPS, CallConfig, Speculation
from aivoice.core.prompt import GenerationRequest, ToolSpec
from aivoice.engine.ports import ToolOutcome
from aivoice.providers.ports import LlmDelta
from aivoice.testing.fakes import AT_ONCE, FakeLlm, Latency, LlmBehaviour, Reply

TOOL = ToolSpec(
    "book_appointment",
    "Books the appointment that was agreed on.",
    {"type": "object", "properties": {"name": {"type": "string"}}, "required": ["name"]},
    side_effects=True,
    fillers=("Let me book that for you.",),
)
WISH = "I would like to book a cleaning on Tuesday please."
NAME = "My name is Ana Lopez and Tuesday at ten is fine, please book it."
BYE = "No that is all, thank you, goodbye."
ASKS = "Certainly, a cleaning on Tuesday is possible, and ten in the morning is free. May I have your name please?"
BOOKED = "You are booked for a cleaning on Tuesday at ten. Is there anything else I can do?"
TOOL_S = 1.5


def config(*, streams_text: bool) -> CallConfig:
    return CallConfig(
        system="You are the receptionist of a dental practice. Book appointments.",
        tools=(TOOL,),
        clips={**DEFAULT_CLIPS, "greeting": "Hello, Northside Dental, how can I help?"},
        speculation=Speculation(enabled=True),
        tts_streams_text=streams_text,
    )


def author(request: GenerationRequest) -> Reply:
    """What every language model of the matrix says; decided by the conversation in the prompt alone."""
    last = request.messages[-1] if request.messages else None
    said = " ".join(message.text.lower() for message in request.messages if message.role == "user")
    newest = last.text.lower() if last is not None else ""
    done = any(message.role == "tool" and '"booked"' in message.text for message in request.messages)
    if last is not None and last.role == "tool":
        return Reply(BOOKED if done else "I am sorry, I could not confirm it.")
    if "goodbye" in newest:
        return Reply("Thank you for calling, goodbye.", (("end_call", "{}"),))
    if done:
        return Reply(BOOKED)
    if "ana lopez" in said:
        return Reply("", (("book_appointment", '{"name":"Ana Lopez"}'),))
    return Reply(ASKS)


def mind(name: str, first: Latency, gap: Latency) -> FakeLlm:
    """The author behind the port, in this process."""
    return FakeLlm(author, LlmBehaviour(first, gap), name=name)


async def answer(request: GenerationRequest) -> AsyncIterator[LlmDelta]:
    """For stand-ins that take their words from a generator; they add their own latencies."""
    async for delta in FakeLlm(author, LlmBehaviour(AT_ONCE, AT_ONCE)).generate(request):
        yield delta


class Desk:
    """The tool: takes `TOOL_S`. booked: how many times it ran to its end; begun: to tell the phase of a call."""

    def __init__(self) -> None:
        self.begun = asyncio.Event()
        self.booked = 0

    async def run(self, name: str, arguments: Mapping[str, Any], *, call_id: str, key: str) -> ToolOutcome:
        self.begun.set()
        await asyncio.sleep(TOOL_S)
        self.booked += 1
        return ToolOutcome("ok", '{"status":"booked"}')
