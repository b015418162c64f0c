"""Legs without a network, in virtual time; RTP's own rules."""

from __future__ import annotations

import asyncio
import errno
import struct
import wave
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from aivoice.audio.frames import FRAME_BYTES, SILENCE, AudioChunk
from aivoice.audio.pacer import Pacer
from aivoice.audio.wav import WavWriter, read_wav, write_wav
from aivoice.errors import InputError
from aivoice.testing.virtual_time import run_virtual
from aivoice.testing.webrtc_probe import babble
from aivoice.transports import rtp
from aivoice.transports.echo_cancelled import EchoCancelled
from aivoice.transports.file import FileTransport
from aivoice.transports.memory import MemoryTransport, frames_source


class Sink:
    def __init__(self) -> None:
        self.events: list[str] = []
        self.chunks: list[AudioChunk] = []
        self.times: list[float] = []
        self.ended = asyncio.Event()

    def on_media_up(self) -> None:
        self.events.append("up")

    def on_audio(self, chunk: AudioChunk) -> None:
        assert self.events
        self.chunks.append(chunk)
        self.times.append(asyncio.get_running_loop().time())

    def on_dtmf(self, digit: str) -> None:
        self.events.append(digit)

    def on_hangup(self, reason: str) -> None:
        self.events.append(reason)
        self.ended.set()


def test_memory_frames_arrive_every_20_ms_then_hang_up() -> None:
    frames = [bytes([n]) * FRAME_BYTES for n in range(100)]
    heard: list[tuple[bytes, int]] = []

    async def body() -> None:
        pacer = Pacer(asyncio.get_running_loop())
        leg = MemoryTransport(frames_source(frames), pacer=pacer, heard=lambda f, p: heard.append((f, p)))
        sink = Sink()
        await leg.start(sink)
        await leg.start(sink)
        leg.write(SILENCE)
        leg.write(frames[5])
        await asyncio.sleep(0.5)
        leg.press("7")
        await sink.ended.wait()
        assert sink.events == ["up", "7", "end_of_file"]
        assert [chunk.pcm for chunk in sink.chunks] == frames
        assert [chunk.position for chunk in sink.chunks] == list(range(0, 32_000, 320))
        assert np.allclose(np.diff(sink.times), 0.02)
        assert heard == [(SILENCE, 0), (frames[5], 320)]
        assert len(pacer) == 0
        await leg.close("done")
        await leg.close("done")

    run_virtual(body())


def test_memory_hang_up_and_close_stop_everything() -> None:
    async def body() -> None:
        pacer = Pacer(asyncio.get_running_loop())
        leg = MemoryTransport(lambda: SILENCE, pacer=pacer)
        sink = Sink()
        await leg.start(sink)
        await asyncio.sleep(0.1)
        leg.hang_up()
        leg.hang_up()
        assert sink.events == ["up", "caller_hung_up"]
        await leg.close("done")
        other, quiet = MemoryTransport(lambda: SILENCE, pacer=pacer), Sink()
        await other.close("never started")
        await other.start(quiet)
        other.hang_up()
        await asyncio.sleep(0.1)
        assert quiet.events == []
        assert len(pacer) == 0

    run_virtual(body())


def test_a_file_is_played_answered_and_written(tmp_path: Path) -> None:
    speech = np.arange(16_000, dtype="<i2").tobytes()
    write_wav(tmp_path / "in.wav", speech)

    async def body() -> None:
        loop = asyncio.get_running_loop()
        pacer = Pacer(loop)
        leg = FileTransport(tmp_path / "in.wav", tmp_path / "out.wav", pacer=pacer, tail_s=2.0)
        sink = Sink()
        started = loop.time()
        await leg.start(sink)
        pacer.add(lambda: leg.write(b"\3\0" * 320))
        await sink.ended.wait()
        assert loop.time() - started == pytest.approx(3.0, abs=0.05)
        assert b"".join(chunk.pcm or b"" for chunk in sink.chunks) == speech + bytes(64_000)
        assert sink.events == ["up", "end_of_file"]
        assert leg.error is None
        await leg.close("done")
        await leg.close("done")
        pacer.close()

    run_virtual(body())
    written = np.frombuffer(read_wav(tmp_path / "out.wav"), dtype="<i2")
    assert len(written) == pytest.approx(48_000, abs=640)
    assert set(written.tolist()) == {3}


def test_a_broken_file_is_refused_before_any_call(tmp_path: Path) -> None:
    (tmp_path / "in.wav").write_text("hello")

    async def body() -> None:
        with pytest.raises(InputError, match="is not a WAV file"):
            FileTransport(tmp_path / "in.wav", pacer=Pacer(asyncio.get_running_loop()))

    run_virtual(body())


def test_a_file_too_long_ends_the_call_with_its_reason(tmp_path: Path) -> None:
    write_wav(tmp_path / "in.wav", bytes(2 * 16_000 * 3))

    async def body() -> None:
        leg = FileTransport(tmp_path / "in.wav", pacer=Pacer(asyncio.get_running_loop()), max_seconds=1.0)
        sink = Sink()
        await leg.start(sink)
        await sink.ended.wait()
        assert leg.error is not None
        assert "longer than" in str(leg.error)
        await leg.close("done")

    run_virtual(body())


# ---------------------------------------------------------------- RTP


def sender() -> rtp.RtpSender:
    return rtp.RtpSender(ssrc=9, payload_type=111, sequence=0xFFFF, timestamp=0xFFFFFF00, clock_rate=48_000)


def test_rtp_is_read_as_written_and_wraps() -> None:
    out = sender()
    first, second = rtp.parse(out.packet(b"one", 960)), rtp.parse(out.packet(b"two", 960))
    assert first == rtp.Packet(111, 0x7FFF, 0xFFFFFF00, 9, b"one")
    assert second == rtp.Packet(111, 0x8000, 0xFFFFFF00 + 960 - 2**32, 9, b"two")


def test_extensions_contributors_and_padding_are_skipped() -> None:
    head = struct.pack("!BBHII", 0x80 | 0x20 | 0x10 | 2, 111, 5, 6, 7) + bytes(8)
    packet = rtp.parse(head + struct.pack("!HH", 0xBEDE, 1) + b"\x10\x01\0\0" + b"payload" + b"\0\0\3")
    assert packet == rtp.Packet(111, 5, 6, 7, b"payload")


@given(st.binary(max_size=80))
def test_arbitrary_bytes_never_raise(data: bytes) -> None:
    packet = rtp.parse(data)
    assert packet is None or len(packet.payload) <= len(data) - 12
    session = rtp.RtcpSession(sender(), rtp.ReceptionStats(48_000), "x")
    session.received(data, 0.0, 0.0)


def test_reports_tell_loss_and_goodbye() -> None:
    ours = rtp.RtcpSession(sender(), rtp.ReceptionStats(48_000), "a")
    theirs_sender = rtp.RtpSender(ssrc=77, payload_type=111, sequence=1, timestamp=0, clock_rate=48_000)
    theirs = rtp.RtcpSession(theirs_sender, rtp.ReceptionStats(48_000), "b")
    for number in range(100):
        packet = rtp.parse(ours.sender.packet(b"x", 960))
        assert packet is not None
        if number % 4:
            theirs.reception.add(packet, number * 0.02)
        back = rtp.parse(theirs_sender.packet(b"y", 960))
        assert back is not None
        ours.reception.add(back, number * 0.02)
    theirs.received(ours.sender_report(1_000.0, 2.0), 1_000.05, 2.05)
    ours.received(theirs.sender_report(1_000.1, 2.1), 1_000.15, 2.15)
    assert ours.remote_lost == pytest.approx(0.25, abs=0.02)
    assert ours.round_trip_s == pytest.approx(0.1, abs=0.01)
    assert not ours.goodbye
    ours.received(theirs.sender_report(1_001.0, 3.0, bye=True), 1_001.05, 3.05)
    assert ours.goodbye
    ours.received(b"\x80\xc8\0\1garbage", 0.0, 0.0)


def test_a_key_is_read_once_though_its_packets_repeat_and_get_lost() -> None:
    out, reader = sender(), rtp.KeypadReader()
    heard: list[str] = []
    for digit in "4#4":
        for number, body in enumerate(rtp.keypad_press(digit, step=960)):
            packet = rtp.parse(out.event_packet(126, body))
            assert packet is not None
            if number in (0, 3):
                continue
            digit_read = reader.read(packet)
            if digit_read:
                heard.append(digit_read)
        out.packet(b"", 960)
    assert heard == ["4", "#", "4"]
    assert reader.read(rtp.Packet(126, 1, 12, 9, b"\x10\0\0\0")) is None
    assert reader.read(rtp.Packet(126, 1, 13, 9, b"")) is None
    with pytest.raises(ValueError, match="not a key"):
        rtp.keypad_press("12", step=960)


# ---------------------------------------------------------------- echo


def test_a_speakerphone_hears_itself_no_more() -> None:
    agent = [babble(6.0, 1)[at : at + FRAME_BYTES] for at in range(0, 192_000, FRAME_BYTES)]
    delay = 6  # frames

    async def body() -> None:
        pacer = Pacer(asyncio.get_running_loop())
        written: list[bytes] = []

        def microphone() -> bytes | None:
            at = len(written) - delay
            if at >= len(agent) - delay:
                return None
            echo = np.frombuffer(written[at], "<i2") // 4 if at >= 0 else np.zeros(320, "<i2")
            return echo.astype("<i2").tobytes()

        leg = EchoCancelled(MemoryTransport(microphone, pacer=pacer, heard=lambda f, _: written.append(f)))
        sink = Sink()
        await leg.start(sink)
        pacer.add(lambda: leg.write(agent[min(len(written), len(agent) - 1)]))
        await sink.ended.wait()
        assert sink.events == ["up", "end_of_file"]
        heard = np.frombuffer(b"".join(chunk.pcm or b"" for chunk in sink.chunks[150:]), "<i2").astype(float)
        original = np.frombuffer(b"".join(written[150 - delay : -delay]), "<i2").astype(float) / 4
        assert 20 * np.log10(np.std(original) / (np.std(heard) + 1e-9)) > 15
        assert [chunk.position for chunk in sink.chunks] == list(range(0, 320 * len(sink.chunks), 320))
        await leg.close("done")
        pacer.close()

    run_virtual(body())


# ---------------------------------------------------------------- a full disk


def test_a_full_disk_ends_the_output_once_and_not_the_call(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_wav(tmp_path / "in.wav", bytes(32_000 * 5))

    async def body() -> None:
        pacer = Pacer(asyncio.get_running_loop())
        leg = FileTransport(tmp_path / "in.wav", tmp_path / "out.wav", pacer=pacer, tail_s=1.0)
        sink = Sink()
        await leg.start(sink)
        pacer.add(lambda: leg.write(bytes(FRAME_BYTES)))
        await asyncio.sleep(2.0)

        def full(self: WavWriter, *tracks: bytes) -> None:
            raise OSError(errno.ENOSPC, "No space left on device")

        monkeypatch.setattr(WavWriter, "write", full)
        await sink.ended.wait()
        await leg.close("done")
        assert sink.events == ["up", "end_of_file"]
        assert "No space left on device" in str(leg.error)
        assert pacer.lateness.errors == 0
        pacer.close()

    run_virtual(body())
    with wave.open(str(tmp_path / "out.wav")) as file:
        assert 0.5 < file.getnframes() / 16_000 <= 2.1


def test_an_output_that_takes_nothing_is_one_clear_line() -> None:
    with pytest.raises(InputError, match=r"/dev/full: cannot be written \(No space left on device\): check"):
        WavWriter("/dev/full")
