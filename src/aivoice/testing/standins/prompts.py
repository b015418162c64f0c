"""What a stand-in for a language model's service makes of the body it was sent: the GenerationRequest behind it, as far
as an author needs it. The inverse of the adapters' own rendering, and as such a test of it."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from xml.sax.saxutils import unescape

from aivoice.core.prompt import GenerationRequest, Message, Passage
from aivoice.providers.data_block import CLOSE, GO_ON, OPEN, RULE
from aivoice.providers.ports import LlmDelta

Answer = Callable[[GenerationRequest], AsyncIterator[LlmDelta]]
"""Who writes a stand-in's replies: `LanguageModel.generate` of any model without a network."""

_FIELDS = {
    "call_answered_at": "call_time",
    "notes": "notes",
    "earlier_in_this_call": "summary",
    "known_so_far": "state",
}
_ELEMENT = re.compile(r"<(\w+)([^>]*)>(.*?)</\1>", re.DOTALL)
_ATTRIBUTE = re.compile(r"""(\w+)=("[^"]*"|'[^']*')""")
_QUOTES = {"&quot;": '"', "&apos;": "'"}


def own_system(text: str) -> str:
    """The system text without the rule that adapters add."""
    return text.removesuffix(RULE).rstrip()


def with_data(request: GenerationRequest, text: str) -> GenerationRequest:
    """The request with what a data block says. Raises ValueError where `text` is none."""
    if not (text.startswith(OPEN) and text.endswith(CLOSE)):
        raise ValueError("no data block")
    fields: dict[str, str] = {}
    passages: list[Passage] = []
    for name, about, inner in _ELEMENT.findall(text[len(OPEN) : -len(CLOSE)]):
        told = unescape(str(inner))
        if name == "document":
            found = {key: unescape(value[1:-1], _QUOTES) for key, value in _ATTRIBUTE.findall(about)}
            passages.append(Passage(told, found.get("source", ""), found.get("heading", ""), 1.0))
        else:
            fields[_FIELDS[name]] = told
    return replace(request, passages=tuple(passages), **fields)


def with_begun(request: GenerationRequest) -> GenerationRequest:
    """Where the last message asks to go on with a reply: the request for its rest."""
    messages = list(request.messages)
    if not messages or messages[-1] != Message("user", GO_ON):
        return request
    messages.pop()
    begun = messages.pop()
    return replace(request, messages=tuple(messages), begun=begun.text)
