"""A call's recording: a stereo WAV, caller left and agent right, on a sample-position clock.

What is written at position p stands at sample p of the file, whenever it arrives and whatever is missing before
it: there is nothing to drift. Gaps are silence. 16 kHz, s16le, 64 kB a second.

The file is a valid WAV at every moment: samples first, then the two lengths in its header, at least every
`engine.disk.INTERVAL_S`; `kill -9` costs what came after the last batch. Cost on the event loop: one list append a
frame. Overflow policy: beyond `QUEUE_FRAMES` waiting for the disk the newest audio is dropped, counted and silent.
"""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Final, Literal

import numpy as np

from aivoice.audio.frames import SAMPLE_RATE
from aivoice.engine.disk import DiskWriter, shared_writer
from aivoice.engine.samples import SampleFile, WavFile

Channel = Literal["caller", "agent"]

QUEUE_FRAMES = 1_500
"""Writes that may wait for the disk: 15 s of both channels in 20 ms frames, 1 MB."""
LONGEST_SAMPLES = 12 * 3_600 * SAMPLE_RATE
"""Positions past twelve hours are a mistake, not a call: such audio is dropped and counted."""
_SPAN_SAMPLES: Final = 2 * SAMPLE_RATE
"""Most that one block in memory covers: audio further apart is written in several."""


class Recorder:
    """Records to `path` (its folder must exist), or to `file` where it is given. Raises DiskError when it cannot be
    created; later failures of the disk end the recording, never the call, and are raised by `aclose`."""

    def __init__(self, path: Path, writer: DiskWriter | None = None, *, file: SampleFile | None = None) -> None:
        self.label = str(path)
        self.dropped = 0
        self._lock = threading.Lock()
        self._waiting: list[tuple[int, int, bytes]] = []
        self._paused = False
        self._closed = False
        self._writer = writer or shared_writer()
        self._file = file or WavFile(path)
        self._writer.add(self)

    def write(self, channel: Channel, position: int, pcm: bytes) -> None:
        """16 kHz s16le mono `pcm`, its first sample at `position` ≥ 0. Later writes replace earlier ones. Never blocks
        or raises; nothing is kept while paused or after `aclose`."""
        if self._paused or self._closed:
            return
        with self._lock:
            if len(self._waiting) >= QUEUE_FRAMES or not 0 <= position <= LONGEST_SAMPLES:
                self.dropped += 1
                return
            self._waiting.append((position, 0 if channel == "caller" else 1, pcm))

    def pause(self, paused: bool) -> None:
        """While paused both channels are silent in the file; the clock goes on."""
        self._paused = paused

    async def aclose(self) -> None:
        """Write the rest and close the file. Idempotent. Raises DiskError when something could not be written."""
        self._closed = True
        await self._writer.close(self)

    # ------------------------------------------------------------ the writer's thread

    def write_batch(self) -> bool:
        with self._lock:
            batch, self._waiting = self._waiting, []
        if not batch:
            return False
        batch = _joined(batch)
        group: list[int] = []
        begin = end = 0
        for index in sorted(range(len(batch)), key=lambda index: batch[index][0]):
            position, until = batch[index][0], batch[index][0] + len(batch[index][2]) // 2
            if group and position >= end and until > begin + _SPAN_SAMPLES:
                self._merge([batch[each] for each in sorted(group)], begin, end)
                group = []
            if not group:
                begin = end = position
            group.append(index)
            end = max(end, until)
        # Inside a group the order of arrival counts: of two writes to one place the later one stays.
        self._merge([batch[each] for each in sorted(group)], begin, end)
        self._file.settle()
        return True

    def _merge(self, group: list[tuple[int, int, bytes]], begin: int, end: int) -> None:
        """Lay the group over what the file holds from sample `begin` to `end`."""
        block = np.zeros((end - begin, 2), dtype="<i2")
        held = self._file.read(begin, end)
        if held:
            there = np.frombuffer(held, dtype="<i2").reshape(-1, 2)
            block[: len(there)] = there
        for position, channel, pcm in group:
            samples = np.frombuffer(pcm, dtype="<i2", count=len(pcm) // 2)
            block[position - begin : position - begin + len(samples), channel] = samples
        self._file.write(begin, block.tobytes())

    def sync(self) -> None:
        self._file.sync()

    def shut(self) -> None:
        self._file.close()


def _joined(batch: list[tuple[int, int, bytes]]) -> list[tuple[int, int, bytes]]:
    """Frames of a channel that follow one another as one stretch, in the order of arrival: far fewer pieces."""
    runs: list[tuple[int, int, list[bytes]]] = []
    latest: dict[int, tuple[int, int]] = {}  # channel: (index of its last run, where that ends)
    for position, channel, pcm in batch:
        index, end = latest.get(channel, (-1, -1))
        if position == end:
            runs[index][2].append(pcm)
        else:
            index = len(runs)
            runs.append((position, channel, [pcm]))
        latest[channel] = (index, position + len(pcm) // 2)
    return [(position, channel, b"".join(parts)) for position, channel, parts in runs]
