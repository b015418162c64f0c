"""Where a recording's samples lie: a WAV that is whole at every moment, or a file that only grows (a sealed one).

A sample is 4 bytes: caller's and agent's s16le. Everything here is called by the writer's thread (`engine.disk`).
"""

from __future__ import annotations

import os
import struct
from pathlib import Path
from typing import Final, Protocol

from aivoice.audio.frames import SAMPLE_RATE
from aivoice.engine.disk import AppendFile, create_file, sync_file

HEADER_BYTES: Final = 44
SAMPLE_BYTES: Final = 4
WINDOW_SAMPLES: Final = 20 * SAMPLE_RATE
"""How long audio for an earlier position may still come, in a file that only grows (1.3 MB a call): long enough to
silence a card number once it is known to be one."""
_OPEN_END: Final = 0xFFFF_FFFF - 36


def wav_header(samples: int | None) -> bytes:
    """The 44 bytes of a 16 kHz stereo s16le WAV of `samples` samples (Microsoft's RIFF WAVE, PCM format 1).

    None: of a stream whose length nobody knows yet, as players take it."""
    data = _OPEN_END if samples is None else samples * SAMPLE_BYTES
    return struct.pack(
        "<4sI4s4sIHHIIHH4sI",
        b"RIFF", 36 + data, b"WAVE", b"fmt ", 16, 1, 2, SAMPLE_RATE, SAMPLE_RATE * SAMPLE_BYTES, SAMPLE_BYTES, 16,
        b"data", data,
    )  # fmt: skip


class SampleFile(Protocol):
    @property
    def length(self) -> int:
        """Samples."""
        ...

    def read(self, begin: int, end: int) -> bytes:
        """What is held from sample `begin` to `end`; shorter where that is past the end."""
        ...

    def write(self, begin: int, data: bytes) -> None:
        """Lay `data` from sample `begin`; between the old end and that is silence. May raise OSError."""
        ...

    def settle(self) -> None:
        """A batch is complete."""
        ...

    def sync(self) -> None: ...

    def close(self) -> None: ...


class WavFile:
    """A plain WAV. Raises DiskError when it cannot be created."""

    def __init__(self, path: Path) -> None:
        self.length = 0
        self._file = create_file(path, wav_header(0), os.O_RDWR)

    def read(self, begin: int, end: int) -> bytes:
        end = min(end, self.length)
        if begin >= end:
            return b""
        return os.pread(self._file, (end - begin) * SAMPLE_BYTES, HEADER_BYTES + begin * SAMPLE_BYTES)

    def write(self, begin: int, data: bytes) -> None:
        offset, view = HEADER_BYTES + begin * SAMPLE_BYTES, memoryview(data)
        while view:
            written = os.pwrite(self._file, view, offset)
            view, offset = view[written:], offset + written
        self.length = max(self.length, begin + len(data) // SAMPLE_BYTES)

    def settle(self) -> None:
        os.pwrite(self._file, wav_header(self.length), 0)

    def sync(self) -> None:
        sync_file(self._file)

    def close(self) -> None:
        os.close(self._file)


class GrowingWav:
    """A WAV of open length on a file that only grows: the last `WINDOW_SAMPLES` stay in memory, where they may still be
    written over. dropped: samples that came for a place already left behind. `kill -9` costs the window, too."""

    def __init__(self, file: AppendFile) -> None:
        self.dropped = 0
        self._file = file
        self._begin = 0
        self._held = bytearray()
        file.write(wav_header(None))

    @property
    def length(self) -> int:
        return self._begin + len(self._held) // SAMPLE_BYTES

    def read(self, begin: int, end: int) -> bytes:
        at = max(begin - self._begin, 0) * SAMPLE_BYTES
        lost = bytes(max(min(self._begin, end) - begin, 0) * SAMPLE_BYTES)
        return lost + bytes(self._held[at : max(end - self._begin, 0) * SAMPLE_BYTES])

    def write(self, begin: int, data: bytes) -> None:
        late = max(self._begin - begin, 0)
        if late:
            self.dropped += min(late, len(data) // SAMPLE_BYTES)
            begin, data = begin + late, data[late * SAMPLE_BYTES :]
        at = (begin - self._begin) * SAMPLE_BYTES
        if data:
            self._held.extend(bytes(max(at - len(self._held), 0)))
            self._held[at : at + len(data)] = data

    def settle(self) -> None:
        self._flush(len(self._held) - WINDOW_SAMPLES * SAMPLE_BYTES)

    def sync(self) -> None:
        self._file.sync()

    def close(self) -> None:
        self._flush(len(self._held))
        self._file.close()

    def _flush(self, count: int) -> None:
        if count > 0:
            self._file.write(bytes(self._held[:count]))
            del self._held[:count]
            self._begin += count // SAMPLE_BYTES
