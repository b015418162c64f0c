"""How many tokens a text is about, and how a provider's own count corrects that. Pure.

English is about four characters a token in the tokenisers of today's models; what a provider charges for a known prompt
tells by how much that is off, and every later estimate of the call is scaled by it.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from aivoice.core.prompt import GenerationRequest, Message, Passage, ToolSpec

CHARACTERS = 4
MESSAGE = 4
"""What a message costs beside its text."""
_LEAST, _MOST = 0.5, 2.0
_WEIGHT = 0.3
_STEP = 0.05


def text_tokens(text: str) -> int:
    """0 for no text."""
    return -(-len(text) // CHARACTERS)


def message_tokens(message: Message) -> int:
    calls = sum(len(call.name) + len(call.arguments) + 8 * CHARACTERS for call in message.tool_calls)
    return MESSAGE + text_tokens(message.text) + -(-calls // CHARACTERS)


def passage_tokens(passage: Passage) -> int:
    return MESSAGE + text_tokens(passage.text) + text_tokens(passage.heading) + text_tokens(passage.source)


def tool_tokens(tool: ToolSpec) -> int:
    """The schema as JSON, about: its keys and strings."""
    return MESSAGE + text_tokens(tool.name) + text_tokens(tool.description) + -(-_size(tool.parameters) // CHARACTERS)


def request_tokens(request: GenerationRequest) -> int:
    """Of the whole prompt, before scaling."""
    fixed = (request.system, request.state, request.notes, request.summary, request.call_time, request.begun)
    return (
        sum(map(text_tokens, fixed))
        + sum(map(tool_tokens, request.tools))
        + sum(map(message_tokens, request.messages))
        + sum(map(passage_tokens, request.passages))
    )


def _size(value: object) -> int:
    if isinstance(value, dict):
        return sum(len(str(key)) + 4 + _size(each) for key, each in value.items())  # pyright: ignore[reportUnknownVariableType, reportUnknownArgumentType]
    if isinstance(value, list | tuple):
        return sum(2 + _size(each) for each in value)  # pyright: ignore[reportUnknownVariableType, reportUnknownArgumentType]
    return len(str(value))


@dataclass(slots=True)
class Scale:
    """ratio: a provider's tokens for one of ours, smoothed; 1 until something is known."""

    ratio: float = 1.0
    known: bool = False

    def learn(self, estimated: int, charged: int) -> None:
        """A prompt that was estimated at `estimated` (unscaled) cost `charged` tokens. Ratios that no tokeniser has are
        somebody's other way to count, and are passed over."""
        if estimated < 50 or charged <= 0:
            return
        ratio = charged / estimated
        if not _LEAST <= ratio <= _MOST:
            return
        self.ratio = self.ratio + _WEIGHT * (ratio - self.ratio) if self.known else ratio
        self.known = True

    def own(self, tokens: int) -> int:
        """A budget in the provider's tokens as ours. The ratio is rounded up to a step: what is cut to size stays as it
        is while the ratio is still being learned (prompt caches). A provider that counts fewer does not widen budgets:
        what it counts less (frames of messages, tools) is not spread evenly over the sections."""
        return int(tokens / (math.ceil(max(self.ratio, 1.0) / _STEP - 1e-9) * _STEP))
