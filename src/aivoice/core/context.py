"""The conversation's history, and the window of it that fits a prompt. Pure.

The window does not slide with every turn: a prompt cache holds what two requests begin with alike, so the window's
beginning stays where it is until the history has grown to its high mark, or a summary of its older part has come; then
it moves once, down to the low mark.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from aivoice.core.prompt import Message
from aivoice.core.repair import repaired
from aivoice.core.tokens import CHARACTERS, Scale, message_tokens

CUT = " […]"
"""Ends a text that was too long for its place."""


def shortened(text: str, tokens: int) -> str:
    """The text in at most about `tokens`, ended at a sentence where that keeps most of it, and marked with `CUT`."""
    most = max(tokens * CHARACTERS - len(CUT), 0)
    if len(text) <= tokens * CHARACTERS:
        return text
    kept = text[:most]
    stop = max(kept.rfind(". "), kept.rfind("\n"))
    if stop >= most // 2:
        kept = kept[: stop + 1]
    return kept.rstrip() + CUT


@dataclass(slots=True)
class History:
    """What was said, oldest first, as the model is told it.

    summary: of the messages before `summarised`. start: index of the window's first message; never goes back.
    """

    messages: list[Message] = field(default_factory=list[Message])
    summary: str = ""
    summarised: int = 0
    start: int = 0
    scale: Scale = field(default_factory=Scale)

    def window(self, high: int, low: int) -> tuple[Message, ...]:
        """The newest messages, whole turns of the caller each, at most `high` tokens; beyond that the window is moved
        to `low`. The newest turn is kept whatever it costs, its longest texts cut; the last tool calls and their
        results always, also where the window begins after them. Valid (`repair`)."""
        high, low = self.scale.own(high), self.scale.own(low)
        self.start = min(self.start, len(self.messages))
        if self.cost(self.start) > high:
            self.start = max(self.start, self.boundary(low))
        shown = self.messages[self.start :]
        if self.start:
            shown = [*self._last_tools(), *shown]
        return tuple(_fitted(message, high // 2) for message in repaired(shown))

    def cost(self, first: int) -> int:
        """Tokens (ours) of the messages from index `first` on."""
        return sum(message_tokens(message) for message in self.messages[first:])

    def boundary(self, tokens: int) -> int:
        """The first index of a caller's message from which on the history is at most `tokens` (ours) long; where the
        newest turn alone is longer, its beginning."""
        total, found = 0, len(self.messages)
        for index in range(len(self.messages) - 1, -1, -1):
            total += message_tokens(self.messages[index])
            if total > tokens and found < len(self.messages):
                break
            if self.messages[index].role == "user" or index == 0:
                found = index
        return found

    def turns_from(self, first: int) -> int:
        """Turns of the caller from index `first` on."""
        return sum(message.role == "user" for message in self.messages[first:])

    def summarise_upto(self, upto: int, text: str) -> None:
        """A summary of everything before `upto` has come."""
        upto = min(upto, len(self.messages))
        if upto > self.summarised:
            self.summary, self.summarised = text, upto
            self.start = max(self.start, upto)

    def replace_tool_result(self, result: Message) -> bool:
        """A result that came late takes the place of its 'pending' one; False where there is none."""
        for index in range(len(self.messages) - 1, -1, -1):
            if self.messages[index].tool_call_id == result.tool_call_id and self.messages[index].role == "tool":
                self.messages[index] = result
                return True
        return False

    def _last_tools(self) -> list[Message]:
        """The last message with tool calls, and their results, where the window begins after it."""
        for index in range(len(self.messages) - 1, -1, -1):
            message = self.messages[index]
            if message.role != "tool" and message.tool_calls:
                if index >= self.start:
                    return []
                ids = {call.id for call in message.tool_calls}
                return [message, *(each for each in self.messages[index:] if each.tool_call_id in ids)]
        return []


def _fitted(message: Message, most: int) -> Message:
    if message_tokens(message) <= most:
        return message
    return replace(message, text=shortened(message.text, most))
