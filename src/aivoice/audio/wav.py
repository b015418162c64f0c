"""WAV files in and out: any common WAV becomes 16 kHz mono PCM; a stereo recording is valid at every moment."""

from __future__ import annotations

import os
import struct
import wave
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, cast

import av
import av.audio
import numpy as np
import numpy.typing as npt
import soxr  # pyright: ignore[reportMissingTypeStubs]
from av.error import FFmpegError

from aivoice.audio.frames import FRAME_BYTES, FRAME_SAMPLES, SAMPLE_RATE
from aivoice.errors import InputError

DEFAULT_MAX_S = 1_800.0
"""Longest file read without being told otherwise: half an hour, 57.6 MB of PCM."""
_HEADER = 44
_MAX_DATA = 0xFFFFFFFF - _HEADER


def _bad(path: Path, what: str, todo: str, code: str) -> InputError:
    return InputError(f"{path}: {what}: {todo}", code=code, stage="audio")


def _check_head(path: Path) -> None:
    try:
        if path.exists() and not (path.is_file() or path.is_dir()):
            raise _bad(path, "is no file", "name a .wav file", "wav_not_wav")  # a pipe would be waited for
        with path.open("rb") as file:
            head = file.read(12)
    except FileNotFoundError:
        raise _bad(path, "no such file", "check the path", "wav_missing") from None
    except IsADirectoryError:
        raise _bad(path, "is a folder", "name a .wav file", "wav_missing") from None
    except OSError as error:
        raise _bad(path, f"cannot be read ({error.strerror})", "check its permissions", "wav_unreadable") from None
    if not head:
        raise _bad(path, "is empty (0 bytes)", "record some audio into it", "wav_empty")
    if head[:4] not in (b"RIFF", b"RF64", b"RIFX") or head[8:12] != b"WAVE":
        raise _bad(path, "is not a WAV file", "convert it, e.g. `ffmpeg -i INPUT out.wav`", "wav_not_wav")


def _mono(frame: av.audio.AudioFrame) -> npt.NDArray[np.int16]:
    """s16 mono samples of a decoded frame, channels averaged."""
    data = cast("npt.NDArray[np.int16]", frame.to_ndarray())
    channels = frame.layout.nb_channels
    if channels == 1:
        return data.reshape(-1)
    interleaved = data.reshape(-1, channels).astype(np.int32)
    return (interleaved.sum(axis=1) // channels).astype(np.int16)


def iter_wav(path: Path | str, *, max_seconds: float = DEFAULT_MAX_S) -> Iterator[bytes]:
    """Pieces of 16 kHz mono s16le of a WAV of any rate, width (8 to 64 bit, float, A-law, mu-law) and channel count.

    Channels are averaged. Memory stays bounded however long the file is. A header that lies about its length
    (written by a process that died) is read to the file's end.
    Raises InputError (one line: what, where, what to do) for a file that is missing, unreadable, empty, not a WAV,
    without samples, damaged, or longer than `max_seconds`.
    """
    path = Path(path)
    _check_head(path)
    limit = int(max_seconds * SAMPLE_RATE) * 2
    total = 0
    for piece in _plain(path) or _converted(path):
        total += len(piece)
        if total > limit:
            raise _bad(path, f"is longer than {max_seconds / 60:g} minutes", "cut it", "wav_too_long")
        yield piece
    if total == 0:
        raise _bad(path, "holds no samples", "record some audio into it", "wav_empty")


def _plain(path: Path) -> Iterator[bytes] | None:
    """Pieces of a file that already is 16 kHz mono s16le, without a decoder's memory; None for any other."""
    try:
        reader = wave.open(str(path), "rb")  # noqa: SIM115 - closed by the generator or just below
    except (wave.Error, EOFError, struct.error, RuntimeError):  # the last: a chunk longer than its file
        return None
    if (reader.getnchannels(), reader.getsampwidth(), reader.getframerate()) != (1, 2, SAMPLE_RATE) or (
        reader.getnframes() * 2 > path.stat().st_size
    ):
        reader.close()
        return None
    return _plain_pieces(reader)


def _plain_pieces(reader: wave.Wave_read) -> Iterator[bytes]:
    with reader:
        while piece := reader.readframes(FRAME_SAMPLES * 16):
            yield piece


def _converted(path: Path) -> Iterator[bytes]:
    try:
        with av.open(str(path), format="wav") as container:
            if not container.streams.audio:
                raise _bad(path, "has no audio", "record some audio into it", "wav_empty")
            stream = container.streams.audio[0]
            rate: int = getattr(stream, "rate", 0) or 0
            if not 1_000 <= rate <= 768_000:
                raise _bad(path, f"claims a sample rate of {rate} Hz", "record or convert it again", "wav_damaged")
            width = av.AudioResampler(format="s16")  # width only: rate and layout stay
            convert = soxr.ResampleStream(rate, SAMPLE_RATE, 1, dtype="int16", quality="HQ")
            for frame in container.decode(stream):
                for whole in width.resample(frame):
                    piece = convert.resample_chunk(_mono(whole))
                    if len(piece):
                        yield piece.astype("<i2", copy=False).tobytes()
            yield convert.resample_chunk(np.zeros(0, np.int16), last=True).astype("<i2", copy=False).tobytes()
    except FFmpegError as error:
        raise _bad(path, f"is damaged ({error.strerror})", "record or convert it again", "wav_damaged") from None


def read_wav(path: Path | str, *, max_seconds: float = DEFAULT_MAX_S) -> bytes:
    """The whole file as 16 kHz mono s16le; see `iter_wav` for what is accepted and what is raised."""
    return b"".join(iter_wav(path, max_seconds=max_seconds))


def frames_of(pieces: Iterator[bytes]) -> Iterator[bytes]:
    """Cut a stream of PCM into 20 ms frames; the last is filled up with silence."""
    rest = b""
    for piece in pieces:
        buffer = rest + piece
        whole = len(buffer) // FRAME_BYTES * FRAME_BYTES
        for at in range(0, whole, FRAME_BYTES):
            yield buffer[at : at + FRAME_BYTES]
        rest = buffer[whole:]
    if rest:
        yield rest.ljust(FRAME_BYTES, b"\0")


def _header(channels: int, rate: int, data_bytes: int) -> bytes:
    return struct.pack(
        "<4sI4s4sIHHIIHH4sI",
        b"RIFF", _HEADER - 8 + data_bytes, b"WAVE",
        b"fmt ", 16, 1, channels, rate, rate * channels * 2, channels * 2, 16,
        b"data", data_bytes,
    )  # fmt: skip


def write_wav(path: Path | str, pcm: bytes, *, rate: int = SAMPLE_RATE, channels: int = 1) -> None:
    """A whole s16le clip into a WAV file, replacing it."""
    Path(path).write_bytes(_header(channels, rate, len(pcm)) + pcm)


class WavWriter:
    """A WAV file that grows and is valid at every moment, also after a kill: samples are appended first and the
    header's two lengths follow, so the header never promises a sample that is not there.

    `write` and `close` do file I/O (a few hundred µs a second of audio): call them off the event loop, in batches.
    At 4 GiB (18 h of stereo) further audio is dropped and counted in `dropped` rather than breaking the header.
    """

    def __init__(self, path: Path | str, *, channels: int = 2, rate: int = SAMPLE_RATE) -> None:
        self.path = Path(path)
        self.channels = channels
        self.rate = rate
        self.samples = 0
        self.dropped = 0
        self._file: BinaryIO | None = None
        try:
            self._file = self.path.open("wb", buffering=0)
            self._write_all(_header(channels, rate, 0))
        except OSError as error:
            self.close()
            raise self.unwritable(error) from None

    def write(self, *tracks: bytes) -> None:
        """Append one stretch: one s16le buffer a channel, the shorter ones filled with silence.

        Raises OSError when the disk is full; what was written before stays readable.
        """
        if self._file is None:
            return
        if len(tracks) != self.channels:
            raise ValueError(f"{len(tracks)} tracks for {self.channels} channels")
        samples = max(len(track) for track in tracks) // 2
        block = np.zeros((samples, self.channels), dtype="<i2")
        for index, track in enumerate(tracks):
            mono = np.frombuffer(track, dtype="<i2")
            block[: len(mono), index] = mono
        if (self.samples + samples) * self.channels * 2 > _MAX_DATA:
            self.dropped += samples
            return
        self._write_all(block.tobytes())
        self.samples += samples
        data_bytes = self.samples * self.channels * 2
        handle = self._file.fileno()
        os.pwrite(handle, struct.pack("<I", _HEADER - 8 + data_bytes), 4)
        os.pwrite(handle, struct.pack("<I", data_bytes), 40)

    def unwritable(self, error: OSError) -> InputError:
        """What to tell people of an error of `write`."""
        return _bad(self.path, f"cannot be written ({error.strerror})", "check folder and space", "wav_unwritable")

    def close(self) -> None:
        """Idempotent."""
        if self._file is not None:
            self._file.close()
            self._file = None

    def __enter__(self) -> WavWriter:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _write_all(self, data: bytes) -> None:
        assert self._file is not None
        view = memoryview(data)
        while view:
            view = view[self._file.write(view) or 0 :]
