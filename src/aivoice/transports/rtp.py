"""RTP and RTCP of one audio stream each way (RFC 3550), and keypad events (RFC 4733). No I/O, no clock of its own."""

from __future__ import annotations

import struct
from dataclasses import dataclass, field

from aiortc import rtp

_NTP_EPOCH = 2_208_988_800
_DIGITS = "0123456789*#ABCD"
_EVENT_MEMORY = 8


@dataclass(frozen=True, slots=True)
class Packet:
    """A received RTP packet; `payload` without padding."""

    payload_type: int
    sequence: int
    timestamp: int
    ssrc: int
    payload: bytes


def parse(data: bytes) -> Packet | None:
    """An RTP packet, or None when the bytes are none. Header extensions are skipped."""
    if len(data) < 12 or data[0] >> 6 != 2:
        return None
    first, second, sequence, timestamp, ssrc = struct.unpack_from("!BBHII", data)
    at = 12 + 4 * (first & 0x0F)
    end = len(data)
    if first & 0x10:
        if len(data) < at + 4:
            return None
        at += 4 + 4 * int.from_bytes(data[at + 2 : at + 4], "big")
    if first & 0x20:
        end -= data[-1]
    if at > end:
        return None
    return Packet(second & 0x7F, sequence, timestamp, ssrc, data[at:end])


@dataclass(frozen=True, slots=True)
class KeypadBody:
    """One packet of a key press, yet to be numbered."""

    body: bytes
    first: bool


class RtpSender:
    """Numbers outgoing packets. ssrc, first sequence number and first timestamp are given (random, per RFC 3550)."""

    def __init__(self, *, ssrc: int, payload_type: int, sequence: int, timestamp: int, clock_rate: int) -> None:
        self.ssrc = ssrc
        self.packets = 0
        self.octets = 0
        self._type = payload_type
        # The lower half only: an early wrap confuses SRTP receivers that miss the first packets.
        self._sequence = sequence & 0x7FFF
        self.timestamp = timestamp & 0xFFFFFFFF
        self.clock_rate = clock_rate
        self._marker = 0x80
        self._event_timestamp = 0

    def packet(self, payload: bytes, step: int) -> bytes:
        """The next packet; `step`: duration of its audio in clock units."""
        header = struct.pack("!BBHII", 0x80, self._marker | self._type, self._sequence, self.timestamp, self.ssrc)
        self._marker = 0
        self._sequence = (self._sequence + 1) & 0xFFFF
        self.timestamp = (self.timestamp + step) & 0xFFFFFFFF
        self.packets += 1
        self.octets += len(payload)
        return header + payload

    def skip(self, step: int) -> None:
        """Nothing was sent for `step` clock units; the next packet starts a talk spurt."""
        self.timestamp = (self.timestamp + step) & 0xFFFFFFFF
        self._marker = 0x80

    def event_packet(self, payload_type: int, event: KeypadBody) -> bytes:
        """A keypad packet in sequence with the audio; all of a press carry its first one's timestamp."""
        marker = 0
        if event.first:
            marker, self._event_timestamp = 0x80, self.timestamp
        header = struct.pack("!BBHII", 0x80, marker | payload_type, self._sequence, self._event_timestamp, self.ssrc)
        self._sequence = (self._sequence + 1) & 0xFFFF
        self.packets += 1
        self.octets += len(event.body)
        return header + event.body


@dataclass(slots=True)
class ReceptionStats:
    """What a receiver report says of the far side's stream (RFC 3550 §6.4.1 and appendix A.8)."""

    clock_rate: int
    ssrc: int = 0
    packets: int = 0
    base: int = 0
    highest: int = 0  # extended sequence number
    jitter: float = 0.0
    _transit: float | None = None
    _expected_before: int = 0
    _received_before: int = 0

    def add(self, packet: Packet, now: float, *, timed: bool = True) -> None:
        """`now`: arrival in seconds. timed: False for keypad packets, which share a timestamp and so tell no jitter."""
        if packet.ssrc != self.ssrc or not self.packets:
            self.ssrc = packet.ssrc
            self.packets = self._expected_before = self._received_before = 0
            self.base = self.highest = packet.sequence
            self._transit = None
        self.packets += 1
        step = (packet.sequence - self.highest) & 0xFFFF
        if step < 0x8000:
            self.highest += step
        if not timed:
            return
        transit = now * self.clock_rate - packet.timestamp
        if self._transit is not None:
            difference = abs(transit - self._transit)
            if difference < self.clock_rate:  # a jump of the clock is no jitter
                self.jitter += (difference - self.jitter) / 16
        self._transit = transit

    def report(self, last_sr: int, delay_since: float) -> rtp.RtcpReceiverInfo:
        """The block for the next report; starts a new interval for the fraction lost."""
        expected = self.highest - self.base + 1
        lost = expected - self.packets
        span, got = expected - self._expected_before, self.packets - self._received_before
        self._expected_before, self._received_before = expected, self.packets
        fraction = max(0, min(255, ((span - got) << 8) // span)) if span > 0 else 0
        return rtp.RtcpReceiverInfo(
            ssrc=self.ssrc,
            fraction_lost=fraction,
            packets_lost=rtp.clamp_packets_lost(lost),
            highest_sequence=self.highest & 0xFFFFFFFF,
            jitter=int(self.jitter),
            lsr=last_sr,
            dlsr=min(int(delay_since * 65536), 0xFFFFFFFF) if last_sr else 0,
        )


@dataclass(slots=True)
class RtcpSession:
    """Builds our sender reports, reads the far side's. wall: Unix seconds; now: monotonic seconds."""

    sender: RtpSender
    reception: ReceptionStats
    cname: str
    goodbye: bool = False
    remote_lost: float = 0.0
    round_trip_s: float | None = None
    _last_sr: int = 0
    _last_sr_at: float = 0.0

    def sender_report(self, wall: float, now: float, *, bye: bool = False) -> bytes:
        """A compound packet: report, description and, with `bye`, goodbye."""
        ntp = int((wall + _NTP_EPOCH) * 4_294_967_296)
        reports = [self.reception.report(self._last_sr, now - self._last_sr_at)] if self.reception.packets else []
        info = rtp.RtcpSenderInfo(
            ntp_timestamp=ntp & 0xFFFFFFFFFFFFFFFF,
            rtp_timestamp=self.sender.timestamp,
            packet_count=self.sender.packets & 0xFFFFFFFF,
            octet_count=self.sender.octets & 0xFFFFFFFF,
        )
        ssrc = self.sender.ssrc
        data = bytes(rtp.RtcpSrPacket(ssrc=ssrc, sender_info=info, reports=reports))
        source = rtp.RtcpSourceInfo(ssrc=ssrc, items=[(1, self.cname.encode())])
        data += bytes(rtp.RtcpSdesPacket(chunks=[source]))
        return data + bytes(rtp.RtcpByePacket(sources=[ssrc])) if bye else data

    def received(self, data: bytes, wall: float, now: float) -> None:
        """A compound packet of the far side; damaged ones are ignored."""
        try:
            packets = rtp.RtcpPacket.parse(data)
        except (ValueError, IndexError, struct.error):
            return
        for packet in packets:
            if isinstance(packet, rtp.RtcpByePacket):
                self.goodbye = self.goodbye or self.reception.ssrc in packet.sources
            elif isinstance(packet, rtp.RtcpSrPacket | rtp.RtcpRrPacket):
                if isinstance(packet, rtp.RtcpSrPacket):
                    self._last_sr = (packet.sender_info.ntp_timestamp >> 16) & 0xFFFFFFFF
                    self._last_sr_at = now
                for block in packet.reports:
                    if block.ssrc == self.sender.ssrc:
                        self._read_block(block, wall)

    def _read_block(self, block: rtp.RtcpReceiverInfo, wall: float) -> None:
        self.remote_lost = block.fraction_lost / 256
        if block.lsr:
            middle = (int((wall + _NTP_EPOCH) * 65536)) & 0xFFFFFFFF
            trip = ((middle - block.lsr - block.dlsr) & 0xFFFFFFFF) / 65536
            if trip < 10:
                self.round_trip_s = trip


@dataclass(slots=True)
class KeypadReader:
    """Each key press once, however often its packets are repeated, lost or reordered."""

    _seen: list[int] = field(default_factory=list[int])

    def read(self, packet: Packet) -> str | None:
        """The digit, at the first packet of its event; None for repeats and other events."""
        if len(packet.payload) < 4 or packet.timestamp in self._seen:
            return None
        event = packet.payload[0]
        if event >= len(_DIGITS):
            return None
        self._seen.append(packet.timestamp)
        del self._seen[:-_EVENT_MEMORY]
        return _DIGITS[event]


def keypad_press(digit: str, *, step: int, frames: int = 5) -> list[KeypadBody]:
    """The packets of one key press of `frames` · 20 ms, to be sent 20 ms apart, the last thrice (RFC 4733 §2.5.1.4).

    step: 20 ms in units of the event clock. Raises ValueError for anything but one of ``0-9 * # A-D``.
    """
    if len(digit) != 1 or digit.upper() not in _DIGITS:
        raise ValueError("not a key: use 0-9, *, # or A-D")
    event = _DIGITS.index(digit.upper())
    bodies: list[KeypadBody] = []
    for number in range(frames + 2):
        end = 0x80 if number >= frames - 1 else 0
        duration = min(number + 1, frames) * step
        bodies.append(KeypadBody(struct.pack("!BBH", event, end | 10, duration), number == 0))
    return bodies
