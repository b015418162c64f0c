"""Puts a prompt together inside its budgets, section by section. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from aivoice.core.config import CallConfig, Window
from aivoice.core.context import History
from aivoice.core.fit import shortened
from aivoice.core.prompt import GenerationRequest, Message, Passage
from aivoice.core.state import ConversationState
from aivoice.core.tokens import passage_tokens, text_tokens, tool_tokens

_WORTH = 40
"""A passage is cut rather than left out where so many tokens of it still fit."""


def compose(
    config: CallConfig,
    history: History,
    state: ConversationState,
    *,
    tail: Sequence[Message],
    passages: tuple[Passage, ...],
    call_time: str,
    turn: int,
) -> GenerationRequest:
    """The request for a reply. tail: what follows the history (a guessed turn, this reply's earlier rounds)."""
    window, own = config.window, history.scale.own
    history.over = max(fixed_tokens(config) - own(window.system), 0)
    messages = history.window(window.history, window.history_low, tail)
    return GenerationRequest(
        system=config.system,
        tools=config.tools,
        messages=messages,
        passages=fitting(passages, own(window.knowledge)),
        state=state.render(own(window.state)),
        call_time=call_time,
        turn=turn,
        notes=shortened(config.notes, max(own(window.metadata) - text_tokens(call_time), 0)) if config.notes else "",
        summary=history.recap(own(window.summary)),
        answer_tokens=window.reply,
    )


def fitting(passages: tuple[Passage, ...], tokens: int) -> tuple[Passage, ...]:
    """The best passages, whole, as many as fit; the first that does not is cut at a sentence where that is worth it."""
    kept: list[Passage] = []
    left = tokens
    for passage in passages:
        cost = passage_tokens(passage)
        if cost > left:
            head = passage_tokens(replace(passage, text=""))
            if left - head >= _WORTH:
                kept.append(replace(passage, text=shortened(passage.text, left - head)))
            break
        kept.append(passage)
        left -= cost
    return tuple(kept)


def fixed_tokens(config: CallConfig) -> int:
    """What the instructions and the tools of every prompt of the call cost, before scaling; to be told where it is more
    than `Window.system`: instructions are never cut."""
    return text_tokens(config.system) + sum(map(tool_tokens, config.tools))


def most_tokens(window: Window) -> int:
    """The longest prompt that the budgets allow, the reply's room included. Instructions over theirs take it from the
    history, down to its low mark; only where they are longer still is a prompt longer than this."""
    sections = (window.system, window.knowledge, window.metadata, window.state, window.summary, window.history)
    return sum(sections) + window.reply
