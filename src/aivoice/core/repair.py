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
    - no result that nobody asked for or that came twice (the first counts);
    - no call without an id; one whose id was used before (a model that counts anew in a shorter prompt) has another,
      and the results that came after it are its own;
    - no message without text, call or result, and no calls or results in messages of the wrong role.

    What is so already is given back equal; repairing twice changes nothing.
    """
    answers = _answers(messages)
    taken = {call.id for message in messages for call in message.tool_calls}
    out: list[Message] = []
    used: set[str] = set()
    for index, message in enumerate(messages):
        if message.role == "tool":
            continue
        asked = [call for call in message.tool_calls if call.id] if message.role == "assistant" else []
        calls = tuple(_named(call, used, taken) for call in asked)
        if not calls and not message.text.strip():
            continue
        plain = calls == message.tool_calls and message.tool_call_id is None
        out.append(message if plain else replace(message, tool_calls=calls, tool_call_id=None))
        for call, before in zip(calls, asked, strict=True):
            waiting = answers.get((before.id, index), [])
            out.append(_result(call, waiting.pop(0) if waiting else None))
    return tuple(out)


def _answers(messages: Sequence[Message]) -> dict[tuple[str, int], list[Message]]:
    """The results by call id and index of the message that asked: the last one before them that did, or the first."""
    asking: dict[str, list[int]] = {}
    for index, message in enumerate(messages):
        if message.role == "assistant":
            for call in message.tool_calls:
                asking.setdefault(call.id, []).append(index)
    found: dict[tuple[str, int], list[Message]] = {}
    for index, message in enumerate(messages):
        places = asking.get(message.tool_call_id or "", []) if message.role == "tool" else []
        if places:
            place = max((each for each in places if each < index), default=places[0])
            found.setdefault((message.tool_call_id or "", place), []).append(message)
    return found


def _named(call: ToolCall, used: set[str], taken: set[str]) -> ToolCall:
    """The call under an id that no call before it has."""
    if call.id in used:
        number = 2
        while f"{call.id}_{number}" in taken:
            number += 1
        call = replace(call, id=f"{call.id}_{number}")
        taken.add(call.id)
    used.add(call.id)
    return call


def _result(call: ToolCall, found: Message | None) -> Message:
    if found is None:
        return Message("tool", UNKNOWN, tool_call_id=call.id)
    fits = found.text.strip() and not found.tool_calls and found.tool_call_id == call.id
    return found if fits else Message("tool", found.text if found.text.strip() else UNKNOWN, tool_call_id=call.id)
