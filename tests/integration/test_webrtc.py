"""WebRTC legs over real sockets on loopback."""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Awaitable, Callable

import aiortc
import numpy as np
import pytest

from aivoice.audio.frames import FRAME_BYTES, SILENCE, AudioChunk
from aivoice.audio.loudness import level_dbfs
from aivoice.audio.pacer import Pacer
from aivoice.errors import InputError
from aivoice.testing.leaks import assert_no_leaked_tasks
from aivoice.testing.udp_relay import Impairment, UdpRelay
from aivoice.testing.webrtc_probe import LOCAL, babble, measure
from aivoice.transports import secure_link
from aivoice.transports.webrtc import WebRtcTransport, answer, offer
from aivoice.transports.webrtc_caller import WebRtcCaller


class Sink:
    """Notes everything; sends silence back so that the caller hears that the server is up."""

    def __init__(self) -> None:
        self.events: list[tuple[str, str]] = []
        self.chunks: list[AudioChunk] = []
        self.ended = asyncio.Event()

    def on_media_up(self) -> None:
        self.events.append(("up", ""))

    def on_audio(self, chunk: AudioChunk) -> None:
        self.chunks.append(chunk)

    def on_dtmf(self, digit: str) -> None:
        self.events.append(("key", digit))

    def on_hangup(self, reason: str) -> None:
        self.events.append(("hangup", reason))
        self.ended.set()

    def pcm(self) -> bytes:
        return b"".join(chunk.pcm or b"" for chunk in self.chunks)


class Call:
    """A caller and a server leg, connected; the server says `agent` (then silence) from media up on."""

    def __init__(self, agent: bytes = b"") -> None:
        self.loop = asyncio.get_running_loop()
        self.pacer = Pacer(self.loop)
        self.sink = Sink()
        self.caller = WebRtcCaller(pacer=self.pacer, settings=LOCAL)
        self.server: WebRtcTransport | None = None
        self.relay: UdpRelay | None = None
        self._agent = bytearray(agent)

    async def connect(self) -> Call:
        async def exchange(text: str) -> str:
            text = self.relay.offer(text) if self.relay else text
            reply, self.server = await answer(text, pacer=self.pacer, settings=LOCAL)
            await self.server.start(self.sink)
            self.pacer.add(self._speak)
            return self.relay.answer(reply) if self.relay else reply

        await self.caller.dial(exchange)
        return self

    def _speak(self) -> None:
        frame = SILENCE
        if self.sink.events and self._agent:
            frame = bytes(self._agent[:FRAME_BYTES])
            del self._agent[:FRAME_BYTES]
        assert self.server is not None
        self.server.write(frame)

    async def close(self) -> None:
        await self.caller.close()
        if self.server is not None:
            await self.server.close("done")
        self.pacer.close()


def run(body: Callable[[], Awaitable[None]]) -> None:
    async def main() -> None:
        await body()
        await asyncio.sleep(0)
        await assert_no_leaked_tasks()

    asyncio.run(main())


def envelope(pcm: bytes) -> np.ndarray:
    samples = np.frombuffer(pcm, dtype="<i2").astype(np.float64)
    return np.sqrt(np.mean(samples[: len(samples) // 320 * 320].reshape(-1, 320) ** 2, axis=1))


def likeness(original: bytes, heard: bytes) -> float:
    """How well each half second of the original is found in what was heard: the median correlation of envelopes, at
    the best of all shifts in steps of 5 ms (the buffer may move pieces against each other when the machine is busy)."""
    found: list[float] = []
    for start in range(0, len(original) - 16_000 + 1, 16_000):
        wanted = envelope(original[start : start + 16_000])
        shifts = (envelope(heard[2 * at : 2 * at + 16_000]) for at in range(0, len(heard) // 2 - 8_000, 80))
        found.append(max(float(np.nan_to_num(np.corrcoef(wanted, got)[0, 1])) for got in shifts if got.any()))
    return float(np.median(found))


def test_speech_arrives_whole_both_ways() -> None:
    spoken, said = babble(2.0, 1), babble(2.0, 2)

    async def body() -> None:
        call = await Call(agent=said).connect()
        call.caller.say(spoken)
        await call.caller.said()
        await asyncio.sleep(0.3)
        heard_by_server, heard_by_caller = call.sink.pcm(), call.caller.recording()
        await call.close()
        for original, heard in ((spoken, heard_by_server), (said, heard_by_caller)):
            assert likeness(original, heard) > 0.9
        positions = [chunk.position for chunk in call.sink.chunks]
        assert positions == list(range(0, 320 * len(positions), 320))
        assert [kind for kind, _ in call.sink.events] == ["up", "hangup"]

    run(body)


def test_the_first_word_of_the_agent_is_whole() -> None:
    tone = np.arange(6_400) * 2 * np.pi * 300 / 16_000
    said = (8_000 * np.sin(tone)).astype("<i2").tobytes()

    async def body() -> None:
        call = await Call(agent=said).connect()
        await asyncio.sleep(0.8)
        heard = call.caller.recording()
        await call.close()
        loud = np.flatnonzero(envelope(heard) > 2_000)
        # 20 frames were said; the codec's 6.5 ms delay and the buffer's splices may blur the edges by a frame. A busy
        # machine may put concealment in between, but nothing of the word may be missing.
        assert len(loud) >= 19

    run(body)


def test_keys_arrive_once_and_in_order() -> None:
    async def body() -> None:
        call = await Call().connect()
        for digit in "0*#5":
            assert call.caller.press(digit)
        with pytest.raises(ValueError, match="not a key"):
            call.caller.press("x")
        await asyncio.sleep(0.8)
        await call.close()
        assert [value for kind, value in call.sink.events if kind == "key"] == ["0", "*", "#", "5"]

    run(body)


def test_hanging_up_is_heard_at_once_and_closing_twice_is_fine() -> None:
    async def body() -> None:
        call = await Call().connect()
        started = time.monotonic()
        await call.caller.close()
        async with asyncio.timeout(1.0):
            await call.sink.ended.wait()
        assert time.monotonic() - started < 0.5
        assert call.sink.events[-1] == ("hangup", "caller_hung_up")
        await call.close()
        await call.close()

    run(body)


def test_the_agent_hanging_up_ends_the_caller() -> None:
    async def body() -> None:
        call = await Call().connect()
        assert call.server is not None
        await call.server.close("done")
        async with asyncio.timeout(1.0):
            await call.caller.ended.wait()
        assert call.caller.reason == "agent_hung_up"
        await call.close()

    run(body)


def test_a_vanished_client_is_noticed_within_six_seconds_and_a_short_outage_survived() -> None:
    async def body() -> None:
        call = Call()
        async with UdpRelay(1) as call.relay:
            await call.connect()
            call.caller.say(babble(4.0, 4))
            call.relay.impairment = Impairment(blackout=True)
            await asyncio.sleep(1.0)
            call.relay.impairment = Impairment()
            await asyncio.sleep(1.0)
            assert not call.sink.ended.is_set()
            assert level_dbfs(call.sink.pcm()[-16_000:]) > -50
            call.relay.impairment = Impairment(blackout=True)
            started = time.monotonic()
            async with asyncio.timeout(8.0):
                await call.sink.ended.wait()
            assert time.monotonic() - started < 6.0
            assert call.sink.events[-1] == ("hangup", "media_lost")
            await call.close()

    run(body)


def test_a_client_that_never_connects_is_media_lost() -> None:
    async def body() -> None:
        pacer = Pacer(asyncio.get_running_loop())
        text, caller = await offer(pacer=pacer, settings=LOCAL)
        short = secure_link.LinkSettings(hosts=("127.0.0.1",), connect_s=0.5)
        settings = type(LOCAL)(link=short)
        _, server = await answer(text, pacer=pacer, settings=settings)
        await caller.close("vanished")
        sink = Sink()
        await server.start(sink)
        async with asyncio.timeout(3.0):
            await sink.ended.wait()
        assert sink.events == [("hangup", "media_lost")]
        await server.close("done")

    run(body)


def test_a_transport_never_started_leaves_nothing() -> None:
    async def body() -> None:
        pacer = Pacer(asyncio.get_running_loop())
        text, caller = await offer(pacer=pacer, settings=LOCAL)
        _, server = await answer(text, pacer=pacer, settings=LOCAL)
        await server.close("unused")
        await caller.close("unused")
        sink = Sink()
        await server.start(sink)
        server.write(SILENCE)
        assert sink.events == []

    run(body)


async def _good_offer() -> str:
    pacer = Pacer(asyncio.get_running_loop())
    text, transport = await offer(pacer=pacer, settings=LOCAL)
    await transport.close("unused")
    return text


def _without(pattern: str) -> Callable[[str], str]:
    return lambda text: re.sub(pattern, "", text)


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda _: "", "is empty"),
        (lambda _: "hello", "does not begin with v=0"),
        (lambda _: "v=0\r\nm=audio nonsense\r\n", "cannot be parsed"),
        (lambda _: "v=0\r\no=- 1 1 IN IP4 0.0.0.0\r\ns=-\r\nt=0 0\r\n", "no audio m-line"),
        (lambda text: text + "a=x" * 40_000, "longer than"),
        (lambda text: text.replace("opus/48000/2", "speex/8000"), "no Opus"),
        (_without(r"a=ice-ufrag:.*\r\n"), "no ICE credentials"),
        (_without(r"a=ice-pwd:.*\r\n"), "no ICE credentials"),
        (_without(r"a=fingerprint:.*\r\n"), "no DTLS fingerprint"),
        (_without(r"a=setup:.*\r\n"), "no DTLS fingerprint or a=setup"),
        (_without(r"a=rtcp-mux\r\n"), "multiplex"),
        (lambda text: text.replace("a=setup:actpass", "a=setup:maybe"), "cannot be parsed"),
        (lambda text: text.replace("a=candidate:", "a=candidate:x "), "cannot be parsed"),
        (lambda text: text.replace("m=audio", "m=video"), "no audio m-line"),
    ],
)
def test_malformed_offers_get_one_clear_line(spoil: Callable[[str], str], message: str) -> None:
    async def body() -> None:
        text = spoil(await _good_offer())
        with pytest.raises(InputError) as caught:
            await answer(text, pacer=Pacer(asyncio.get_running_loop()), settings=LOCAL)
        assert message in str(caught.value)
        assert "\n" not in str(caught.value)
        assert caught.value.status == 400

    run(body)


def test_video_and_data_are_declined_and_audio_taken() -> None:
    extra = (
        "m=video 9 UDP/TLS/RTP/SAVPF 96\r\nc=IN IP4 0.0.0.0\r\na=mid:v\r\na=sendrecv\r\na=rtcp-mux\r\n"
        "a=rtpmap:96 VP8/90000\r\na=ice-ufrag:abcd\r\na=ice-pwd:abcdefghijklmnopqrstuv\r\n"
    )

    async def body() -> None:
        text = await _good_offer() + extra
        reply, transport = await answer(text, pacer=Pacer(asyncio.get_running_loop()), settings=LOCAL)
        await transport.close("unused")
        assert "m=video 0 " in reply
        assert re.search(r"m=audio [1-9]\d+ UDP/TLS/RTP/SAVPF 111 126", reply)
        assert reply.count("a=setup:active") == 1

    run(body)


def test_an_aiortc_peer_connection_is_understood() -> None:
    """A foreign client: aiortc's own RTCPeerConnection, with its 48 kHz stereo Opus."""

    async def body() -> None:
        loop = asyncio.get_running_loop()
        pacer = Pacer(loop)
        client = aiortc.RTCPeerConnection(aiortc.RTCConfiguration(iceServers=[]))
        client.addTrack(aiortc.mediastreams.AudioStreamTrack())
        received: list[object] = []

        @client.on("track")
        def on_track(track: aiortc.MediaStreamTrack) -> None:
            received.append(track)

        await client.setLocalDescription(await client.createOffer())
        reply, server = await answer(client.localDescription.sdp, pacer=pacer)
        sink = Sink()
        await server.start(sink)
        said = bytearray(babble(5.0, 9))

        def speak() -> None:
            server.write(bytes(said[:FRAME_BYTES]))
            del said[:FRAME_BYTES]

        pacer.add(speak)
        await client.setRemoteDescription(aiortc.RTCSessionDescription(sdp=reply, type="answer"))
        track = received[0]
        assert isinstance(track, aiortc.MediaStreamTrack)
        async with asyncio.timeout(5):
            frames = [await track.recv() for _ in range(60)]
        loud = np.concatenate([frame.to_ndarray().ravel() for frame in frames]).astype(np.float64)
        assert np.sqrt(np.mean(loud**2)) > 300
        assert len(sink.chunks) > 40
        await client.close()
        async with asyncio.timeout(2):
            await sink.ended.wait()
        await server.close("done")
        pacer.close()

    run(body)


@pytest.mark.serial
def test_two_percent_loss_and_sixty_milliseconds_of_jitter() -> None:
    verdict = asyncio.run(measure(seconds=10.0, seed=7))
    for _ in range(2):
        if verdict.loop_late_max_ms < 15:
            break
        # The machine was late, not the network: look again, and take the calmest run.
        again = asyncio.run(measure(seconds=10.0, seed=7))
        verdict = min(verdict, again, key=lambda run: run.loop_late_max_ms)
    # On a machine too busy to keep its own 20 ms, its lateness is taken off; test_bad_network.py has no clock to be
    # late by, and `make prove` takes nothing off.
    busy = verdict.loop_late_max_ms if verdict.loop_late_max_ms >= 15 else 0.0
    assert verdict.frames > 400
    assert verdict.added_p95_ms <= 80 + busy
    assert verdict.concealed <= 0.04
    assert verdict.longest_gap_ms <= 60 + busy
    assert verdict.longest_concealed_ms <= 60 + busy
    assert verdict.longest_stall_ms <= 60 + busy
    assert verdict.relay_lost > 0.005


def test_the_pinned_minor_version_is_installed() -> None:
    assert aiortc.__version__.startswith(secure_link.AIORTC + ".")
