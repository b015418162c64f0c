"""How long a full prompt takes to build: 8,000 tokens and more of history, knowledge, state, tools (≤ 5 ms at p95).

`python -m benchmarks context`
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path

from aivoice.core.config import CallConfig
from aivoice.core.context import History
from aivoice.core.prompt import Message, Passage, ToolCall, ToolSpec
from aivoice.core.state import ConversationState
from aivoice.core.tokens import request_tokens
from aivoice.core.window import compose
from aivoice.providers.claude.messages import parameters
from benchmarks.sockets import percentile

GOAL_MS = 5.0


def _history() -> History:
    history = History()
    for number in range(64):
        history.messages += [
            Message("user", f"Question {number}: " + "how long does a filling take on an ordinary day? " * 3),
            Message("assistant", "A filling takes about forty minutes, and we have time on Tuesday. " * 3),
        ]
        if number % 8 == 0:
            call = ToolCall(f"t{number}", "find_slots", '{"day":"tuesday"}')
            history.messages += [
                Message("assistant", "One moment.", (call,)),
                Message("tool", '{"slots": ["9:00", "10:00", "11:30"]}', tool_call_id=call.id),
            ]
    return history


def measure(times: int) -> dict[str, float]:
    """ms: the core's part, and with it the rendering for Claude."""
    state = ConversationState()
    state.merge(tuple((f"thing{n}.detail", "some value that was told") for n in range(60)), 1)
    schema = {"type": "object", "properties": {f"p{n}": {"type": "string", "description": "text"} for n in range(8)}}
    tools = tuple(ToolSpec(f"tool{n}", "Does something useful.", schema, side_effects=False) for n in range(6))
    config = CallConfig(system="Be brief and kind. " * 100, tools=tools)
    passages = tuple(Passage("We are open from nine until five. " * 20, "faq", "Hours", 0.9) for _ in range(8))
    history = _history()
    built: list[float] = []
    rendered: list[float] = []
    tokens = 0
    for turn in range(times):
        began = time.perf_counter()
        request = compose(
            config, history, state, tail=(), passages=passages, call_time="2026-11-27T15:00:00+00:00", turn=turn
        )
        built.append((time.perf_counter() - began) * 1_000)
        parameters(request)
        rendered.append((time.perf_counter() - began) * 1_000)
        tokens = request_tokens(request)
    return {
        "tokens": tokens,
        "built p50": round(percentile(built, 0.5), 3),
        "built p95": round(percentile(built, 0.95), 3),
        "rendered p95": round(percentile(rendered, 0.95), 3),
    }


def main(arguments: list[str]) -> int:
    """Status 1 where it takes longer than asked."""
    parser = argparse.ArgumentParser(prog="benchmarks context", description=__doc__)
    parser.add_argument("--times", type=int, default=2_000)
    parser.add_argument("--quick", action="store_true", help="a tenth of them")
    parser.add_argument("--json", type=Path, help="file for the figures")
    parser.add_argument("--docs", type=Path, help="taken, and left alone")
    asked = parser.parse_args(arguments)
    figures = measure(asked.times // 10 if asked.quick else asked.times)
    print(figures)
    if asked.json:
        asked.json.write_text(json.dumps(figures), encoding="utf-8")
    return 0 if figures["rendered p95"] <= GOAL_MS else 1
