"""A headless Firefox with a fake microphone, driven over WebDriver BiDi (https://w3c.github.io/webdriver-bidi), which
it speaks itself: Playwright drives only a Firefox of its own."""

from __future__ import annotations

import asyncio
import json
import os
import re
import shutil
import tempfile
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, suppress
from itertools import count
from pathlib import Path
from typing import Any

import aiohttp
import pytest

_NAMES = ("firefox-esr", "firefox")
_LISTENING = re.compile(rb"WebDriver BiDi listening on (ws://\S+)")
START_S = 60.0
PREFERENCES = {
    "media.navigator.streams.fake": True,  # getUserMedia gives a tone
    "media.peerconnection.ice.loopback": True,  # a machine without a network has no other address
    "media.autoplay.default": 0,
    "app.update.enabled": False,
    "browser.shell.checkDefaultBrowser": False,
    "datareporting.policy.dataSubmissionEnabled": False,
    "network.captive-portal-service.enabled": False,
    "network.connectivity-service.enabled": False,
    "toolkit.telemetry.reportingpolicy.firstRun": False,
}


def find_firefox() -> str:
    """Its path. Without one the test is skipped, saying so; where AIVOICE_REQUIRE_BROWSER is set it fails instead."""
    named = os.environ.get("AIVOICE_FIREFOX", "")
    found = named or next((path for name in _NAMES if (path := shutil.which(name))), "")
    if found and Path(found).exists():
        return found
    why = "no Firefox was found: install Debian's package (apt-get install firefox-esr) or set AIVOICE_FIREFOX"
    if os.environ.get("AIVOICE_REQUIRE_BROWSER"):
        pytest.fail(why)
    pytest.skip(why)


class Tab:
    """One page. Raises AssertionError with the browser's own words for a command that fails."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self._socket = socket
        self._ids = count(1)
        self._context = ""

    async def command(self, method: str, **params: Any) -> dict[str, Any]:
        """Sends one command, and gives its result."""
        number = next(self._ids)
        await self._socket.send_json({"id": number, "method": method, "params": params})
        async with asyncio.timeout(30):
            while True:
                answer = json.loads(await self._socket.receive_str())
                if answer.get("id") == number:
                    assert answer["type"] == "success", f"{method}: {answer.get('message')}"
                    return answer["result"]

    async def open(self, url: str) -> None:
        await self.command("session.new", capabilities={})
        tree = await self.command("browsingContext.getTree")
        self._context = tree["contexts"][0]["context"]
        await self.command("browsingContext.navigate", context=self._context, url=url, wait="complete")

    async def evaluate(self, expression: str) -> Any:
        """The value of a JavaScript expression (null, a string, a number or a boolean), a promise's once it is kept."""
        answer = await self.command(
            "script.evaluate",
            expression=expression,
            target={"context": self._context},
            awaitPromise=True,
            userActivation=True,
        )
        assert answer["type"] == "success", answer.get("exceptionDetails", {}).get("text")
        return answer["result"].get("value")

    async def until(self, expression: str, seconds: float = 15.0) -> None:
        """Waits until the expression is true."""
        try:
            async with asyncio.timeout(seconds):
                while not await self.evaluate(f"Boolean({expression})"):  # noqa: ASYNC110 - it happens in another process
                    await asyncio.sleep(0.05)
        except TimeoutError:
            raise AssertionError(f"not within {seconds:g} s: {expression}") from None


@asynccontextmanager
async def firefox(url: str, *, allow: bool = True) -> AsyncGenerator[Tab]:
    """A Firefox that shows `url`. allow: False: the person refuses the microphone."""
    with tempfile.TemporaryDirectory(prefix="aivoice-firefox-", ignore_cleanup_errors=True) as profile:
        wanted = {**PREFERENCES, "media.navigator.permission.disabled": allow}
        wanted |= {} if allow else {"permissions.default.microphone": 2}
        lines = (f"user_pref({json.dumps(name)}, {json.dumps(value)});" for name, value in wanted.items())
        (Path(profile) / "user.js").write_text("\n".join(lines), encoding="utf-8")
        process = await asyncio.create_subprocess_exec(
            find_firefox(), "--headless", "--no-remote", "--remote-debugging-port", "0", "--profile", profile,
            stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.PIPE,
        )  # fmt: skip
        assert process.stderr is not None
        try:
            async with asyncio.timeout(START_S):
                address = await _address(process.stderr)
            async with (
                asyncio.TaskGroup() as group,
                aiohttp.ClientSession() as session,
                session.ws_connect(f"{address}/session", max_msg_size=0) as socket,
            ):
                reading = group.create_task(_read_on(process.stderr))
                tab = Tab(socket)
                await tab.open(url)
                yield tab
                with suppress(AssertionError, TypeError, TimeoutError):
                    await tab.command("browser.close")
                reading.cancel()
        finally:
            with suppress(ProcessLookupError):
                process.kill()
            await process.wait()


async def _address(output: asyncio.StreamReader) -> str:
    while line := await output.readline():
        if found := _LISTENING.search(line):
            return found[1].decode()
    raise AssertionError("Firefox ended before it listened")


async def _read_on(output: asyncio.StreamReader) -> None:
    """A pipe that nobody reads would stop the browser."""
    while await output.read(1 << 16):
        pass
