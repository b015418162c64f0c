"""A plugin's language model behind the LanguageModel port."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from typing import Any, Literal

from aivoice.core.prompt import GenerationRequest, Message
from aivoice.errors import ProviderError
from aivoice.providers import failures
from aivoice.providers.continuation import Joiner
from aivoice.providers.data_block import GO_ON, data_block, system_text
from aivoice.providers.livekit.failing import failure_of, quieten
from aivoice.providers.ports import LlmDelta, TextDelta, ToolCallDelta, UsageDelta

_UNKNOWN = '{"status":"unknown"}'
_ANSWER_S = 30.0
"""Far longer than any chain waits."""


class PluginLlm:
    """LanguageModel; Warm and Checked where those are given. make: a plugin object for each request, cheap, over
    connections that all share; shared: it gives the same one each time, which is not closed after a request.

    most: the service's name for the bound of a reply's tokens (`GenerationRequest.answer_tokens`); "": none is sent.
    body: for plugins that take an ``extra_body`` of chat completions: more members of it. The messages are then sent in
    there, too: as an argument, the openai package looks at each member of each message, 5 ms of the event loop for 20.
    A reply that ends without telling its usage has broken off, once one has told it: servers that never do exist.
    """

    def __init__(
        self,
        make: Callable[[], Any],
        *,
        name: str,
        most: str = "",
        body: Mapping[str, Any] | None = None,
        shared: bool = False,
        check: Callable[[], Awaitable[None]] | None = None,
        warm: Callable[[], Awaitable[None]] | None = None,
        close: Callable[[], Awaitable[None]] | None = None,
    ) -> None:
        quieten()
        self.name = name
        self._make, self._most, self._body, self._shared = make, most, body, shared
        self._check, self._warm, self._close = check, warm, close
        self._tells_usage = False

    async def generate(self, request: GenerationRequest) -> AsyncIterator[LlmDelta]:
        """One reply; see the port."""
        joiner = Joiner(request.begun)
        useful = ended = False
        model: Any = None
        stream: Any = None
        try:
            model = self._make()
            stream = self._asked(model, request)
            async for chunk in stream:
                for delta in self._deltas(chunk, joiner):
                    useful = useful or not isinstance(delta, UsageDelta)
                    ended = ended or isinstance(delta, UsageDelta)
                    yield delta
        except ProviderError:
            raise
        except Exception as error:  # noqa: BLE001 - told as one of ours
            raise failure_of(self.name, "llm", error) from None
        finally:
            if stream is not None:
                await stream.aclose()
            if model is not None and not self._shared:
                await model.aclose()
        self._tells_usage = self._tells_usage or ended
        if not ended and (self._tells_usage or not useful):
            raise failures.disconnected(self.name, "llm")
        if rest := joiner.rest():
            yield TextDelta(rest)

    def _asked(self, model: Any, request: GenerationRequest) -> Any:
        from livekit.agents import APIConnectOptions
        from livekit.agents.llm import ChatContext

        context = context_of(request)
        extra: dict[str, Any] = {self._most: request.answer_tokens} if self._most else {}
        if self._body is not None:
            messages, _ = context.to_provider_format("openai")
            extra["extra_body"], context = {**self._body, "messages": messages}, ChatContext.empty()
        return model.chat(
            chat_ctx=context,
            tools=_tools(request),
            conn_options=APIConnectOptions(max_retry=0, timeout=_ANSWER_S),
            **({"extra_kwargs": extra} if extra else {}),
        )

    async def warm(self) -> None:
        """See `providers.ports.Warm`."""
        if self._warm is not None:
            await self._warm()

    async def check(self) -> None:
        """See `providers.ports.Checked`."""
        if self._check is not None:
            await self._check()

    async def aclose(self) -> None:
        if self._close is not None:
            await self._close()

    def _deltas(self, chunk: Any, joiner: Joiner) -> list[LlmDelta]:
        found: list[LlmDelta] = []
        if chunk.delta is not None:
            if chunk.delta.content:
                text = joiner.push(chunk.delta.content)
                found += [TextDelta(text)] if text else []
            for call in chunk.delta.tool_calls:
                found.append(self._call(call))
        if chunk.usage is not None:
            usage = chunk.usage
            found.append(UsageDelta(usage.prompt_tokens, usage.completion_tokens, usage.prompt_cached_tokens))
        return found

    def _call(self, call: Any) -> ToolCallDelta:
        arguments = call.arguments or "{}"
        try:
            fine = isinstance(json.loads(arguments), dict)
        except ValueError:
            fine = False
        if not fine:
            raise failures.malformed(self.name, "llm", "a tool call's arguments")
        return ToolCallDelta(call.call_id, call.name, arguments)


def context_of(request: GenerationRequest) -> Any:
    """The request as a ChatContext: system, history, data of this turn last (so that what providers cache by prefix
    stays the same)."""
    from livekit.agents.llm import ChatContext, FunctionCall, FunctionCallOutput

    context = ChatContext.empty()
    context.add_message(role="system", content=system_text(request))
    names = {call.id: call.name for message in request.messages for call in message.tool_calls}
    answered = {message.tool_call_id for message in request.messages if message.role == "tool"}
    for number, message in enumerate(_messages(request)):
        if message.role == "tool":
            context.insert(
                FunctionCallOutput(
                    call_id=message.tool_call_id or "",
                    name=names.get(message.tool_call_id or "", ""),
                    output=message.text,
                    is_error=False,
                )
            )
            continue
        group = f"m{number}"
        if message.text.strip():
            context.add_message(role=_role(message), content=message.text, id=group)
        for call in message.tool_calls:
            context.insert(FunctionCall(call_id=call.id, name=call.name, arguments=call.arguments, group_id=group))
            if call.id not in answered:  # LiveKit would leave the call out, and the model make it again
                context.insert(FunctionCallOutput(call_id=call.id, name=call.name, output=_UNKNOWN, is_error=False))
    return context


def _role(message: Message) -> Literal["user", "assistant"]:
    return "assistant" if message.role == "assistant" else "user"


def _messages(request: GenerationRequest) -> list[Message]:
    """The history with the data of this turn at its end: behind the caller's newest words, so that what a provider
    caches by prefix reaches up to these."""
    messages, data = list(request.messages), data_block(request)
    if data and messages and messages[-1].role == "user" and messages[-1].text.strip():
        messages[-1] = Message("user", f"{messages[-1].text}\n\n{data}")
    elif data:
        messages.append(Message("user", data))
    if request.begun.strip():
        messages += [Message("assistant", request.begun.rstrip()), Message("user", GO_ON)]
    return messages


def _tools(request: GenerationRequest) -> list[Any]:
    from livekit.agents.llm import function_tool

    async def never(raw_arguments: dict[str, object]) -> str:
        raise NotImplementedError("our engine runs tools")

    return [
        function_tool(
            never,
            raw_schema={"name": tool.name, "description": tool.description, "parameters": tool.parameters},
        )
        for tool in request.tools
    ]
