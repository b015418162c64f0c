"""Echo cancellation: what the agent said must not come back as what the caller said.

WebRTC's AEC3 in LiveKit's audio-processing module, fed with every agent frame as it is handed to the network. Two
things keep it from doing harm where there is no echo, as on most phones: measured, it then mutes a caller who
interrupts for 200 ms and more, and it costs a quarter of a millisecond of CPU a frame. So it runs only while an echo
can be there at all (from the first audible agent frame until `HOLD_MS` after the last), and `EchoWatch` bypasses it
once the microphone has been seen to stay at its noise floor while the agent speaks.
"""

from __future__ import annotations

from collections import deque

import numpy as np

from aivoice.audio.frames import FRAME_BYTES, FRAME_MS, FRAME_SAMPLES, SAMPLE_RATE
from aivoice.audio.loudness import level_dbfs
from aivoice.errors import MissingModelError

HOLD_MS = 700
"""The longest echo path looked for (400 ms) and a room's tail."""
_AUDIBLE = 32  # peak, −60 dBFS: below it there is nothing to echo
_HALF = FRAME_SAMPLES // 2


_LOUD_DB = -42.0  # an agent frame that would echo audibly
_INAUDIBLE_DB = -58.0  # a microphone below this carries no echo that a recogniser would hear
_ABOVE_FLOOR_DB = 6.0
_PATH_FRAMES = 20  # 400 ms: the longest path looked for
_LOUD_FRAMES = 13
_ENOUGH = 15  # 0.3 s of evidence
_MEMORY = 150
_FLOOR_FRAMES = 500


class EchoWatch:
    """Whether the line echoes, from levels alone: does the microphone rise while the agent speaks?

    While the agent has been loud for most of the last 400 ms an echo, if there is one, is in the microphone most of the
    time, a caller who interrupts only briefly. So over the last three seconds of such frames the microphone's median
    level stays at the noise floor exactly when there is no echo. Once a line is known to be clean it takes a lower
    quartile above the floor, more than two seconds of loud microphone, to call it echoing: a caller who talks over the
    agent for that long is an interruption by then.
    """

    def __init__(self) -> None:
        self._far: deque[bool] = deque(maxlen=_PATH_FRAMES)
        self._during: deque[float] = deque(maxlen=_MEMORY)
        self._floor: deque[float] = deque(maxlen=_FLOOR_FRAMES)
        self._seen = 0
        self.echo: bool | None = None
        """True or False once 0.3 s of evidence is in; None before."""

    def agent(self, level: float) -> None:
        """The level of an agent frame, dBFS."""
        self._far.append(level > _LOUD_DB)

    def caller(self, level: float, *, agent_silent: bool) -> None:
        """The level of a caller frame as it came, dBFS. agent_silent: nothing of the agent can be in it."""
        if agent_silent:
            self._floor.append(level)
            self._far.clear()
        elif len(self._far) == _PATH_FRAMES and sum(self._far) >= _LOUD_FRAMES:
            self._during.append(level)
            self._seen += 1
            if len(self._during) >= _ENOUGH and (self.echo is None or self._seen % 5 == 0):
                self._judge()

    def _judge(self) -> None:
        floor = float(np.percentile(self._floor, 20)) if len(self._floor) >= _ENOUGH else -96.0
        limit = max(_INAUDIBLE_DB, floor + _ABOVE_FLOOR_DB)
        self.echo = float(np.percentile(self._during, 25 if self.echo is False else 55)) > limit


class EchoCanceller:
    """One call. `played` with each agent frame (20 ms, 640 bytes, silence included), `process` with each caller frame.

    Both are synchronous and take well under 1 ms. Call them in the order in which the frames pass the network, once a
    tick each. Frames outside the agent's speech, and all frames of a line without echo, are returned untouched. Raises
    MissingModelError from the constructor where LiveKit's native library is not installed.
    """

    def __init__(self) -> None:
        try:
            from livekit.rtc import AudioFrame, AudioProcessingModule
        except (ImportError, OSError):
            raise MissingModelError(
                "echo cancellation: livekit's native library is missing: pip install livekit",
                code="echo_missing",
                stage="audio",
            ) from None
        self._frame = AudioFrame
        self._make = lambda: AudioProcessingModule(echo_cancellation=True, high_pass_filter=True)
        self._module = self._make()
        self._hold = 0
        self.watch = EchoWatch()
        self.active_frames = 0
        """Caller frames that were processed."""
        self.failed = False
        """The native module refused a frame; audio passes untouched from then on."""

    @property
    def active(self) -> bool:
        """Whether the agent's voice can be in the caller's audio now."""
        return self._hold > 0

    def played(self, frame: bytes) -> None:
        """An agent frame goes out now."""
        if _peak(frame) >= _AUDIBLE:
            self._hold = HOLD_MS // FRAME_MS
            self.watch.agent(level_dbfs(frame))
        else:
            self._hold = max(0, self._hold - 1)
            self.watch.agent(-96.0)
        if self._hold and not self.failed and self.watch.echo is not False:
            self._run(frame, reverse=True)

    def process(self, frame: bytes) -> bytes:
        """The caller frame without the agent's echo."""
        if self.failed or len(frame) != FRAME_BYTES:
            return frame
        self.watch.caller(level_dbfs(frame), agent_silent=not self._hold)
        if not self._hold or self.watch.echo is False:
            return frame
        self.active_frames += 1
        return self._run(frame, reverse=False)

    def _run(self, frame: bytes, *, reverse: bool) -> bytes:
        out = bytearray()
        try:
            for at in (0, FRAME_BYTES // 2):
                part = self._frame(bytearray(frame[at : at + FRAME_BYTES // 2]), SAMPLE_RATE, 1, _HALF)
                if reverse:
                    self._module.process_reverse_stream(part)
                else:
                    self._module.process_stream(part)
                    out += bytes(part.data)
        except RuntimeError:
            self.failed = True
            return frame
        return bytes(out)


def _peak(frame: bytes) -> int:
    samples = np.frombuffer(frame, dtype="<i2")
    # Two reductions instead of abs(): −32 768 has no positive twin, and no copy is made.
    return max(int(samples.max(initial=0)), -int(samples.min(initial=0)))
