"""LanguageModel: what every model must do."""

from __future__ import annotations

import asyncio
import copy
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

from aivoice.core.prompt import GenerationRequest
from aivoice.providers.ports import LanguageModel, LlmDelta, TextDelta, ToolCallDelta, UsageDelta
from aivoice.testing.conformance import CLOSE_S, collect, patiently
from aivoice.testing.owned import beside


@dataclass(frozen=True, slots=True)
class Subject:
    """request: something the model answers with words. tool_request: something it answers with a tool call."""

    provider: LanguageModel
    request: GenerationRequest
    tool_request: GenerationRequest | None = None


async def _reply(subject: Subject, request: GenerationRequest | None = None) -> list[LlmDelta]:
    return await collect(subject.provider.generate(request or subject.request), "a reply")


async def a_reply_has_words_and_ends(subject: Subject) -> None:
    deltas = await _reply(subject)
    text = "".join(d.text for d in deltas if isinstance(d, TextDelta))
    assert text.strip(), "no words came"
    assert "\x00" not in text


async def usage_counts_and_never_goes_back(subject: Subject) -> None:
    before = UsageDelta(0, 0)
    for told in [d for d in await _reply(subject) if isinstance(d, UsageDelta)]:
        assert told.prompt_tokens >= before.prompt_tokens and told.completion_tokens >= before.completion_tokens
        assert 0 <= told.cached_tokens <= max(told.prompt_tokens, 0)
        before = told


async def tool_calls_are_whole(subject: Subject) -> None:
    request = subject.tool_request
    if request is None:
        deltas = await _reply(subject)
        names = {tool.name for tool in subject.request.tools}
    else:
        deltas = await _reply(subject, request)
        names = {tool.name for tool in request.tools}
        assert any(isinstance(d, ToolCallDelta) for d in deltas), "no tool was called"
    calls = [d for d in deltas if isinstance(d, ToolCallDelta)]
    assert len({call.id for call in calls}) == len(calls), "two calls share an id"
    for call in calls:
        assert call.name in names, "an unknown tool was called"
        assert isinstance(json.loads(call.arguments), dict), "arguments are no JSON object"


async def the_request_is_not_touched(subject: Subject) -> None:
    before = copy.deepcopy(subject.request)
    await _reply(subject)
    assert subject.request == before


async def closing_midway_ends_at_once_and_leaves_the_model_usable(subject: Subject) -> None:
    reply: AsyncIterator[LlmDelta] = subject.provider.generate(subject.request)
    await patiently(anext(reply), "the first delta")
    close: Any = getattr(reply, "aclose", None)
    assert close is not None, "generate must be an async generator (aclose is how a reply is cut off)"
    started = asyncio.get_running_loop().time()
    await patiently(close(), "closing a reply")
    assert asyncio.get_running_loop().time() - started <= CLOSE_S + 0.05
    await a_reply_has_words_and_ends(subject)


async def cancelling_midway_leaves_the_model_usable(subject: Subject) -> None:
    async def read() -> None:
        async for _ in subject.provider.generate(subject.request):
            started.set()

    for wait_for_first in (False, True):
        started = asyncio.Event()
        async with beside(read()) as task:
            if wait_for_first:
                await patiently(started.wait(), "the first delta")
            else:
                await asyncio.sleep(0)
        error = None if task.cancelled() else task.exception()
        assert error is None, f"cancelling raised {type(error).__name__}"
    await a_reply_has_words_and_ends(subject)


async def replies_at_the_same_time_do_not_mix(subject: Subject) -> None:
    alone = await _reply(subject)
    together = await asyncio.gather(*(_reply(subject) for _ in range(4)))
    for deltas in together:
        assert any(isinstance(d, TextDelta) and d.text.strip() for d in deltas)
        assert len(deltas) < 20 * max(len(alone), 1)


CHECKS = (
    a_reply_has_words_and_ends,
    usage_counts_and_never_goes_back,
    tool_calls_are_whole,
    the_request_is_not_touched,
    closing_midway_ends_at_once_and_leaves_the_model_usable,
    cancelling_midway_leaves_the_model_usable,
    replies_at_the_same_time_do_not_mix,
)
