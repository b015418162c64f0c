"""Starts the local service of a business file (`service: ./service.py`) on a free loopback port.

The file is Python and is run in this process: only do this for business files of the machine's owner.
"""

from __future__ import annotations

import datetime as dt
import importlib.util
import sys
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from types import ModuleType
from zoneinfo import ZoneInfo

from aiohttp import web

from aivoice.business.load import load_business
from aivoice.business.model import Business
from aivoice.errors import VoiceError

Clock = Callable[[], dt.datetime]
"""The business's local wall clock, without zone."""


class ServiceError(VoiceError):
    """A local service cannot be started."""

    code, stage = "service_failed", "business"


def local_clock(business: Business) -> Clock:
    """The real clock in the business's time zone."""
    zone = ZoneInfo(business.timezone)
    return lambda: dt.datetime.now(zone).replace(tzinfo=None)


@asynccontextmanager
async def local_service(business: Business, clock: Clock | None = None) -> AsyncGenerator[str]:
    """Run the service while the block runs; gives its base URL, or "" where the business has none.

    The file must define ``create_app(business, clock) -> aiohttp.web.Application``. Ends within 1 s: open requests are
    cut. Raises ServiceError with the file's name when it cannot be loaded.
    """
    if business.service is None:
        yield ""
        return
    app = _load(business.service, business, clock or local_clock(business))
    runner = web.AppRunner(app, shutdown_timeout=1.0, access_log=None)
    await runner.setup()
    try:
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        host, port = runner.addresses[0][:2]
        yield f"http://{host}:{port}"
    finally:
        await runner.cleanup()


def serve_alone(create_app: Callable[[Business, Clock], web.Application], beside: Path, *, port: int) -> None:
    """For ``python service.py [PORT]``: serves the business.yaml in `beside`'s folder on loopback, until Ctrl-C."""
    business = load_business(beside.with_name("business.yaml"))
    web.run_app(create_app(business, local_clock(business)), host="127.0.0.1", port=int((sys.argv[1:] or [port])[0]))


def _load(path: Path, business: Business, clock: Clock) -> web.Application:
    try:
        app: object = _module(path).create_app(business, clock)
    except Exception as error:
        raise ServiceError(
            f"{path.name}: the service cannot be started ({type(error).__name__}): correct it"
        ) from error
    if not isinstance(app, web.Application):
        raise ServiceError(f"{path.name}: create_app() must give an aiohttp.web.Application")
    return app


def _module(path: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location(f"aivoice_service_{path.parent.name.replace('-', '_')}", path)
    if spec is None or spec.loader is None:
        raise ServiceError(f"{path.name}: this is no Python file")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
