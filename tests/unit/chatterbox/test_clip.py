"""Reference clips: what is taken becomes mono 16 bit, what is not is told in one line."""

from __future__ import annotations

import io
import wave

import numpy as np
import pytest
from tests.unit.chatterbox.serving import clip

from aivoice_chatterbox.clip import MAX_BYTES, BadClipError, read_clip


@pytest.mark.parametrize("width", [2, 3, 4])
@pytest.mark.parametrize("channels", [1, 2])
@pytest.mark.parametrize("rate", [16_000, 44_100, 48_000])
def test_common_files_are_taken(width: int, channels: int, rate: int) -> None:
    taken = read_clip(clip(6.0, rate=rate, channels=channels, width=width))
    assert taken.rate == rate
    assert taken.seconds == pytest.approx(6.0)
    with wave.open(io.BytesIO(taken.wav)) as reader:
        assert (reader.getnchannels(), reader.getsampwidth(), reader.getframerate()) == (1, 2, rate)
        samples = np.frombuffer(reader.readframes(reader.getnframes()), "<i2")
    assert 0.25 < np.max(np.abs(samples)) / 32_768 < 0.31, "it is as loud as it was"


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (b"", "clip_not_wav"),
        (b"RIFF\0\0\0\0WAVE", "clip_not_wav"),
        (b"ID3" + bytes(5_000), "clip_not_wav"),
        (clip()[:40], "clip_not_wav"),
        (clip(4.9), "clip_length"),
        (clip(5.0), "clip_length"),
        (clip(30.5), "clip_length"),
        (clip(rate=8_000), "clip_rate"),
        (clip(width=1), "clip_format"),
        (clip(level=0.0), "clip_silent"),
        (clip(level=0.001), "clip_silent"),
        (bytes(MAX_BYTES + 1), "clip_too_large"),
    ],
)
def test_others_are_refused_with_a_code(data: bytes, code: str) -> None:
    with pytest.raises(BadClipError) as caught:
        read_clip(data)
    assert caught.value.code == code
    assert "\n" not in str(caught.value)


def test_an_overdriven_one_is_refused() -> None:
    data = bytearray(clip())
    samples = np.frombuffer(bytes(data[44:]), "<i2").astype(np.int64) * 5
    data[44:] = np.clip(samples, -32_768, 32_767).astype("<i2").tobytes()
    with pytest.raises(BadClipError) as caught:
        read_clip(bytes(data))
    assert caught.value.code == "clip_clipped"


def test_the_extensible_form_of_the_header_is_taken() -> None:
    plain = clip()
    tail = b"\x16\x00\x10\x00\x04\x00\x00\x00\x01\x00" + bytes.fromhex("000000001000800000aa00389b71")
    header = bytearray(plain[:36]) + tail
    header[4:8] = (len(plain) + 24 - 8).to_bytes(4, "little")
    header[16:20] = (40).to_bytes(4, "little")
    header[20:22] = b"\xfe\xff"
    assert read_clip(bytes(header) + plain[36:]).seconds == pytest.approx(8.0)
