"""What providers charge for what calls use. Pure; prices in micro-units, rounded half up once an event."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from aivoice.errors import InputError

CALL_SECONDS = "call.seconds"
STT_SECONDS = "stt.seconds"
LLM_PROMPT, LLM_CACHED, LLM_COMPLETION = "llm.prompt_tokens", "llm.cached_tokens", "llm.completion_tokens"
LLM_WASTED_PROMPT, LLM_WASTED_COMPLETION = "llm.wasted_prompt_tokens", "llm.wasted_completion_tokens"
TTS_CHARACTERS = "tts.characters"
TOOL_CALLS = "tool.calls"

TYPES = {
    CALL_SECONDS: "s",
    STT_SECONDS: "s",
    LLM_PROMPT: "token",
    LLM_CACHED: "token",
    LLM_COMPLETION: "token",
    LLM_WASTED_PROMPT: "token",
    LLM_WASTED_COMPLETION: "token",
    TTS_CHARACTERS: "character",
    TOOL_CALLS: "call",
}
"""Every type of usage and its unit. Wasted: of guesses thrown away unheard; apart from the others, not in them."""
GPU_HOURS, ROOM_SECONDS, PHONE_MONTHS = "gpu.hours", "room.seconds", "phone.user_months"
PRICED = {**TYPES, GPU_HOURS: "h", ROOM_SECONDS: "participant second", PHONE_MONTHS: "user month"}
"""What has a price: also what no call is metered for, for the reckoning of `billing.cost`."""
_SAME_PRICE = {LLM_WASTED_PROMPT: LLM_PROMPT, LLM_WASTED_COMPLETION: LLM_COMPLETION}
_ALWAYS = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Price:
    """amount: micro-units for `per` units, from the moment `since` on."""

    amount: int
    per: int = 1
    since: datetime = _ALWAYS


@dataclass(frozen=True, slots=True)
class Prices:
    """by: (type, provider) → its prices, the newest last. What is not there costs nothing, as embedded models do."""

    by: Mapping[tuple[str, str], tuple[Price, ...]] = field(default_factory=dict[tuple[str, str], tuple[Price, ...]])

    def cost(self, kind: str, provider: str, quantity: int, at: datetime) -> int:
        """Micro-units; by the price at that moment. Wasted tokens cost what the others do."""
        price = self.price(kind, provider, at)
        return 0 if price is None else (2 * quantity * price.amount + price.per) // (2 * price.per)

    def price(self, kind: str, provider: str, at: datetime) -> Price | None:
        """What holds at that moment; None where nothing is said."""
        found = self.by.get((kind, provider)) or self.by.get((_SAME_PRICE.get(kind, kind), provider)) or ()
        return next((price for price in reversed(found) if price.since <= at), None)

    def over(self, other: Prices) -> Prices:
        """These, and where they say nothing of a type and provider, the other's."""
        return Prices({**other.by, **self.by})


def load_prices(path: Path) -> Prices:
    """The operator's list: JSON, ``[{"type": "stt.seconds", "provider": "deepgram", "amount": 128, "per": 1,
    "since": "2026-01-01T00:00:00+00:00"}, …]``; per and since may be left out. Raises InputError, one line."""
    try:
        rows: Any = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        raise _no_list(path.name) from None
    return prices_of(rows, path.name)


def prices_of(rows: Any, name: str) -> Prices:
    """From rows such as `load_prices` reads; other members of a row (where a price is from) are passed over.

    name: of the list, for the error. Raises InputError, one line.
    """
    by: dict[tuple[str, str], list[Price]] = {}
    try:
        for row in rows:
            since = datetime.fromisoformat(row["since"]) if "since" in row else _ALWAYS
            kind, provider, amount, per = str(row["type"]), str(row["provider"]), row["amount"], row.get("per", 1)
            fits = isinstance(amount, int) and isinstance(per, int) and 0 <= amount <= 10**15 and 1 <= per <= 10**9
            if kind not in PRICED or not fits or since.tzinfo is None:
                raise ValueError
            by.setdefault((kind, provider), []).append(Price(amount, per, since))
    except (ValueError, TypeError, KeyError, AttributeError):
        raise _no_list(name) from None
    return Prices({key: tuple(sorted(prices, key=lambda price: price.since)) for key, prices in by.items()})


def _no_list(name: str) -> InputError:
    return InputError(
        f"{name} is no list of prices: each has type, provider and amount (whole micro-units), "
        "per (whole units) and since (a moment with its zone) if need be.",
        code="prices_invalid",
        stage="billing",
    )
