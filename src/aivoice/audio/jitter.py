"""An adaptive jitter buffer: RTP packets in whenever the network brings them, one 20 ms frame out per pull.

Pure: no clock, no I/O; `now` (seconds, any monotonic origin) is passed in. How it decides:

- Transit time of a packet = arrival − timestamp. Over the last `window` packets the smallest is the path's floor; the
  chosen quantile above that floor, plus a margin, is the target delay. Packets that arrive together count once.
- A packet is decoded when it is wanted. If later ones have come and its own time (target) is up, it is taken for lost:
  restored from the copy in the packet after it (in-band FEC), else concealed.
- If nothing has come at all, concealment runs and the buffer holds its place: audio that then arrives late is still
  played (delay grows), as a listener would rather have it late than never.
- Delay in excess of the target is drained, and missing delay grown, by cutting or repeating single pitch periods
  (never more than one a frame), so delay neither sticks nor jumps. Beyond `max_delay_ms` the oldest audio goes.
- Timestamps, not sequence numbers, order the audio: DTX pauses, telephone events in between, wraparound and
  duplicates need no case of their own. A jump (new SSRC, timestamps off by seconds) restarts the stream once a second
  packet confirms it; so does a sender whose clock stood still for a while (a suspended laptop, a line on hold), once
  nothing it has sent for `_ASTRAY_S` could be played any more.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from collections import deque
from dataclasses import dataclass

import numpy as np

from aivoice.audio.conceal import PitchConcealer
from aivoice.audio.frames import FRAME_BYTES, FRAME_SAMPLES, SAMPLE_RATE, SILENCE
from aivoice.audio.opus import FrameDecoder
from aivoice.audio.stretch import MAX_LAG, lengthen, shorten

_MS = SAMPLE_RATE // 1000
_MAX_PACKETS = 150
_BACKWARD = 2 * SAMPLE_RATE
_FORWARD = 10 * SAMPLE_RATE
_PLC_LIMIT = 200 * _MS
_RETARGET_EVERY = 5
_BURST_S = 0.002
_EARLY = SAMPLE_RATE
"""A packet so far ahead of the fastest path is no packet of this clock."""
_ASTRAY_S = 0.2


@dataclass(frozen=True, slots=True)
class JitterConfig:
    """quantile: share of packets that should come in time. margin_ms: added to it (scheduling of the pulls).
    window: packets that are remembered (300 = 6 s). max_delay_ms: bound of the buffer's own delay.
    hangover_s: how long after running empty a small excess of delay is kept, as hiccups come in company.
    tolerance_ms: shortfall of delay left to whoever times the pulls before audio is lengthened."""

    quantile: float = 0.97
    margin_ms: float = 3.0
    window: int = 300
    max_delay_ms: float = 500.0
    hangover_s: float = 0.7
    tolerance_ms: float = 2.0


@dataclass(slots=True)
class JitterStats:
    """Counts since the start; audio in 16 kHz samples. concealed: invented for packets lost or late; silent: given
    while the sender sent nothing (DTX, or a stall past 200 ms); recovered: restored by FEC."""

    packets: int = 0
    duplicates: int = 0
    late: int = 0
    overflowed: int = 0
    damaged: int = 0
    restarts: int = 0
    delivered: int = 0
    concealed: int = 0
    recovered: int = 0
    silent: int = 0
    cut: int = 0
    stretched: int = 0


class JitterBuffer:
    """One direction of one call. `insert` packets, `pull` a frame each 20 ms. Nothing here raises on bad packets.

    clock_rate: Hz of the RTP timestamps (48 000 for Opus, 8 000 for G.711).
    """

    def __init__(self, decoder: FrameDecoder, *, clock_rate: int, config: JitterConfig | None = None) -> None:
        self._decoder = decoder
        self._clock_rate = clock_rate
        self._config = config or JitterConfig()
        self._own_plc = None if decoder.conceals else PitchConcealer()
        self.stats = JitterStats()
        self._ssrc: int | None = None
        self._last_raw = 0  # RTP timestamp of the newest packet, unwrapped from there
        self._last_media = 0  # the same in unwrapped 16 kHz samples
        self._suspect: tuple[int, int] | None = None
        self._newest = 0  # sequence number
        self._astray_since: float | None = None
        self._order: list[int] = []
        self._packets: dict[int, tuple[int, bytes]] = {}
        self._fifo = bytearray()
        self._started = False
        self._next = 0  # media position that comes after the fifo, concealment included
        self._real_end = 0  # end of the last packet really played: older packets are late
        self._real_sequence = 0
        self._plc_run = 0
        self._run_concealed = 0
        self._since_scale = 0
        self._transits: deque[float] = deque()
        self._sorted: list[float] = []
        self._last_arrival = -1.0
        self._patient_until = 0.0
        self._floor = 0.0
        self._target = 0.0
        self._untargeted = 0
        self._slack = 0.0

    # ------------------------------------------------------------------ network side

    def insert(self, sequence: int, timestamp: int, payload: bytes, now: float, *, ssrc: int = 0) -> None:
        """One packet: 16-bit sequence number, 32-bit timestamp, codec payload, arrival time in seconds."""
        self.stats.packets += 1
        if self._ssrc is None:
            self._restart(ssrc, sequence, timestamp, now)
        else:
            step = ((timestamp - self._last_raw + 0x80000000) & 0xFFFFFFFF) - 0x80000000
            step = step * SAMPLE_RATE // self._clock_rate
            media = self._last_media + step
            early = now * SAMPLE_RATE - media < self._floor - _EARLY
            if ssrc != self._ssrc or early or not -_BACKWARD < step < _FORWARD:
                if not self._confirmed(ssrc, timestamp):
                    return
            elif not self._astray(media, sequence, now):
                self._suspect = None
                if step > 0:
                    self._last_raw, self._last_media = timestamp, media
                self._store(media, sequence, payload, now)
                return
            self._restart(ssrc, sequence, timestamp, now)
            self.stats.restarts += 1
        self._store(self._last_media, sequence, payload, now)

    def _astray(self, media: int, sequence: int, now: float) -> bool:
        """Whether the sender's clock has left ours: what it newly sends has been too old to be played for a while."""
        ahead = (sequence - self._newest) & 0xFFFF
        if not 0 < ahead < 0x8000:
            return False  # a duplicate, or overtaken on its way: says nothing
        self._newest = sequence
        if media >= max(self._real_end, self._next - self._config.max_delay_ms * _MS):
            self._astray_since = None
        elif self._astray_since is None:
            self._astray_since = now
        return self._astray_since is not None and now - self._astray_since >= _ASTRAY_S

    def _confirmed(self, ssrc: int, timestamp: int) -> bool:
        suspect, self._suspect = self._suspect, (ssrc, timestamp)
        if suspect is None or suspect[0] != ssrc:
            return False
        step = ((timestamp - suspect[1] + 0x80000000) & 0xFFFFFFFF) - 0x80000000
        return abs(step) < self._clock_rate

    def _restart(self, ssrc: int, sequence: int, timestamp: int, now: float) -> None:
        self._ssrc, self._newest = ssrc, sequence
        self._suspect = self._astray_since = None
        self._last_raw = timestamp
        self._order.clear()
        self._packets.clear()
        self._transits.clear()
        self._sorted.clear()
        # The media clock starts where it makes the first packet's transit zero; nothing depends on its origin.
        self._last_media = round(now * SAMPLE_RATE)
        self._floor = 0.0
        self._untargeted = 0
        self._next = self._real_end = self._last_media
        self._started = True

    def _store(self, media: int, sequence: int, payload: bytes, now: float) -> None:
        self._observe(now * SAMPLE_RATE - media, now)
        if media in self._packets:
            self.stats.duplicates += 1
            return
        if media < self._real_end:
            if self._real_end - media > 0 and sequence == self._real_sequence:
                self.stats.duplicates += 1
            else:
                self.stats.late += 1
            return
        if len(self._order) >= _MAX_PACKETS:
            self._packets.pop(self._order.pop(0))
            self.stats.overflowed += 1
        insort(self._order, media)
        self._packets[media] = (sequence, payload)

    def _observe(self, transit: float, now: float) -> None:
        burst, self._last_arrival = now - self._last_arrival < _BURST_S, now
        if burst and self._transits:
            # A stall ends in a burst: that is one event, or a single hiccup would hold the delay up for seconds.
            if transit <= self._transits[-1]:
                return
            old = self._transits.pop()
            del self._sorted[bisect_left(self._sorted, old)]
        self._transits.append(transit)
        insort(self._sorted, transit)
        if len(self._transits) > self._config.window:
            old = self._transits.popleft()
            del self._sorted[bisect_left(self._sorted, old)]
        self._floor = self._sorted[0]
        self._untargeted -= 1
        if self._untargeted < 0:
            self._untargeted = _RETARGET_EVERY
            rank = min(int(self._config.quantile * len(self._sorted)), len(self._sorted) - 1)
            target = self._sorted[rank] - self._floor + self._config.margin_ms * _MS
            self._target = min(target, self._config.max_delay_ms * _MS)

    # ------------------------------------------------------------------ listening side

    @property
    def target_ms(self) -> float:
        """Delay above the fastest packet's that is aimed at."""
        return self._target / _MS

    @property
    def slack_ms(self) -> float:
        """How much later than its target the last packet was decoded: a pull that much earlier would have done."""
        return self._slack / _MS

    def delay_ms(self, now: float) -> float:
        """Age of the next sample to be pulled, above the fastest packet's transit."""
        return (now * SAMPLE_RATE - (self._next - len(self._fifo) // 2) - self._floor) / _MS

    def playout_timestamp(self) -> int:
        """RTP timestamp of the next sample to be pulled (32 bits), for measurements."""
        behind = self._last_media - (self._next - len(self._fifo) // 2)
        return (self._last_raw - behind * self._clock_rate // SAMPLE_RATE) & 0xFFFFFFFF

    def pull(self, now: float) -> bytes:
        """The next 20 ms (640 bytes). Silence before the first packet. Call it every 20 ms."""
        if not self._started:
            return SILENCE
        while len(self._fifo) < FRAME_BYTES:
            self._step(now)
        self.stats.delivered += FRAME_SAMPLES
        if len(self._fifo) == FRAME_BYTES:
            frame = bytes(self._fifo)
            self._fifo.clear()
            return frame
        frame = bytes(self._fifo[:FRAME_BYTES])
        del self._fifo[:FRAME_BYTES]
        return frame

    def _step(self, now: float) -> None:
        while self._order and self._next - self._order[0] > self._config.max_delay_ms * _MS:
            self._packets.pop(self._order.pop(0))
            self.stats.overflowed += 1
        if not self._order:
            self._fill(FRAME_SAMPLES)
            self._next += FRAME_SAMPLES
            self._patient_until = now + self._config.hangover_s
            return
        first = self._order[0]
        gap = first - self._next
        if gap <= 0:
            self._play(now)
            return
        due = now * SAMPLE_RATE - self._next - self._floor
        if self._next == self._real_end and due < self._target - FRAME_SAMPLES / 2:
            # Still within its time: wait for it, concealed, without giving up its place.
            self._fill(FRAME_SAMPLES)
            return
        size = min(gap, FRAME_SAMPLES)
        payload = self._packets[first][1]
        restored = self._decoder.recover(payload, gap) if gap <= self._decoder.samples(payload) else b""
        if len(restored) == 2 * gap:
            self._append(restored)
            self.stats.recovered += gap
            self._next += gap
        else:
            self._fill(size)
            self._next += size

    def _play(self, now: float) -> None:
        media = self._order.pop(0)
        sequence, payload = self._packets.pop(media)
        late = self._next - media
        if self._run_concealed and late < self._run_concealed and (sequence - self._real_sequence) & 0xFFFF == 1:
            # Nothing was missing: the sender had paused.
            pause = self._run_concealed - max(late, 0)
            self.stats.concealed -= pause
            self.stats.silent += pause
        pcm = self._decoder.decode(payload)
        if not pcm:
            self.stats.damaged += 1
            self._fill(FRAME_SAMPLES)
            self._next = self._real_end = media + FRAME_SAMPLES
            return
        self._real_sequence = sequence
        self._next = self._real_end = media + len(pcm) // 2
        self._plc_run = self._run_concealed = 0
        self._append(self._scaled(pcm, now * SAMPLE_RATE - media - self._floor, now < self._patient_until))

    def _scaled(self, pcm: bytes, delay: float, patient: bool) -> bytes:
        """The decoded frame, a pitch period shorter or longer where the delay is off its target."""
        excess = self._slack = delay - self._target
        self._since_scale += 1
        spare = len(self._fifo) // 2
        if patient and 0 <= excess < 2 * FRAME_SAMPLES:
            return pcm
        if excess >= FRAME_SAMPLES:
            wait, longest = (1 if excess > 5 * FRAME_SAMPLES else 2), MAX_LAG
        elif excess >= -self._config.tolerance_ms * _MS and spare > 0:
            wait, longest = 3, min(spare, MAX_LAG)
        elif excess < -self._config.tolerance_ms * _MS:
            wait, longest = 4, -MAX_LAG
        else:
            return pcm  # within tolerance, nothing to spare
        if self._since_scale < wait:
            return pcm
        samples = np.frombuffer(pcm, dtype="<i2")
        changed = shorten(samples, longest) if longest > 0 else lengthen(samples, -longest)
        difference = len(changed) - len(samples)
        if difference:
            self._since_scale = 0
            if difference < 0:
                self.stats.cut -= difference
            else:
                self.stats.stretched += difference
        return changed.tobytes()

    def _append(self, pcm: bytes) -> None:
        if self._own_plc is not None:
            pcm = self._own_plc.good(np.frombuffer(pcm, dtype="<i2")).tobytes()
        self._fifo += pcm

    def _fill(self, samples: int) -> None:
        """`samples` of concealment, or of silence once it has run for 200 ms."""
        if self._plc_run >= _PLC_LIMIT:
            self._fifo += bytes(2 * samples)
            self.stats.silent += samples
            return
        if self._own_plc is not None:
            made = self._own_plc.lost(samples).astype("<i2").tobytes()
        else:
            made = self._decoder.conceal(samples).ljust(2 * samples, b"\0")
        self._plc_run += samples
        self._run_concealed += samples
        self.stats.concealed += samples
        if self._plc_run >= _PLC_LIMIT:
            fade = np.linspace(1.0, 0.0, samples, dtype=np.float32)
            made = np.rint(np.frombuffer(made, dtype="<i2") * fade).astype("<i2").tobytes()
        self._fifo += made
