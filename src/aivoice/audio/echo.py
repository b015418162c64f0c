"""Echo cancellation: what the agent said must not come back as what the caller said.

WebRTC's AEC3 in LiveKit's audio-processing module, fed with every agent frame as it is handed to the network. It costs
about a millisecond of CPU a 20 ms frame, so it runs only while an echo can be there: from the first audible agent
frame until `HOLD_MS` after the last.
"""

from __future__ import annotations

import numpy as np

from aivoice.audio.frames import FRAME_BYTES, FRAME_MS, FRAME_SAMPLES, SAMPLE_RATE
from aivoice.errors import MissingModelError

HOLD_MS = 700
"""The longest echo path looked for (400 ms) and a room's tail."""
_AUDIBLE = 32  # peak, −60 dBFS: below it there is nothing to echo
_HALF = FRAME_SAMPLES // 2


class EchoCanceller:
    """One call. `played` with each agent frame (20 ms, 640 bytes, silence included), `process` with each caller frame.

    Both are synchronous and take well under 2 ms. Call them in the order in which the frames pass the network, once a
    tick each. Frames outside the agent's speech are returned untouched. Raises MissingModelError from the constructor
    where LiveKit's native library is not installed.
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
        self.active_frames = 0
        """Caller frames that were processed."""
        self.failed = False
        """The native module refused a frame; audio passes untouched from then on."""

    @property
    def active(self) -> bool:
        """Whether an echo may be in the caller's audio now."""
        return self._hold > 0

    def played(self, frame: bytes) -> None:
        """An agent frame goes out now."""
        if _peak(frame) >= _AUDIBLE:
            self._hold = HOLD_MS // FRAME_MS
        elif self._hold:
            self._hold -= 1
        if self._hold and not self.failed:
            self._run(frame, reverse=True)

    def process(self, frame: bytes) -> bytes:
        """The caller frame without the agent's echo."""
        if not self._hold or self.failed or len(frame) != FRAME_BYTES:
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
