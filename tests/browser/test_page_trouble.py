"""The page when something goes wrong in the middle of a call, and where there is little room."""

from __future__ import annotations

import asyncio
import signal
import sys
from pathlib import Path

import pytest
from playwright.async_api import expect
from tests.browser.chromium import chromium
from tests.browser.test_page import DESKTOP, PHONE, dial, page_of, served

ROOT = Path(__file__).resolve().parents[2]
pytestmark = [pytest.mark.browser]

SERVER = """
import asyncio, sys
from pathlib import Path
from tests.browser.test_page import served

async def main():
    async with served(Path(sys.argv[1])) as server:
        print(server.url, flush=True)
        await asyncio.Event().wait()

asyncio.run(main())
"""


def test_a_server_that_dies_is_noticed_within_seconds(tmp_path: Path) -> None:
    """Chromium itself takes half a minute to call media dead; the page asks the server when its events break off."""

    async def run() -> None:
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-c", SERVER, str(tmp_path), stdout=asyncio.subprocess.PIPE, cwd=ROOT
        )
        assert process.stdout is not None
        url = (await process.stdout.readline()).decode().strip()
        async with chromium() as browser, page_of(browser, url, size=PHONE) as page:
            await dial(page)
            process.send_signal(signal.SIGKILL)
            await process.wait()
            await expect(page.get_by_role("alert")).to_contain_text("The server does not answer any more.")
            await expect(page.get_by_role("alert")).to_contain_text("press Call to try again")
            await expect(page.locator("#state")).to_have_text("Call ended")
            await expect(page.get_by_role("button", name="Call", exact=True)).to_be_focused()

    asyncio.run(run())


def test_a_call_goes_on_while_only_its_live_view_is_gone(tmp_path: Path) -> None:
    async def run() -> None:
        async with served(tmp_path) as server, chromium() as browser, page_of(browser, server.url) as page:
            await dial(page)
            await page.wait_for_timeout(500)
            await server.runner.cleanup()  # HTTP ends; the voices go on
            await page.wait_for_timeout(5_000)
            await expect(page.locator("body")).to_have_attribute("data-phase", "live")
            await expect(page.get_by_role("alert")).to_be_hidden()

    asyncio.run(run())


def test_two_pages_hold_two_calls_that_do_not_mix(tmp_path: Path) -> None:
    async def run() -> None:
        async with (
            served(tmp_path) as server,
            chromium() as browser,
            page_of(browser, server.url) as one,
            page_of(browser, server.url) as two,
        ):
            await dial(one)
            await dial(two)
            server.factory.calls[0].tell(10_000)
            await expect(one.locator(".fall")).to_have_count(2)
            await expect(two.locator("#conversation > li")).to_have_count(0)
            await one.get_by_role("button", name="Hang up").click()
            await expect(one.get_by_role("heading", name="The call has ended")).to_be_visible()
            await expect(two.locator("body")).to_have_attribute("data-phase", "live")

    asyncio.run(run())


@pytest.mark.parametrize("size", [DESKTOP, PHONE, {"width": 390, "height": 640}], ids=["desktop", "phone", "short"])
def test_the_newest_line_and_the_way_out_stay_in_sight(tmp_path: Path, size: dict[str, int]) -> None:
    async def run() -> None:
        async with served(tmp_path) as server, chromium() as browser, page_of(browser, server.url, size=size) as page:
            await dial(page)
            server.factory.calls[0].tell(10_000)
            await expect(page.locator(".fall")).to_have_count(2)
            await expect(page.locator("#conversation > li").last).to_be_in_viewport(ratio=0.9)
            await expect(page.get_by_role("button", name="Hang up")).to_be_in_viewport(ratio=1)
            await page.get_by_role("button", name="Keypad").click()
            await page.get_by_role("button", name="hash").click()
            await page.locator("#falls-title").scroll_into_view_if_needed()
            await expect(page.locator("#falls-title")).to_be_in_viewport()

    asyncio.run(run())
