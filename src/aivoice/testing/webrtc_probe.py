"""Measures what a bad network does to a WebRTC leg: delay added, audio invented, stalls. Real sockets, real time."""

from __future__ import annotations

import asyncio
import random
from dataclasses import asdict, dataclass

import numpy as np

from aivoice.audio.frames import SAMPLE_RATE, AudioChunk
from aivoice.audio.opus import CLOCK_RATE
from aivoice.audio.pacer import LatenessStats, Pacer
from aivoice.testing.udp_relay import Impairment, UdpRelay
from aivoice.transports.secure_link import LOOPBACK, LinkSettings
from aivoice.transports.webrtc import WebRtcSettings, WebRtcTransport, answer
from aivoice.transports.webrtc_caller import WebRtcCaller

LOCAL = WebRtcSettings(link=LinkSettings(hosts=(LOOPBACK,)))
BAD = Impairment(loss=0.02, delay_s=(0.0, 0.060))
_FRAME = CLOCK_RATE // 50


@dataclass(frozen=True, slots=True)
class Verdict:
    """One direction of one run, after `settle_s`. The caller sends audio all the time, so that silence given here is
    never the sender's. frames: those whose sending time is known. added: playout − send − least transit seen, ms, of
    these frames. concealed: share of audio invented or silent; recovered: restored by error correction. longest_gap_ms:
    between deliveries of frames. longest_concealed_ms: unbroken invented or silent audio. longest_stall_ms: longest
    stretch without the caller's audio: concealed, silent or not delivered at all. loop_late_max_ms: the worst lateness
    of the event loop itself, which a busy machine adds to all of these."""

    seconds: float
    frames: int
    added_p50_ms: float
    added_p95_ms: float
    added_max_ms: float
    concealed: float
    recovered: float
    late_packets: int
    longest_gap_ms: float
    longest_concealed_ms: float
    longest_stall_ms: float
    relay_lost: float
    loop_late_max_ms: float

    def as_dict(self) -> dict[str, float]:
        return asdict(self)


class Ear:
    """A sink on the server's side that compares each delivered frame with the time its audio was sent."""

    def __init__(self, transport: WebRtcTransport, sent: dict[int, float]) -> None:
        self._transport = transport
        self._sent = sent
        self._loop = asyncio.get_running_loop()
        self.reset()

    def reset(self) -> None:
        """Forget what was measured so far."""
        stats = self._transport.jitter.stats
        self.delays: list[float] = []
        self.gap = 0.0
        self.last: float | None = None
        self.run = self.longest_run = 0
        self.stall = self.longest_stall = 0.0
        self.base = (stats.concealed + stats.silent, stats.recovered, stats.delivered, stats.late)
        self.invented = stats.concealed + stats.silent

    def on_media_up(self) -> None:
        """Nothing to measure yet."""

    def on_audio(self, chunk: AudioChunk) -> None:
        now = self._loop.time()
        if self.last is not None:
            self.gap = max(self.gap, now - self.last)
            self.stall += max(0.0, now - self.last - _FRAME / CLOCK_RATE)
        self.last = now
        stats = self._transport.jitter.stats
        invented = stats.concealed + stats.silent
        self.run = self.run + invented - self.invented if invented > self.invented else 0
        self.longest_run = max(self.longest_run, self.run)
        self.stall += (invented - self.invented) / SAMPLE_RATE
        self.longest_stall = max(self.longest_stall, self.stall)
        if invented == self.invented:
            self.stall = 0.0
        self.invented = invented
        start = (self._transport.jitter.playout_timestamp() - _FRAME) & 0xFFFFFFFF
        # The packet that carries the frame's first sample: packets start each 960 units from the first one on. Time
        # scaling may have put that sample anywhere in its packet, later in the speech by as much as it is inside.
        first = next(iter(self._sent), None)
        if first is not None:
            inside = (start - first) % _FRAME
            sent = self._sent.get((start - inside) & 0xFFFFFFFF)
            if sent is not None:
                self.delays.append((now - sent - inside / CLOCK_RATE) * 1000)

    def on_dtmf(self, digit: str) -> None:
        """Not part of it."""

    def on_hangup(self, reason: str) -> None:
        """The run ends by itself."""

    def verdict(self, seconds: float, relay: UdpRelay, least_ms: float, late_ms: float) -> Verdict:
        stats = self._transport.jitter.stats
        concealed, recovered, delivered, late = self.base
        total = max(stats.delivered - delivered, 1)
        delays = np.array(self.delays or [0.0]) - least_ms
        return Verdict(
            seconds=seconds,
            frames=len(self.delays),
            added_p50_ms=float(np.percentile(delays, 50)),
            added_p95_ms=float(np.percentile(delays, 95)),
            added_max_ms=float(delays.max()),
            concealed=(stats.concealed + stats.silent - concealed) / total,
            recovered=(stats.recovered - recovered) / total,
            late_packets=stats.late - late,
            longest_gap_ms=self.gap * 1000,
            longest_concealed_ms=self.longest_run * 1000 / SAMPLE_RATE,
            longest_stall_ms=self.longest_stall * 1000,
            relay_lost=relay.stats.lost / max(relay.stats.lost + relay.stats.passed, 1),
            loop_late_max_ms=late_ms,
        )


def babble(seconds: float, seed: int) -> bytes:
    """Voiced, speech-like sound, s16le: harmonics of a wandering pitch under syllables of random length and level,
    with pauses. Another seed is another speaker saying something else."""
    rng = np.random.default_rng(seed)
    count = int(seconds * SAMPLE_RATE)
    t = np.arange(count) / SAMPLE_RATE
    base, swing = rng.uniform(95, 230), rng.uniform(0.4, 1.1)
    pitch = base * (1 + 0.15 * np.sin(2 * np.pi * swing * t + rng.uniform(0, 6)))
    phase = 2 * np.pi * np.cumsum(pitch) / SAMPLE_RATE
    weights = rng.uniform(0.3, 1.0, 12) / np.arange(1, 13)
    voice = sum(weight * np.sin((n + 1) * phase) for n, weight in enumerate(weights))
    lengths = rng.uniform(0.12, 0.3, int(seconds / 0.12) + 2)
    levels = rng.uniform(0.3, 1.0, len(lengths)) * (rng.random(len(lengths)) > 0.15)
    syllable = np.searchsorted(np.cumsum(lengths), t)
    into = (t - np.concatenate(([0.0], np.cumsum(lengths)))[syllable]) / lengths[syllable]
    envelope = levels[syllable] * np.sin(np.pi * np.clip(into, 0, 1)) ** 0.5
    return (7_000 * voice * envelope + rng.normal(0, 20, count)).astype("<i2").tobytes()


async def measure(
    *, seconds: float = 30.0, settle_s: float = 2.0, seed: int = 1, impairment: Impairment = BAD
) -> Verdict:
    """One call through the relay; what the server's side hears of a caller who talks all the time."""
    loop = asyncio.get_running_loop()
    pacer = Pacer(loop)
    served: list[WebRtcTransport] = []
    sent: dict[int, float] = {}
    ears: list[Ear] = []
    speech = babble(seconds + settle_s + 1.0, random.Random(seed).randrange(2**31))
    caller = WebRtcCaller(pacer=pacer, settings=LOCAL)
    async with UdpRelay(seed) as relay:

        async def exchange(offer_sdp: str) -> str:
            reply, transport = await answer(relay.offer(offer_sdp), pacer=pacer, settings=LOCAL)
            served.append(transport)
            ears.append(Ear(transport, sent))
            await transport.start(ears[0])
            return relay.answer(reply)

        try:
            await caller.dial(exchange)
            _note_sending(caller, sent)
            caller.say(speech)
            await asyncio.sleep(0.5)
            least = min(ears[0].delays, default=0.0)
            relay.impairment = impairment
            await asyncio.sleep(settle_s)
            ears[0].reset()
            relay.stats.lost = relay.stats.passed = 0
            pacer.lateness = LatenessStats()
            await asyncio.sleep(seconds)
            return ears[0].verdict(seconds, relay, min(least, 1.0), pacer.lateness.max_us / 1000)
        finally:
            await caller.close()
            for transport in served:
                await transport.close("measured")
            pacer.close()


def _note_sending(caller: WebRtcCaller, sent: dict[int, float]) -> None:
    transport = caller.transport
    assert transport is not None
    transport.on_sent = sent.__setitem__
