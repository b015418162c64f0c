"""One transaction in the database, of a tenant or of the platform: the only ways in which rows are read and written."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, LiteralString

from psycopg import AsyncConnection

from aivoice.store.errors import translated

Row = dict[str, Any]
Connection = AsyncConnection[Row]


class _Transaction:
    """Runs SQL with ``%(name)s`` parameters in one open transaction. SQL is literal text: values only as parameters.

    Raises the errors of `store.errors`; after any of them the transaction is dead and its block must end. Cancelling a
    method cancels the query on the server.
    """

    __slots__ = ("_connection",)

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def _given(self, params: Mapping[str, Any]) -> Mapping[str, Any]:
        return params

    async def all(self, sql: LiteralString, params: Mapping[str, Any] = {}) -> list[Row]:
        """Every row. A query that can give many rows needs a LIMIT: they are all held in memory."""
        with translated():
            cursor = await self._connection.execute(sql, self._given(params))
            return await cursor.fetchall()

    async def one(self, sql: LiteralString, params: Mapping[str, Any] = {}) -> Row | None:
        """The first row, or None."""
        with translated():
            cursor = await self._connection.execute(sql, self._given(params))
            return await cursor.fetchone()

    async def value(self, sql: LiteralString, params: Mapping[str, Any] = {}) -> Any:
        """The first column of the first row, or None where there is no row."""
        row = await self.one(sql, params)
        return None if row is None else next(iter(row.values()))

    async def run(self, sql: LiteralString, params: Mapping[str, Any] = {}) -> int:
        """The number of rows touched."""
        with translated():
            cursor = await self._connection.execute(sql, self._given(params))
            return cursor.rowcount

    async def many(self, sql: LiteralString, rows: Iterable[Mapping[str, Any]]) -> int:
        """The same statement for each of `rows`, in one go (psycopg pipelines them); the rows touched in all."""
        with translated():
            async with self._connection.cursor() as cursor:
                await cursor.executemany(sql, [self._given(row) for row in rows])
                return max(cursor.rowcount, 0)

    async def notify(self, channel: str, payload: str = "") -> None:
        """Tell whoever listens, once this transaction commits. payload: at most 7,900 bytes, no content."""
        await self.run("SELECT pg_notify(%(channel)s, %(payload)s)", {"channel": channel, "payload": payload})


class Scope(_Transaction):
    """A tenant's transaction. Only `Store.tenant` makes one. Every statement has the parameter ``tenant_id``."""

    __slots__ = ("tenant_id",)

    def __init__(self, connection: Connection, tenant_id: str) -> None:
        super().__init__(connection)
        self.tenant_id = tenant_id

    def _given(self, params: Mapping[str, Any]) -> Mapping[str, Any]:
        return {**params, "tenant_id": self.tenant_id}


class PlatformScope(_Transaction):
    """The operator's transaction, over all tenants, in the tables that allow it. Only `Store.platform` makes one."""

    __slots__ = ()
