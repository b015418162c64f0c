"""Claude by the Messages API, streamed. Shapes: docs.anthropic.com ("Streaming messages", "Errors", "Prompt caching")
and the types of the `anthropic` package. Never run against the real service; against `testing.standins.anthropic` and
the independent aimock.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from aivoice.core.prompt import GenerationRequest
from aivoice.errors import ProviderError
from aivoice.providers import failures
from aivoice.providers.claude.messages import parameters
from aivoice.providers.continuation import Joiner
from aivoice.providers.ports import LlmDelta, TextDelta, ToolCallDelta, UsageDelta

if TYPE_CHECKING:
    from anthropic import AsyncAnthropic

URL = "https://api.anthropic.com"
MODEL = "claude-haiku-4-5"
_CONNECT_S = 5.0
_READ_S = 60.0
"""Far longer than any chain waits: only a connection that nobody watches is ended by it."""
_KEEP_S = 300.0
"""A call's next turn finds the connection of the last one."""


@dataclass(frozen=True, slots=True)
class ClaudeOptions:
    """most_tokens: bound of a reply beside the request's own. thinking: ``disabled`` (a caller waits), ``adaptive``, or
    "" for models that do not take the parameter. effort: ``low`` … ``max``; "": the model's own."""

    most_tokens: int = 2_000
    thinking: Literal["", "disabled", "adaptive"] = "disabled"
    effort: Literal["", "low", "medium", "high", "xhigh", "max"] = ""


@dataclass(slots=True)
class _Reading:
    """One reply as its events come. blocks: tool calls being written, by index."""

    name: str
    tools: dict[int, tuple[str, str, list[str]]] = field(default_factory=dict[int, tuple[str, str, list[str]]])
    prompt: int = 0
    cached: int = 0
    completion: int = 0
    begun: bool = False
    ended: bool = False

    def usage(self) -> UsageDelta:
        return UsageDelta(self.prompt, self.completion, self.cached)


class Claude:
    """LanguageModel, Warm, Checked. Serves many calls over one pool of connections; `aclose` ends it.

    Text is given on as it comes, a tool call once it is whole, usage when the service first tells it (what a cancelled
    request has cost so far) and at the end. Cancelling closes the connection: nothing is generated any more.
    """

    def __init__(
        self,
        *,
        key: str,
        name: str = "claude",
        model: str = MODEL,
        url: str = URL,
        options: ClaudeOptions = ClaudeOptions(),
    ) -> None:
        self.name = name
        self._model, self._options = model, options
        self._client = _client(key, url)

    async def generate(self, request: GenerationRequest) -> AsyncIterator[LlmDelta]:
        """One reply; see the port. Errors: ProviderError with a code of `providers.failures`."""
        joiner = Joiner(request.begun)
        reading = _Reading(self.name)
        try:
            stream = await self._client.messages.create(
                model=self._model,
                max_tokens=min(request.answer_tokens, self._options.most_tokens),
                stream=True,
                **self._asked(request),
            )
            async with aclosing(_Closing(stream)):
                async for event in stream:
                    for delta in self._deltas(event, reading, joiner):
                        yield delta
        except ProviderError:
            raise
        except Exception as error:
            raise self._failure(error) from error
        if not reading.ended:
            raise failures.disconnected(self.name, "llm")
        rest = joiner.rest()
        if rest:
            yield TextDelta(rest)
        yield reading.usage()

    async def warm(self) -> None:
        """A connection of the pool is open afterwards, where the service can be reached."""
        try:
            await self._client.get("/", cast_to=object, options={"max_retries": 0, "timeout": _CONNECT_S})
        except Exception:  # noqa: BLE001 - any answer, a refusal too, leaves an open connection
            return

    async def check(self) -> None:
        """Asks for the model's description, which costs nothing."""
        try:
            await self._client.models.retrieve(self._model, timeout=_CONNECT_S)
        except Exception as error:
            failure = self._failure(error)
            if failure.code == "rejected":
                raise ProviderError(
                    f"{self.name}: there is no model {self._model}", code="rejected", stage="llm", retryable=False
                ) from error
            raise failure from error

    async def aclose(self) -> None:
        """Ends every connection."""
        await self._client.close()

    # ------------------------------------------------------------ requests

    def _asked(self, request: GenerationRequest) -> dict[str, Any]:
        asked = parameters(request)
        if self._options.thinking:
            asked["thinking"] = {"type": self._options.thinking}
        if self._options.effort:
            asked["output_config"] = {"effort": self._options.effort}
        return asked

    # ------------------------------------------------------------ events

    def _deltas(self, event: Any, reading: _Reading, joiner: Joiner) -> list[LlmDelta]:
        """What an event gives. Kinds that are not known are passed over, as the service asks of its clients."""
        try:
            match event.type:
                case "message_start":
                    return self._started(event.message.usage, reading)
                case "content_block_start" if event.content_block.type == "tool_use":
                    block = event.content_block
                    reading.tools[event.index] = (str(block.id), str(block.name), [])
                case "content_block_delta" if event.delta.type == "text_delta":
                    text = joiner.push(_string(event.delta.text))
                    return [TextDelta(text)] if text else []
                case "content_block_delta" if event.delta.type == "input_json_delta":
                    reading.tools[event.index][2].append(_string(event.delta.partial_json))
                case "content_block_stop" if event.index in reading.tools:
                    return [self._call(*reading.tools.pop(event.index))]
                case "message_delta":
                    self._grown(event, reading)
                case "message_stop":
                    reading.ended = True
                case _:
                    pass
        except (AttributeError, KeyError, TypeError, ValueError):
            raise failures.malformed(self.name, "llm", str(getattr(event, "type", "an event"))[:40]) from None
        return []

    def _started(self, usage: Any, reading: _Reading) -> list[LlmDelta]:
        reading.begun = True
        reading.cached = int(usage.cache_read_input_tokens or 0)
        reading.prompt = int(usage.input_tokens) + int(usage.cache_creation_input_tokens or 0) + reading.cached
        reading.completion = int(usage.output_tokens)
        return [reading.usage()]

    def _grown(self, event: Any, reading: _Reading) -> None:
        reading.completion = max(reading.completion, int(event.usage.output_tokens))
        if event.delta.stop_reason == "refusal":
            raise ProviderError(f"{self.name} declines to answer", code="refused", stage="llm", retryable=False)

    def _call(self, call_id: str, name: str, pieces: list[str]) -> ToolCallDelta:
        arguments = "".join(pieces) or "{}"
        if not isinstance(json.loads(arguments), dict):
            raise ValueError
        return ToolCallDelta(call_id, name, arguments)

    def _failure(self, error: Exception) -> ProviderError:
        import anthropic

        match error:
            case anthropic.APIStatusError():
                kind = _error_type(error.body)
                status = _STATUS.get(kind, error.status_code)
                if status == 404 or kind == "not_found_error":
                    return ProviderError(
                        f"{self.name}: there is no model {self._model}", code="rejected", stage="llm", retryable=False
                    )
                return failures.of_status(self.name, "llm", status)
            case anthropic.APITimeoutError():
                return ProviderError(f"{self.name} does not answer", code="timeout", stage="llm")
            case anthropic.APIConnectionError():
                return failures.unreachable(self.name, "llm", error.__cause__ or error)
            case ValueError():
                return failures.malformed(self.name, "llm", "an event is no JSON")
            case _:
                return failures.disconnected(self.name, "llm")


_STATUS = {
    "authentication_error": 401,
    "permission_error": 403,
    "rate_limit_error": 429,
    "overloaded_error": 529,
    "api_error": 500,
    "timeout_error": 504,
}
"""Errors inside a stream come with its status 200: their type tells what they are."""


def _error_type(body: Any) -> str:
    found: Any = body.get("error") if isinstance(body, dict) else None  # pyright: ignore[reportUnknownVariableType, reportUnknownMemberType]
    return str(found.get("type", "")) if isinstance(found, dict) else ""  # pyright: ignore[reportUnknownArgumentType, reportUnknownMemberType]


def _string(value: object) -> str:
    """The package does not check what it hands on. Raises TypeError."""
    if not isinstance(value, str):
        raise TypeError
    return value


class _Closing:
    """`aclose` of a stream that calls it `close`."""

    def __init__(self, stream: Any) -> None:
        self._stream = stream

    async def aclose(self) -> None:
        await self._stream.close()


def _client(key: str, url: str) -> AsyncAnthropic:
    import anthropic
    import httpx2

    return anthropic.AsyncAnthropic(
        api_key=key,
        base_url=url,
        max_retries=0,  # the chain asks the next provider instead
        timeout=httpx2.Timeout(_READ_S, connect=_CONNECT_S),
        http_client=anthropic.DefaultAsyncHttpxClient(
            limits=httpx2.Limits(max_connections=1_000, max_keepalive_connections=200, keepalive_expiry=_KEEP_S),
            timeout=httpx2.Timeout(_READ_S, connect=_CONNECT_S),
        ),
    )
