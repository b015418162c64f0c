"""The page in a real Chromium, over real WebRTC, against a scripted call: what a person sees and can do."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

import pytest
from aiohttp import web
from axe_playwright_python.async_playwright import Axe
from playwright.async_api import Browser, Page, expect
from tests.browser.chromium import PageErrors, chromium, shot
from tests.browser.scripted import GREETING, ScriptedFactory

from aivoice.api.app import create_app
from aivoice.api.desk import CallDesk
from aivoice.api.directory import BusinessInfo

pytestmark = [pytest.mark.browser]

CLIPS = {"greeting": GREETING, "filler.book_appointment": "One moment, I am booking that for you."}
DESKTOP, PHONE = {"width": 1280, "height": 860}, {"width": 390, "height": 844}


@dataclass
class Served:
    url: str
    port: int
    desk: CallDesk
    factory: ScriptedFactory
    runner: web.AppRunner


@asynccontextmanager
async def served(directory: Path, *, businesses: int = 1, capacity: int = 2) -> AsyncGenerator[Served]:
    known = [BusinessInfo("dental", "Bright Smile Dental", GREETING, CLIPS), BusinessInfo("pipes", "Rapid Plumbing")]
    factory = ScriptedFactory()
    async with CallDesk(
        factory, known[:businesses], capacity=capacity, directory=directory, now=lambda: datetime.now(UTC)
    ) as desk:
        runner = web.AppRunner(create_app(desk), access_log=None, shutdown_timeout=1.0)
        await runner.setup()
        try:
            await web.TCPSite(runner, "127.0.0.1", 0).start()
            port = int(runner.addresses[0][1])
            yield Served(f"http://127.0.0.1:{port}", port, desk, factory, runner)
        finally:
            await desk.hang_up_all("shutdown")
            await runner.cleanup()


@asynccontextmanager
async def page_of(browser: Browser, url: str, *, size: dict[str, int] = DESKTOP) -> AsyncGenerator[Page]:
    """The page at `url`; fails afterwards if anything went wrong inside it."""
    context = await browser.new_context(viewport=size)  # pyright: ignore[reportArgumentType]
    page = await context.new_page()
    page.set_default_timeout(10_000)
    errors = PageErrors(page)
    await page.goto(url)
    yield page
    await context.close()
    unexpected = [text for text in errors.seen if "Failed to load resource" not in text]
    assert unexpected == []


async def dial(page: Page) -> None:
    await page.get_by_role("button", name="Call", exact=True).click()
    await expect(page.locator("body")).to_have_attribute("data-phase", "live")


@pytest.mark.parametrize("size", [DESKTOP, PHONE], ids=["desktop", "phone"])
def test_a_whole_call_as_a_person_sees_it(tmp_path: Path, size: dict[str, int]) -> None:
    async def run() -> None:
        async with served(tmp_path) as server, chromium() as browser, page_of(browser, server.url, size=size) as page:
            width = "desktop" if size is DESKTOP else "phone"
            await expect(page.get_by_role("heading", level=1)).to_have_text("Bright Smile Dental")
            await shot(page, f"{width}-1-idle")
            await dial(page)
            call, lines = server.factory.calls[0], page.locator("#conversation > li")
            call.tell(2_600)
            await expect(lines.nth(0)).to_contain_text(GREETING)
            await expect(page.get_by_role("status")).to_have_text("Hearing you")
            await expect(page.locator(".caller.interim")).to_contain_text("when are you")
            await shot(page, f"{width}-2-interim")
            call.tell(4_000)
            await expect(page.get_by_role("status")).to_have_text("Speaking")
            await expect(lines.nth(1)).to_contain_text("When are you open on Saturdays?")
            call.tell(4_400)
            await expect(page.get_by_role("status")).to_have_text("Paused, listening to you")
            call.tell(5_600)
            await expect(page.locator(".agent .tag")).to_have_text("interrupted")
            await expect(page.locator(".lost")).to_have_text("and on Saturday from nine until one")
            call.tell(10_000)
            await expect(page.locator(".tool-line")).to_contain_text("book appointment · done")
            await expect(page.locator(".fall")).to_have_count(2)
            await expect(page.locator(".fall").nth(1)).to_contain_text("560 ms sound, 1,754 ms answer")
            await shot(page, f"{width}-3-conversation")
            why = page.get_by_text("Turn 1 ended because the question was complete.")
            await expect(why).to_be_hidden()
            await page.get_by_label("Show decisions").check()
            await expect(why).to_be_visible()
            await shot(page, f"{width}-3-decisions")
            await page.get_by_label("Show decisions").uncheck()
            assert await page.evaluate("document.documentElement.scrollWidth <= innerWidth"), "nothing sticks out"
            await page.get_by_role("button", name="Hang up").click()
            await expect(page.get_by_role("heading", name="The call has ended")).to_be_visible()
            call_id = server.desk.calls()[0].id
            await expect(page.get_by_role("link", name="Transcript")).to_have_attribute(
                "href", f"/calls/{call_id}/transcript.md"
            )
            await shot(page, f"{width}-4-ended")
            text = await (await page.request.get(f"{server.url}/calls/{call_id}/transcript.md")).text()
            assert "**Caller:** When are you open on Saturdays?" in text
            await dial(page)  # and once more
            assert len(server.factory.calls) == 2

    asyncio.run(run())


def test_the_agent_is_heard(tmp_path: Path) -> None:
    loudest = """() => new Promise((resolve) => {
        const context = new AudioContext(), analyser = context.createAnalyser();
        context.createMediaStreamSource(document.getElementById("remote").srcObject).connect(analyser);
        const samples = new Float32Array(analyser.fftSize), began = performance.now();
        const look = () => {
          analyser.getFloatTimeDomainData(samples);
          const peak = Math.max(...samples.map(Math.abs));
          if (peak > 0.02 || performance.now() - began > 5000) resolve(peak); else setTimeout(look, 50);
        };
        look();
    })"""

    async def run() -> None:
        async with served(tmp_path) as server, chromium() as browser, page_of(browser, server.url) as page:
            await dial(page)
            assert await page.evaluate(loudest) > 0.02
            assert not await page.evaluate("document.getElementById('remote').paused")

    asyncio.run(run())


def test_keyboard_mute_and_keypad(tmp_path: Path) -> None:
    async def run() -> None:
        async with served(tmp_path) as server, chromium() as browser, page_of(browser, server.url) as page:
            await page.locator("#call").focus()
            await page.keyboard.press("Enter")
            await expect(page.locator("body")).to_have_attribute("data-phase", "live")
            await expect(page.locator("#hangup")).to_be_focused()
            await page.keyboard.press("Tab")
            await page.keyboard.press("Space")
            await expect(page.get_by_role("button", name="Muted")).to_have_attribute("aria-pressed", "true")
            await page.keyboard.press("Tab")
            await page.keyboard.press("Enter")
            await expect(page.get_by_role("button", name="1", exact=True)).to_be_focused()
            await page.keyboard.type("4#")
            await page.get_by_role("button", name="0, a person").click()
            await page.keyboard.press("Escape")
            await expect(page.locator("#keypad")).to_be_hidden()
            await page.get_by_role("button", name="A person").click()
            await expect(page.locator("#conversation")).to_contain_text("The caller pressed 4.")
            await expect(page.get_by_text("The caller pressed 0.")).to_have_count(2)
            assert server.factory.calls[0].pressed == ["4", "#", "0", "0"]

    asyncio.run(run())


def test_the_business_can_be_chosen(tmp_path: Path) -> None:
    async def run() -> None:
        async with (
            served(tmp_path, businesses=2) as server,
            chromium() as browser,
            page_of(browser, server.url) as page,
        ):
            await page.get_by_label("Business").select_option("Rapid Plumbing")
            await expect(page.get_by_role("heading", level=1)).to_have_text("Rapid Plumbing")
            await dial(page)
            assert server.desk.calls()[0].business.id == "pipes"

    asyncio.run(run())


def test_closing_the_page_hangs_up(tmp_path: Path) -> None:
    async def run() -> None:
        async with served(tmp_path) as server, chromium() as browser:
            async with page_of(browser, server.url) as page:
                await dial(page)
                await page.close(run_before_unload=True)
                async with asyncio.timeout(5):
                    assert await server.factory.calls[0].wait_closed() == "caller_hung_up"

    asyncio.run(run())


@pytest.mark.parametrize(
    ("options", "title", "advice"),
    [
        ({"allow": False}, "The microphone is blocked.", "Allow the microphone for this page"),
        ({"fake_device": False}, "No microphone was found.", "Connect a microphone"),
    ],
    ids=["refused", "missing"],
)
def test_without_a_microphone_the_page_says_what_to_do(
    tmp_path: Path, options: dict[str, Any], title: str, advice: str
) -> None:
    async def run() -> None:
        async with served(tmp_path) as server, chromium(**options) as browser, page_of(browser, server.url) as page:
            await page.get_by_role("button", name="Call", exact=True).click()
            await expect(page.get_by_role("alert")).to_contain_text(title)
            await expect(page.get_by_role("alert")).to_contain_text(advice)
            await expect(page.get_by_role("button", name="Call", exact=True)).to_be_focused()
            await shot(page, f"microphone-{title.split()[0]}")
            assert server.factory.calls == []

    asyncio.run(run())


def test_an_insecure_address_is_explained_before_anybody_presses_call(tmp_path: Path) -> None:
    async def run() -> None:
        mapped = "--host-resolver-rules=MAP phone.example 127.0.0.1"
        async with (
            served(tmp_path) as server,
            chromium(flags=[mapped]) as browser,
            page_of(browser, f"http://phone.example:{server.port}") as page,
        ):
            await expect(page.get_by_role("alert")).to_contain_text("no microphone to this address")
            await expect(page.get_by_role("alert")).to_contain_text("http://127.0.0.1")

    asyncio.run(run())


def test_a_busy_server_and_a_stopped_one(tmp_path: Path) -> None:
    async def run() -> None:
        async with (
            served(tmp_path, capacity=1) as server,
            chromium() as browser,
            page_of(browser, server.url) as page,
            page_of(browser, server.url) as other,
        ):
            await dial(page)
            await other.get_by_role("button", name="Call", exact=True).click()
            await expect(other.get_by_role("alert")).to_contain_text("All 1 lines are busy")
            await server.desk.hang_up_all("shutdown")
            await expect(page.get_by_role("heading", name="The call has ended")).to_be_visible()
            await expect(page.locator("#after-text")).to_have_text("The server was stopped.")
            await server.runner.cleanup()
            await page.get_by_role("button", name="Call", exact=True).click()
            await expect(page.get_by_role("alert")).to_contain_text("The server does not answer.")

    asyncio.run(run())


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("size", [DESKTOP, PHONE], ids=["desktop", "phone"])
def test_everybody_can_use_it(tmp_path: Path, scheme: Literal["light", "dark"], size: dict[str, int]) -> None:
    """No finding of axe-core (WCAG 2.2 A and AA: contrast, names, roles, live regions) in any phase of a call."""

    async def check(page: Page) -> None:
        tags = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
        found = await Axe().run(page, options={"runOnly": tags})
        assert [(item["id"], item["nodes"][0]["html"]) for item in found.response["violations"]] == []
        assert len(found.response["passes"]) > 20

    async def run() -> None:
        async with served(tmp_path, businesses=2) as server, chromium() as browser:
            context = await browser.new_context(
                viewport=size,  # pyright: ignore[reportArgumentType]
                color_scheme=scheme,
                reduced_motion="reduce",
                bypass_csp=True,
            )
            page = await context.new_page()
            await page.goto(server.url)
            await expect(page.get_by_role("heading", level=1)).to_have_text("Bright Smile Dental")
            await check(page)
            await dial(page)
            server.factory.calls[0].tell(2_600)
            await page.get_by_role("button", name="Keypad").click()
            await expect(page.locator(".caller.interim")).to_be_visible()
            await check(page)
            server.factory.calls[0].tell(10_000)
            await expect(page.locator(".fall")).to_have_count(2)
            await page.get_by_label("Show decisions").check()
            await check(page)
            await page.get_by_role("button", name="Hang up").click()
            await expect(page.get_by_role("heading", name="The call has ended")).to_be_visible()
            await check(page)
            await server.runner.cleanup()
            await page.get_by_role("button", name="Call", exact=True).click()
            await expect(page.get_by_role("alert")).to_contain_text("The server does not answer.")
            await check(page)

    asyncio.run(run())
