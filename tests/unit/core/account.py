"""What a judge of the core keeps account of: replies, tools, turns, history. See `judge`."""

from __future__ import annotations

from dataclasses import dataclass, field

from aivoice.core.prompt import Message, ToolCall

WORD, _HEARD_FROM = 4_000, 1_600
"""Samples of a word of the toy voice, and how many of them make it a word that was heard."""


@dataclass(slots=True)
class Asked:
    """A tool that the model asked for."""

    turn: int
    call_id: str
    name: str
    arguments: str
    round: int
    effects: bool
    attempt: int = 0
    outcome: str = ""
    result: str = ""

    def message(self) -> Message:
        unsaid = {"": "pending", "failed": "failed", "unknown": "unknown"}
        text = self.result if self.outcome == "ok" else f'{{"status":"{unsaid[self.outcome]}"}}'
        return Message("tool", text, tool_call_id=self.call_id)


@dataclass(slots=True)
class Said:
    """A reply: clips (with their round) in the order in which they sound, and the tools asked for."""

    turn: int
    answer: bool
    text: str
    committed: bool
    since: int
    clips: list[tuple[int, int]] = field(default_factory=list[tuple[int, int]])
    cached: dict[int, str] = field(default_factory=dict[int, str])
    asked: list[Asked] = field(default_factory=list[Asked])
    rounds: int = 0
    firm: bool = False
    waterfalls: int = 0
    sounded: bool = False

    @property
    def round(self) -> int:
        return max(self.rounds - 1, 0)


@dataclass(slots=True)
class Entry:
    """A piece of history: a caller's turn, or what was heard of a reply by round."""

    turn: int = 0
    user: str = ""
    texts: list[str] = field(default_factory=list[str])
    asked: list[Asked] = field(default_factory=list[Asked])

    def messages(self) -> list[Message]:
        if self.user:
            return [Message("user", self.user)]
        out: list[Message] = []
        for number, text in enumerate(self.texts):
            asked = [each for each in self.asked if each.round == number]
            if text or asked:
                out.append(Message("assistant", text, tuple(ToolCall(a.call_id, a.name, a.arguments) for a in asked)))
                out.extend(each.message() for each in asked)
        return out


@dataclass(slots=True)
class Turn:
    at: int
    ended: int
    text: str


def words_at(samples: int) -> int:
    """How many words of a clip were heard at `samples`: those of which 100 ms sounded."""
    return (samples + WORD - _HEARD_FROM) // WORD


def plain(message: Message) -> Message:
    """White space and the mark's last words aside, two messages that say the same are the same."""
    return Message(message.role, " ".join(message.text.split()), message.tool_calls, message.tool_call_id)
