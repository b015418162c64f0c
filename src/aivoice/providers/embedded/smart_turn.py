"""TurnDetector by Smart Turn in the inference process. The text is not used: `core.endpointing` knows it already."""

from __future__ import annotations

from aivoice.errors import ProviderError
from aivoice.providers.embedded.jobs import TURN
from aivoice.providers.inference import Inference, Priority

LONGEST_BYTES = 8 * 16_000 * 2


class SmartTurn:
    """The provider."""

    name = "smart-turn"

    def __init__(self, inference: Inference) -> None:
        self._inference = inference

    async def score(self, text: str, audio: bytes) -> float:
        """See `providers.ports.TurnDetector`. 0.5 where there is no audio."""
        replies = await self._inference.submit(
            TURN, {}, audio[-LONGEST_BYTES:], priority=Priority.RETRIEVAL, wait_s=1.0
        ).all()
        if not replies:
            raise ProviderError("the turn detector gave no answer", code="turn_failed", stage="turn")
        return float(replies[0].meta["score"])
