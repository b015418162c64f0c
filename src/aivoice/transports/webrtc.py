"""A call over WebRTC: Opus both ways, keypad, and an honest end when the far side goes or vanishes.

Server: ``sdp, transport = await answer(offer_sdp, pacer=pacer)``. Client: `dial` in `webrtc_caller`.

Sending has no queue: `write` encodes, encrypts and hands the packet to the socket before it returns. Receiving has one
buffer, ours (`aivoice.audio.jitter`), read by a tick of the shared pacer that keeps itself just behind the packets.
"""

from __future__ import annotations

import asyncio
import contextlib
import secrets
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field

from aivoice.audio.frames import FRAME_SAMPLES, AudioChunk
from aivoice.audio.jitter import JitterBuffer, JitterConfig, JitterStats
from aivoice.audio.opus import CLOCK_RATE, OpusDecoder, OpusEncoder
from aivoice.audio.pacer import PERIOD_S, Pacer, PacerHandle
from aivoice.audio.phase import PhaseLock
from aivoice.errors import InputError, ProviderError
from aivoice.transports import rtp, sdp
from aivoice.transports.ports import MediaSink
from aivoice.transports.secure_link import LinkSettings, LinkState, SecureLink, random_ssrc

_STEP = CLOCK_RATE // 50
_REPORT_TICKS = 50
_SILENCE_S = 2.0
"""Without a packet for this long the peer is asked whether it is there."""
_PROBES = 2
"""Unanswered questions (1.6 s each) after which it is taken for gone: 5.2 s in all."""
_MEDIA_UP_S = 1.0
_LEFT_OUT = 3
_KEYPAD_QUEUE = 128


@dataclass(frozen=True, slots=True)
class WebRtcSettings:
    """bitrate: bit/s of our Opus stream, error correction included. expected_loss: percent, sizes that correction.
    complexity: 0…10, Opus's CPU against quality. link: addresses and connection limit."""

    bitrate: int = 28_000
    expected_loss: int = 10
    complexity: int = 5
    link: LinkSettings = field(default_factory=LinkSettings)
    jitter: JitterConfig = field(default_factory=lambda: JitterConfig(tolerance_ms=5.0))


DEFAULTS = WebRtcSettings()


@dataclass(frozen=True, slots=True)
class WebRtcStats:
    """jitter: the receiving side. sent, received: packets. remote_lost: share 0…1 of ours that the far side last
    reported lost. round_trip_ms: None until reported. target_ms, delay_ms: the jitter buffer's, above the fastest
    packet's transit."""

    jitter: JitterStats
    sent: int
    received: int
    remote_lost: float
    round_trip_ms: float | None
    target_ms: float
    delay_ms: float


class WebRtcTransport:
    """One leg over WebRTC; implements `transports.ports.Transport`. Made by `answer` or `offer`.

    - ``on_media_up`` comes with the far side's first packet (its handshake is then complete, so nothing that is
      written is lost), or 1 s after connecting when it sends none.
    - ``on_hangup``: ``caller_hung_up`` when it says goodbye (DTLS or RTCP); ``media_lost`` when connecting fails or it
      falls silent and answers no consent check (at most 5.5 s). A peer that answers but sends nothing stays.
    - Lost packets are restored or concealed; chunks are contiguous 20 ms frames, one a tick.
    """

    carries_spans = False

    def __init__(
        self, *, pacer: Pacer, settings: WebRtcSettings, controlling: bool, wall: Callable[[], float] = time.time
    ) -> None:
        self._loop = asyncio.get_running_loop()
        self._pacer = pacer
        self._settings = settings
        self._wall = wall
        self._encoder = OpusEncoder(
            bitrate=settings.bitrate, expected_loss=settings.expected_loss, complexity=settings.complexity
        )
        self._jitter = JitterBuffer(OpusDecoder(), clock_rate=CLOCK_RATE, config=settings.jitter)
        self._link = SecureLink(
            controlling=controlling,
            on_rtp=self._on_rtp,
            on_rtcp=self._on_rtcp,
            on_state=self._on_link,
            settings=settings.link,
        )
        self._ssrc = random_ssrc()
        self._cname = secrets.token_hex(8)
        self._reception = rtp.ReceptionStats(CLOCK_RATE)
        self._sender = self._new_sender(111)
        self._rtcp = rtp.RtcpSession(self._sender, self._reception, self._cname)
        self._keypad = rtp.KeypadReader()
        self._keypad_out: deque[rtp.KeypadBody] = deque(maxlen=_KEYPAD_QUEUE)
        self._remote: sdp.RemoteMedia | None = None
        self._controlling = controlling
        self._sink: MediaSink | None = None
        self._handle: PacerHandle | None = None
        self._connecting: asyncio.Task[None] | None = None
        self._probing: asyncio.Task[None] | None = None
        self._closed = False
        self._media_up = False
        self._position = 0
        self._first_write = self._last_write = 0.0
        self._frames_out = 0
        self._last_rtp = 0.0
        self._probe_at = 0.0
        self._failed_probes = 0
        self._ticks = 0
        self._phase = PhaseLock()
        self.tap: Callable[[rtp.Packet, float], None] | None = None
        """Called with each audio packet and its arrival (loop time), for measurements."""
        self.on_sent: Callable[[int, float], None] | None = None
        """Called with the RTP timestamp of each audio packet sent and its time (loop time), for measurements."""

    def _new_sender(self, payload_type: int) -> rtp.RtpSender:
        return rtp.RtpSender(
            ssrc=self._ssrc,
            payload_type=payload_type,
            sequence=secrets.randbits(16),
            timestamp=secrets.randbits(32),
            clock_rate=CLOCK_RATE,
        )

    # ------------------------------------------------------------ signalling

    async def describe(self, remote: sdp.RemoteMedia | None) -> str:
        """Gather addresses; our offer, or our answer to `remote`. Raises InputError when no address can be bound."""
        try:
            await self._link.gather()
        except OSError:
            raise InputError(
                "WebRTC: no network address can be bound: check the `hosts` setting",
                code="no_address",
                stage="transport",
            ) from None
        if remote is not None:
            self.accept(remote)
        setup = "actpass" if remote is None else "passive" if remote.setup == "active" else "active"
        local = sdp.LocalMedia(
            session=secrets.randbits(62),
            ufrag=self._link.ufrag,
            password=self._link.password,
            fingerprints=self._link.fingerprints,
            setup=setup,
            candidates=self._link.candidates,
            ssrc=self._ssrc,
            cname=self._cname,
            opus=remote.opus if remote else 111,
            keypad=remote.keypad if remote else 126,
            keypad_rate=remote.keypad_rate if remote else CLOCK_RATE,
        )
        return sdp.write_offer(local) if remote is None else sdp.write_answer(local, remote)

    def accept(self, remote: sdp.RemoteMedia) -> None:
        """Take over what the far side's description says; once, before `start`."""
        self._remote = remote
        self._sender = self._new_sender(remote.opus)
        self._rtcp = rtp.RtcpSession(self._sender, self._reception, self._cname)

    # ------------------------------------------------------------ Transport

    async def start(self, sink: MediaSink) -> None:
        """Begin connecting; returns at once. Everything else comes through the sink."""
        remote = self._remote
        if self._closed or self._connecting is not None or remote is None:
            return
        self._sink = sink
        # An answer is written with setup:active unless the offer insisted on active; the offerer takes the other part.
        client = remote.setup == "passive" if self._controlling else remote.setup != "active"
        self._connecting = self._loop.create_task(
            self._link.connect(
                ufrag=remote.ufrag,
                password=remote.password,
                lite=remote.lite,
                fingerprints=remote.fingerprints,
                candidates=remote.candidates,
                dtls_client=client,
            ),
            name="webrtc-connect",
        )

    def write(self, frame: bytes) -> None:
        """Encode, encrypt, send: done when it returns. Dropped before the connection is up."""
        if self._link.state != "connected":
            return
        now = self._loop.time()
        self._keep_time(now)
        try:
            payload = self._encoder.encode(frame)
        except ProviderError:
            return
        if self.on_sent is not None:
            self.on_sent(self._sender.timestamp, now)
        self._link.send_rtp(self._sender.packet(payload, _STEP))
        if self._keypad_out and self._remote is not None and self._remote.keypad is not None:
            event = self._keypad_out.popleft()
            self._link.send_rtp(self._sender.event_packet(self._remote.keypad, event))

    def _keep_time(self, now: float) -> None:
        """Let the stream's clock run on where frames were left out, or the far side would take the hole for delay.

        After a late loop the pacer hands the missed frames over in one burst; only what is still missing once frames
        come at their usual distance again was really left out.
        """
        if not self._frames_out:
            self._first_write = now
        behind = int((now - self._first_write) / PERIOD_S) - self._frames_out
        if behind >= _LEFT_OUT and PERIOD_S / 2 < now - self._last_write < 2 * PERIOD_S:
            self._sender.skip(behind * _STEP)
            self._frames_out += behind
        self._frames_out += 1
        self._last_write = now

    def write_span(self, chunk: AudioChunk) -> None:
        """Never called: this transport carries real frames."""

    async def close(self, reason: str) -> None:
        """Goodbye, then release everything; bounded at 2 s. Idempotent."""
        del reason
        if self._closed:
            return
        self._closed = True
        self._sink = None
        if self._handle is not None:
            self._handle.remove()
        if self._link.state == "connected":
            self._link.send_rtcp(self._rtcp.sender_report(self._wall(), self._loop.time(), bye=True))
        for task in (self._connecting, self._probing):
            if task is not None:
                task.cancel()
                await asyncio.wait([task])
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(2.0):
                await self._link.close()

    # ------------------------------------------------------------ more

    def press(self, digit: str) -> bool:
        """Send a key press as RFC 4733 events. False when the far side takes none. Raises ValueError for no key."""
        if self._remote is None or self._remote.keypad is None:
            return False
        step = self._remote.keypad_rate // 50
        self._keypad_out.extend(rtp.keypad_press(digit, step=step))
        return True

    @property
    def stats(self) -> WebRtcStats:
        trip = self._rtcp.round_trip_s
        return WebRtcStats(
            jitter=self._jitter.stats,
            sent=self._sender.packets,
            received=self._reception.packets,
            remote_lost=self._rtcp.remote_lost,
            round_trip_ms=None if trip is None else trip * 1000,
            target_ms=self._jitter.target_ms,
            delay_ms=self._jitter.delay_ms(self._loop.time()),
        )

    @property
    def jitter(self) -> JitterBuffer:
        """The receiving buffer, for measurements."""
        return self._jitter

    # ------------------------------------------------------------ events

    def _on_link(self, state: LinkState) -> None:
        now = self._loop.time()
        match state:
            case "connected":
                self._last_rtp = self._probe_at = now
                self._loop.call_later(_MEDIA_UP_S, self._bring_up)
            case "closed_by_peer":
                self._end("caller_hung_up")
            case "failed":
                self._end("media_lost")
            case "new" | "connecting" | "closed":
                pass

    def _bring_up(self) -> None:
        if self._media_up or self._closed or self._sink is None:
            return
        self._media_up = True
        # The first tick a slot behind the first packet: the next ones will come at the same distance.
        self._handle = self._pacer.add(self._tick, at=self._loop.time() + 0.003)
        self._sink.on_media_up()

    def _end(self, reason: str) -> None:
        if self._handle is not None:
            self._handle.remove()
        sink, self._sink = self._sink, None
        if sink is not None and not self._closed:
            sink.on_hangup(reason)

    def _on_rtp(self, data: bytes) -> None:
        packet = rtp.parse(data)
        remote = self._remote
        if packet is None or remote is None or self._closed:
            return
        now = self._loop.time()
        self._last_rtp = now
        self._failed_probes = 0
        if packet.payload_type == remote.opus:
            self._reception.add(packet, now)
            self._jitter.insert(packet.sequence, packet.timestamp, packet.payload, now, ssrc=packet.ssrc)
            if self.tap is not None:
                self.tap(packet, now)
        elif packet.payload_type == remote.keypad:
            self._reception.add(packet, now, timed=False)
            digit = self._keypad.read(packet)
            if digit is not None and self._sink is not None:
                self._bring_up()
                self._sink.on_dtmf(digit)
                return
        if not self._media_up:
            self._bring_up()

    def _on_rtcp(self, data: bytes) -> None:
        self._rtcp.received(data, self._wall(), self._loop.time())
        if self._rtcp.goodbye:
            self._end("caller_hung_up")

    def _tick(self) -> None:
        now = self._loop.time()
        frame = self._jitter.pull(now)
        shift = self._phase.observe(self._jitter.slack_ms)
        if shift and self._handle is not None:
            self._phase.moved(self._handle.shift(shift))
        self._ticks += 1
        if self._ticks % _REPORT_TICKS == 0:
            self._link.send_rtcp(self._rtcp.sender_report(self._wall(), now))
        if now - self._last_rtp > _SILENCE_S and now >= self._probe_at:
            self._ask(now)
        position = self._position
        self._position = position + FRAME_SAMPLES
        if self._sink is not None:
            self._sink.on_audio(AudioChunk(position, FRAME_SAMPLES, frame))

    def _ask(self, now: float) -> None:
        if self._probing is None or self._probing.done():
            self._probe_at = now + _SILENCE_S
            self._probing = self._loop.create_task(self._probe(), name="webrtc-probe")

    async def _probe(self) -> None:
        while await self._link.probe() is False:
            self._failed_probes += 1
            if self._failed_probes >= _PROBES:
                self._end("media_lost")
                return
        self._failed_probes = 0


async def answer(offer_sdp: str, *, pacer: Pacer, settings: WebRtcSettings = DEFAULTS) -> tuple[str, WebRtcTransport]:
    """Answer an offer: (complete SDP answer, transport). `start` the transport once the answer is on its way.

    Raises InputError with a clear line for SDP that is empty, malformed, or without Opus audio over DTLS-SRTP.
    The transport must be closed by the caller, started or not. Cancellation leaves no socket behind.
    """
    remote = sdp.read(offer_sdp, kind="offer")
    transport = WebRtcTransport(pacer=pacer, settings=settings, controlling=remote.lite)
    try:
        return await transport.describe(remote), transport
    except BaseException:
        await transport.close("failed")
        raise


async def offer(*, pacer: Pacer, settings: WebRtcSettings = DEFAULTS) -> tuple[str, WebRtcTransport]:
    """The calling side: (complete SDP offer, transport). Give the answer to `take_answer`, then `start`."""
    transport = WebRtcTransport(pacer=pacer, settings=settings, controlling=True)
    try:
        return await transport.describe(None), transport
    except BaseException:
        await transport.close("failed")
        raise


def take_answer(transport: WebRtcTransport, answer_sdp: str) -> None:
    """Read the far side's answer into an offering transport. Raises InputError as `answer` does."""
    transport.accept(sdp.read(answer_sdp, kind="answer"))
