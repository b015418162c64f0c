"""A headless Chromium with a fake microphone, or a plain word why there is none."""

from __future__ import annotations

import os
import shutil
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from playwright.async_api import Browser, Page, async_playwright

_NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
_FLAGS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-default-apps",
    "--disable-extensions",
    "--disable-sync",
    "--no-first-run",
    "--mute-audio",
)


def find_chromium() -> str:
    """Its path. Without one the test is skipped, saying so; where AIVOICE_REQUIRE_BROWSER is set it fails instead."""
    named = os.environ.get("AIVOICE_CHROMIUM", "")
    found = named or next((path for name in _NAMES if (path := shutil.which(name))), "")
    if found and Path(found).exists():
        return found
    why = "no Chromium was found: install Debian's package (apt-get install chromium) or set AIVOICE_CHROMIUM"
    if os.environ.get("AIVOICE_REQUIRE_BROWSER"):
        pytest.fail(why)
    pytest.skip(why)


@asynccontextmanager
async def chromium(
    *, microphone: Path | None = None, fake_device: bool = True, allow: bool = True, flags: Sequence[str] = ()
) -> AsyncGenerator[Browser]:
    """A browser. microphone: a WAV that is played into it once (None: beeps). fake_device: False: no microphone exists.

    allow: False: the person refuses the microphone.
    """
    arguments = [*_FLAGS, *flags]
    if fake_device:
        arguments.append("--use-fake-device-for-media-stream")
    if microphone is not None:
        arguments.append(f"--use-file-for-fake-audio-capture={microphone}%noloop")
    arguments.append("--use-fake-ui-for-media-stream" if allow else "--deny-permission-prompts")
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=find_chromium(), args=arguments)
        try:
            yield browser
        finally:
            await browser.close()


class PageErrors:
    """What went wrong in a page: uncaught errors, and errors on its console."""

    def __init__(self, page: Page) -> None:
        self.seen: list[str] = []
        page.on("pageerror", lambda error: self.seen.append(str(error)))
        page.on("console", lambda line: self.seen.append(line.text) if line.type == "error" else None)


async def shot(page: Page, name: str) -> None:
    """A picture for people, where AIVOICE_SHOTS names a folder."""
    folder = os.environ.get("AIVOICE_SHOTS")
    if folder:
        await page.screenshot(path=str(Path(folder) / f"{name}.png"), full_page=True)
