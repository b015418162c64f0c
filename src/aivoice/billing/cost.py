"""What a minute of conversation costs the operator: reckoned from prices and assumptions, or from what was metered.

Amounts are micro-units of the list's currency (US dollars in the list that comes with the product), as floats where
they are reckoned. Pure but for `list_prices`.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from functools import cache
from importlib.resources import files
from typing import Any

from aivoice.billing import prices as p
from aivoice.billing.prices import Prices, prices_of

UNIT = 1_000_000
TARGET = 25_000
"""Micro-units a minute that the product aims at."""
HOURS = 730
"""Of a month, for what is rented by the hour."""
PAPER_AT = datetime(2026, 1, 31, tzinfo=UTC)
"""The month of the architecture paper: its comparison is reckoned with the prices of that time."""
LIST_FILE = "list_prices.json"
VOICES, GPU, ROOM, PHONE = ("elevenlabs", "cartesia"), "runpod", "livekit", "goto"
HEARS, THINKS = "deepgram", ("claude", "claude-haiku-5-5")
SELF_HOSTED = "chatterbox"


@dataclass(frozen=True, slots=True)
class Assumptions:
    """What a month of calls is like. Nothing of it is measured unless it is handed in from measurements.

    minutes: of conversation a month. speech_share: of them in which the agent speaks. characters: a spoken minute.
    open_hours: hours of the month in which calls come. rush: calls at once in the busiest hour over the average one.
    rtf: seconds of GPU time for a second of speech. gpu_load: how full a GPU may be. turns: a minute. requests: to the
    language model a turn, tool rounds and wrong guesses included. prompt: tokens of a request, cached: share of them
    read from the provider's cache. completion: tokens of an answer. participants: of a room.
    """

    minutes: int = 50_000
    speech_share: float = 0.4
    characters: int = 900
    open_hours: int = 198
    rush: float = 2.5
    rtf: float = 0.17
    gpu_load: float = 0.8
    turns: float = 4.0
    requests: float = 1.3
    prompt: int = 5_000
    cached: float = 0.6
    completion: int = 60
    participants: int = 2

    def calls_at_once(self) -> float:
        """In the busiest hour."""
        return self.minutes / 60 / self.open_hours * self.rush

    def gpus(self) -> int:
        """As many as the busiest hour needs, at least one."""
        return max(1, math.ceil(self.calls_at_once() * self.speech_share * self.rtf / self.gpu_load - 1e-9))


PAPER = Assumptions(speech_share=1.0, open_hours=HOURS, rush=1.0)
"""How the paper reckons: the agent speaks all the time, and calls come evenly at all hours."""


@dataclass(frozen=True, slots=True)
class Item:
    """A part of the cost. month: micro-units. how: the reckoning in words. per_minute follows from it."""

    part: str
    provider: str
    month: float
    per_minute: float
    how: str


@dataclass(frozen=True, slots=True)
class Used:
    """Metered usage of one type by one provider. price: whether the list says what it costs."""

    type: str
    provider: str
    quantity: int
    cost: int
    priced: bool


@dataclass(frozen=True, slots=True)
class Metered:
    """What calls really used. seconds: of conversation."""

    seconds: int
    used: tuple[Used, ...]

    @property
    def cost(self) -> int:
        return sum(each.cost for each in self.used)

    @property
    def per_minute(self) -> float:
        return 60 * self.cost / self.seconds if self.seconds else 0.0

    def by_provider(self) -> dict[str, int]:
        """Micro-units, the dearest first."""
        sums: dict[str, int] = {}
        for each in self.used:
            sums[each.provider] = sums.get(each.provider, 0) + each.cost
        return dict(sorted(sums.items(), key=lambda item: (-item[1], item[0])))


@cache
def list_rows() -> tuple[Mapping[str, Any], ...]:
    """The list that comes with the product: rows of `prices_of` with what each price is and where it is from. List
    prices change, and contracts differ: the operator's own list goes before it. Blocking the first time."""
    return tuple(json.loads(files("aivoice.billing").joinpath(LIST_FILE).read_text(encoding="utf-8")))


def list_prices() -> Prices:
    return prices_of(list_rows(), LIST_FILE)


def with_gpu_hour(prices: Prices, amount: float) -> Prices:
    """With another price (micro-units) for an hour of the GPU."""
    row = {"type": p.GPU_HOURS, "provider": GPU, "amount": round(amount)}
    return prices_of([row], "--gpu-hour").over(prices)


# ---------------------------------------------------------------- reckoned


def voices(given: Assumptions, prices: Prices, at: datetime) -> tuple[Item, ...]:
    """The paper's comparison: hosted voices by the character, and one's own on rented GPUs."""
    spoken = given.minutes * given.speech_share
    hosted = tuple(
        _item(
            "voice",
            name,
            spoken * given.characters * _each(prices, p.TTS_CHARACTERS, name, at),
            given,
            f"{spoken:,.0f} spoken minutes of {given.characters:,} characters",
        )
        for name in VOICES
    )
    return (*hosted, own_voice(given, prices, at))


def own_voice(given: Assumptions, prices: Prices, at: datetime) -> Item:
    gpus = given.gpus()
    hour = _each(prices, p.GPU_HOURS, GPU, at)
    how = (
        f"{gpus} GPU{'s' if gpus > 1 else ''} of {HOURS} h at {hour / UNIT:.2f}: {given.calls_at_once():.1f} calls at "
        f"once, {given.speech_share:.0%} speech, RTF {given.rtf:g}, at most {given.gpu_load:.0%} full"
    )
    return _item("voice", SELF_HOSTED, gpus * HOURS * hour, given, how)


def stack(given: Assumptions, prices: Prices, at: datetime, *, mind: str = THINKS[0]) -> tuple[Item, ...]:
    """Everything that a minute costs, with one's own voice. mind: the language model, by its name in the list."""
    seconds = given.minutes * 60
    requests = given.minutes * given.turns * given.requests
    fresh, kept = given.prompt * (1 - given.cached), given.prompt * given.cached
    request = (
        fresh * _each(prices, p.LLM_PROMPT, mind, at)
        + kept * _each(prices, p.LLM_CACHED, mind, at)
        + given.completion * _each(prices, p.LLM_COMPLETION, mind, at)
    )
    thinking = (
        f"{given.turns:g} turns a minute, {given.requests:g} requests a turn of {given.prompt:,} tokens "
        f"({given.cached:.0%} from the cache) and {given.completion} written"
    )
    users = math.ceil(given.calls_at_once())
    return (
        _item("hearing", HEARS, seconds * _each(prices, p.STT_SECONDS, HEARS, at), given, "every second of the call"),
        _item("thinking", mind, requests * request, given, thinking),
        own_voice(given, prices, at),
        *carriers(given, prices, at, users),
    )


def carriers(given: Assumptions, prices: Prices, at: datetime, users: int) -> tuple[Item, ...]:
    """The room and the line."""
    room = given.participants * given.minutes * 60 * _each(prices, p.ROOM_SECONDS, ROOM, at)
    line = users * _each(prices, p.PHONE_MONTHS, PHONE, at)
    return (
        _item("room", ROOM, room, given, f"{given.participants} participants"),
        _item("line", PHONE, line, given, f"{users} users, one for each call at once in the busiest hour"),
    )


def _each(prices: Prices, kind: str, provider: str, at: datetime) -> float:
    """Micro-units a unit; 0 where the list says nothing."""
    price = prices.price(kind, provider, at)
    return price.amount / price.per if price is not None else 0.0


def _item(part: str, provider: str, month: float, given: Assumptions, how: str) -> Item:
    return Item(part, provider, month, month / given.minutes, how)


# ---------------------------------------------------------------- metered


def metered(used: Iterable[tuple[str, str, int, int]], seconds: int, prices: Prices, at: datetime) -> Metered:
    """used: (type, provider, quantity, cost that was booked). What has no price in the list keeps what was booked."""
    found: list[Used] = []
    for kind, provider, quantity, booked in used:
        if kind == p.CALL_SECONDS:
            continue
        known = prices.price(kind, provider, at) is not None
        cost = prices.cost(kind, provider, quantity, at) if known else booked
        found.append(Used(kind, provider, quantity, cost, known or booked > 0))
    return Metered(seconds, tuple(found))


def add_up(parts: Iterable[Metered]) -> Metered:
    """Of several tenants or calls as one."""
    seconds, sums = 0, dict[tuple[str, str], Used]()
    for part in parts:
        seconds += part.seconds
        for each in part.used:
            key = (each.type, each.provider)
            old = sums.get(key, replace(each, quantity=0, cost=0))
            sums[key] = replace(each, quantity=old.quantity + each.quantity, cost=old.cost + each.cost)
    return Metered(seconds, tuple(sums[key] for key in sorted(sums)))


def to_json(value: Assumptions | Item | Metered) -> dict[str, Any]:
    return asdict(value)
