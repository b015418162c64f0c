"""The rule-based receptionist: an honest, deterministic dialogue manager behind the LanguageModel port.

`Receptionist(business).generate(request)` is stateless: everything is derived from `request` each time, so it can take
over in the middle of a call from any other model, and two of them give the same reply. It answers from the business
file and the passages, fills in any tool's parameters over several turns, reads back and asks before anything with side
effects is done, and says plainly what it does not know.
"""

from __future__ import annotations

import asyncio
import datetime as dt
import re
from collections.abc import AsyncIterator
from zoneinfo import ZoneInfo

from aivoice.business.model import Business
from aivoice.core.prompt import GenerationRequest, ToolSpec
from aivoice.core.text import rest_of
from aivoice.providers.ports import LlmDelta, TextDelta, ToolCallDelta, UsageDelta
from aivoice.providers.receptionist.facts import Facts, facts_of
from aivoice.providers.receptionist.plan import Reply, plan
from aivoice.providers.receptionist.replay import replaying
from aivoice.providers.receptionist.schema import BUILT_IN, Shape, shape_of
from aivoice.providers.receptionist.state import State

AGAIN = "Let me say that again."
"""Before a reply that takes the place of one that broke off inside a sentence."""

# Messages read in one go; a message never read before costs about 0.2 ms.
_SLICE = 8


class Receptionist:
    """LanguageModel without a model. Never raises for any request. Holds the event loop up for < 5 ms at a time.

    name: for traces and the fallback chain. The reply comes as one TextDelta a word, then the tool calls, then usage in
    words. Closing or cancelling the iterator stops it at once; nothing is kept between calls.
    """

    name = "receptionist"

    def __init__(self, business: Business | Facts) -> None:
        self._facts = facts_of(business)

    async def generate(self, request: GenerationRequest) -> AsyncIterator[LlmDelta]:
        """One reply; see the port. Deterministic: the same request gives the same deltas."""
        state = self._blank(request)
        for number, within in enumerate(replaying(state, request.messages), 1):
            if within or number % _SLICE == 0:
                await asyncio.sleep(0)
        reply = plan(state, request)
        pieces = re.findall(r"\S+\s*", _going_on(reply.text, request.begun))
        for piece in pieces:
            yield TextDelta(piece)
        for number, call in enumerate(reply.calls):
            yield ToolCallDelta(f"r{len(request.messages)}-{number}", call[0], call[1])
        prompt = len(request.system.split()) + sum(len(message.text.split()) for message in request.messages)
        yield UsageDelta(prompt, len(pieces) + sum(len(call[1].split()) + 1 for call in reply.calls))

    def reply(self, request: GenerationRequest) -> Reply:
        """The whole reply at once (what `generate` streams)."""
        state = self._blank(request)
        for _ in replaying(state, request.messages):
            pass
        return plan(state, request)

    def _blank(self, request: GenerationRequest) -> State:
        return State(moment(request.call_time, self._facts.zone), self._facts, shapes_of(request.tools))


def _going_on(text: str, begun: str) -> str:
    """The reply after the words that another model had begun it with: where they are not ours, it is begun anew."""
    if not begun or not text:
        return text
    rest = rest_of(text, begun)
    if rest is not None:
        return f" {rest}" if rest else ""
    return f". {AGAIN} {text}" if begun.rstrip()[-1:] not in ".!?" else f" {text}"


def moment(call_time: str, zone: str) -> dt.datetime:
    """The caller's wall clock; one that cannot be read counts as Monday, 3 January 2000, nine o'clock UTC."""
    try:
        now = dt.datetime.fromisoformat(call_time)
    except ValueError:
        now = dt.datetime(2000, 1, 3, 9, tzinfo=dt.UTC)
    if now.tzinfo is None:
        try:
            now = now.replace(tzinfo=ZoneInfo(zone))
        except (KeyError, ValueError, OSError):
            now = now.replace(tzinfo=dt.UTC)
    return now


_SHAPES: dict[int, tuple[tuple[ToolSpec, ...], tuple[Shape, ...]]] = {}


def shapes_of(tools: tuple[ToolSpec, ...]) -> tuple[Shape, ...]:
    """The business's tools as shapes; the last few sets are remembered (schemas are never changed in place). Those
    built in are no forms to fill: the receptionist knows by itself when to call them."""
    key = id(tools)
    known = _SHAPES.get(key)
    if known is not None and known[0] is tools:
        return known[1]
    shapes = tuple(shape_of(spec) for spec in tools if spec.name not in BUILT_IN)
    while len(_SHAPES) >= 64:
        del _SHAPES[next(iter(_SHAPES))]
    _SHAPES[key] = (tools, shapes)
    return shapes
