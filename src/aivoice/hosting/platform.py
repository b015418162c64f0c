"""The platform in a call process: an installation, the shared models, and the switchboard over both."""

from __future__ import annotations

import asyncio
import fcntl
import logging
import os
import secrets
from collections.abc import AsyncGenerator, Callable, Generator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

from aivoice.background import in_background
from aivoice.billing import Leases, holders
from aivoice.billing.prices import prices_of
from aivoice.engine.cascade_vad import VadCascade
from aivoice.errors import InputError
from aivoice.hosting.chains import Chains, open_chains
from aivoice.hosting.clip_store import cache_folder
from aivoice.hosting.installation import Installation
from aivoice.hosting.provider_file import FILE, NO_FILE, ProviderFile
from aivoice.hosting.switchboard import Facts, Switchboard
from aivoice.hosting.tenant_house import TenantContext, Voices, open_tenant_house
from aivoice.hosting.tenant_tools import open_workshop
from aivoice.knowledge.retriever import Shelf
from aivoice.providers.embedded.bundle import EmbeddedSet
from aivoice.store import Scope, StoreError
from aivoice.tenants.context import Contexts
from aivoice.tenants.records import DeadCalls, close_of_dead, processes
from aivoice.tenants.sealing import DerivedSealer
from aivoice.tools.guard import Allowed, Guard
from aivoice.tools.outgoing import emit

ALLOWED = "AIVOICE_ALLOWED_ADDRESSES"
"""Addresses that tools and webhooks may reach although they are not public: ``10.1.0.0/16, 127.0.0.1:9000``."""
UNKNOWN = "AIVOICE_UNKNOWN_NUMBERS"
"""The tenant that answers numbers which nobody has; not set: they are not answered."""
SERVER_FILE, LOCK_FILE = "server", "server.lock"
RECOVER_S = 10.0

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Platform:
    installation: Installation
    switchboard: Switchboard
    contexts: Contexts[TenantContext]
    chains: Chains


class Told:
    """`billing.notices.Notices`: a row for each webhook that wants it, in the transaction of what caused it."""

    def __init__(self, now: Callable[[], datetime]) -> None:
        self._now = now

    async def notify(self, scope: Scope, kind: str, data: Mapping[str, Any]) -> None:
        await emit(scope, kind, data, now=self._now())


def utc_now() -> datetime:
    return datetime.now(UTC)


def guard_of_environment() -> Guard:
    """Raises AddressError for a list that cannot be read."""
    return Guard(allowed=[Allowed.parse(part) for part in os.environ.get(ALLOWED, "").split(",") if part.strip()])


@asynccontextmanager
async def open_platform(
    installation: Installation,
    models: EmbeddedSet,
    *,
    directory: Path,
    providers: ProviderFile | None = None,
    cache: Path | None = None,
    now: Callable[[], datetime] = utc_now,
) -> AsyncGenerator[Platform]:
    """While the block runs: calls may come. What an earlier process of this data folder left open is closed first.

    directory: parent of the sealed files of calls. providers: None: everything embedded. Raises StoreError,
    AddressError, and what `hosting.chains.open_chains` does.
    """
    store = installation.store
    async with AsyncExitStack() as stack:
        chains = await stack.enter_async_context(open_chains(providers or NO_FILE, stt=models.stt, tts=models.tts))
        vad = VadCascade([models.vad, models.vad_fallback])
        stack.push_async_callback(vad.aclose)
        voices = Voices(chains, vad, models.embedder)
        facts, guard = Facts(), guard_of_environment()
        shop = await stack.enter_async_context(open_workshop(store, installation.sealer, guard, facts=facts, now=now))
        shelf = Shelf(store, voices.embedder)
        house = await stack.enter_async_context(
            open_tenant_house(store, shelf, shop, voices, cache=cache or cache_folder(), now=now)
        )
        contexts = Contexts(house.build)
        prices = prices_of(providers.prices, FILE) if providers is not None else None
        leases = Leases(notices=Told(now), records=DeadCalls(), prices=prices)
        stack.enter_context(_alone(installation.data))
        server = await asyncio.to_thread(_server_name, installation.data)
        await recover(installation, leases, server, now())
        switchboard = await stack.enter_async_context(
            Switchboard(
                store,
                installation.sealer,
                DerivedSealer(installation.keyring.derive),
                leases,
                contexts,
                facts,
                process=f"{server}:{secrets.token_hex(4)}",
                directory=directory,
                now=now,
                unknown=os.environ.get(UNKNOWN, ""),
            )
        )
        await switchboard.show()
        works = {
            "following changes of tenants": partial(_follow, contexts, switchboard, installation),
            "recovery of dead calls": partial(_keep_recovering, installation, leases, now),
        }
        async with in_background(works):
            yield Platform(installation, switchboard, contexts, chains)


async def recover(installation: Installation, leases: Leases, server: str, now: datetime) -> int:
    """Close the calls that dead processes of this server left: billed as far as they told, their credit returned, their
    records ended; how many were billed. server: prefix of the names of its processes: no other one of it runs."""
    store = installation.store
    dead = [holder for holder in await holders(store) if holder.startswith(f"{server}:")]
    closed = await leases.recover(store, now, dead=dead)
    async with store.platform() as scope:
        left = [process for process in await processes(scope) if process.startswith(f"{server}:")]
        await close_of_dead(scope, dead=left, now=now)
    return len(closed)


async def _follow(contexts: Contexts[TenantContext], switchboard: Switchboard, installation: Installation) -> None:
    """What has changed is made again, one after the other, so that no caller waits for a sentence to be spoken."""
    changed: asyncio.Queue[str] = asyncio.Queue()

    async def prepare() -> None:
        while True:
            tenant_id = await changed.get()
            try:
                await switchboard.prepare(tenant_id)
            except Exception as error:  # noqa: BLE001 - a bug over one tenant must not leave all others unfollowed
                _log.error("%s could not be prepared: %s", tenant_id, type(error).__name__)

    async with asyncio.TaskGroup() as group:
        group.create_task(prepare(), name="contexts ahead")
        await contexts.follow(installation.store, changed=changed.put_nowait)


async def _keep_recovering(installation: Installation, leases: Leases, now: Callable[[], datetime]) -> None:
    """Also what other servers on this database left: by their leases, which have run out."""
    while True:
        await asyncio.sleep(RECOVER_S)
        try:
            await leases.recover(installation.store, now())
        except StoreError as error:
            _log.warning("dead calls cannot be recovered now: %s", error)


@contextmanager
def _alone(data: Path) -> Generator[None]:
    """One server over a data folder: another one would take its calls for those of a dead process. Raises
    InputError."""
    with (data / LOCK_FILE).open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise InputError(
                f"A server runs over {data} already: end it, or give this one a folder of its own with --data.",
                code="already_served",
                stage="store",
            ) from None
        yield


def _server_name(data: Path) -> str:
    """A name for the servers of this data folder, the same at every start."""
    path = data / SERVER_FILE
    if not path.exists():
        path.write_text(f"s{secrets.token_hex(6)}\n", encoding="utf-8")
    return path.read_text(encoding="utf-8").strip()
