"""A GenerationRequest as parameters of the Messages API. Pure.

Order, stable before volatile, as its prompt cache wants it: tools, system, history, newest message, data of this turn.
Cache breakpoints (`cache_control`) stand at the end of the system text and of the newest message's own words: the next
turn begins with the same tokens up to there. The data block comes after the last one.

Whatever history it is given, the result obeys the API's rules: the first message is the user's, roles alternate, every
`tool_use` is answered by a `tool_result` at the beginning of the next message, no text is empty. Source:
docs.anthropic.com, "Messages", "Tool use" and "Prompt caching".
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from aivoice.core.prompt import GenerationRequest, Message, ToolCall
from aivoice.providers.data_block import GO_ON, data_block, system_text

_UNKNOWN = '{"status":"unknown"}'
_BEGINNING = "[The caller is on the line.]"
_SILENCE = "[The caller says nothing.]"
_CACHED = {"type": "ephemeral"}

Block = dict[str, Any]


def parameters(request: GenerationRequest) -> dict[str, Any]:
    """`system`, `tools` and `messages` of the call; `tools` is left out where there are none."""
    found: dict[str, Any] = {
        "system": [{"type": "text", "text": system_text(request), "cache_control": _CACHED}],
        "messages": _messages(request),
    }
    if request.tools:
        found["tools"] = [
            {"name": tool.name, "description": tool.description, "input_schema": _schema(tool.parameters)}
            for tool in request.tools
        ]
    return found


def _schema(parameters: dict[str, Any]) -> dict[str, Any]:
    return parameters if parameters.get("type") == "object" else {"type": "object", **parameters}


def _messages(request: GenerationRequest) -> list[dict[str, Any]]:
    turns: list[tuple[str, list[Block]]] = []
    for role, blocks in _blocks(request.messages):
        if turns and turns[-1][0] == role:
            turns[-1][1].extend(blocks)
        else:
            turns.append((role, blocks))
    if not turns or turns[0][0] != "user":
        turns.insert(0, ("user", [_text(_BEGINNING)]))
    if request.begun.strip():
        if turns[-1][0] == "assistant":
            turns[-1][1].append(_text(request.begun.rstrip()))
        else:
            turns.append(("assistant", [_text(request.begun.rstrip())]))
        turns.append(("user", [_text(GO_ON)]))
    elif turns[-1][0] == "assistant":
        turns.append(("user", [_text(_SILENCE)]))
    newest = turns[-1][1]
    newest[-1] = {**newest[-1], "cache_control": _CACHED}
    data = data_block(request)
    if data:
        newest.append(_text(data))
    return [{"role": role, "content": blocks} for role, blocks in turns]


def _blocks(messages: Sequence[Message]) -> list[tuple[str, list[Block]]]:
    """Each message as blocks; results are moved to their calls, those that nobody asked for are left out."""
    results = {m.tool_call_id: m.text for m in messages if m.role == "tool" and m.tool_call_id}
    answered: set[str] = set()
    out: list[tuple[str, list[Block]]] = []
    for message in messages:
        if message.role == "tool":
            continue
        blocks = [_text(message.text)] if message.text.strip() else []
        calls = list({call.id: call for call in message.tool_calls if call.id and call.id not in answered}.values())
        if message.role == "assistant" and calls:
            answered.update(call.id for call in calls)
            out.append(("assistant", [*blocks, *map(_use, calls)]))
            out.append(("user", [_result(call.id, results.get(call.id, _UNKNOWN)) for call in calls]))
        elif blocks:
            out.append((message.role, blocks))
    return out


def _text(text: str) -> Block:
    return {"type": "text", "text": text.rstrip() or text}


def _use(call: ToolCall) -> Block:
    return {"type": "tool_use", "id": call.id, "name": call.name, "input": _object(call.arguments)}


def _result(call_id: str, text: str) -> Block:
    return {"type": "tool_result", "tool_use_id": call_id, "content": text or _UNKNOWN}


def _object(text: str) -> dict[str, Any]:
    try:
        value: Any = json.loads(text or "{}")
    except (ValueError, RecursionError):
        return {}
    return value if isinstance(value, dict) else {}  # pyright: ignore[reportUnknownVariableType]
