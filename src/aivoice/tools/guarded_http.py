"""HTTP clients that obey a `Guard`: aiohttp for tools and webhooks, httpx2 for MCP."""

from __future__ import annotations

import socket
import ssl
from collections.abc import AsyncGenerator, Iterable
from contextlib import asynccontextmanager
from typing import Any, cast

import aiohttp
import anyio
import httpcore2
import httpx2
from aiohttp.abc import AbstractResolver, ResolveResult
from httpcore2 import AnyIOBackend, AsyncNetworkStream

from aivoice.tools.errors import AddressError
from aivoice.tools.guard import Guard

CONNECTIONS, CONNECTIONS_PER_HOST = 200, 20


class AddressRefusedError(OSError):
    """An AddressError on its way through a library that only expects OSError."""

    def __init__(self, error: AddressError) -> None:
        super().__init__(str(error))
        self.error = error


class _Resolver(AbstractResolver):
    def __init__(self, guard: Guard) -> None:
        self._guard = guard

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        try:
            addresses = await self._guard.resolve(host, port)
        except AddressError as error:
            raise AddressRefusedError(error) from None
        return [
            ResolveResult(
                hostname=host,
                host=str(address),
                port=port,
                family=socket.AF_INET if address.version == 4 else socket.AF_INET6,
                proto=0,
                flags=socket.AI_NUMERICHOST,
            )
            for address in addresses
        ]

    async def close(self) -> None:
        """Nothing is held."""


@asynccontextmanager
async def guarded_session(
    guard: Guard, *, keep: bool = True, tls: ssl.SSLContext | None = None
) -> AsyncGenerator[aiohttp.ClientSession]:
    """An aiohttp session whose every connection `guard` admitted: no proxy, no cookies.

    The caller passes allow_redirects=False. A refused address shows as `AddressRefusedError` in the cause
    chain of aiohttp's ClientConnectorError (`refused` finds it).
    keep: connections may be used again. Without it each request opens its own, so that a request never meets a
    connection which the server is just closing. tls: for tests and private certificate authorities.
    """

    def new_socket(info: tuple[Any, ...]) -> socket.socket:
        family, kind, proto, _, address = info
        try:
            guard.admit(str(address[0]), int(address[1]))
        except AddressError as error:
            raise AddressRefusedError(error) from None
        made = socket.socket(family, kind, proto)
        made.setblocking(False)
        return made

    connector = aiohttp.TCPConnector(
        resolver=_Resolver(guard),
        use_dns_cache=False,
        socket_factory=new_socket,
        limit=CONNECTIONS,
        limit_per_host=CONNECTIONS_PER_HOST,
        force_close=not keep,
        ssl=tls if tls is not None else True,
    )
    session = aiohttp.ClientSession(
        connector=connector,
        cookie_jar=aiohttp.DummyCookieJar(),
        trust_env=False,
        auto_decompress=False,  # a few bytes must not become megabytes
        headers={"Accept-Encoding": "identity", "User-Agent": "aivoice"},
    )
    async with session:
        yield session


def refused(error: BaseException | None) -> AddressError | None:
    """The guard's own error behind a library's, or None."""
    seen = 0
    while error is not None and seen < 10:
        for each in (error, getattr(error, "os_error", None)):
            if isinstance(each, AddressRefusedError):
                return each.error
            if isinstance(each, AddressError):
                return each
        error, seen = error.__cause__ or error.__context__, seen + 1
    return None


class _Backend(AnyIOBackend):
    """Resolves by the guard and connects to the address it admitted; httpcore keeps the name for Host and TLS."""

    def __init__(self, guard: Guard) -> None:
        self._guard = guard

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> AsyncNetworkStream:
        try:
            with anyio.fail_after(timeout):
                addresses = await self._guard.resolve(host, port)
        except TimeoutError:
            raise httpcore2.ConnectTimeout("the name was not resolved in time") from None
        except OSError:
            raise httpcore2.ConnectError("the name has no address") from None
        failure: Exception = httpcore2.ConnectError("no address")
        for address in addresses:
            try:
                return await super().connect_tcp(str(address), port, timeout, local_address, socket_options)
            except (httpcore2.ConnectError, httpcore2.ConnectTimeout) as error:
                failure = error
        raise failure

    async def connect_unix_socket(self, *_: Any, **__: Any) -> AsyncNetworkStream:
        raise AddressError("no local sockets")


class GuardedTransport(httpx2.AsyncHTTPTransport):
    """For ``httpx2.AsyncClient(transport=…, trust_env=False)``. Responses end with an error past `max_bytes`."""

    def __init__(self, guard: Guard, *, max_bytes: int, tls: ssl.SSLContext | None = None) -> None:
        super().__init__(verify=tls if tls is not None else True, trust_env=False)
        self._max_bytes = max_bytes
        context = tls if tls is not None else httpx2.create_ssl_context()
        self._pool = httpcore2.AsyncConnectionPool(
            ssl_context=context, max_connections=20, keepalive_expiry=30, network_backend=_Backend(guard)
        )

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        response = await super().handle_async_request(request)
        if 300 <= response.status_code < 400:
            await response.aclose()
            raise httpx2.RemoteProtocolError("the server answered with a redirect", request=request)
        if response.headers.get("content-encoding", "identity") != "identity":
            await response.aclose()
            raise httpx2.RemoteProtocolError("the server answered in an encoding nobody asked for", request=request)
        response.stream = _Bounded(cast("httpx2.AsyncByteStream", response.stream), self._max_bytes)
        return response


class _Bounded(httpx2.AsyncByteStream):
    def __init__(self, inner: httpx2.AsyncByteStream, most: int) -> None:
        self._inner, self._left = inner, most

    async def __aiter__(self) -> AsyncGenerator[bytes]:
        async for chunk in self._inner:
            self._left -= len(chunk)
            if self._left < 0:
                raise httpx2.RemoteProtocolError("the response is too large")
            yield chunk

    async def aclose(self) -> None:
        await self._inner.aclose()


async def read_bounded(response: aiohttp.ClientResponse, most: int) -> bytes | None:
    """The body, or None (and the connection closed) where it has more than `most` bytes or an encoding."""
    if response.headers.get("Content-Encoding", "identity") != "identity":
        response.close()
        return None
    data = bytearray()
    async for chunk in response.content.iter_chunked(8_192):
        data += chunk
        if len(data) > most:
            response.close()
            return None
    return bytes(data)
