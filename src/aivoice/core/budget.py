"""The credit lease of a running call: ask in time, and know when the credit has run out. Pure; times in µs."""

from __future__ import annotations

from dataclasses import dataclass

from aivoice.core.config import Lease


@dataclass(slots=True)
class LeaseClock:
    """until: µs at which the granted credit ends (0: no lease is needed). asking: attempt of the open renewal."""

    settings: Lease
    until: int = 0
    asking: int = 0
    refused: bool = False

    def granted(self, seconds: int, now: int) -> None:
        """Credit for `seconds` more; time still left is kept."""
        self.until = max(self.until, now) + seconds * 1_000_000
        self.asking = 0

    def deadline(self) -> int | None:
        """When to ask for more; None while asking, refused, or without a lease."""
        if not self.settings.seconds or self.asking or self.refused:
            return None
        return self.until - self.settings.renew_at * 1_000_000
