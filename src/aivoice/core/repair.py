"""Histories that every provider takes: each tool call is followed by its result, each result has its call. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from aivoice.core.prompt import Message, ToolCall

UNKNOWN = '{"status":"unknown"}'
"""Result of a call whose result is not there."""


def repaired(messages: Sequence[Message]) -> tuple[Message, ...]:
    """The messages in their order with

    - the results of an assistant's calls right behind it, in the calls' order; one that is missing as `UNKNOWN`;
    - no result that nobody asked for or that came twice (the first counts), no call id that is used again or empty;
    - no message without text, call or result, and no calls or results in messages of the wrong role.

    What is so already is given back equal; repairing twice changes nothing.
    """
    results: dict[str, Message] = {}
    for message in messages:
        if message.role == "tool" and message.tool_call_id:
            results.setdefault(message.tool_call_id, message)
    out: list[Message] = []
    used: set[str] = set()
    for message in messages:
        if message.role == "tool":
            continue
        calls = _calls(message, used)
        if not calls and not message.text.strip():
            continue
        plain = calls == message.tool_calls and message.tool_call_id is None
        out.append(message if plain else replace(message, tool_calls=calls, tool_call_id=None))
        for call in calls:
            result = results.get(call.id)
            out.append(_result(call, result))
    return tuple(out)


def _calls(message: Message, used: set[str]) -> tuple[ToolCall, ...]:
    """The message's calls whose ids are new; they are used from now on."""
    kept: list[ToolCall] = []
    for call in message.tool_calls if message.role == "assistant" else ():
        if call.id and call.id not in used:
            used.add(call.id)
            kept.append(call)
    return tuple(kept)


def _result(call: ToolCall, found: Message | None) -> Message:
    if found is None:
        return Message("tool", UNKNOWN, tool_call_id=call.id)
    fits = found.text.strip() and not found.tool_calls
    return found if fits else Message("tool", found.text if found.text.strip() else UNKNOWN, tool_call_id=call.id)
