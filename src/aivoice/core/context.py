"""The conversation's history, and the window of it that fits a prompt. Pure.

The window does not slide with every turn: a prompt cache holds what two requests begin with alike, so the window's
beginning stays where it is until the history has grown to its high mark, or a summary of its older part has come; then
it moves once, down to the low mark.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from aivoice.core.fit import fitted, shortened, within
from aivoice.core.prompt import Message
from aivoice.core.repair import repaired
from aivoice.core.tokens import Scale, message_tokens, text_tokens

_SHARE = 4
"""No message, and no tool calls from before the window, takes more than this part of the history's budget."""
_LINE = 8
"""Tokens of a turn in what stands in for a summary: at least so many."""


@dataclass(slots=True)
class History:
    """What was said, oldest first, as the model is told it.

    summary: of the messages before `summarised`. start: index of the window's first message; never goes back.
    over: tokens (ours) by which the instructions are over their budget; they are taken from the window's high mark.
    """

    messages: list[Message] = field(default_factory=list[Message])
    summary: str = ""
    summarised: int = 0
    start: int = 0
    scale: Scale = field(default_factory=Scale)
    over: int = 0

    def high(self, high: int, low: int) -> int:
        """The high mark in our tokens; never below the low mark."""
        return max(self.scale.own(high) - self.over, self.scale.own(low))

    def window(self, high: int, low: int, tail: Sequence[Message] = ()) -> tuple[Message, ...]:
        """The newest messages and `tail`, what follows them: at most `high` tokens in all, whatever they hold.

        Whole turns of the caller; beyond `high` the window's beginning is moved so that `low` are left. The last tool
        calls from before it, with their results, stand first. A message over its share is cut. Valid (`repair`).
        """
        high, low = self.high(high, low), self.scale.own(low)
        self.start = min(self.start, len(self.messages))
        shown = self._shown(high, tail)
        if sum(map(message_tokens, shown)) > high:
            self.start = max(self.start, self.boundary(low, high // _SHARE))
            shown = self._shown(high, tail)
        return within(shown, high)

    def _shown(self, high: int, tail: Sequence[Message]) -> list[Message]:
        most = high // _SHARE
        tools = within(repaired(self._last_tools()), most)
        return [fitted(each, most) for each in repaired((*tools, *self.messages[self.start :], *tail))]

    def cost(self, first: int, most: int = 1 << 30) -> int:
        """Tokens (ours) of the messages from index `first` on, each counted as at most `most`."""
        return sum(min(message_tokens(message), most) for message in self.messages[first:])

    def boundary(self, tokens: int, most: int = 1 << 30) -> int:
        """The first index of a caller's message from which on the history is at most `tokens` (ours) long, each message
        counted as at most `most`; where the newest turn alone is longer, its beginning."""
        total, found = 0, len(self.messages)
        for index in range(len(self.messages) - 1, -1, -1):
            total += min(message_tokens(self.messages[index]), most)
            if total > tokens and found < len(self.messages):
                break
            if self.messages[index].role == "user" or index == 0:
                found = index
        return found

    def share(self, high: int, low: int) -> int:
        """What one message counts at most."""
        return self.high(high, low) // _SHARE

    def turns_from(self, first: int) -> int:
        """Turns of the caller from index `first` on."""
        return sum(message.role == "user" for message in self.messages[first:])

    def summarise_upto(self, upto: int, text: str) -> None:
        """A summary of everything before `upto` has come."""
        upto = min(upto, len(self.messages))
        if upto > self.summarised:
            self.summary, self.summarised = text, upto
            self.start = max(self.start, upto)

    def recap(self, tokens: int) -> str:
        """The summary, in at most about `tokens`; where the window has moved on without one, the caller's turns and the
        tools' answers in between, each in its first words: equal shares, and where there are too many the newest."""
        summary = self.summary if self.summarised else ""
        lines = [
            f"{'Caller' if message.role == 'user' else 'Result'}: {message.text}"
            for message in self.messages[self.summarised : self.start]
            if message.role != "assistant" and message.text.strip()
        ]
        if not lines:
            return shortened(summary, tokens)
        parts = [shortened(summary, tokens // 2)] if summary else []
        left = tokens - sum(map(text_tokens, parts))
        each = max(left // len(lines), _LINE)
        newest = lines[max(len(lines) - left // each, 0) :]
        return "\n".join((*parts, *(shortened(line, each - 1) for line in newest)))

    def replace_tool_result(self, result: Message) -> bool:
        """A result that came late takes the place of its 'pending' one; False where there is none."""
        for index in range(len(self.messages) - 1, -1, -1):
            if self.messages[index].tool_call_id == result.tool_call_id and self.messages[index].role == "tool":
                self.messages[index] = result
                return True
        return False

    def _last_tools(self) -> list[Message]:
        """The last message with tool calls before the window, and their results. It depends on where the window begins
        alone: tools that are called inside it do not change how the prompt begins."""
        for index in range(self.start - 1, -1, -1):
            message = self.messages[index]
            if message.role != "tool" and message.tool_calls:
                ids = {call.id for call in message.tool_calls}
                return [message, *(each for each in self.messages[index : self.start] if each.tool_call_id in ids)]
        return []
