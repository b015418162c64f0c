"""The same page in a real Firefox: a call with sound both ways, the keypad, hanging up, a microphone refused."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from tests.browser.firefox import firefox
from tests.browser.scripted import GREETING
from tests.browser.test_page import served

pytestmark = [pytest.mark.browser]

_PRESS = "[...document.querySelectorAll('button')].find(one => one.textContent.trim().startsWith('{}')).click()"
CALL, HANG_UP, KEY_0 = _PRESS.format("Call"), _PRESS.format("Hang up"), _PRESS.format("0")
LIVE = "document.body.dataset.phase === 'live'"
SAID = "document.querySelector('#conversation').textContent.includes({})"
PLAYED = "document.querySelector('audio') && document.querySelector('audio').currentTime > 0.5"


def test_a_call_in_firefox(tmp_path: Path) -> None:
    async def run() -> None:
        async with served(tmp_path) as server, firefox(server.url) as tab:
            await tab.evaluate(CALL)
            await tab.until(LIVE)
            call = server.factory.calls[0]
            call.tell(5_600)
            await tab.until(SAID.format(repr(GREETING[:20])))
            await tab.until("document.querySelector('.agent .tag').textContent === 'interrupted'")
            await tab.until(PLAYED)
            async with asyncio.timeout(10):
                while call.heard < 25:  # noqa: ASYNC110 - half a second of the microphone's tone
                    await asyncio.sleep(0.05)
            await tab.evaluate("document.querySelector('#keys').click()")
            await tab.evaluate(KEY_0)
            await tab.until(SAID.format("'The caller pressed 0.'"))
            assert call.pressed == ["0"]
            await tab.evaluate(HANG_UP)
            await tab.until("document.body.textContent.includes('The call has ended')")
            await asyncio.wait_for(call.wait_closed(), 5)

    asyncio.run(run())


def test_a_microphone_refused_in_firefox(tmp_path: Path) -> None:
    async def run() -> None:
        async with served(tmp_path) as server, firefox(server.url, allow=False) as tab:
            await tab.evaluate(CALL)
            await tab.until("/microphone/i.test(document.querySelector('[role=alert]')?.textContent ?? '')")
            assert not server.factory.calls

    asyncio.run(run())
