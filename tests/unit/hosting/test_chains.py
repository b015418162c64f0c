"""Chains over an installation's providers: orders, tenants' choices, missing keys, voices, health that is shared."""

from __future__ import annotations

import asyncio
import datetime as dt
import logging
from collections.abc import AsyncIterator
from typing import Any

import pytest

from aivoice.core.prompt import GenerationRequest, Message
from aivoice.engine.notes import NotesWithRules
from aivoice.errors import InputError, ProviderError
from aivoice.hosting import catalogue
from aivoice.hosting.catalogue import Given, Kind
from aivoice.hosting.chains import Chains, check_services, open_chains
from aivoice.hosting.provider_file import NO_FILE, ProviderFile
from aivoice.providers.ports import LlmDelta, SpeechStream, TextDelta
from aivoice.providers.rule_notes import RuleNotes
from aivoice.tenants.settings import Choice
from aivoice.testing.fakes import FakeLlm, FakeStt, FakeTts, Reply, Truth

REQUEST = GenerationRequest("You are the receptionist.", (), (Message("user", "Are you open?"),))


class Service:
    """A language model that says its name, or fails; `Checked` and `Warm`."""

    def __init__(self, given: Given) -> None:
        self.name, self.key, self.model = given.name, given.key, given.entry.model
        self.asked = self.warmed = 0
        self.closed = False

    async def generate(self, request: GenerationRequest) -> AsyncIterator[LlmDelta]:
        self.asked += 1
        if self.model == "down":
            raise ProviderError("down", code="unavailable", stage="llm")
        yield TextDelta(f"I am {self.name}.")

    async def warm(self) -> None:
        self.warmed += 1

    async def check(self) -> None:
        if self.key == "wrong":
            raise ProviderError(f"{self.name} refused the key (401)", code="bad_key", stage="llm")

    async def aclose(self) -> None:
        self.closed = True


class Voice(FakeTts):
    """Notes the voices that it is opened in."""

    def __init__(self, given: Given) -> None:
        super().__init__(name=given.name)
        self.voices: list[str] = []

    async def open(self, *, voice: str = "default") -> SpeechStream:
        self.voices.append(voice)
        return await super().open(voice=voice)


BUILT: dict[str, Any] = {}
REAL_KINDS = catalogue.KINDS


def _kept(cls: type[Any]) -> Any:
    def build(given: Given) -> Any:
        BUILT[given.name] = cls(given)
        return BUILT[given.name]

    return build


@pytest.fixture(autouse=True)
def kinds(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        catalogue,
        "KINDS",
        {"mind": Kind("llm", _kept(Service)), "voice": Kind("tts", _kept(Voice), key=False, members=("url",))},
    )
    for name in ("KEY_A", "KEY_B"):
        monkeypatch.setenv(name, "right")
    monkeypatch.delenv("KEY_C", raising=False)


def content(**chains: list[str]) -> ProviderFile:
    return ProviderFile.model_validate(
        {
            "providers": {
                "a": {"kind": "mind", "key": {"env": "KEY_A"}},
                "b": {"kind": "mind", "key": {"env": "KEY_B"}},
                "c": {"kind": "mind", "key": {"env": "KEY_C"}},
                "v": {"kind": "voice", "url": "http://127.0.0.1:1", "voice": "front-desk"},
            },
            "chains": chains,
        }
    )


async def said(chains: Chains, choice: Choice | None = None) -> str:
    own = FakeLlm(lambda _: Reply("I am the receptionist."), name="receptionist")
    return "".join([d.text async for d in chains.llm(own, choice).generate(REQUEST) if isinstance(d, TextDelta)])


def opened(given: ProviderFile) -> Any:
    return open_chains(given, stt=FakeStt(Truth()), tts=FakeTts())


def run(work: Any) -> Any:
    return asyncio.run(work)


def test_without_services_there_is_the_receptionist() -> None:
    async def scenario() -> None:
        async with opened(NO_FILE) as chains:
            assert await said(chains) == "I am the receptionist."
            assert isinstance(chains.notes(lambda: dt.date(2026, 11, 27)), RuleNotes)
            assert chains.hears_embedded()

    run(scenario())


def test_the_order_is_the_files_and_a_tenant_may_have_another() -> None:
    async def scenario() -> None:
        async with opened(content(llm=["a", "b"])) as chains:
            assert await said(chains) == "I am a."
            assert await said(chains, Choice(llm=("b",))) == "I am b."
            assert isinstance(chains.notes(lambda: dt.date(2026, 11, 27)), NotesWithRules)
        assert BUILT["a"].closed

    run(scenario())


def test_a_name_that_the_installation_does_not_have_counts_as_not_said(caplog: pytest.LogCaptureFixture) -> None:
    async def scenario() -> None:
        async with opened(content(llm=["a"])) as chains:
            assert await said(chains, Choice(llm=("elsewhere",))) == "I am a."
            assert await said(chains, Choice(llm=("elsewhere", "b"))) == "I am b."
            assert await said(chains, Choice(llm=("v",))) == "I am a.", "a voice cannot think"

    with caplog.at_level(logging.ERROR):
        run(scenario())
    assert "does not have" in caplog.text


def test_a_provider_without_its_key_is_left_out_and_told() -> None:
    async def scenario() -> None:
        async with opened(content(llm=["c", "a"])) as chains:
            assert await said(chains) == "I am a."
            assert chains.unusable == {"c": "c has no key in the variable KEY_C"}
            found = {finding.name: finding.code for finding in await chains.check()}
            assert found == {"a": "", "b": "", "c": "no_key", "v": ""}

    run(scenario())


def test_nothing_left_without_fallback_is_an_error_at_the_start() -> None:
    async def scenario() -> None:
        given = content(llm=["c"]).model_copy(update={"fallback": False})
        with pytest.raises(ProviderError, match="c has no key in the variable KEY_C"):
            async with opened(given):
                pass

    run(scenario())


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"providers": {"x": {"kind": "mnd"}}}, "there is no kind mnd: it is one of mind, voice"),
        ({"providers": {"x": {"kind": "voice"}}}, "provider x: a voice needs `url`"),
        (
            {"providers": {"x": {"kind": "voice", "url": "http://h"}}, "chains": {"llm": ["x"]}},
            "chains.llm: x is a provider for tts, not for llm",
        ),
    ],
)
def test_what_cannot_be_built_is_one_line_at_the_start(given: dict[str, Any], told: str) -> None:
    async def scenario() -> None:
        with pytest.raises(InputError, match=told):
            async with opened(ProviderFile.model_validate(given)):
                pass

    run(scenario())


def test_a_wrong_key_is_found_by_asking() -> None:
    async def scenario() -> None:
        found = {each.name: each for each in await check_services(content(llm=["a", "b"]))}
        assert (found["a"].code, found["b"].code) == ("", "bad_key")
        assert found["b"].text == "b refused the key (401)"

    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("KEY_B", "wrong")
        run(scenario())


def test_each_voice_speaks_in_its_own_and_in_the_tenants() -> None:
    async def scenario() -> None:
        async with opened(content(tts=["v"])) as chains:
            for choice in (None, Choice(voices={"v": "doctor"})):
                stream = await chains.tts(choice).open(voice="warm")
                stream.push("Hello.")
                stream.finish()
                async for _ in stream:
                    pass
                await stream.aclose()
            assert BUILT["v"].voices == ["front-desk", "doctor"]
            assert chains.tts().revision != chains.tts(Choice(voices={"v": "doctor"})).revision

    run(scenario())


def test_tenants_share_what_is_known_of_a_providers_health() -> None:
    async def scenario() -> None:
        given = content(llm=["a"]).model_copy(update={"chains": {"llm": ("a",)}})
        async with opened(given) as chains:
            BUILT["a"].model = "down"
            for _ in range(3):
                assert await said(chains) == "I am the receptionist."
            assert await said(chains, Choice(llm=("a", "b"))) == "I am b."
            assert BUILT["a"].asked == 3, "the fourth call knows that it is down"
            told = {each.provider: each.state for each in chains.board.told(asyncio.get_running_loop().time())}
            assert told["a"] == "open"

    run(scenario())


def test_connections_are_opened_ahead() -> None:
    async def scenario() -> None:
        async with opened(content(llm=["a"])):
            await asyncio.sleep(0.05)
            assert BUILT["a"].warmed >= 1

    run(scenario())


def test_every_kind_can_be_built_as_a_server_builds_it() -> None:
    """In the process's own way: plugins of LiveKit register themselves on the main thread alone."""
    catalogue.KINDS = REAL_KINDS  # the fixture puts it back
    given: dict[str, dict[str, Any]] = {
        "deepgram": {"kind": "deepgram", "key": {"env": "KEY_A"}},
        "flux": {"kind": "deepgram-flux", "key": {"env": "KEY_A"}},
        "claude": {"kind": "claude", "key": {"env": "KEY_A"}},
        "openai": {"kind": "openai", "model": "small", "url": "http://127.0.0.1:1/v1"},
        "hears": {"kind": "openai-stt", "model": "whisper-1", "url": "http://127.0.0.1:1/v1"},
        "chatterbox": {"kind": "chatterbox", "url": "http://127.0.0.1:1"},
        "cartesia": {"kind": "cartesia", "voice": "v", "key": {"env": "KEY_A"}},
        "elevenlabs": {"kind": "elevenlabs", "voice": "v", "key": {"env": "KEY_A"}},
        "resemble": {"kind": "resemble", "voice": "v", "key": {"env": "KEY_A"}},
    }
    for entry in given.values():
        if "key" in entry and entry["kind"] not in ("claude",):
            entry["url"] = "http://127.0.0.1:1"

    async def scenario() -> None:
        async with opened(ProviderFile.model_validate({"providers": given})) as chains:
            assert chains.unusable == {}

    run(scenario())


def test_a_plugin_must_be_named() -> None:
    async def scenario() -> None:
        with pytest.raises(InputError, match="plugin is the name of a LiveKit plugin"):
            async with opened(ProviderFile.model_validate({"providers": {"x": {"kind": "livekit-llm"}}})):
                pass

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(catalogue, "KINDS", REAL_KINDS)
        run(scenario())
