"""A bad network between two WebRTC ends on one machine: a UDP relay that loses and delays, on real sockets.

It sits between the ends by rewriting the candidates of their descriptions, so neither knows of it.
"""

from __future__ import annotations

import asyncio
import random
import re
from dataclasses import dataclass, field
from typing import cast

_CANDIDATE = re.compile(r"^a=candidate:.*\r?\n", re.MULTILINE)
_ADDRESS = re.compile(r"^a=candidate:\S+ 1 udp \d+ (\S+) (\d+) typ host", re.MULTILINE | re.IGNORECASE)

Address = tuple[str, int]


@dataclass(slots=True)
class Impairment:
    """loss: share 0…1 of packets lost, each on its own. delay_s: each delayed by a uniform draw from this range (so
    packets overtake each other). blackout: nothing passes."""

    loss: float = 0.0
    delay_s: tuple[float, float] = (0.0, 0.0)
    blackout: bool = False


@dataclass(slots=True)
class RelayStats:
    passed: int = 0
    lost: int = 0


class _Side(asyncio.DatagramProtocol):
    def __init__(self, relay: UdpRelay) -> None:
        self.relay = relay
        self.transport: asyncio.DatagramTransport | None = None
        self.peer: Address | None = None  # the real end behind this socket
        self.other: _Side | None = None
        self.closed: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.DatagramTransport, transport)

    def connection_lost(self, exc: Exception | None) -> None:
        if not self.closed.done():
            self.closed.set_result(None)

    def datagram_received(self, data: bytes, addr: Address) -> None:
        if self.other is not None:
            self.relay.carry(data, self.other)

    def error_received(self, exc: Exception) -> None:
        """An end that is gone refuses packets; that is its business."""


@dataclass(slots=True)
class UdpRelay:
    """`async with UdpRelay(seed) as relay:` then `relay.offer(sdp)` on the way out and `relay.answer(sdp)` back.

    `impairment` may be changed at any time. Draws come from `seed`, one stream for both directions.
    """

    seed: int = 0
    impairment: Impairment = field(default_factory=Impairment)
    stats: RelayStats = field(default_factory=RelayStats)
    _random: random.Random = field(init=False)
    _sides: list[_Side] = field(default_factory=list["_Side"])

    def __post_init__(self) -> None:
        self._random = random.Random(self.seed)

    async def __aenter__(self) -> UdpRelay:
        loop = asyncio.get_running_loop()
        for _ in range(2):
            _, side = await loop.create_datagram_endpoint(lambda: _Side(self), local_addr=("127.0.0.1", 0))
            self._sides.append(side)
        self._sides[0].other, self._sides[1].other = self._sides[1], self._sides[0]
        return self

    async def __aexit__(self, *error: object) -> None:
        for side in self._sides:
            if side.transport is not None:
                side.transport.close()
            await side.closed

    def offer(self, sdp: str) -> str:
        """The caller's offer as the server shall see it."""
        return self._rewrite(sdp, own=0, shown=1)

    def answer(self, sdp: str) -> str:
        """The server's answer as the caller shall see it."""
        return self._rewrite(sdp, own=1, shown=0)

    def carry(self, data: bytes, onwards: _Side) -> None:
        """One packet to the far side: lost, or sent after its delay."""
        now = self.impairment
        if now.blackout or self._random.random() < now.loss:
            self.stats.lost += 1
            return
        self.stats.passed += 1
        delay = self._random.uniform(*now.delay_s)
        if delay <= 0:
            self._send(data, onwards)
        else:
            asyncio.get_running_loop().call_later(delay, self._send, data, onwards)

    def _send(self, data: bytes, onwards: _Side) -> None:
        transport = onwards.transport
        if transport is not None and not transport.is_closing() and onwards.peer is not None:
            transport.sendto(data, onwards.peer)

    def _rewrite(self, sdp: str, *, own: int, shown: int) -> str:
        found = _ADDRESS.search(sdp)
        if found is None:
            raise ValueError("no host candidate to relay to")
        self._sides[own].peer = (found[1], int(found[2]))
        transport = self._sides[shown].transport
        assert transport is not None
        host, port = cast(Address, transport.get_extra_info("sockname"))
        line = f"a=candidate:1 1 udp 2130706431 {host} {port} typ host\r\n"
        replaced = iter((line,))
        return _CANDIDATE.sub(lambda _: next(replaced, ""), sdp)
