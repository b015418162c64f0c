"""A switchboard with real tenants in a real database, and fakes for models: what tests of whole calls share."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from tests.integration.store.running import NOW, derive

from aivoice.api.directory import Ringing
from aivoice.api.hub import CallHub
from aivoice.audio.frames import SILENCE
from aivoice.billing import Leases, open_account
from aivoice.hosting.chains import embedded_chains
from aivoice.hosting.platform import Told
from aivoice.hosting.switchboard import Facts, Switchboard
from aivoice.hosting.tenant_house import TenantContext, Voices, open_tenant_house
from aivoice.hosting.tenant_tools import open_workshop
from aivoice.knowledge.retriever import Shelf
from aivoice.security.keyring import Keyring, Sealer
from aivoice.store import Store
from aivoice.tenants.bundle import Bundle, check_bundle
from aivoice.tenants.context import Contexts
from aivoice.tenants.lifecycle import create
from aivoice.tenants.numbers import assign
from aivoice.tenants.records import DeadCalls
from aivoice.tenants.sealing import DerivedSealer
from aivoice.tenants.versions import apply
from aivoice.testing.fakes import FakeEmbedder, FakeStt, FakeTts, FakeVad, Truth, TtsBehaviour
from aivoice.tools.guard import Guard
from aivoice.transports.memory import MemoryTransport

KEYRING = Keyring.new()
FILE = """\
name: {name}
timezone: UTC
greeting: Hello, this is {name}.
hours:
  weekdays: 8:00-17:00
prices:
  - item: Cleaning
    price: $110
"""


@dataclass
class Exchange:
    """now: the wall clock of everything here; tests move it."""

    store: Store
    switchboard: Switchboard
    contexts: Contexts[TenantContext]
    leases: Leases
    texts: DerivedSealer
    directory: Path
    clock: list[datetime]

    async def tenant(self, tenant_id: str, number: str, *, file: str = FILE) -> None:
        """With its file in force, credit and a number."""
        async with self.store.platform() as scope:
            await create(scope, tenant_id, tenant_id.capitalize(), NOW)
            await open_account(scope, tenant_id, NOW)
            await assign(scope, tenant_id, number, NOW)
        draft = check_bundle(Bundle(file.format(name=tenant_id.capitalize())))
        async with self.store.tenant(tenant_id) as scope:
            await apply(scope, draft, NOW, author="test")

    async def call(
        self,
        number: str,
        *,
        call_id: str = "c1",
        caller: str = "",
        seconds: float = 0.6,
        caller_says: Callable[[], bytes | None] | None = None,
    ) -> tuple[str, CallHub]:
        """A call from its first ring to its end; the reason, and what was seen of it. Raises what refuses it."""
        ringing = Ringing(call_id, number=number, caller=caller)
        info = await self.switchboard.admit(ringing)
        hub = CallHub(info.clips)
        directory = self.directory / info.folder / call_id
        await asyncio.to_thread(directory.mkdir, parents=True)
        left = [round(seconds / 0.02)]

        def silence() -> bytes | None:
            left[0] -= 1
            return SILENCE if left[0] > 0 else None

        leg = MemoryTransport(caller_says or silence, pacer=self.switchboard.pacer, end="caller_hung_up")
        held = self.switchboard.take(leg, call_id=call_id, business=info, directory=directory, hub=hub)
        return await held.wait_closed(), hub


@asynccontextmanager
async def exchange(
    store: Store, folder: Path, truth: Truth | None = None, *, unknown: str = ""
) -> AsyncGenerator[Exchange]:
    clock = [NOW]

    def now() -> datetime:
        return clock[0]

    sealer, facts = Sealer(KEYRING), Facts()
    voices = Voices(
        embedded_chains(FakeStt(truth or Truth()), FakeTts(TtsBehaviour(pcm=True))), FakeVad(), FakeEmbedder(384)
    )
    leases = Leases(notices=Told(now), records=DeadCalls())
    texts = DerivedSealer(derive)
    async with open_workshop(store, sealer, Guard(), facts=facts, now=now) as shop:
        shelf = Shelf(store, voices.embedder)
        async with open_tenant_house(store, shelf, shop, voices, cache=folder / "clips", now=now) as house:
            contexts = Contexts(house.build)
            async with Switchboard(
                store,
                sealer,
                texts,
                leases,
                contexts,
                facts,
                process="p:1",
                directory=folder / "calls",
                now=now,
                unknown=unknown,
            ) as board:
                yield Exchange(store, board, contexts, leases, texts, folder / "calls", clock)


def later(exchange: Exchange, **by: float) -> None:
    exchange.clock[0] += timedelta(**by)


async def written(exchange: Exchange, within_s: float = 5) -> None:
    """What follows the calls is committed."""
    async with asyncio.timeout(within_s):
        while exchange.switchboard.writing:  # noqa: ASYNC110
            await asyncio.sleep(0.01)
