"""Offers as browsers write them, and our answers to them."""

from __future__ import annotations

import re

import pytest
from aiortc.rtcdtlstransport import RTCDtlsFingerprint
from aiortc.rtcicetransport import RTCIceCandidate
from hypothesis import given, settings
from hypothesis import strategies as st

from aivoice.errors import InputError
from aivoice.transports import sdp

PRINT = ":".join(["AB"] * 32)

CHROME = f"""v=0
o=- 4611731400430051336 2 IN IP4 127.0.0.1
s=-
t=0 0
a=group:BUNDLE 0
a=extmap-allow-mixed
a=msid-semantic: WMS 7e8e1c1c
m=audio 54012 UDP/TLS/RTP/SAVPF 111 63 9 0 8 13 110 126
c=IN IP4 192.0.2.7
a=rtcp:9 IN IP4 0.0.0.0
a=candidate:1467250027 1 udp 2122260223 1f4712db-ea17-4bcf-a596-105139dfd8bf.local 46243 typ host generation 0
a=candidate:842163049 1 udp 1677729535 192.0.2.7 54012 typ srflx raddr 0.0.0.0 rport 0 generation 0 network-cost 999
a=candidate:435653019 1 tcp 1845501695 192.0.2.7 9 typ host tcptype active generation 0
a=ice-ufrag:4ZcD
a=ice-pwd:2/1muCWoOi3uLifh0NuRHlTD
a=ice-options:trickle
a=fingerprint:sha-256 {PRINT}
a=setup:actpass
a=mid:0
a=extmap:1 urn:ietf:params:rtp-hdrext:ssrc-audio-level
a=extmap:2 http://www.webrtc.org/experiments/rtp-hdrext/abs-send-time
a=extmap:4 urn:ietf:params:rtp-hdrext:sdes:mid
a=sendrecv
a=msid:7e8e1c1c 3bd2b6a4
a=rtcp-mux
a=rtcp-rsize
a=rtpmap:111 opus/48000/2
a=rtcp-fb:111 transport-cc
a=fmtp:111 minptime=10;useinbandfec=1
a=rtpmap:63 red/48000/2
a=fmtp:63 111/111
a=rtpmap:9 G722/8000
a=rtpmap:0 PCMU/8000
a=rtpmap:8 PCMA/8000
a=rtpmap:13 CN/8000
a=rtpmap:110 telephone-event/48000
a=rtpmap:126 telephone-event/8000
a=ssrc:3024834243 cname:nAhrOYR2nDqbAYyK
a=ssrc:3024834243 msid:7e8e1c1c 3bd2b6a4
""".replace("\n", "\r\n")

FIREFOX = f"""v=0
o=mozilla...THIS_IS_SDPARTA-99.0 8217341 0 IN IP4 0.0.0.0
s=-
t=0 0
a=fingerprint:sha-256 {PRINT}
a=group:BUNDLE 0
a=ice-options:trickle
a=msid-semantic:WMS *
m=audio 9 UDP/TLS/RTP/SAVPF 109 9 0 8 101
c=IN IP4 0.0.0.0
a=candidate:0 1 UDP 2122252543 7b2f1d1e-1.local 53211 typ host
a=end-of-candidates
a=sendrecv
a=extmap:1 urn:ietf:params:rtp-hdrext:ssrc-audio-level
a=fmtp:109 maxplaybackrate=48000;stereo=1;useinbandfec=1
a=fmtp:101 0-15
a=ice-pwd:f8be1c8f4ff1b4a9d3b7d8c6b1a2c3d4
a=ice-ufrag:9c1ab2f0
a=mid:0
a=msid:{{5d}} {{6e}}
a=rtcp-mux
a=rtpmap:109 opus/48000/2
a=rtpmap:9 G722/8000/1
a=rtpmap:0 PCMU/8000
a=rtpmap:8 PCMA/8000
a=rtpmap:101 telephone-event/8000/1
a=setup:actpass
a=ssrc:1938475 cname:{{7f}}
""".replace("\n", "\r\n")


def local(remote: sdp.RemoteMedia | None = None) -> sdp.LocalMedia:
    candidate = RTCIceCandidate(
        component=1, foundation="f", ip="127.0.0.1", port=5_000, priority=1, protocol="udp", type="host"
    )
    return sdp.LocalMedia(
        session=1,
        ufrag="abcd",
        password="abcdefghijklmnopqrstuv",
        fingerprints=(RTCDtlsFingerprint("sha-256", PRINT),),
        setup="active" if remote else "actpass",
        candidates=(candidate,),
        ssrc=5,
        cname="me",
        opus=remote.opus if remote else 111,
        keypad=remote.keypad if remote else 126,
        keypad_rate=remote.keypad_rate if remote else 48_000,
    )


def test_chromes_offer() -> None:
    remote = sdp.read(CHROME, kind="offer")
    assert (remote.opus, remote.keypad, remote.keypad_rate) == (111, 110, 48_000)
    assert [c.ip for c in remote.candidates] == ["1f4712db-ea17-4bcf-a596-105139dfd8bf.local", "192.0.2.7"]
    assert remote.setup == "actpass"
    assert remote.sends
    assert remote.receives
    text = sdp.write_answer(local(remote), remote)
    assert "m=audio 5000 UDP/TLS/RTP/SAVPF 111 110\r\n" in text
    assert "a=rtpmap:110 telephone-event/48000\r\n" in text
    assert "useinbandfec=1" in text
    assert text.endswith("\r\n")


def test_firefoxs_offer_with_its_session_level_fingerprint() -> None:
    remote = sdp.read(FIREFOX, kind="offer")
    assert (remote.opus, remote.keypad, remote.keypad_rate) == (109, 101, 8_000)
    assert remote.fingerprints[0].value == PRINT
    assert "m=audio 5000 UDP/TLS/RTP/SAVPF 109 101\r\n" in sdp.write_answer(local(remote), remote)


def test_an_offer_without_keypad_gets_none() -> None:
    remote = sdp.read(re.sub(r"a=rtpmap:(110|126).*\r\n", "", CHROME), kind="offer")
    assert remote.keypad is None
    assert "telephone-event" not in sdp.write_answer(local(remote), remote)


@pytest.mark.parametrize(
    ("offered", "answered"), [("sendonly", "recvonly"), ("recvonly", "sendonly"), ("inactive", "inactive")]
)
def test_directions_are_mirrored(offered: str, answered: str) -> None:
    remote = sdp.read(CHROME.replace("a=sendrecv", f"a={offered}"), kind="offer")
    assert f"a={answered}\r\n" in sdp.write_answer(local(remote), remote)


def test_a_digest_that_dtls_here_does_not_know_is_refused() -> None:
    with pytest.raises(InputError, match="sha-256"):
        sdp.read(CHROME.replace("a=fingerprint:sha-256", "a=fingerprint:md5"), kind="offer")


def test_our_own_offer_and_answer_are_understood() -> None:
    offer = sdp.read(sdp.write_offer(local()), kind="offer")
    assert (offer.opus, offer.keypad, offer.setup, offer.mid) == (111, 126, "actpass", "0")
    answer = sdp.read(sdp.write_answer(local(offer), offer), kind="answer")
    assert (answer.setup, answer.ufrag, answer.candidates[0].port) == ("active", "abcd", 5_000)
    with pytest.raises(InputError, match="actpass"):
        sdp.read(sdp.write_offer(local()), kind="answer")


@given(st.data())
@settings(max_examples=200, deadline=None)
def test_any_mutilation_is_read_or_refused_in_one_line(data: st.DataObject) -> None:
    lines = CHROME.split("\r\n")
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, len(lines) - 1))
        change = data.draw(st.sampled_from(["drop", "double", "cut", "swap", "junk"]))
        match change:
            case "drop":
                lines[at] = ""
            case "double":
                lines.insert(at, lines[at])
            case "cut":
                lines[at] = lines[at][: data.draw(st.integers(0, 20))]
            case "swap":
                lines[at], lines[0] = lines[0], lines[at]
            case _:
                lines[at] = data.draw(st.text(max_size=30))
    text = "\r\n".join(line for line in lines if line)
    message = ""
    try:
        remote = sdp.read(text, kind="offer")
        sdp.write_answer(local(remote), remote)
    except InputError as error:
        message = str(error)
    assert "\n" not in message
    assert "4ZcD" not in message


@pytest.mark.parametrize("address", ["192.0.2.7 99999", "192.0.2.7 0", "no-address 4000"])
def test_a_candidate_that_packets_cannot_be_sent_to_is_passed_over(address: str) -> None:
    assert "192.0.2.7 " in CHROME
    before = next(line for line in CHROME.splitlines() if "192.0.2.7 " in line and "candidate" in line)
    port = before.split("192.0.2.7 ")[1].split()[0]
    remote = sdp.read(CHROME.replace(f"192.0.2.7 {port} typ", f"{address} typ"), kind="offer")
    assert [c.ip.split(".")[-1] for c in remote.candidates] == ["local"]
