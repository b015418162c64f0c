"""The encrypted path under a WebRTC call: ICE by aioice, DTLS-SRTP by aiortc, packets in and out without a queue.

Why not RTCPeerConnection: it decodes in a thread behind a jitter buffer that stalls 300 ms on one lost packet, sends
from a task that waits for its track, waits 30 s for a vanished peer, never offers 127.0.0.1 and drops
telephone-event. Its parts are sound, so they are used one by one. Every touch of aiortc's internals is in this file,
which is why the package pins it to one minor version (`AIORTC`); a test fails when they change.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal, cast

import pylibsrtp
from aioice import Candidate, Connection, stun
from aioice.ice import CandidatePair, get_host_addresses
from aiortc.rtcdtlstransport import RTCCertificate, RTCDtlsParameters, RTCDtlsTransport
from aiortc.rtcicetransport import RTCIceCandidate, candidate_from_aioice, candidate_to_aioice

AIORTC = "1.16"
"""Minor version whose internals are used below."""
LOOPBACK = "127.0.0.1"

LinkState = Literal["new", "connecting", "connected", "closed_by_peer", "failed", "closed"]


@dataclass(frozen=True, slots=True)
class LinkSettings:
    """hosts: local addresses to offer (default: every interface and 127.0.0.1, so that a page served on loopback
    works on a machine without a network). connect_s: bound of ICE plus DTLS. No STUN or TURN server is asked."""

    hosts: tuple[str, ...] | None = None
    connect_s: float = 15.0


class _Ice(Connection):
    """aioice's connection with media taken out before its queue."""

    on_media: Callable[[bytes], None] | None = None

    def data_received(self, data: bytes, component: int) -> None:
        # RFC 7983: 128…191 is SRTP or SRTCP; the rest (DTLS) goes the usual way.
        if self.on_media is not None and data and 127 < data[0] < 192:
            self.on_media(data)
        else:
            super().data_received(data, component)


class _DtlsPath:
    """What RTCDtlsTransport needs of an RTCIceTransport."""

    def __init__(self, ice: Connection) -> None:
        self._recv = ice.recv
        self._send = ice.send
        self._ice = ice

    @property
    def role(self) -> str:
        return "controlling" if self._ice.ice_controlling else "controlled"


def local_addresses() -> tuple[str, ...]:
    """Every address of this machine that a peer might reach, loopback last."""
    return (*get_host_addresses(use_ipv4=True, use_ipv6=True), LOOPBACK)


class SecureLink:
    """One encrypted datagram path. Lifecycle: `gather`, then `connect` once, `send_rtp`/`send_rtcp`, `close`.

    on_rtp, on_rtcp: called with each authenticated, decrypted packet on the loop, in order of arrival; they must not
    block or raise. on_state: told ``connected``, ``closed_by_peer`` or ``failed``, each once. Owns at most three
    tasks (of aioice and aiortc) and one socket a host address; `close` ends all of them.
    """

    def __init__(
        self,
        *,
        controlling: bool,
        on_rtp: Callable[[bytes], None],
        on_rtcp: Callable[[bytes], None],
        on_state: Callable[[LinkState], None],
        settings: LinkSettings,
    ) -> None:
        self._settings = settings
        self._on_rtp = on_rtp
        self._on_rtcp = on_rtcp
        self._on_state = on_state
        self._ice = _Ice(ice_controlling=controlling)
        self._certificate = RTCCertificate.generateCertificate()
        self._dtls = RTCDtlsTransport(cast(Any, _DtlsPath(self._ice)), [self._certificate])
        self._state: LinkState = "new"

    # ------------------------------------------------------------ description

    @property
    def ufrag(self) -> str:
        return self._ice.local_username

    @property
    def password(self) -> str:
        return self._ice.local_password

    @property
    def fingerprints(self) -> tuple[Any, ...]:
        return tuple(f for f in self._certificate.getFingerprints() if f.algorithm == "sha-256")

    @property
    def candidates(self) -> tuple[RTCIceCandidate, ...]:
        return tuple(candidate_from_aioice(c) for c in self._ice.local_candidates)

    @property
    def state(self) -> LinkState:
        return self._state

    async def gather(self) -> None:
        """Open one socket a host address. Raises OSError when none can be opened."""
        hosts = list(self._settings.hosts or local_addresses())
        ice = cast(Any, self._ice)
        found: list[Candidate] = await self._ice.get_component_candidates(1, hosts)
        # What Connection.gather_candidates does, with our list of addresses (its own leaves out loopback).
        ice._local_candidates_start = True
        ice._local_candidates += found
        ice._local_candidates_end = True
        if not found:
            raise OSError("no local address can be bound")

    # ------------------------------------------------------------ connecting

    async def connect(
        self,
        *,
        ufrag: str,
        password: str,
        lite: bool,
        fingerprints: Sequence[Any],
        candidates: Sequence[RTCIceCandidate],
        dtls_client: bool,
    ) -> None:
        """Check paths, shake hands. Ends when connected; else the state tells. Cancellation leaves `close` to do."""
        self._set("connecting")
        try:
            async with asyncio.timeout(self._settings.connect_s):
                await self._connect_ice(ufrag, password, lite, candidates)
                self._dtls._set_role("client" if dtls_client else "server")  # pyright: ignore[reportPrivateUsage]
                self._dtls.on("statechange", self._dtls_changed)
                self._ice.on_media = self._media
                await self._dtls.start(RTCDtlsParameters(fingerprints=list(fingerprints)))
        except Exception:  # noqa: BLE001 - whatever breaks in there, a call must not wait for ever
            self._set("failed")
            return
        self._set("connected" if self._dtls.state == "connected" else "failed")

    async def _connect_ice(self, ufrag: str, password: str, lite: bool, candidates: Sequence[RTCIceCandidate]) -> None:
        ice = self._ice
        ice.remote_is_lite = lite
        ice.remote_username = ufrag
        ice.remote_password = password
        for candidate in candidates:
            # A browser hides its addresses behind .local names; its own checks reveal them sooner than mDNS would.
            if not candidate.ip.endswith(".local"):
                await ice.add_remote_candidate(candidate_to_aioice(candidate))
        # The end of candidates is not announced: a peer-reflexive one may come at any time before the limit.
        await ice.connect()
        # Its consent checks give up after 30 s; ours are asked by `probe` when media falls silent.
        consent: asyncio.Task[None] | None = cast(Any, ice)._query_consent_task
        if consent is not None:
            consent.cancel()
            await asyncio.wait([consent])

    def _dtls_changed(self) -> None:
        if self._dtls.state in ("closed", "failed") and self._state == "connected":
            self._set("closed_by_peer")

    def _set(self, state: LinkState) -> None:
        if self._state in ("closed", "failed", "closed_by_peer") or state == self._state:
            return
        self._state = state
        if state in ("connected", "failed", "closed_by_peer"):
            self._on_state(state)

    # ------------------------------------------------------------ media

    def _media(self, data: bytes) -> None:
        session = cast("pylibsrtp.Session | None", self._dtls._rx_srtp)  # pyright: ignore[reportPrivateUsage]
        if session is None:
            return
        try:
            if 192 <= data[1] <= 223:  # RTCP beside RTP on one port (RFC 5761 §4)
                self._on_rtcp(session.unprotect_rtcp(data))
            else:
                self._on_rtp(session.unprotect(data))
        except (pylibsrtp.Error, IndexError):
            return  # forged, replayed or cut short

    def send_rtp(self, packet: bytes) -> bool:
        """Encrypt and hand to the socket at once. False when there is no path (yet, or any more)."""
        return self._send(packet, rtcp=False)

    def send_rtcp(self, packet: bytes) -> bool:
        """As `send_rtp`, for a compound RTCP packet."""
        return self._send(packet, rtcp=True)

    def _send(self, packet: bytes, *, rtcp: bool) -> bool:
        session = cast("pylibsrtp.Session | None", self._dtls._tx_srtp)  # pyright: ignore[reportPrivateUsage]
        pair = self._pair()
        if self._state != "connected" or session is None or pair is None:
            return False
        try:
            data = session.protect_rtcp(packet) if rtcp else session.protect(packet)
        except pylibsrtp.Error:
            return False
        pair.protocol.transport.sendto(data, pair.remote_addr)
        return True

    def _pair(self) -> CandidatePair | None:
        return cast("dict[int, CandidatePair]", cast(Any, self._ice)._nominated).get(1)

    async def probe(self) -> bool:
        """Whether the peer still answers: one authenticated STUN request, bounded at about 1.5 s (RFC 7675)."""
        pair = self._pair()
        if pair is None or self._ice.remote_password is None:
            return False
        request = self._ice.build_request(pair, nominate=False)
        key = self._ice.remote_password.encode()
        try:
            async with asyncio.timeout(1.6):
                await pair.protocol.request(request, pair.remote_addr, integrity_key=key, retransmissions=2)
        except (stun.TransactionError, TimeoutError):
            return False
        return True

    async def close(self) -> None:
        """Say goodbye (DTLS close_notify), close every socket, end every task. Idempotent."""
        if self._state == "closed":
            return
        self._state = "closed"
        self._ice.on_media = None
        task = self._dtls._task  # pyright: ignore[reportPrivateUsage]
        await self._dtls.stop()
        if task is not None:
            await asyncio.wait([task])
            if not task.cancelled():
                task.exception()  # looked at: the peer's going away is no news here
        await self._ice.close()
        self._dtls.remove_all_listeners()


def random_ssrc() -> int:
    """A random, non-zero 32-bit stream id."""
    return secrets.randbits(32) or 1
