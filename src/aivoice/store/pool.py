"""`Store`: the database as the product sees it."""

from __future__ import annotations

import re
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from typing import Self

from psycopg import AsyncConnection, OperationalError
from psycopg.conninfo import conninfo_to_dict, make_conninfo
from psycopg.pq import TransactionStatus
from psycopg.rows import DictRow, dict_row
from psycopg_pool import AsyncConnectionPool

from aivoice.store.errors import NotFoundError, StoreError, translated
from aivoice.store.roles import Urls
from aivoice.store.scope import PlatformScope, Scope

WAIT_S = 5.0
"""Seconds that a transaction waits for a connection."""
STATEMENT_MS, LOCK_MS, IDLE_MS = 10_000, 5_000, 15_000
"""What the server allows one statement, one wait for a lock, and a transaction in which nothing happens."""
TENANT_ID = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,38}[a-z0-9])?")

Pool = AsyncConnectionPool[AsyncConnection[DictRow]]


class Store:
    """``async with Store(urls) as store``: two pools. Leaving the block ends every connection.

    app, platform: most connections of each. Entering raises StoreError where the server cannot be reached.
    """

    def __init__(self, urls: Urls, *, app: int = 8, platform: int = 4) -> None:
        self._urls = urls
        self._app = _pool(urls.app, app)
        self._platform = _pool(urls.platform, platform)

    async def __aenter__(self) -> Self:
        with translated():  # a pool would try again and again, and tell its log
            await (await AsyncConnection.connect(_bounded(self._urls.app))).close()
        try:
            for pool in (self._app, self._platform):
                with translated():
                    await pool.open(wait=True, timeout=WAIT_S)
        except BaseException:
            await self.__aexit__()
            raise
        return self

    async def __aexit__(self, *error: object) -> None:
        await self._platform.close(timeout=2)
        await self._app.close(timeout=2)

    @asynccontextmanager
    async def tenant(self, tenant_id: str) -> AsyncGenerator[Scope]:
        """A transaction that sees one tenant's rows. It commits when the block ends, and rolls back on any error and on
        cancellation. A name that cannot be a tenant's raises NotFoundError, as an unknown row would."""
        if not TENANT_ID.fullmatch(tenant_id):
            raise NotFoundError("There is no such tenant.", code="tenant_unknown")
        # The pattern above lets no quote through. One message: it saves a round trip on every request.
        begin = f"BEGIN; SELECT set_config('aivoice.tenant', '{tenant_id}', true)"
        async with _transaction(self._app, begin) as connection:
            yield Scope(connection, tenant_id)

    @asynccontextmanager
    async def platform(self) -> AsyncGenerator[PlatformScope]:
        """A transaction over all tenants, in the tables that allow it; else as `tenant`."""
        async with _transaction(self._platform, "BEGIN") as connection:
            yield PlatformScope(connection)

    @asynccontextmanager
    async def listen(self, channel: str) -> AsyncGenerator[AsyncIterator[str]]:
        """Payloads of `Scope.notify`, from the moment that the block is entered, on a connection of its own.

        Raises StoreError when the connection is lost: what was told meanwhile is gone, so whoever listens must then
        take everything as changed.
        """
        if not channel.isidentifier():
            raise ValueError("a channel is an identifier")
        with translated():
            connection = await AsyncConnection.connect(_bounded(self._urls.platform), autocommit=True)
            async with connection:
                await connection.execute(f'LISTEN "{channel}"'.encode())
                yield _payloads(connection)


async def _payloads(connection: AsyncConnection) -> AsyncIterator[str]:
    with translated():
        async for told in connection.notifies():
            yield told.payload


def _pool(conninfo: str, size: int) -> Pool:
    return AsyncConnectionPool(
        _bounded(conninfo),
        connection_class=AsyncConnection[DictRow],
        kwargs={"row_factory": dict_row, "autocommit": True},
        min_size=1,
        max_size=size,
        timeout=WAIT_S,
        max_waiting=size * 25,
        # Tries wait longer and longer; given up soon, the next request begins anew, at once when the server is back.
        reconnect_timeout=2.0,
        open=False,
    )


def _bounded(conninfo: str) -> str:
    options = f"{conninfo_to_dict(conninfo).get('options') or ''} -c statement_timeout={STATEMENT_MS}"
    options += f" -c lock_timeout={LOCK_MS} -c idle_in_transaction_session_timeout={IDLE_MS}"
    return make_conninfo(conninfo, options=options, application_name="aivoice", connect_timeout=5)


@asynccontextmanager
async def _transaction(pool: Pool, begin: str) -> AsyncGenerator[AsyncConnection[DictRow]]:
    """Commits at the end of the block, rolls back on an error, gives the connection back in any case."""
    with translated():
        connection = await _begun(pool, begin)
        try:
            async with connection:  # psycopg commits or rolls back here, and leaves a pool's connection open
                yield connection
                if connection.info.transaction_status == TransactionStatus.INERROR:
                    # COMMIT would be a silent ROLLBACK: an error inside was swallowed by whoever held the block.
                    raise StoreError("A statement failed and the transaction went on.", code="store_misused")
        finally:
            await pool.putconn(connection)


async def _begun(pool: Pool, begin: str) -> AsyncConnection[DictRow]:
    """A connection with an open transaction. Those that a restart of the server broke are thrown away meanwhile."""
    for _ in range(pool.max_size):
        connection = await pool.getconn()
        try:
            await connection.execute(begin.encode())
        except BaseException as error:
            await pool.putconn(connection)
            if not isinstance(error, OperationalError):
                raise
        else:
            return connection
    raise StoreError("The database has just restarted; try again in a moment.")
