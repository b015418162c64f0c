"""The jitter buffer against arbitrary networks, on a made-up clock and a codec whose payloads are sample numbers."""

from __future__ import annotations

import struct
from dataclasses import dataclass

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from aivoice.audio.frames import FRAME_BYTES, SILENCE
from aivoice.audio.g711 import ulaw_decode, ulaw_encode
from aivoice.audio.jitter import JitterBuffer, JitterConfig
from aivoice.audio.opus import CLOCK_RATE, OpusDecoder, OpusEncoder

LOUD = 1_000


class CountingCodec:
    """Frame n decodes to 320 samples of 1000 + n mod 20 000; concealment is 1s, restored audio 2s, so both show."""

    conceals = True

    def __init__(self, *, fec: bool = True) -> None:
        self.fec = fec
        self.decoded: list[int] = []

    def samples(self, payload: bytes) -> int:
        return 320 if len(payload) == 4 else 0

    def decode(self, payload: bytes) -> bytes:
        if len(payload) != 4:
            return b""
        (number,) = struct.unpack("!I", payload)
        self.decoded.append(number)
        return np.full(320, LOUD + number % 20_000, dtype="<i2").tobytes()

    def recover(self, following: bytes, samples: int) -> bytes:
        return np.full(samples, 2, dtype="<i2").tobytes() if self.fec else b""

    def conceal(self, samples: int) -> bytes:
        return np.full(samples, 1, dtype="<i2").tobytes()


@dataclass
class Line:
    """Frames of a sender with its own clock, through a network, into a buffer pulled every 20 ms."""

    codec: CountingCodec
    buffer: JitterBuffer
    sequence: int = 65_500
    timestamp: int = 2**32 - 48_000

    @classmethod
    def make(cls, *, fec: bool = True, config: JitterConfig | None = None) -> Line:
        codec = CountingCodec(fec=fec)
        return cls(codec, JitterBuffer(codec, clock_rate=CLOCK_RATE, config=config))

    def insert(self, number: int, now: float, *, ssrc: int = 7) -> None:
        self.buffer.insert(
            (self.sequence + number) & 0xFFFF,
            (self.timestamp + 960 * number) & 0xFFFFFFFF,
            struct.pack("!I", number),
            now,
            ssrc=ssrc,
        )

    def run(
        self, arrivals: list[tuple[float, int]], until: float, *, phase: float = 0.003
    ) -> tuple[list[np.ndarray], list[float]]:
        """Frames pulled and the buffer's delay at each pull."""
        pending = sorted(arrivals)
        frames, delays = [], []
        now, at = phase, 0
        while now < until:
            while at < len(pending) and pending[at][0] <= now:
                self.insert(pending[at][1], pending[at][0])
                at += 1
            if at:
                delays.append(self.buffer.delay_ms(now))
            frames.append(np.frombuffer(self.buffer.pull(now), dtype="<i2"))
            now += 0.02
        return frames, delays


def steady(count: int, *, delay: float = 0.01, drift: float = 0.0) -> list[tuple[float, int]]:
    return [(n * 0.02 * (1 + drift) + delay, n) for n in range(count)]


def test_silence_before_the_first_packet() -> None:
    line = Line.make()
    assert line.buffer.pull(0.0) == SILENCE
    assert line.buffer.stats.delivered == 0


def test_a_clean_line_is_passed_through_untouched_at_once() -> None:
    line = Line.make()
    frames, delays = line.run(steady(500), 9.0, phase=0.014)
    heard = [int(f[0]) for f in frames[:440]]
    assert heard == [LOUD + n for n in range(440)]
    assert max(delays) < 5
    assert line.buffer.stats.concealed == line.buffer.stats.cut == line.buffer.stats.stretched == 0


def test_one_lost_packet_costs_one_frame_and_no_delay() -> None:
    line = Line.make(fec=False)
    frames, delays = line.run([(t, n) for t, n in steady(300) if n != 100], 5.0, phase=0.014)
    assert [int(f[0]) for f in frames[99:103]] == [LOUD + 99, 1, LOUD + 101, LOUD + 102]
    assert line.buffer.stats.concealed == 320
    assert max(delays) < 5


def test_a_lost_packet_is_restored_from_the_next_one_where_delay_allows() -> None:
    line = Line.make()
    # Every tenth packet is 30 ms late, so the buffer holds about that much and packet 201 is there when 200 is due.
    arrivals = [(t + (0.03 if n % 10 == 0 else 0.0), n) for t, n in steady(400) if n != 205]
    frames, _ = line.run(arrivals, 7.5)
    assert line.buffer.stats.recovered == 320
    assert any((f == 2).any() for f in frames)


def test_reordered_packets_are_put_in_order() -> None:
    line = Line.make()
    arrivals = [(t + (0.025 if n % 2 else 0.0), n) for t, n in steady(400)]
    line.run(arrivals, 7.5)
    assert line.codec.decoded == sorted(line.codec.decoded)
    assert line.buffer.stats.late <= 2


def test_duplicates_are_heard_once() -> None:
    line = Line.make()
    line.run(steady(200) + steady(200, delay=0.012) + steady(200, delay=0.05), 3.9)
    assert line.codec.decoded == list(range(len(line.codec.decoded)))
    assert line.buffer.stats.duplicates + line.buffer.stats.late >= 380


@pytest.mark.parametrize("drift", [200e-6, -200e-6])
def test_clock_drift_is_followed_without_loss(drift: float) -> None:
    line = Line.make()
    _, delays = line.run(steady(15_000, drift=drift), 298.0)
    assert len(line.codec.decoded) >= 14_800
    assert line.codec.decoded == list(range(len(line.codec.decoded)))
    assert max(delays) < 45
    assert line.buffer.stats.concealed <= 320 * 6


def test_delay_after_a_stall_drains() -> None:
    line = Line.make()
    arrivals = [(max(t, 4.25) if 4.0 <= t <= 4.25 else t, n) for t, n in steady(1_000)]
    _, delays = line.run(arrivals, 19.0, phase=0.014)
    after = delays[round(4.3 / 0.02)]
    assert after > 150  # nothing of what came late was thrown away
    assert min(delays[round(4.3 / 0.02) : round(8.0 / 0.02)]) < 45
    assert delays[-1] < 25
    assert line.codec.decoded == list(range(len(line.codec.decoded)))


def test_delay_is_bounded_after_a_long_stall() -> None:
    line = Line.make(config=JitterConfig(max_delay_ms=300))
    arrivals = [(max(t, 6.0) if 4.0 <= t <= 6.0 else t, n) for t, n in steady(1_000)]
    _, delays = line.run(arrivals, 19.0)
    # Above the floor by no more than the bound and the two frames in hand.
    assert max(delays[round(6.1 / 0.02) :]) <= 340
    assert line.buffer.stats.overflowed > 50
    assert delays[-1] < 25


def test_a_pause_of_the_sender_is_silence_not_loss() -> None:
    line = Line.make()
    # Timestamps go on while nothing is sent (DTX), sequence numbers do not.
    for number in range(50):
        line.insert(number, number * 0.02)
        line.buffer.pull(number * 0.02 + 0.004)
    for step in range(100):
        line.buffer.pull(1.0 + step * 0.02 + 0.004)
    line.sequence -= 100
    heard = []
    for number in range(150, 200):
        line.insert(number, number * 0.02)
        heard.append(np.frombuffer(line.buffer.pull(number * 0.02 + 0.004), dtype="<i2"))
    assert int(heard[-1][0]) >= LOUD + 198
    assert line.buffer.stats.concealed <= 320
    assert line.buffer.stats.silent >= 320 * 98


@pytest.mark.parametrize("what", ["ssrc", "timestamp"])
def test_a_jump_restarts_the_stream_and_one_stray_packet_does_not(what: str) -> None:
    line = Line.make()
    for number in range(100):
        line.insert(number, number * 0.02)
        line.buffer.pull(number * 0.02 + 0.004)
    line.buffer.insert(1, 123_456_789, b"\0\0\0\1", 2.0, ssrc=99)
    line.insert(100, 2.0)
    assert int(np.frombuffer(line.buffer.pull(2.004), dtype="<i2")[0]) == LOUD + 100
    assert line.buffer.stats.restarts == 0
    if what == "timestamp":
        line.timestamp += 48_000 * 3_600
    ssrc = 8 if what == "ssrc" else 7
    heard = []
    for number in range(101, 160):
        line.insert(number, number * 0.02, ssrc=ssrc)
        heard.append(int(np.frombuffer(line.buffer.pull(number * 0.02 + 0.004), dtype="<i2")[0]))
    assert line.buffer.stats.restarts == 1
    assert heard[5:] == [LOUD + n for n in range(106, 160)]


@pytest.mark.parametrize(
    ("stall_s", "jump_s"),
    [(0.3, 0.0), (1.0, 0.0), (5.0, 0.0), (5.0, 5.0), (30.0, 30.0), (0.0, 2.0), (0.0, 6.0), (0.0, -1.5), (0.0, 60.0)],
)
def test_a_sender_whose_clock_stood_still_or_jumped_is_heard_again(stall_s: float, jump_s: float) -> None:
    """A suspended laptop, a changed microphone, a line taken off hold: sequence numbers go on, the clock does not."""
    line = Line.make()
    line.run(steady(150, delay=0.0), 3.0)
    for pull in range(round(stall_s / 0.02)):
        line.buffer.pull(3.003 + pull * 0.02)
    line.timestamp += round(jump_s * 48_000)
    begun = 3.0 + stall_s
    frames, delays = line.run([(begun + n * 0.02, 150 + n) for n in range(500)], begun + 10.0, phase=begun + 0.003)
    heard = [int(frame[0]) >= LOUD for frame in frames]
    assert heard.index(True) * 0.02 <= 0.25
    assert sum(heard[15:]) >= len(heard[15:]) - 3
    assert delays[-1] < 25


def test_what_a_stalled_network_brings_all_at_once_is_no_new_clock() -> None:
    line = Line.make(config=JitterConfig(max_delay_ms=300))
    arrivals = [(max(t, 9.0) if 4.0 <= t <= 9.0 else t, n) for t, n in steady(700)]
    line.run(arrivals, 13.0)
    assert line.buffer.stats.restarts == 0


def test_garbage_payloads_are_concealed() -> None:
    line = Line.make()
    for number in range(100):
        payload = b"?" if number % 10 == 5 else struct.pack("!I", number)
        line.buffer.insert(number, 960 * number, payload, number * 0.02)
        line.buffer.pull(number * 0.02 + 0.004)
    assert line.buffer.stats.damaged == 10


class G711Codec(CountingCodec):
    """A codec with no means of its own against loss: mu-law at 8 kHz, repeated to 16 kHz."""

    conceals = False

    def samples(self, payload: bytes) -> int:
        return 2 * len(payload)

    def decode(self, payload: bytes) -> bytes:
        return np.repeat(np.frombuffer(ulaw_decode(payload), "<i2"), 2).astype("<i2").tobytes()

    def recover(self, following: bytes, samples: int) -> bytes:
        return b""


def test_a_codec_without_concealment_gets_ours() -> None:
    voice = (6_000 * np.sin(2 * np.pi * 200 * np.arange(16_000) / 8_000)).astype("<i2")
    buffer = JitterBuffer(G711Codec(), clock_rate=8_000)
    frames = []
    for number in range(100):
        if number not in (40, 60, 61):
            buffer.insert(number, 160 * number, ulaw_encode(voice[160 * number :][:160].tobytes()), number * 0.02)
        frames.append(np.frombuffer(buffer.pull(number * 0.02 + 0.004), "<i2").astype(float))
    assert buffer.stats.concealed == 3 * 320
    levels = [float(np.sqrt(np.mean(frame**2))) for frame in frames]
    assert levels[40] > 3_000
    assert levels[60] > 3_000
    assert levels[61] < levels[60]
    # No step at the joints larger than the doubled samples of the tone itself make.
    assert np.abs(np.diff(np.concatenate(frames[38:44]))).max() < 2_500


network = st.lists(
    st.tuples(
        st.floats(0, 0.35),  # delay
        st.sampled_from([0, 1, 1, 1, 1, 1, 2, 3]),  # copies: lost, once, twice, thrice
    ),
    min_size=20,
    max_size=250,
)


@given(network, st.floats(0, 0.02), st.booleans(), st.sampled_from([0.0, 200e-6, -200e-6]))
@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_any_network(packets: list[tuple[float, int]], phase: float, fec: bool, drift: float) -> None:
    """Whatever is lost, late, doubled or out of order: whole frames, in order, nothing twice, delay bounded."""
    line = Line.make(fec=fec)
    arrivals = [
        (n * 0.02 * (1 + drift) + delay + 0.007 * copy, n)
        for n, (delay, copies) in enumerate(packets)
        for copy in range(copies)
    ]
    end = len(packets) * 0.02 + 3.0
    frames, delays = line.run(arrivals, end, phase=phase)
    stats = line.buffer.stats
    assert all(len(frame) * 2 == FRAME_BYTES for frame in frames)
    assert line.codec.decoded == sorted(set(line.codec.decoded))
    delivered = {n for n, (_, copies) in enumerate(packets) if copies}
    assert set(line.codec.decoded) <= delivered
    assert len(line.codec.decoded) + stats.late + stats.duplicates + stats.overflowed == stats.packets
    assert all(delay <= 500 + 400 for delay in delays)
    # After the last packet everything that was held has been given out and only silence follows.
    assert not line.buffer._order and not line.buffer._packets
    if arrivals:
        assert (frames[-1] == 0).all()


@given(st.lists(st.tuples(st.integers(0, 65_535), st.integers(0, 2**32 - 1), st.binary(max_size=60)), max_size=60))
@settings(max_examples=50, deadline=None)
def test_arbitrary_packets_never_raise_with_the_real_decoder(packets: list[tuple[int, int, bytes]]) -> None:
    buffer = JitterBuffer(OpusDecoder(), clock_rate=CLOCK_RATE)
    for index, (sequence, timestamp, payload) in enumerate(packets):
        buffer.insert(sequence, timestamp, payload, index * 0.011, ssrc=timestamp & 1)
        assert len(buffer.pull(index * 0.02)) == FRAME_BYTES


def test_concealed_opus_sounds_like_what_was_lost() -> None:
    """A steady voice through 5 % loss keeps its level in the holes: concealment and FEC are no dropouts."""
    t = np.arange(16_000 * 4) / 16_000
    voice = (6_000 * sum(np.sin(2 * np.pi * 140 * n * t) / n for n in range(1, 8))).astype("<i2").tobytes()
    encoder = OpusEncoder()
    buffer = JitterBuffer(OpusDecoder(), clock_rate=CLOCK_RATE)
    lost = set(range(40, 190, 20))
    frames = []
    for number in range(200):
        packet = encoder.encode(voice[number * 640 : number * 640 + 640])
        if number not in lost:
            buffer.insert(number, number * 960, packet, number * 0.02)
        frames.append(np.frombuffer(buffer.pull(number * 0.02 + 0.004), dtype="<i2").astype(float))
    levels = np.array([np.sqrt(np.mean(f**2)) for f in frames])
    usual = np.median(levels[20:])
    assert all(levels[n] > 0.4 * usual for n in lost)
    assert buffer.stats.concealed == 320 * len(lost)
