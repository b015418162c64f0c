"""What the control plane's routes work with, and how a process of it is opened."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Generator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from aivoice.knowledge.retriever import Shelf
from aivoice.providers.ports import Embedder
from aivoice.security.api_keys import ApiKeys, KeyVerifier
from aivoice.security.keyring import Keyring, Sealer
from aivoice.security.passwords import Passwords
from aivoice.security.rate import Rate, RateLimiter
from aivoice.security.users import Users
from aivoice.store import Store
from aivoice.store.roles import urls_for
from aivoice.tenants.sealing import DerivedSealer
from aivoice.tools.guard import Allowed, Guard

RATE = Rate(400, 200.0)
"""Requests of one principal: at once, and each second."""
SHARE = Rate(1_600, 800.0)
"""Requests of one tenant, however many keys it makes: the others are served beside it."""
ANONYMOUS = Rate(60, 5.0)
"""Requests of one address that show no valid key."""


@dataclass(frozen=True, slots=True)
class Control:
    """calls: parent of the sealed files of calls, ``<tenant>/<call>``. embedder: None where the control plane has no
    models; then nothing can be taken into the knowledge or asked of it."""

    store: Store
    keyring: Keyring = field(repr=False)
    sealer: Sealer = field(repr=False)
    texts: DerivedSealer = field(repr=False)
    keys: ApiKeys
    verifier: KeyVerifier
    users: Users
    guard: Guard
    shelf: Shelf | None
    embedder: Embedder | None
    calls: Path
    now: Callable[[], datetime]
    limiter: RateLimiter
    shares: RateLimiter
    strangers: RateLimiter


def utc_now() -> datetime:
    return datetime.now(UTC)


@contextmanager
def control_over(
    store: Store,
    keyring: Keyring,
    *,
    calls: Path,
    embedder: Embedder | None = None,
    guard: Guard | None = None,
    now: Callable[[], datetime] = utc_now,
    rate: Rate = RATE,
    share: Rate = SHARE,
) -> Generator[Control]:
    """A control plane over an open store, while the block runs."""
    with Passwords() as passwords:
        yield Control(
            store=store,
            keyring=keyring,
            sealer=Sealer(keyring),
            texts=DerivedSealer(keyring.derive),
            keys=ApiKeys(keyring),
            verifier=KeyVerifier(store, keyring, wall=now),
            users=Users(store, keyring, passwords, wall=now),
            guard=guard or Guard(),
            shelf=None if embedder is None else Shelf(store, embedder),
            embedder=embedder,
            calls=calls,
            now=now,
            limiter=RateLimiter(rate),
            shares=RateLimiter(share),
            strangers=RateLimiter(ANONYMOUS),
        )


@asynccontextmanager
async def open_control(settings: Mapping[str, Any]) -> AsyncGenerator[Control]:
    """For a process of its own. settings: ``keys`` (`Keyring.to_text`), ``database`` (the owner's address),
    ``calls`` (a folder), ``allowed`` (addresses that tools may reach), ``inference`` (where the models' process
    listens; "": none).

    Raises StoreError, KeysError, ProviderError.
    """
    keyring = await asyncio.to_thread(Keyring.from_text, str(settings["keys"]))
    guard = Guard(allowed=[Allowed.parse(str(part)) for part in settings.get("allowed", ())])
    async with AsyncExitStack() as stack:
        store = await stack.enter_async_context(Store(urls_for(str(settings["database"]), keyring.derive)))
        embedder: Embedder | None = None
        if settings.get("inference"):
            embedder = await _embedder(stack, str(settings["inference"]))
        calls = Path(str(settings["calls"]))
        yield stack.enter_context(control_over(store, keyring, calls=calls, embedder=embedder, guard=guard))


async def _embedder(stack: AsyncExitStack, connect: str) -> Embedder:
    from aivoice.providers.embedded.bundle import settings
    from aivoice.providers.embedded.minilm import MiniLmEmbedder
    from aivoice.providers.inference import Inference

    return MiniLmEmbedder(await stack.enter_async_context(Inference(settings(connect=connect))))
