"""The conversation's history and the window of it that fits a prompt. Pure."""

from __future__ import annotations

from dataclasses import dataclass, field

from aivoice.core.prompt import Message


@dataclass(slots=True)
class History:
    """What was said, oldest first, as the model is told it. summary: of what the window no longer shows."""

    messages: list[Message] = field(default_factory=list[Message])
    summary: str = ""

    def window(self, budget_words: int) -> tuple[Message, ...]:
        """The newest messages within the budget, cut only before a caller's message, so that no tool result
        loses its call. The newest exchange is kept whatever it costs."""
        total, start = 0, len(self.messages)
        for index in range(len(self.messages) - 1, -1, -1):
            message = self.messages[index]
            total += _words(message)
            if total > budget_words and start < len(self.messages):
                break
            if message.role == "user" or index == 0:
                start = index
        window = tuple(self.messages[start:])
        if start and self.summary:
            return (Message("user", f"[Earlier in this call: {self.summary}]"), *window)
        return window

    def replace_tool_result(self, result: Message) -> bool:
        """A result that came late takes the place of its 'pending' one; False where there is none."""
        for index in range(len(self.messages) - 1, -1, -1):
            if self.messages[index].tool_call_id == result.tool_call_id and self.messages[index].role == "tool":
                self.messages[index] = result
                return True
        return False


def _words(message: Message) -> int:
    return len(message.text.split()) + sum(len(call.arguments.split(",")) + 2 for call in message.tool_calls) + 2
