"""Offers and answers for one audio stream: Opus and keypad events, nothing else. Text in, values out, and back.

Reading is aiortc's parser; everything it may stumble over becomes one InputError. Every other m-line of an offer
(video, data) is declined with port 0, so a browser's page may offer what it likes.
"""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass

from aiortc import sdp
from aiortc.rtcdtlstransport import RTCDtlsFingerprint
from aiortc.rtcicetransport import RTCIceCandidate
from aiortc.sdp import candidate_to_sdp

from aivoice.errors import InputError

_MAX_CHARACTERS = 64_000
_DIGESTS = ("sha-256", "sha-384", "sha-512")
OPUS_FMTP = "minptime=10;useinbandfec=1;stereo=0;sprop-stereo=0;maxplaybackrate=16000;sprop-maxcapturerate=16000"


def _bad(what: str, todo: str = "send the complete SDP that createOffer() gave, after ICE gathering") -> InputError:
    return InputError(f"SDP: {what}: {todo}", code="sdp_invalid", stage="transport")


@dataclass(frozen=True, slots=True)
class RemoteMedia:
    """What the far side's description says of its audio.

    index: its m-line. others: (kind, profile, formats) of each m-line, in order. setup: ``actpass``, ``active`` or
    ``passive``. sends, receives: whether media flows from, to the far side.
    """

    index: int
    mid: str
    lines: tuple[tuple[str, str, str, str], ...]
    opus: int
    keypad: int | None
    keypad_rate: int
    ufrag: str
    password: str
    lite: bool
    fingerprints: tuple[RTCDtlsFingerprint, ...]
    setup: str
    candidates: tuple[RTCIceCandidate, ...]
    sends: bool
    receives: bool


def read(text: str, *, kind: str) -> RemoteMedia:
    """The audio part of an ``offer`` or ``answer``. Raises InputError saying what is missing or malformed."""
    if not text.strip():
        raise _bad("is empty")
    if len(text) > _MAX_CHARACTERS:
        raise _bad(f"is longer than {_MAX_CHARACTERS} characters")
    if not text.lstrip().startswith("v=0"):
        raise _bad("does not begin with v=0")
    try:
        description = sdp.SessionDescription.parse(text)
    except (ValueError, KeyError, IndexError, AssertionError, AttributeError, StopIteration, TypeError):
        raise _bad("cannot be parsed") from None
    index = next((at for at, media in enumerate(description.media) if media.kind == "audio" and media.port), None)
    if index is None:
        raise _bad("has no audio m-line", "offer one audio track")
    return _audio(description, index, kind)


def _audio(description: sdp.SessionDescription, index: int, kind: str) -> RemoteMedia:
    media = description.media[index]
    opus = next((c for c in media.rtp.codecs if c.mimeType.lower() == "audio/opus" and c.clockRate == 48_000), None)
    if opus is None or opus.payloadType is None:
        raise _bad("offers no Opus", "allow the codec opus/48000/2")
    if media.ice is None or not media.ice.usernameFragment or not media.ice.password:
        raise _bad("has no ICE credentials")
    if media.dtls is None or not media.dtls.fingerprints:
        raise _bad("has no DTLS fingerprint or a=setup line")
    if not any(f.algorithm.lower() in _DIGESTS for f in media.dtls.fingerprints):
        raise _bad("has no fingerprint of a supported digest", f"use one of {', '.join(_DIGESTS)}")
    if not media.rtcp_mux:
        raise _bad("does not multiplex RTCP", "offer a=rtcp-mux")
    setup = {"auto": "actpass", "client": "active", "server": "passive"}[media.dtls.role]
    if kind == "answer" and setup == "actpass":
        raise _bad("answers with a=setup:actpass", "answer active or passive")
    events = [c for c in media.rtp.codecs if c.mimeType.lower() == "audio/telephone-event"]
    # The event clock must be the audio's where both are offered (RFC 4733 §2.1).
    events.sort(key=lambda c: c.clockRate != 48_000)
    direction = media.direction or "sendrecv"
    return RemoteMedia(
        index=index,
        mid=media.rtp.muxId or str(index),
        lines=tuple(
            (m.kind, m.profile, " ".join(str(f) for f in m.fmt), m.rtp.muxId or str(at))
            for at, m in enumerate(description.media)
        ),
        opus=opus.payloadType,
        keypad=events[0].payloadType if events else None,
        keypad_rate=events[0].clockRate if events else 48_000,
        ufrag=media.ice.usernameFragment,
        password=media.ice.password,
        lite=media.ice.iceLite,
        fingerprints=tuple(media.dtls.fingerprints),
        setup=setup,
        candidates=tuple(c for c in media.ice_candidates if _reachable(c)),
        sends=direction in ("sendrecv", "sendonly"),
        receives=direction in ("sendrecv", "recvonly"),
    )


def _reachable(candidate: RTCIceCandidate) -> bool:
    """Whether packets can be sent there. Others are passed over: a sender may name paths that we do not know."""
    if candidate.component != 1 or candidate.protocol.lower() != "udp" or not 0 < candidate.port < 65_536:
        return False
    if candidate.ip.endswith(".local"):
        return True
    try:
        ipaddress.ip_address(candidate.ip)
    except ValueError:
        return False
    return True


@dataclass(frozen=True, slots=True)
class LocalMedia:
    """Our side, for writing. setup: ``actpass`` in an offer, ``active`` or ``passive`` in an answer."""

    session: int
    ufrag: str
    password: str
    fingerprints: tuple[RTCDtlsFingerprint, ...]
    setup: str
    candidates: tuple[RTCIceCandidate, ...]
    ssrc: int
    cname: str
    opus: int = 111
    keypad: int | None = 126
    keypad_rate: int = 48_000


def _direction(remote: RemoteMedia) -> str:
    if remote.sends and remote.receives:
        return "sendrecv"
    return "recvonly" if remote.sends else "sendonly" if remote.receives else "inactive"


def _audio_lines(local: LocalMedia, mid: str, direction: str) -> list[str]:
    first = local.candidates[0] if local.candidates else None
    formats = [str(local.opus)] + ([str(local.keypad)] if local.keypad is not None else [])
    lines = [
        f"m=audio {first.port if first else 9} UDP/TLS/RTP/SAVPF {' '.join(formats)}",
        f"c=IN {'IP6' if first and ':' in first.ip else 'IP4'} {first.ip if first else '0.0.0.0'}",
        f"a=mid:{mid}",
        f"a={direction}",
        "a=rtcp-mux",
        f"a=rtpmap:{local.opus} opus/48000/2",
        f"a=fmtp:{local.opus} {OPUS_FMTP}",
        "a=ptime:20",
        "a=maxptime:60",
    ]
    if local.keypad is not None:
        lines += [f"a=rtpmap:{local.keypad} telephone-event/{local.keypad_rate}", f"a=fmtp:{local.keypad} 0-15"]
    lines += [f"a=msid:{local.cname} audio", f"a=ssrc:{local.ssrc} cname:{local.cname}"]
    lines += [f"a=candidate:{candidate_to_sdp(c)}" for c in local.candidates]
    lines += ["a=end-of-candidates", f"a=ice-ufrag:{local.ufrag}", f"a=ice-pwd:{local.password}"]
    lines += [f"a=fingerprint:{f.algorithm} {f.value}" for f in local.fingerprints]
    lines.append(f"a=setup:{local.setup}")
    return lines


def _session_lines(local: LocalMedia, mid: str) -> list[str]:
    return [
        "v=0",
        f"o=- {local.session} 1 IN IP4 0.0.0.0",
        "s=-",
        "t=0 0",
        f"a=group:BUNDLE {mid}",
        f"a=msid-semantic:WMS {local.cname}",
    ]


def write_offer(local: LocalMedia) -> str:
    """A fully gathered offer of one audio stream both ways."""
    return "\r\n".join(_session_lines(local, "0") + _audio_lines(local, "0", "sendrecv")) + "\r\n"


def write_answer(local: LocalMedia, remote: RemoteMedia) -> str:
    """The answer to `remote`: its audio taken, every other m-line declined."""
    lines = _session_lines(local, remote.mid)
    for index, (kind, profile, formats, mid) in enumerate(remote.lines):
        if index == remote.index:
            lines += _audio_lines(local, remote.mid, _direction(remote))
        else:
            lines += [f"m={kind} 0 {profile} {formats}", "c=IN IP4 0.0.0.0", f"a=mid:{mid}", "a=inactive"]
    return "\r\n".join(lines) + "\r\n"
