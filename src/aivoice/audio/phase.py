"""When to pull: just after the packets come. Keeps a reader's 20 ms ticks at the jitter buffer's target delay.

Packets come every 20 ms and so do ticks; what lies between the two adds to the delay for as long as the call lasts,
10 ms on average. Moving the ticks takes it away without touching the audio. Pure: values in, seconds out.
"""

from __future__ import annotations

ROOM_S = 0.020
"""How far the ticks may stray from where they began, either way: the call's sample clock stays that close to time."""
_EVERY = 25  # pulls: decide twice a second
_EARLIER_ABOVE_MS = 3.0
_LATER_BELOW_MS = -1.0
_KEEP_MS = 1.0


class PhaseLock:
    """One reader. After each pull `observe` the buffer's slack; what it returns is how far to move the ticks."""

    def __init__(self) -> None:
        self._least = float("inf")
        self._pulls = 0
        self.shifted = 0.0
        """Seconds moved in all, positive later; the caller adds what was really done by `moved`."""

    def observe(self, slack_ms: float) -> float:
        """slack_ms: how much later than its target the last packet was decoded. Returns seconds to move by, mostly 0.

        The least slack of half a second counts: ticks go earlier by what no packet needed, later by what one lacked.
        """
        self._least = min(self._least, slack_ms)
        self._pulls += 1
        if self._pulls < _EVERY:
            return 0.0
        least, self._least, self._pulls = self._least, float("inf"), 0
        if least == float("inf") or _LATER_BELOW_MS <= least <= _EARLIER_ABOVE_MS:
            return 0.0
        wanted = (_KEEP_MS - least) / 1000
        return max(-ROOM_S - self.shifted, min(ROOM_S - self.shifted, wanted))

    def moved(self, seconds: float) -> None:
        """What the pacer made of it."""
        self.shifted += seconds
