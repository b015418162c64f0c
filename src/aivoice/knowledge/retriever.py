"""The knowledge of tenants as calls read it: a version in memory, loaded once, packed into a budget of tokens."""

from __future__ import annotations

import asyncio
import time
from collections import OrderedDict
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from aivoice.core.prompt import Passage
from aivoice.knowledge.documents import Loaded, current_version, load
from aivoice.knowledge.lexicon import BODY, HEADING, Lexicon
from aivoice.knowledge.passages import tokens
from aivoice.knowledge.search import ANSWERABLE, Knowledge
from aivoice.providers.ports import Embedder
from aivoice.store import Store

BUDGET = 2_000
"""Tokens of knowledge in a prompt (2,000 to 4,000 are sensible)."""
MOST = 16
FAR_BELOW = 0.02
"""A passage with a smaller share of the best one's score is left out: it costs tokens and misleads."""
SHELF = 60_000
"""Passages that a process keeps in memory, of all tenants together (about 2.5 kB each)."""


@dataclass(frozen=True, slots=True)
class Asked:
    """What `aivoice knowledge ask` shows. answerable: the best passage's score says that the documents answer.
    milliseconds: of the search, embedding included, loading not."""

    version: int
    passages: tuple[Passage, ...]
    answerable: bool
    milliseconds: float


class TenantKnowledge:
    """One version of a tenant's knowledge. `engine.ports.Retriever`; immutable, shared by its calls: a call that holds
    one keeps its snapshot whatever is published, also while the database is away."""

    def __init__(self, tenant_id: str, version: int, index: Knowledge, *, budget: int = BUDGET) -> None:
        self.tenant_id, self.version, self._index, self._budget = tenant_id, version, index, budget

    async def search(self, query: str, k: int = MOST) -> tuple[Passage, ...]:
        """At most `k` passages, best first, within the budget. Never raises but CancelledError."""
        return packed(await self._index.search(query, k), self._budget)

    async def ask(self, query: str, k: int = 5) -> Asked:
        """A search, with what it took."""
        began = time.perf_counter()
        found = await self.search(query, k)
        took = (time.perf_counter() - began) * 1_000
        return Asked(self.version, found, bool(found) and found[0].score >= ANSWERABLE, round(took, 2))

    def __len__(self) -> int:
        return len(self._index.pieces)


class Shelf:
    """Versions in memory, those used last, at most `most` passages beside the newest one. Of one loop."""

    def __init__(self, store: Store, embedder: Embedder, *, most: int = SHELF, budget: int = BUDGET) -> None:
        self._store, self._embedder, self._most, self._budget = store, embedder, most, budget
        self._kept: OrderedDict[tuple[str, int], TenantKnowledge] = OrderedDict()
        self._locks: dict[tuple[str, int], tuple[asyncio.Lock, list[None]]] = {}

    async def open(self, tenant_id: str, version: int | None = None) -> TenantKnowledge:
        """A tenant's knowledge in its newest version, or in `version`. Loaded once, however many ask at the same time.

        Raises StoreError; a version that was purged is empty.
        """
        if version is None:
            async with self._store.tenant(tenant_id) as scope:
                version = await current_version(scope)
        key = (tenant_id, version)
        lock, waiting = self._locks.setdefault(key, (asyncio.Lock(), []))
        waiting.append(None)
        try:
            async with lock:
                found = self._kept.get(key)
                if found is None:
                    found = await self._load(tenant_id, version)
                    self._kept[key] = found
                self._kept.move_to_end(key)
                self._make_room()
                return found
        finally:
            waiting.pop()
            if not waiting:
                self._locks.pop(key, None)

    def forget(self, tenant_id: str) -> None:
        """A tenant was erased: calls in progress end with what they hold."""
        for key in [key for key in self._kept if key[0] == tenant_id]:
            del self._kept[key]

    def forget_all(self) -> None:
        """Everything is loaded again when it is next asked for."""
        self._kept.clear()

    async def _load(self, tenant_id: str, version: int) -> TenantKnowledge:
        async with self._store.tenant(tenant_id) as scope:
            loaded = await load(scope, version)
        index = await asyncio.to_thread(built, loaded, self._embedder)
        return TenantKnowledge(tenant_id, version, index, budget=self._budget)

    def _make_room(self) -> None:
        while len(self._kept) > 1 and sum(len(found) for found in self._kept.values()) > self._most:
            self._kept.popitem(last=False)


def built(loaded: Loaded, embedder: Embedder) -> Knowledge:
    """The index of a loaded version. Where another model made any of its vectors, words alone decide."""
    postings = {
        term: (
            np.frombuffer(at, ">i4").astype(np.int32),
            np.where(np.frombuffer(marks.encode(), "S1") == b"A", HEADING, BODY).astype(np.float32),
        )
        for term, at, marks in loaded.words
    }
    own = loaded.models <= {embedder.name} and bool(loaded.pieces)
    lexicon = Lexicon(len(loaded.pieces), postings)
    return Knowledge(loaded.pieces, embedder if own else None, loaded.vectors if own else None, lexicon)


def packed(passages: Iterable[Passage], budget: int) -> tuple[Passage, ...]:
    """Best first, while they fit; the first always. One that does not fit is skipped for smaller ones."""
    found: list[Passage] = []
    used = 0
    for passage in passages:
        cost = tokens(passage.text) + tokens(passage.heading) + 8
        if not found or (used + cost <= budget and passage.score >= FAR_BELOW * found[0].score):
            found.append(passage)
            used += cost
    return tuple(found)
