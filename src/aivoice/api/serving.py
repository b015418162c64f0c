"""A listening HTTP server over a `CallDesk`, with a bounded shutdown."""

from __future__ import annotations

import asyncio
import errno
import logging
import socket
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, suppress
from ipaddress import ip_address

from aiohttp import web
from aiohttp.http_exceptions import HttpProcessingError

from aivoice.api.app import ProvidersHealth, create_app
from aivoice.api.desk import CallDesk
from aivoice.errors import InputError

_server_log = logging.getLogger("aivoice.api.server")


def _brief(record: logging.LogRecord) -> bool:
    """What is no HTTP is one line: it is nobody's bug here, and its bytes may be somebody's secret."""
    error = record.exc_info[1] if record.exc_info else None
    if isinstance(error, HttpProcessingError):
        record.msg, record.args, record.exc_info = "a malformed request was refused: %s", (type(error).__name__,), None
    return True


_server_log.addFilter(_brief)
SHUTDOWN_S = 1.0
"""Seconds that open requests get once the calls have ended."""


@asynccontextmanager
async def serve_http(desk: CallDesk, host: str, port: int, *, providers: ProvidersHealth = list) -> AsyncGenerator[str]:
    """Serve while the block runs; yields the base URL (port 0: any free one).

    On exit new requests are refused, live calls are hung up, then open requests end; nothing is left behind.
    Raises InputError where the address cannot be listened on.
    """
    runner = web.AppRunner(
        create_app(desk, hosts=_hosts(host), providers=providers),
        access_log=None,
        handle_signals=False,
        shutdown_timeout=SHUTDOWN_S,
        logger=_server_log,
    )
    await runner.setup()
    try:
        site = web.TCPSite(runner, host, port, reuse_address=True)
        try:
            await site.start()
        except OSError as error:
            raise InputError(_why(error, host, port), code="cannot_listen", stage="api") from error
        sockets = runner.addresses
        bound = sockets[0][1] if sockets else port
        try:
            yield f"http://{_shown(host)}:{bound}"
        finally:
            await site.stop()
            await desk.hang_up_all("shutdown")
    finally:
        await asyncio.shield(runner.cleanup())


def check_free(host: str, port: int) -> None:
    """Say at once, before anything slow, that the address cannot be listened on: raises as `serve_http` does."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as sock:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            sock.bind((host, port))
        except OSError as error:
            raise InputError(_why(error, host, port), code="cannot_listen", stage="api") from error


def _why(error: OSError, host: str, port: int) -> str:
    if error.errno == errno.EADDRINUSE:
        return f"Port {port} on {host} is in use: end the other program or choose another port with --port."
    if error.errno == errno.EACCES:
        return f"Port {port} on {host} may not be used by this user: choose one above 1023 with --port."
    return f"Cannot listen on {host} port {port}: {error.strerror or 'unknown address'}. Check --host and --port."


def loopback(host: str) -> bool:
    """Whether only this machine can reach a server that listens there."""
    with suppress(ValueError):
        return ip_address(host).is_loopback
    return host == "localhost"


def _hosts(host: str) -> frozenset[str]:
    """A loopback server answers to its own names only; a public one to any."""
    return frozenset({"127.0.0.1", "localhost", "[::1]", host}) if loopback(host) else frozenset()


def _shown(host: str) -> str:
    if host in {"0.0.0.0", "::"}:
        return "127.0.0.1"
    return f"[{host}]" if ":" in host else host
