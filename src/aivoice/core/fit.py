"""Cuts texts and messages to a size. Pure, and steady: what is left depends on the text and the size alone, so that a
prompt that is built again begins with the same characters."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from aivoice.core.prompt import Message
from aivoice.core.repair import repaired
from aivoice.core.tokens import CHARACTERS, message_tokens, text_tokens

CUT = " […]"
"""Ends a text that was too long for its place."""
OMITTED = '{"omitted":true}'
"""Stands for arguments of a tool call that are too long to be shown again."""
_LEAST = 16
"""A message is not cut below so many tokens: rather the oldest are left out."""


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


def fitted(message: Message, most: int) -> Message:
    """The message in at most about `most` tokens: arguments that take half of that are left out, its text is cut."""
    if message_tokens(message) <= most:
        return message
    calls = message.tool_calls
    if sum(text_tokens(call.arguments) for call in calls) > most // 2:
        share = most // (2 * len(calls))
        calls = tuple(
            call if text_tokens(call.arguments) <= share else replace(call, arguments=OMITTED) for call in calls
        )
    bare = message_tokens(replace(message, text="", tool_calls=calls))
    return replace(message, text=shortened(message.text, max(most - bare, 0)), tool_calls=calls)


def within(messages: Sequence[Message], most: int) -> tuple[Message, ...]:
    """Valid (`repair`) messages in at most about `most` tokens. Where they are more, the longest are cut, all to one
    length; where that is not enough, the oldest go, the newest message (with its results) never."""
    costs = [message_tokens(message) for message in messages]
    if sum(costs) <= most:
        return tuple(messages)
    level = max(_level(costs, most), _LEAST)
    cut = [fitted(message, level) for message in messages]
    costs = [message_tokens(message) for message in cut]
    newest = max(index for index, message in enumerate(cut) if message.role != "tool")
    first = 0
    while first < newest and sum(costs[first:]) > most:
        first += 1
    return repaired(cut[first:]) if first else tuple(cut)


def _level(costs: Sequence[int], most: int) -> int:
    """The length to which the longest must be cut, so that all of them, which are more, come to `most`."""
    left = level = most
    for done, cost in enumerate(sorted(costs)):  # pragma: no branch - one is longer than its share
        level = left // (len(costs) - done)
        if cost > level:
            break
        left -= cost
    return level
