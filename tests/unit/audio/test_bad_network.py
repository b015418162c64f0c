"""The goal for a bad network, without a clock: 2 % loss, 0–60 ms uniform delay, real Opus, ticks that follow."""

from __future__ import annotations

import random
from dataclasses import dataclass

import numpy as np
import pytest

from aivoice.audio.jitter import JitterBuffer, JitterConfig
from aivoice.audio.opus import CLOCK_RATE, OpusDecoder, OpusEncoder
from aivoice.audio.pacer import STEP_S
from aivoice.audio.phase import ROOM_S, PhaseLock
from aivoice.testing.webrtc_probe import babble

SECONDS = 30


@pytest.fixture(scope="module")
def packets() -> list[bytes]:
    speech, encoder = babble(SECONDS, 5), OpusEncoder()
    return [encoder.encode(speech[at : at + 640]) for at in range(0, len(speech) - 639, 640)]


@dataclass(frozen=True)
class Heard:
    delays: np.ndarray  # ms after the fastest possible, one a frame
    concealed: float
    recovered: float
    shifted: float


def listen(
    packets: list[bytes], *, seed: int, jitter_s: float, loss: float, phase_s: float = 0.0, drift: float = 0.0
) -> Heard:
    """What comes out at ticks that begin 3 ms and `phase_s` after the first packet and move as `PhaseLock` says."""
    draw = random.Random(seed)
    arrivals = sorted(
        (number * 0.02 * (1 + drift) + draw.random() * jitter_s, number)
        for number in range(len(packets))
        if draw.random() >= loss
    )
    buffer = JitterBuffer(OpusDecoder(), clock_rate=CLOCK_RATE, config=JitterConfig(tolerance_ms=5.0))
    lock = PhaseLock()
    tick, at, delays = arrivals[0][0] + 0.003 + phase_s, 0, []
    while tick < SECONDS - 0.5:
        while at < len(arrivals) and arrivals[at][0] <= tick:
            time, number = arrivals[at]
            buffer.insert(number & 0xFFFF, number * 960, packets[number], time)
            at += 1
        buffer.pull(tick)
        start = buffer.playout_timestamp() - 960
        start -= 2**32 if start > 2**31 else 0
        delays.append((tick - start / CLOCK_RATE * (1 + drift)) * 1000)
        shift = int(lock.observe(buffer.slack_ms) / STEP_S) * STEP_S
        lock.moved(shift)
        tick += 0.02 + shift
    stats = buffer.stats
    return Heard(np.array(delays), stats.concealed / stats.delivered, stats.recovered / stats.delivered, lock.shifted)


@pytest.mark.parametrize("seed", range(8))
def test_the_goal_is_met_from_the_first_second(packets: list[bytes], seed: int) -> None:
    heard = listen(packets, seed=seed, jitter_s=0.060, loss=0.02, phase_s=seed * 0.003)
    assert np.percentile(heard.delays, 95) <= 80
    assert np.percentile(heard.delays[150:], 95) <= 68
    assert heard.concealed <= 0.02
    assert heard.recovered > 0.002


@pytest.mark.parametrize("phase_s", [0.0, 0.006, 0.013, 0.016])
def test_on_a_quiet_line_the_ticks_come_to_meet_the_packets(packets: list[bytes], phase_s: float) -> None:
    heard = listen(packets, seed=1, jitter_s=0.002, loss=0.0, phase_s=phase_s)
    assert heard.delays[-500:].max() <= 10
    assert heard.concealed == 0


@pytest.mark.parametrize("drift", [200e-6, -200e-6])
def test_drift_is_followed_within_the_room(packets: list[bytes], drift: float) -> None:
    heard = listen(packets, seed=2, jitter_s=0.003, loss=0.0, drift=drift)
    assert heard.delays.max() <= 35
    assert abs(heard.shifted) <= ROOM_S + 1e-9


def test_the_room_is_never_left() -> None:
    lock = PhaseLock()
    for slack in (50.0, 50.0, 50.0, -50.0, -50.0, -50.0, 2.0, float("inf")):
        for _ in range(50):
            lock.moved(lock.observe(slack))
            assert abs(lock.shifted) <= ROOM_S + 1e-9
    assert lock.shifted == pytest.approx(ROOM_S)
