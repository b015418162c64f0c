"""An installation: its data folder with the keys, its database at this release's revision, and the two pools on it."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncGenerator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from aivoice.security.keyring import Keyring, Sealer
from aivoice.store import Store
from aivoice.store.embedded import embedded_server
from aivoice.store.migrate import migrate
from aivoice.store.roles import Urls, urls_for

DATA_FOLDER = "AIVOICE_DATA"
DATABASE = "DATABASE_URL"
INFERENCE = "inference.sock"
"""In the data folder: where a server that runs has its models."""


@dataclass(frozen=True, slots=True)
class Installation:
    """data: folder with the keys, the embedded database and the sealed files of calls."""

    data: Path
    keyring: Keyring
    sealer: Sealer
    urls: Urls
    store: Store


def data_folder() -> Path:
    """AIVOICE_DATA, else ``aivoice`` in XDG_DATA_HOME or ~/.local/share."""
    given = os.environ.get(DATA_FOLDER, "")
    base = os.environ.get("XDG_DATA_HOME", "")
    return Path(given) if given else (Path(base) if base else Path.home() / ".local" / "share") / "aivoice"


@asynccontextmanager
async def open_installation(
    data: Path,
    *,
    database: str | None = None,
    progress: Callable[[str], None] = lambda _: None,
    connections: int = 8,
) -> AsyncGenerator[Installation]:
    """Keys, database and pools, while the block runs; made where they are missing (a second or two).

    database: address of a PostgreSQL with the right to make roles; None: DATABASE_URL, and where that is not set the
    embedded server over ``data/postgres``, which processes on this machine share. Raises KeysError, StoreError,
    InputError: one line that says what to do.
    """
    owner = os.environ.get(DATABASE, "") if database is None else database
    async with AsyncExitStack() as stack:
        keyring = await asyncio.to_thread(Keyring.load, data)
        if not owner:
            progress("starting the database")
            owner = await stack.enter_async_context(embedded_server(data / "postgres"))
        urls = urls_for(owner, keyring.derive)
        progress("checking the database's tables")
        await migrate(owner, keyring.derive)
        store = await stack.enter_async_context(Store(urls, app=connections))
        yield Installation(data, keyring, Sealer(keyring), urls, store)
