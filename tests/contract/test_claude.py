"""Claude against its stand-in, over real sockets: the port's suite, every way to fail, cancelling, caching."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest

from aivoice.core.prompt import GenerationRequest, Message, ToolSpec
from aivoice.errors import ProviderError
from aivoice.providers.claude import Claude, ClaudeOptions
from aivoice.providers.ports import LlmDelta, TextDelta, ToolCallDelta, UsageDelta
from aivoice.testing.conformance import llm, name_of
from aivoice.testing.fakes import AT_ONCE, FakeLlm, LlmBehaviour, Reply
from aivoice.testing.standins.anthropic import AnthropicStandIn, Pace
from aivoice.testing.standins.server import Health

TOOL = ToolSpec("book", "Books.", {"type": "object", "properties": {"day": {"type": "string"}}}, side_effects=True)
REQUEST = GenerationRequest("You are the receptionist.", (), (Message("user", "Are you open on Saturday?"),))
TOOL_REQUEST = GenerationRequest("You are the receptionist.", (TOOL,), (Message("user", "Book it."),))
LONG = "Yes, on Saturday we are open from nine in the morning until noon, and you may park behind the house."
KEY = "sk-ant-standin"


def author(request: GenerationRequest) -> Reply:
    return Reply("One moment.", (("book", '{"day":"Tuesday"}'),)) if request.tools else Reply(LONG)


async def answer(request: GenerationRequest) -> AsyncIterator[LlmDelta]:
    async for delta in FakeLlm(author, LlmBehaviour(AT_ONCE, AT_ONCE)).generate(request):
        yield delta


def standin(health: Health = "fine", pace: Pace = Pace(0.05, 0.005)) -> AnthropicStandIn:
    return AnthropicStandIn(answer, health=health, pace=pace)


def model(server: AnthropicStandIn, **changes: Any) -> Claude:
    return Claude(**{"key": KEY, "url": server.url, **changes})


async def said(claude: Claude, request: GenerationRequest = REQUEST) -> list[LlmDelta]:
    return [delta async for delta in claude.generate(request)]


async def with_claude(work: Callable[[AnthropicStandIn, Claude], Awaitable[Any]], health: Health = "fine") -> Any:
    async with standin(health) as server:
        claude = model(server)
        try:
            return await work(server, claude)
        finally:
            await claude.aclose()


@pytest.mark.parametrize("check", llm.CHECKS, ids=name_of)
def test_the_ports_suite(check: Any) -> None:
    async def scenario(server: AnthropicStandIn, claude: Claude) -> None:
        await check(llm.Subject(claude, REQUEST, TOOL_REQUEST))

    asyncio.run(with_claude(scenario))


def test_a_reply_with_a_tool_call_and_usage() -> None:
    async def scenario(server: AnthropicStandIn, claude: Claude) -> list[LlmDelta]:
        return await said(claude, TOOL_REQUEST)

    deltas = asyncio.run(with_claude(scenario))
    assert "".join(d.text for d in deltas if isinstance(d, TextDelta)) == "One moment."
    assert [(d.name, d.arguments) for d in deltas if isinstance(d, ToolCallDelta)] == [("book", '{"day":"Tuesday"}')]
    usage = [d for d in deltas if isinstance(d, UsageDelta)]
    assert usage[0].prompt_tokens == usage[-1].prompt_tokens > 0
    assert usage[-1].completion_tokens > usage[0].completion_tokens


@pytest.mark.parametrize(
    ("health", "code"),
    [
        ("refused", "unreachable"),
        ("unauthorized", "bad_key"),
        ("rate_limited", "rate_limited"),
        ("broken", "unavailable"),
        ("malformed", "malformed"),
        ("disconnects", "disconnected"),
    ],
)
def test_each_way_to_fail_has_its_code(health: Health, code: str) -> None:
    async def scenario(server: AnthropicStandIn, claude: Claude) -> None:
        started = time.monotonic()
        with pytest.raises(ProviderError) as caught:
            await said(claude)
        assert caught.value.code == code
        assert caught.value.stage == "llm"
        assert time.monotonic() - started < 2
        for secret in ("Saturday", KEY):
            assert secret not in str(caught.value)

    asyncio.run(with_claude(scenario, health))


def test_names_that_do_not_resolve_are_unreachable() -> None:
    async def scenario() -> None:
        claude = Claude(key=KEY, url="http://nowhere.invalid")
        with pytest.raises(ProviderError) as caught:
            await said(claude)
        assert caught.value.code == "unreachable"
        await claude.aclose()

    asyncio.run(scenario())


@pytest.mark.parametrize("after_s", [0.02, 0.12])
def test_cancelling_closes_the_connection_and_ends_the_charges(after_s: float) -> None:
    async def scenario(server: AnthropicStandIn, claude: Claude) -> None:
        task = asyncio.ensure_future(said(claude))
        await asyncio.sleep(after_s)
        task.cancel()
        await asyncio.wait([task])
        for _ in range(100):
            if not server.open_streams:
                break
            await asyncio.sleep(0.01)
        assert server.open_streams == 0
        charged = server.charged
        await asyncio.sleep(0.2)
        assert server.charged == charged
        assert [type(d) for d in await said(claude)][-1] is UsageDelta, "the next call is served"

    asyncio.run(with_claude(scenario))


def test_the_prompt_usage_is_known_before_the_reply_ends() -> None:
    async def scenario(server: AnthropicStandIn, claude: Claude) -> None:
        replies = claude.generate(REQUEST)
        first = await anext(replies)
        assert isinstance(first, UsageDelta)
        assert first.prompt_tokens > 0
        await replies.aclose()  # type: ignore[attr-defined]

    asyncio.run(with_claude(scenario))


def test_a_conversation_is_read_from_the_cache() -> None:
    async def scenario(server: AnthropicStandIn, claude: Claude) -> float:
        messages: tuple[Message, ...] = ()
        for turn in range(20):
            messages = (*messages, Message("user", f"Question {turn}, may I ask about Saturday mornings?"))
            request = GenerationRequest("You are the receptionist. " * 20, (), messages, state=f"turn: {turn}")
            reply = "".join(d.text for d in await said(claude, request) if isinstance(d, TextDelta))
            messages = (*messages, Message("assistant", reply))
        return server.cached / server.prompts

    assert asyncio.run(with_claude(scenario)) > 0.75


def test_a_reply_is_gone_on_with() -> None:
    async def scenario(server: AnthropicStandIn, claude: Claude) -> str:
        request = GenerationRequest("", (), REQUEST.messages, begun="Yes, on Saturday we")
        text = "".join(d.text for d in await said(claude, request) if isinstance(d, TextDelta))
        assert server.last is not None
        assert server.last.begun == request.begun
        return request.begun + text

    assert asyncio.run(with_claude(scenario)) == LONG


def test_a_check_finds_wrong_keys_and_models() -> None:
    async def scenario(server: AnthropicStandIn, claude: Claude) -> None:
        await claude.check()
        for changes, code in (({"key": "sk-ant-wrong"}, "bad_key"), ({"model": "claude-nonesuch"}, "rejected")):
            other = model(server, **changes)
            with pytest.raises(ProviderError) as caught:
                await other.check()
            assert caught.value.code == code
            await other.aclose()

    asyncio.run(with_claude(scenario))


def test_a_warm_connection_is_used_again() -> None:
    async def scenario(server: AnthropicStandIn, claude: Claude) -> None:
        await claude.warm()
        await said(claude)

    asyncio.run(with_claude(scenario))
    asyncio.run(with_claude(lambda server, claude: claude.warm(), "refused"))


def test_options_are_sent() -> None:
    async def scenario() -> None:
        async with standin() as server:
            claude = model(server, options=ClaudeOptions(most_tokens=50, thinking="", effort="low"))
            await said(claude)
            assert server.last is not None
            assert server.last.answer_tokens == 50
            await claude.aclose()

    asyncio.run(scenario())
