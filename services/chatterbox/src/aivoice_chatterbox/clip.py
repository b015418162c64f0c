"""A reference clip as somebody uploads it → one that the model can take: mono, 16 bit, loud enough, 5 to 30 s."""

from __future__ import annotations

import io
import struct
import wave
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

SHORTEST_S = 5.0
"""The package asserts more than that."""
LONGEST_S = 30.0
"""It listens to the first 15 s."""
MAX_BYTES = 12 * 2**20
"""30 s of 48 kHz stereo in 32 bits."""
RATES = range(16_000, 48_001)
"""Hz. A telephone's 8 kHz would make a telephone's voice."""
_QUIET = 10 ** (-45 / 20)
"""RMS of full scale; below it there is no voice to copy."""
_CLIPPED = 0.02
"""Share of samples at full scale."""


class BadClipError(Exception):
    """One line: what is wrong and what to do. code: stable."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


@dataclass(frozen=True, slots=True)
class Clip:
    """wav: a file of mono 16-bit PCM at `rate` Hz. seconds: its length."""

    wav: bytes
    rate: int
    seconds: float


def read_clip(data: bytes) -> Clip:
    """Checks and converts. Raises BadClipError. CPU work of some ms: off the loop."""
    if len(data) > MAX_BYTES:
        raise BadClipError("clip_too_large", f"the clip is larger than {MAX_BYTES // 2**20} MiB; cut it to 10 s")
    try:
        with wave.open(io.BytesIO(_plain(data)), "rb") as reader:
            channels, width, rate = reader.getnchannels(), reader.getsampwidth(), reader.getframerate()
            if rate not in RATES:
                raise BadClipError("clip_rate", f"the clip has {rate} Hz; 16000 to 48000 Hz are taken")
            if channels not in (1, 2) or width not in (2, 3, 4):
                raise BadClipError("clip_format", "mono or stereo of 16, 24 or 32 bit PCM is taken")
            frames = reader.readframes(int(LONGEST_S * rate) + rate)
    except (wave.Error, EOFError, struct.error, RuntimeError):
        raise BadClipError("clip_not_wav", "this is no WAV file of PCM; convert it: ffmpeg -i INPUT out.wav") from None
    samples = _mono(frames, channels, width)
    seconds = len(samples) / rate
    if not SHORTEST_S < seconds <= LONGEST_S:
        raise BadClipError("clip_length", f"the clip lasts {seconds:.1f} s; more than 5 s and at most 30 s are taken")
    if float(np.sqrt(np.mean(np.square(samples)))) < _QUIET:
        raise BadClipError("clip_silent", "the clip is (almost) silent; record the voice closer to the microphone")
    if float(np.mean(np.abs(samples) > 0.999)) > _CLIPPED:
        raise BadClipError("clip_clipped", "the clip is overdriven; record it again at a lower level")
    return Clip(_wav(samples, rate), rate, seconds)


def _plain(data: bytes) -> bytes:
    """WAVE_FORMAT_EXTENSIBLE of PCM as plain PCM, which is all that older `wave` modules read."""
    at = data.find(b"fmt ")
    if 0 <= at <= 64 and data[at + 8 : at + 10] == b"\xfe\xff" and data[at + 32 : at + 34] == b"\x01\x00":
        return data[: at + 8] + b"\x01\x00" + data[at + 10 :]
    return data


def _mono(frames: bytes, channels: int, width: int) -> npt.NDArray[np.float32]:
    """Samples of -1…1, channels averaged; a last frame that is cut off is dropped."""
    frames = frames[: len(frames) // (channels * width) * channels * width]
    if width == 3:
        bytes_ = np.frombuffer(frames, dtype=np.uint8).reshape(-1, 3)
        padded = np.zeros((len(bytes_), 4), dtype=np.uint8)
        padded[:, 1:] = bytes_
        raw, full = padded.reshape(-1).view("<i4"), 2.0**31
    else:
        raw, full = np.frombuffer(frames, dtype=f"<i{width}"), 2.0 ** (8 * width - 1)
    return (raw.reshape(-1, channels).mean(axis=1) / full).astype(np.float32)


def _wav(samples: npt.NDArray[np.float32], rate: int) -> bytes:
    out = io.BytesIO()
    with wave.open(out, "wb") as writer:
        writer.setnchannels(1)
        writer.setsampwidth(2)
        writer.setframerate(rate)
        writer.writeframes(np.rint(np.clip(samples, -1, 1) * 32_767).astype("<i2").tobytes())
    return out.getvalue()
