"""``aivoice-chatterbox-load``: so many phone calls at once against a server, and what their callers would have heard.

Each call has turns of two clauses, a short one and a long one, asked for together as the engine does; between turns the
caller talks for as long as was listened. Printed: the wait for the first sound of a turn, gaps inside a turn, refusals.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import random
import time
from collections.abc import Sequence
from dataclasses import dataclass, field

import aiohttp

CLAUSES = (
    ("Of course, I can help.", "We have an opening on Tuesday at nine thirty, or on Thursday in the afternoon."),
    ("Thank you, Mrs. Miller.", "The cleaning takes about forty minutes, and you can park right behind the house."),
    ("One moment, please.", "I have put you down for Thursday at three, and we will send a text the day before."),
)


@dataclass(slots=True)
class Seen:
    """Seconds, and counts of clauses."""

    first: list[float] = field(default_factory=list[float])
    gaps: list[float] = field(default_factory=list[float])
    refused: int = 0
    spoken: int = 0


@dataclass(slots=True)
class _Turn:
    """What the caller of one turn has heard. needed: when more audio is needed; 0: nothing came yet."""

    asked: float
    needed: float = 0.0
    gap: float = 0.0

    def heard(self, seconds: float, seen: Seen) -> None:
        now = time.monotonic()
        if self.needed:
            self.gap = max(self.gap, now - self.needed)
        else:
            seen.first.append(now - self.asked)
        self.needed = max(self.needed, now) + seconds


async def _clause(
    http: aiohttp.ClientSession, options: argparse.Namespace, call: str, text: str, turn: _Turn, seen: Seen
) -> None:
    async with http.ws_connect(f"{options.url}/v1/stream") as socket:
        rate = int((await socket.receive_json())["sample_rate"])
        if not turn.needed:
            turn.asked = time.monotonic()  # a client keeps its connections
        await socket.send_json({"type": "start", "voice": options.voice, "call": call})
        await socket.send_json({"type": "text", "text": text})
        await socket.send_json({"type": "finish"})
        async for frame in socket:
            if frame.type is aiohttp.WSMsgType.BINARY:
                turn.heard(len(frame.data) / 2 / rate, seen)
                continue
            told = json.loads(frame.data)["type"]
            if told == "error":
                seen.refused += 1
            if told in ("error", "done"):
                seen.spoken += told == "done"
                return


async def _call(http: aiohttp.ClientSession, number: int, options: argparse.Namespace, seen: Seen) -> None:
    await asyncio.sleep(random.uniform(0, options.spread))
    name = f"load-{random.getrandbits(48):x}-{number}"
    for index in range(options.turns):
        short, long = CLAUSES[(number + index) % len(CLAUSES)]
        turn = _Turn(time.monotonic())
        texts = (short,) if options.one_clause else (short, long)
        await asyncio.gather(*(_clause(http, options, name, text, turn, seen) for text in texts))
        seen.gaps.append(turn.gap)
        listened = max(0.0, turn.needed - time.monotonic()) + (turn.needed - turn.asked if turn.needed else 0.0)
        await asyncio.sleep(0 if options.no_pause or index == options.turns - 1 else listened)


async def measured(options: argparse.Namespace) -> Seen:
    seen = Seen()
    headers = {"authorization": f"Bearer {options.key}"} if options.key else {}
    async with aiohttp.ClientSession(headers=headers, connector=aiohttp.TCPConnector(limit=0)) as http:
        await asyncio.gather(*(_call(http, number, options, seen) for number in range(options.calls)))
    return seen


def at(values: Sequence[float], share: float) -> float:
    """Percentile by rank; 0 of none."""
    return sorted(values)[min(len(values) - 1, int(share * len(values)))] if values else 0.0


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser("aivoice-chatterbox-load", description=__doc__)
    parser.add_argument("--url", default="http://127.0.0.1:8004")
    parser.add_argument("--key", default=os.environ.get("AIVOICE_CHATTERBOX_KEY", ""))
    parser.add_argument("--voice", default="default")
    parser.add_argument("--calls", type=int, default=10)
    parser.add_argument("--turns", type=int, default=3)
    parser.add_argument("--spread", type=float, default=0.0, help="seconds over which the calls begin")
    parser.add_argument("--no-pause", action="store_true", help="the next turn begins at once")
    parser.add_argument("--one-clause", action="store_true", help="a turn is its short clause")
    options = parser.parse_args(arguments)
    seen = asyncio.run(measured(options))
    first, gaps = ([1_000 * at(times, share) for share in (0.5, 0.95, 1.0)] for times in (seen.first, seen.gaps))
    print(  # noqa: T201 - a command
        f"{options.calls} calls: first sound p50 {first[0]:.0f}, p95 {first[1]:.0f}, worst {first[2]:.0f} ms; "
        f"worst gap of a turn p50 {gaps[0]:.0f}, p95 {gaps[1]:.0f}, worst {gaps[2]:.0f} ms; "
        f"{seen.spoken} clauses spoken, {seen.refused} refused"
    )


if __name__ == "__main__":
    main()
