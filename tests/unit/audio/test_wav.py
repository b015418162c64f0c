"""WAV files as people have them, and recordings that survive a kill."""

from __future__ import annotations

import os
import struct
import tracemalloc
import wave
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.io import wavfile

from aivoice.audio.frames import FRAME_BYTES
from aivoice.audio.wav import WavWriter, frames_of, iter_wav, read_wav, write_wav
from aivoice.errors import InputError


def tone(rate: int, seconds: float = 1.0, hz: float = 440.0) -> np.ndarray:
    return 0.5 * np.sin(2 * np.pi * hz * np.arange(int(rate * seconds)) / rate)


def rms(pcm: bytes) -> float:
    samples = np.frombuffer(pcm, dtype="<i2").astype(float)[800:-800]
    return float(np.sqrt(np.mean(samples**2)))


@pytest.mark.parametrize("rate", [8_000, 11_025, 16_000, 22_050, 44_100, 48_000, 96_000])
@pytest.mark.parametrize("kind", ["u8", "s16", "s32", "f32", "f64"])
@pytest.mark.parametrize("channels", [1, 2, 6])
def test_every_common_format_becomes_16_khz_mono(tmp_path: Path, rate: int, kind: str, channels: int) -> None:
    path = tmp_path / "in.wav"
    wanted = tone(rate)
    data = {
        "u8": lambda: (wanted * 127 + 128).astype(np.uint8),
        "s16": lambda: (wanted * 32_767).astype(np.int16),
        "s32": lambda: (wanted * 2**31 * 0.999).astype(np.int32),
        "f32": lambda: wanted.astype(np.float32),
        "f64": lambda: wanted,
    }[kind]()
    wavfile.write(path, rate, np.repeat(data[:, None], channels, axis=1) if channels > 1 else data)
    pcm = read_wav(path)
    assert abs(len(pcm) // 2 - 16_000) <= 1
    assert rms(pcm) == pytest.approx(0.5 * 32_768 / np.sqrt(2), rel=0.02)


def test_24_bit_and_telephone_formats(tmp_path: Path) -> None:
    path = tmp_path / "in.wav"
    with wave.open(str(path), "wb") as out:
        out.setnchannels(1)
        out.setsampwidth(3)
        out.setframerate(48_000)
        values = (tone(48_000) * (2**23 - 1)).astype(np.int32)
        out.writeframes(b"".join(int(v).to_bytes(3, "little", signed=True) for v in values))
    assert rms(read_wav(path)) == pytest.approx(11_585, rel=0.02)
    body = bytes([0xFF, 0x7F, 0x00, 0x80] * 2_000)
    head = struct.pack("<4sI4s4sIHHIIHH4sI", b"RIFF", 36 + 8_000, b"WAVE", b"fmt ", 16, 7, 1, 8_000, 8_000, 1, 8, b"data", 8_000)  # fmt: skip  # noqa: E501
    path.write_bytes(head + body)
    assert abs(len(read_wav(path)) // 2 - 16_000) <= 1


def test_channels_are_averaged(tmp_path: Path) -> None:
    path = tmp_path / "in.wav"
    left, right = np.full(1_600, 1_000, np.int16), np.full(1_600, -3_000, np.int16)
    wavfile.write(path, 16_000, np.stack((left, right), axis=1))
    pcm = np.frombuffer(read_wav(path), dtype="<i2")[200:-200]
    assert np.abs(pcm + 1_000).max() <= 1  # soxr dithers


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "is empty (0 bytes)"),
        (b"ID3\x03 not a wav at all", "is not a WAV file"),
        (b"RIFF", "is not a WAV file"),
        (b"RIFF\0\0\0\0WAVE", "damaged"),
        (b"RIFF\x24\0\0\0WAVE" + b"\xff" * 40, "damaged"),
    ],
)
def test_what_is_no_wav_gets_one_clear_line(tmp_path: Path, content: bytes, message: str) -> None:
    path = tmp_path / "in.wav"
    path.write_bytes(content)
    with pytest.raises(InputError) as caught:
        read_wav(path)
    text = str(caught.value)
    assert message in text
    assert str(path) in text
    assert "\n" not in text


def test_missing_folder_and_sampleless_files(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no such file"):
        read_wav(tmp_path / "nowhere.wav")
    with pytest.raises(InputError, match="is a folder"):
        read_wav(tmp_path)
    write_wav(tmp_path / "none.wav", b"")
    with pytest.raises(InputError, match="holds no samples"):
        read_wav(tmp_path / "none.wav")


def test_an_hour_is_refused_with_its_limit_and_read_piecewise_when_allowed(tmp_path: Path) -> None:
    path = tmp_path / "hour.wav"
    with WavWriter(path, channels=1) as out:
        minute = bytes(2 * 16_000 * 60)
        for _ in range(60):
            out.write(minute)
    with pytest.raises(InputError, match=r"longer than 30 minutes: cut it"):
        for _ in iter_wav(path):
            pass
    tracemalloc.start()
    total = sum(len(piece) for piece in iter_wav(path, max_seconds=3_700))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert total == 2 * 16_000 * 3_600
    assert peak < 2_000_000


def test_a_header_that_promises_too_much_is_read_to_the_end(tmp_path: Path) -> None:
    path = tmp_path / "in.wav"
    write_wav(path, (tone(16_000) * 32_767).astype("<i2").tobytes())
    data = bytearray(path.read_bytes())
    data[40:44] = struct.pack("<I", 0x7FFFFFFF)
    path.write_bytes(data)
    assert len(read_wav(path)) == 32_000


def test_frames_are_20_ms_and_the_last_is_filled() -> None:
    frames = list(frames_of(iter([b"\1" * 1_000, b"\2" * 500, b"\3" * 10])))
    assert [len(frame) for frame in frames] == [FRAME_BYTES] * 3
    assert b"".join(frames).rstrip(b"\0") == b"\1" * 1_000 + b"\2" * 500 + b"\3" * 10


def test_a_growing_stereo_file_is_valid_at_every_moment(tmp_path: Path) -> None:
    path = tmp_path / "out.wav"
    writer = WavWriter(path)
    left, right = np.full(320, 100, "<i2").tobytes(), np.full(160, -7, "<i2").tobytes()
    for count in range(1, 6):
        writer.write(left, right)
        with wave.open(str(path), "rb") as reader:  # as a reader would find it had the process died here
            assert reader.getnchannels() == 2
            assert reader.getframerate() == 16_000
            assert reader.getnframes() == 320 * count
            samples = np.frombuffer(reader.readframes(320 * count), dtype="<i2").reshape(-1, 2)
    assert set(samples[:, 0].tolist()) == {100}
    assert set(samples[:160, 1].tolist()) == {-7}
    assert set(samples[160:320, 1].tolist()) == {0}
    # A kill between samples and header leaves more data than promised, never less.
    with path.open("ab") as raw:
        raw.write(b"\5\0" * 11)
    with wave.open(str(path), "rb") as reader:
        assert reader.getnframes() == 1_600
    writer.close()
    writer.close()
    writer.write(left, right)
    assert writer.samples == 1_600
    with WavWriter(tmp_path / "other.wav") as other, pytest.raises(ValueError, match="1 tracks for 2 channels"):
        other.write(left)


def test_an_unwritable_place_gets_one_clear_line(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="cannot be written"):
        WavWriter(tmp_path / "no" / "such" / "folder.wav")


@given(
    st.lists(st.tuples(st.integers(0, 60), st.integers(0, 255)), max_size=6),
    st.integers(0, 4_000),
)
@settings(max_examples=150, deadline=None)
def test_a_damaged_header_gives_audio_or_an_input_error_and_nothing_else(
    changes: list[tuple[int, int]], length: int
) -> None:
    with TemporaryDirectory() as folder:
        path = Path(folder) / "in.wav"
        write_wav(path, (tone(16_000, 0.1) * 9_000).astype("<i2").tobytes())
        data = bytearray(path.read_bytes())
        for at, value in changes:
            data[at] = value
        path.write_bytes(data[:length])
        outcome: bytes | str
        try:
            outcome = read_wav(path, max_seconds=5)
        except InputError as error:
            outcome = str(error)
        assert "\n" not in outcome if isinstance(outcome, str) else 0 < len(outcome) <= 2 * 16_000 * 5


def test_a_pipe_is_no_recording_and_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "in.wav")
    with pytest.raises(InputError, match=r"in\.wav: is no file: name a \.wav file"):
        next(iter_wav(tmp_path / "in.wav"))
