"""The tools that the core itself carries out, as a language model is shown them. Pure.

A model may call them whether it was shown them or not (`core.toolbox`): both end the reply they are called in, once
what that reply says has been heard.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from aivoice.core.prompt import ToolSpec
from aivoice.core.toolbox import END_CALL, TRANSFER

_END_CALL = ToolSpec(
    END_CALL,
    "End the call, once what you say in this reply has been heard. Use it when the caller has said goodbye or needs "
    "nothing more, and say goodbye in the same reply.",
    {"type": "object", "properties": {}, "additionalProperties": False},
    side_effects=False,
    time_limit_ms=0,
)


def built_in_tools(targets: Sequence[str]) -> tuple[ToolSpec, ...]:
    """For `CallConfig.tools`, behind the business's own. targets: names of `CallConfig.targets`; without any, calls
    cannot be transferred, and no such tool is shown. Their time limit is 0: nothing runs."""
    if not targets:
        return (_END_CALL,)
    target: dict[str, Any] = {"type": "string", "enum": list(targets), "description": "Who shall take the call."}
    transfer = ToolSpec(
        TRANSFER,
        "Put the caller through to a person, once what you say in this reply has been heard. Use it when the caller "
        "asks for a person, or when only a person can help.",
        {"type": "object", "properties": {"target": target}, "required": ["target"], "additionalProperties": False},
        side_effects=False,
        time_limit_ms=0,
    )
    return (transfer, _END_CALL)
