"""Stand-ins in a process of their own, as services are: their work is not in the figures of whoever calls them.

`python -m benchmarks.standin_process` prints one line of JSON, service → address, and serves until its input ends. What
is said on a leg comes by ``POST <deepgram>/truth``: ``{"tag": …, "words": [[start, end, text], …]}``.
"""

from __future__ import annotations

import asyncio
import json
import sys
from collections import defaultdict

from aiohttp import web

from aivoice.testing.standins.anthropic import AnthropicStandIn
from aivoice.testing.standins.deepgram import DeepgramStandIn
from aivoice.testing.standins.voices import CartesiaStandIn
from aivoice.testing.truth import SpokenWord, Truth
from benchmarks.faults import booking


class ToldDeepgram(DeepgramStandIn):
    """What sounds on each leg is told from outside."""

    def __init__(self) -> None:
        self._truths: defaultdict[str, Truth] = defaultdict(Truth)
        super().__init__(self._truths.__getitem__)

    def routes(self) -> list[web.RouteDef]:
        return [*super().routes(), web.post("/truth", self._told)]

    async def _told(self, request: web.Request) -> web.Response:
        asked = await request.json()
        self._truths[asked["tag"]].add(*(SpokenWord(start, end, text) for start, end, text in asked["words"]))
        return web.Response(status=204)


async def serve() -> None:
    """Until standard input ends."""
    async with ToldDeepgram() as deepgram, AnthropicStandIn(booking.answer) as claude, CartesiaStandIn() as cartesia:
        addresses = {"deepgram": deepgram.port, "claude": claude.port, "cartesia": cartesia.port}
        print(json.dumps(addresses), flush=True)
        await asyncio.to_thread(sys.stdin.read)


if __name__ == "__main__":
    asyncio.run(serve())
