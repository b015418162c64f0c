"""The recording's clock is the sample position: whatever arrives when, each sample stands at its place."""

from __future__ import annotations

import asyncio
import os
import wave
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aivoice.engine import recorder as recorder_module
from aivoice.engine.disk import DiskError, DiskWriter
from aivoice.engine.recorder import Channel, Recorder
from aivoice.engine.samples import GrowingWav, wav_header

CHANNELS: tuple[Channel, Channel] = ("caller", "agent")


def samples(path: Path) -> np.ndarray:
    with wave.open(str(path)) as file:
        assert (file.getnchannels(), file.getframerate(), file.getsampwidth()) == (2, 16_000, 2)
        data = file.readframes(file.getnframes())
    assert path.stat().st_size == 44 + len(data), "the header's length is not the file's"
    return np.frombuffer(data, dtype="<i2").reshape(-1, 2)


WRITES = st.lists(
    st.tuples(st.sampled_from(CHANNELS), st.integers(0, 90_000), st.integers(1, 900), st.booleans()), max_size=25
)


@settings(max_examples=60, deadline=None)
@given(WRITES, st.sampled_from([0, 1]))
def test_every_sample_stands_at_its_place_gaps_are_silent(
    tmp_path_factory: pytest.TempPathFactory, writes: list[tuple[Channel, int, int, bool]], seed: int
) -> None:
    """In any order, late, overlapping, in any batches: as a plain array would hold it."""
    path = tmp_path_factory.mktemp("recording") / "recording.wav"
    expected = np.zeros((200_000, 2), dtype="<i2")
    length = 0

    async def scenario() -> None:
        nonlocal length
        recorder = Recorder(path, DiskWriter(interval_s=30))
        random = np.random.default_rng(seed)
        for channel, position, count, flush in writes:
            pcm = random.integers(-32_768, 32_767, count, dtype=np.int16)
            recorder.write(channel, position, pcm.tobytes())
            expected[position : position + count, CHANNELS.index(channel)] = pcm
            length = max(length, position + count)
            if flush:
                recorder.write_batch()
                assert len(samples(path)) == length, "not whole in the middle of the call"
        await recorder.aclose()

    asyncio.run(scenario())
    assert np.array_equal(samples(path), expected[:length])


def test_paused_time_is_silent_and_the_clock_goes_on(tmp_path: Path) -> None:
    async def scenario() -> None:
        recorder = Recorder(tmp_path / "r.wav", DiskWriter(interval_s=0.01))
        for frame in range(150):
            recorder.pause(50 <= frame < 100)
            recorder.write("caller", frame * 320, np.full(320, 7, dtype="<i2").tobytes())
        await recorder.aclose()
        await recorder.aclose()
        recorder.write("caller", 0, b"\x01\x01")

    asyncio.run(scenario())
    found = samples(tmp_path / "r.wav")
    assert len(found) == 150 * 320
    assert (found[: 50 * 320, 0] == 7).all()
    assert (found[50 * 320 : 100 * 320] == 0).all()
    assert (found[100 * 320 :, 0] == 7).all()
    assert (found[:, 1] == 0).all()


def test_a_disk_that_is_too_slow_costs_sound_not_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recorder_module, "QUEUE_FRAMES", 10)

    async def scenario() -> int:
        recorder = Recorder(tmp_path / "r.wav", DiskWriter(interval_s=30))
        for frame in range(30):
            recorder.write("agent", frame * 320, b"\x01\x00" * 320)
        recorder.write("agent", 10**15, b"\x01\x00")
        await recorder.aclose()
        return recorder.dropped

    assert asyncio.run(scenario()) == 21
    assert len(samples(tmp_path / "r.wav")) == 10 * 320


def test_an_empty_recording_is_a_valid_file(tmp_path: Path) -> None:
    async def scenario() -> None:
        await Recorder(tmp_path / "r.wav", DiskWriter(interval_s=0.01)).aclose()

    asyncio.run(scenario())
    assert len(samples(tmp_path / "r.wav")) == 0
    assert (tmp_path / "r.wav").read_bytes() == wav_header(0)


def test_a_folder_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(DiskError, match="No such file"):
        Recorder(tmp_path / "nowhere" / "r.wav")


def test_a_disk_that_fails_ends_the_recording_never_the_call(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def full(*_: object) -> int:
        raise OSError(28, "No space left on device")

    async def scenario() -> None:
        writer = DiskWriter(interval_s=0.01)
        recorder = Recorder(tmp_path / "r.wav", writer)
        monkeypatch.setattr(os, "pwrite", full)
        recorder.write("caller", 0, b"\x01\x00" * 320)
        await asyncio.sleep(0.1)
        recorder.write("caller", 320, b"\x01\x00" * 320)
        with pytest.raises(DiskError, match="No space left on device; free space"):
            await recorder.aclose()

    asyncio.run(scenario())
    assert "cannot be written any more" in caplog.text


def test_many_calls_share_one_thread_which_ends_with_the_last(tmp_path: Path) -> None:
    import threading

    def threads() -> int:
        return sum(thread.name == "aivoice-disk" for thread in threading.enumerate())

    async def scenario() -> None:
        writer = DiskWriter(interval_s=0.01)
        for round_ in range(3):
            recorders = [Recorder(tmp_path / f"{round_}-{index}.wav", writer) for index in range(20)]
            assert threads() == 1
            for recorder in recorders:
                recorder.write("caller", 0, b"\x05\x00" * 320)
            await asyncio.gather(*(recorder.aclose() for recorder in recorders))
            assert threads() == 0

    asyncio.run(scenario())
    assert all(len(samples(path)) == 320 for path in tmp_path.glob("*.wav"))
    assert len(list(tmp_path.glob("*.wav"))) == 60


class Grown:
    """`AppendFile` in memory."""

    def __init__(self) -> None:
        self.data, self.closed = bytearray(), False

    def write(self, data: bytes) -> None:
        self.data += data

    def sync(self) -> None: ...

    def close(self) -> None:
        self.closed = True


@settings(max_examples=60, deadline=None)
@given(WRITES)
def test_a_file_that_only_grows_holds_what_a_plain_one_does_behind_its_window(
    tmp_path_factory: pytest.TempPathFactory, writes: list[tuple[Channel, int, int, bool]]
) -> None:
    """Positions here lie within the window; what comes later than that is counted (next test)."""
    path, grown = tmp_path_factory.mktemp("grown") / "plain.wav", Grown()

    async def scenario() -> None:
        both = (
            Recorder(path, DiskWriter(interval_s=30)),
            Recorder(path, DiskWriter(interval_s=30), file=GrowingWav(grown)),
        )
        for channel, position, count, flush in writes:
            for recorder in both:
                recorder.write(channel, position, np.full(count, position % 30_000, dtype="<i2").tobytes())
                if flush:
                    recorder.write_batch()
        for recorder in both:
            await recorder.aclose()

    asyncio.run(scenario())
    assert grown.closed
    assert bytes(grown.data[44:]) == path.read_bytes()[44:]
    assert grown.data[:44] == wav_header(None)


def test_what_comes_for_a_place_already_written_away_is_counted_and_harms_nothing() -> None:
    grown = Grown()
    file = GrowingWav(grown)
    file.write(0, b"\x01\x02\x03\x04" * 16_000 * 21)
    file.settle()
    assert len(grown.data) == 44 + 4 * 16_000
    file.write(15_999, b"\x09\x09\x09\x09" * 3)
    assert file.dropped == 1
    assert file.read(15_999, 16_002) == bytes(4) + b"\x09" * 8
    file.close()
    assert len(grown.data) == 44 + 4 * 16_000 * 21
    assert grown.data[44 + 4 * 15_999 : 44 + 4 * 16_003] == b"\x01\x02\x03\x04" + b"\x09" * 8 + b"\x01\x02\x03\x04"
