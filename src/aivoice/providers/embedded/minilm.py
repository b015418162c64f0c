"""Embedder by MiniLM in the inference process."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from aivoice.providers.embedded.jobs import DIMENSIONS, EMBED
from aivoice.providers.inference import Inference, Priority

AT_ONCE = 16
"""Texts a job: indexing a large document must not hold a worker while a caller waits."""


class MiniLmEmbedder:
    """The provider: 384 dimensions, ~4 ms a short sentence. A few texts go before speech work, many wait behind it."""

    name = "minilm"
    dimensions = DIMENSIONS

    def __init__(self, inference: Inference) -> None:
        self._inference = inference

    async def embed(self, texts: Sequence[str]) -> list[list[float]]:
        """See `providers.ports.Embedder`."""
        vectors: list[list[float]] = []
        priority = Priority.RETRIEVAL if len(texts) <= 4 else Priority.BULK
        for start in range(0, len(texts), AT_ONCE):
            batch = list(texts[start : start + AT_ONCE])
            replies = await self._inference.submit(EMBED, {"texts": batch}, priority=priority).all()
            vectors += [np.frombuffer(reply.blob, "<f4").tolist() for reply in replies]
        return vectors
