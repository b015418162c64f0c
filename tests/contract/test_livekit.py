"""LiveKit's plugins behind our ports, against stand-ins, over real sockets."""

from __future__ import annotations

import asyncio
import time
import traceback
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import aiohttp
import pytest

from aivoice.core.prompt import GenerationRequest, Message, Passage, ToolCall, ToolSpec
from aivoice.errors import InputError, ProviderError
from aivoice.providers.livekit import PluginLlm, PluginTts, plugins
from aivoice.providers.ports import LlmDelta, SpeechAudio, SpeechMark, TextDelta, ToolCallDelta, UsageDelta
from aivoice.testing.conformance import llm, name_of, tts
from aivoice.testing.fake_tts import word_starts
from aivoice.testing.fakes import AT_ONCE, FakeLlm, LlmBehaviour, Reply
from aivoice.testing.standins.anthropic import Pace
from aivoice.testing.standins.openai import OpenAiStandIn
from aivoice.testing.standins.server import Health, StandIn
from aivoice.testing.standins.voices import CartesiaStandIn, ElevenLabsStandIn, ResembleStandIn, VoiceStandIn

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")

TOOL = ToolSpec("book", "Books.", {"type": "object", "properties": {"day": {"type": "string"}}}, side_effects=True)
REQUEST = GenerationRequest("You are the receptionist.", (), (Message("user", "Are you open on Saturday?"),))
TOOL_REQUEST = GenerationRequest("You are the receptionist.", (TOOL,), (Message("user", "Book it."),))
LONG = "Yes, on Saturday we are open from nine in the morning until noon, and you may park behind the house."
SENTENCE = "We are open from nine until noon on Saturday."


def author(request: GenerationRequest) -> Reply:
    return Reply("One moment.", (("book", '{"day":"Tuesday"}'),)) if request.tools else Reply(LONG)


async def answer(request: GenerationRequest) -> AsyncIterator[LlmDelta]:
    async for delta in FakeLlm(author, LlmBehaviour(AT_ONCE, AT_ONCE)).generate(request):
        yield delta


async def with_model(work: Callable[[OpenAiStandIn, PluginLlm], Awaitable[Any]], health: Health = "fine") -> Any:
    async with OpenAiStandIn(answer, health=health, pace=Pace(0.05, 0.005)) as server:
        model = plugins.openai_llm(name="second", model="standin-small", key="sk-standin", url=server.base_url)
        try:
            return await work(server, model)
        finally:
            await model.aclose()


async def said(model: PluginLlm, request: GenerationRequest = REQUEST) -> list[LlmDelta]:
    return [delta async for delta in model.generate(request)]


@pytest.mark.parametrize("check", llm.CHECKS, ids=name_of)
def test_the_models_suite(check: Any) -> None:
    async def scenario(server: OpenAiStandIn, model: PluginLlm) -> None:
        await check(llm.Subject(model, REQUEST, TOOL_REQUEST))

    asyncio.run(with_model(scenario))


def test_what_a_model_is_asked_and_answers() -> None:
    messages = (
        Message("user", "Book Tuesday."),
        Message("assistant", "One moment.", (ToolCall("c1", "book", '{"day":"Tuesday"}'),)),
        Message("tool", '{"status":"ok"}', tool_call_id="c1"),
        Message("user", "Thanks"),
    )
    request = GenerationRequest("Be kind.", (TOOL,), messages, (Passage("Open at nine.", "faq"),), "name: Ana")

    async def scenario(server: OpenAiStandIn, model: PluginLlm) -> None:
        deltas = await said(model, request)
        assert server.last is not None
        assert (server.last.system, server.last.messages, server.last.state) == ("Be kind.", messages, "name: Ana")
        assert [passage.text for passage in server.last.passages] == ["Open at nine."]
        assert [(d.name, d.arguments) for d in deltas if isinstance(d, ToolCallDelta)] == [
            ("book", '{"day":"Tuesday"}')
        ]
        assert isinstance(deltas[-1], UsageDelta)

    asyncio.run(with_model(scenario))


def test_a_call_that_nobody_knows_the_result_of_is_shown_so() -> None:
    calls = (ToolCall("c1", "book", "{}"), ToolCall("c2", "book", "{}"))
    messages = (
        Message("user", "Book two."),
        Message("assistant", "One moment.", calls),
        Message("tool", "{}", tool_call_id="c1"),
        Message("tool", "{}", tool_call_id="nobody's"),
        Message("user", "Well?"),
    )

    async def scenario(server: OpenAiStandIn, model: PluginLlm) -> None:
        await said(model, GenerationRequest("", (), messages))
        assert server.last is not None
        assert server.last.messages[1].tool_calls == calls
        results = {m.tool_call_id: m.text for m in server.last.messages if m.role == "tool"}
        assert results == {"c1": "{}", "c2": '{"status":"unknown"}'}

    asyncio.run(with_model(scenario))


def test_a_reply_is_gone_on_with() -> None:
    async def scenario(server: OpenAiStandIn, model: PluginLlm) -> str:
        request = GenerationRequest("", (), REQUEST.messages, begun="Yes, on Saturday we")
        return request.begun + "".join(d.text for d in await said(model, request) if isinstance(d, TextDelta))

    assert asyncio.run(with_model(scenario)) == LONG


FAILURES: list[tuple[Health, str]] = [
    ("refused", "unreachable"),
    ("unauthorized", "bad_key"),
    ("rate_limited", "rate_limited"),
    ("broken", "unavailable"),
    ("malformed", "malformed"),
    ("disconnects", "disconnected"),
]
STUCK: list[Health] = ["slow", "silent", "dies_midway"]
"""Their chain gives them up; what counts is that they let go."""


@pytest.mark.parametrize(("health", "code"), FAILURES)
def test_each_way_a_model_fails(health: Health, code: str) -> None:
    async def scenario(server: OpenAiStandIn, model: PluginLlm) -> None:
        started = time.monotonic()
        with pytest.raises(ProviderError) as caught:
            await said(model)
        assert caught.value.code == code
        assert "".join(traceback.format_exception(caught.value)).count("Error") <= 3  # none of what the plugin quotes
        assert time.monotonic() - started < 3
        assert "Saturday" not in str(caught.value)

    asyncio.run(with_model(scenario, health))


async def soon(true: Callable[[], bool]) -> None:
    """Until it is, within a second."""
    for _ in range(100):
        if true():
            return
        await asyncio.sleep(0.01)
    raise AssertionError("it did not come to be")


async def nothing_goes_on(server: StandIn) -> None:
    """No stream is open soon after (at once, on a machine at rest), and nothing is charged any more."""
    await soon(lambda: server.open_streams == 0)
    charged = server.charged
    await asyncio.sleep(0.15)
    assert server.charged == charged


@pytest.mark.parametrize("health", ["fine", *STUCK])
def test_cancelling_a_model_closes_its_connection(health: Health) -> None:
    async def scenario(server: OpenAiStandIn, model: PluginLlm) -> None:
        task = asyncio.ensure_future(said(model))
        await asyncio.sleep(0.12)
        task.cancel()
        await asyncio.wait([task])
        assert task.cancelled()
        await nothing_goes_on(server)

    asyncio.run(with_model(scenario, health))


def test_two_requests_at_once_keep_their_errors_and_usage_to_themselves() -> None:
    async def scenario(server: OpenAiStandIn, model: PluginLlm) -> None:
        first = asyncio.ensure_future(said(model))
        await soon(lambda: server.open_streams > 0)
        await server.become("broken")
        with pytest.raises(ProviderError):
            await said(model)
        await server.become("fine")
        second = await said(model, GenerationRequest("", (), (Message("user", "Hm? " * 400),)))
        usage = [next(d for d in deltas if isinstance(d, UsageDelta)) for deltas in (await first, second)]
        assert usage[0].prompt_tokens < usage[1].prompt_tokens

    asyncio.run(with_model(scenario))


def test_a_reply_is_bounded_as_the_service_calls_it() -> None:
    async def scenario(server: OpenAiStandIn, model: PluginLlm) -> None:
        await said(model, GenerationRequest("", (), REQUEST.messages, answer_tokens=77))
        assert server.last_body["max_tokens"] == 77

    asyncio.run(with_model(scenario))


def test_an_operators_own_members_of_the_body_are_sent() -> None:
    async def scenario(server: OpenAiStandIn, model: PluginLlm) -> None:
        given: Any = {"key": "sk-standin", "url": server.base_url}
        options = {"extra_body": {"keep_alive": "10m"}, "max_completion_tokens": 50, "temperature": 0.2}
        other = plugins.openai_llm(name="second", model="standin-small", options=options, **given)
        await said(other)
        body = server.last_body
        assert (body["keep_alive"], body["max_completion_tokens"], body["temperature"]) == ("10m", 50, 0.2)
        assert "max_tokens" not in body
        assert len(body["messages"]) == 2
        await other.aclose()

    asyncio.run(with_model(scenario))


def test_a_server_that_never_tells_its_usage_is_believed() -> None:
    async def scenario(server: OpenAiStandIn, model: PluginLlm) -> None:
        server.tells_usage = False
        assert "".join(d.text for d in await said(model) if isinstance(d, TextDelta)) == LONG
        server.tells_usage = True
        await said(model)
        server.tells_usage = False
        with pytest.raises(ProviderError) as caught:
            await said(model)
        assert caught.value.code == "disconnected"

    asyncio.run(with_model(scenario))


def test_a_model_is_checked() -> None:
    async def scenario(server: OpenAiStandIn, model: PluginLlm) -> None:
        await model.warm()
        await model.check()
        for changes, code in (({"key": "wrong"}, "bad_key"), ({"model": "nonesuch"}, "rejected")):
            given = {"model": "standin-small", "key": "sk-standin", "url": server.base_url, **changes}
            other = plugins.openai_llm(name="second", **given)
            with pytest.raises(ProviderError) as caught:
                await other.check()
            assert caught.value.code == code
            await other.aclose()

    asyncio.run(with_model(scenario))


def test_a_wrong_option_is_told_at_once() -> None:
    with pytest.raises(InputError, match=r"provider second: .*nonesuch"):
        plugins.openai_llm(name="second", model="m", key="k", options={"nonesuch": 1})


# ---------------------------------------------------------------- voices


def _cartesia(http: aiohttp.ClientSession, server: VoiceStandIn, **changes: Any) -> PluginTts:
    given = {"voice": "front-desk", "key": server.key, "url": server.url, **changes}
    return plugins.cartesia_tts(http, name="cartesia", **given)


def _elevenlabs(http: aiohttp.ClientSession, server: Any, **changes: Any) -> PluginTts:
    given = {"voice": "front-desk", "key": server.key, "url": server.base_url, **changes}
    return plugins.elevenlabs_tts(http, name="elevenlabs", **given)


def _resemble(http: aiohttp.ClientSession, server: Any, **changes: Any) -> PluginTts:
    from livekit.plugins.resemble import tts as plugin

    plugin.RESEMBLE_REST_API_URL = f"{server.url}/synthesize"
    plugins.RESEMBLE_SPEECH = plugin.RESEMBLE_REST_API_URL
    given = {"voice": "front-desk", "key": server.key, "url": server.base_url, **changes}
    return plugins.resemble_tts(http, name="resemble", **given)


VOICES: dict[str, tuple[type[VoiceStandIn], Callable[..., PluginTts]]] = {
    "cartesia": (CartesiaStandIn, _cartesia),
    "elevenlabs": (ElevenLabsStandIn, _elevenlabs),
    "resemble": (ResembleStandIn, _resemble),
}


async def with_voice(
    name: str, work: Callable[[VoiceStandIn, PluginTts], Awaitable[Any]], health: Health = "fine"
) -> Any:
    standin, make = VOICES[name]
    async with standin(health=health) as server, aiohttp.ClientSession() as http:
        voice = make(http, server)
        try:
            return await work(server, voice)
        finally:
            await voice.aclose()


async def spoken(voice: PluginTts, text: str = SENTENCE) -> tuple[int, list[SpeechMark]]:
    stream = await voice.open()
    samples, marks = 0, []
    try:
        stream.push(text)
        stream.finish()
        async for event in stream:
            match event:
                case SpeechAudio(count, _):
                    samples += count
                case SpeechMark():
                    marks.append(event)
    finally:
        await stream.aclose()
    return samples, marks


@pytest.mark.parametrize("name", VOICES)
@pytest.mark.parametrize("check", tts.CHECKS, ids=name_of)
def test_the_voices_suite(name: str, check: Any) -> None:
    async def scenario(server: VoiceStandIn, voice: PluginTts) -> None:
        await check(tts.Subject(voice))

    asyncio.run(with_voice(name, scenario))


@pytest.mark.parametrize("name", ["cartesia", "elevenlabs"])
def test_words_are_marked_where_they_are_spoken(name: str) -> None:
    async def scenario(server: VoiceStandIn, voice: PluginTts) -> None:
        samples, marks = await spoken(voice)
        starts = word_starts(SENTENCE)
        assert [mark.word for mark in marks] == list(range(len(starts)))
        assert all(abs(mark.sample - start) < 1_000 for mark, start in zip(marks, starts, strict=True))
        assert samples > starts[-1]

    asyncio.run(with_voice(name, scenario))


@pytest.mark.parametrize("name", VOICES)
@pytest.mark.parametrize(("health", "code"), FAILURES)
def test_each_way_a_voice_fails(name: str, health: Health, code: str) -> None:
    async def scenario(server: VoiceStandIn, voice: PluginTts) -> None:
        started = time.monotonic()
        with pytest.raises(ProviderError) as caught:
            await spoken(voice)
        assert caught.value.code == code
        assert "".join(traceback.format_exception(caught.value)).count("Error") <= 3  # none of what the plugin quotes
        assert time.monotonic() - started < 3
        assert "Saturday" not in str(caught.value)

    asyncio.run(with_voice(name, scenario, health))


@pytest.mark.parametrize("name", VOICES)
def test_two_clauses_at_once_do_not_mix(name: str) -> None:
    async def scenario(server: VoiceStandIn, voice: PluginTts) -> None:
        alone, _ = await spoken(voice)
        short, _ = await spoken(voice, "Yes.")
        both = await asyncio.gather(spoken(voice), spoken(voice, "Yes."))
        assert [samples for samples, _ in both] == pytest.approx([alone, short], abs=400)

    asyncio.run(with_voice(name, scenario))


@pytest.mark.parametrize("name", VOICES)
@pytest.mark.parametrize("health", ["fine", *STUCK])
@pytest.mark.parametrize("how", ["aclose", "cancel"])
def test_cutting_a_voice_off_ends_its_charges(name: str, health: Health, how: str) -> None:
    async def scenario(server: VoiceStandIn, voice: PluginTts) -> None:
        stream = await voice.open()
        stream.push(LONG)
        stream.finish()
        task = asyncio.ensure_future(_all(stream))
        await asyncio.sleep(0.16)
        if how == "cancel":
            task.cancel()
            await asyncio.wait([task])
        await stream.aclose()
        await asyncio.wait([task])
        await nothing_goes_on(server)
        assert server.charged < len(LONG) or name == "resemble"
        await server.become("fine")
        samples, _ = await spoken(voice)
        assert samples > 0

    asyncio.run(with_voice(name, scenario, health))


async def _all(stream: Any) -> None:
    async for _ in stream:
        pass


@pytest.mark.parametrize("name", ["cartesia", "elevenlabs"])
def test_a_connection_serves_clause_after_clause_and_two_at_once_have_one_each(name: str) -> None:
    async def scenario(server: VoiceStandIn, voice: PluginTts) -> None:
        opened = sockets_of(server)
        await voice.warm()
        await asyncio.sleep(0.05)
        for _ in range(3):
            await spoken(voice, "Yes.")
        assert len(opened) == 1
        await asyncio.gather(spoken(voice, "Yes."), spoken(voice, "No."))
        assert len(opened) == 2

    asyncio.run(with_voice(name, scenario))


def sockets_of(server: Any) -> list[str]:
    """Grows with each socket that is opened."""
    opened: list[str] = []
    inner = server._refused

    def refused(request: Any) -> Any:
        opened.append(request.path)
        return inner(request)

    server._refused = refused
    return opened


@pytest.mark.parametrize("name", ["cartesia", "elevenlabs"])
def test_one_clauses_failure_is_not_anothers(name: str) -> None:
    async def scenario(server: VoiceStandIn, voice: PluginTts) -> None:
        first = asyncio.ensure_future(spoken(voice, LONG))
        await soon(lambda: server.charged > 0)
        await server.become("malformed")
        with pytest.raises(ProviderError):
            await spoken(voice)
        await server.become("fine")
        samples, _ = await first
        assert samples > 16_000

    asyncio.run(with_voice(name, scenario))


@pytest.mark.parametrize("name", VOICES)
def test_a_connection_that_ended_while_it_waited_is_opened_anew(name: str) -> None:
    async def scenario(server: VoiceStandIn, voice: PluginTts) -> None:
        await spoken(voice)
        await server.become("refused")
        await server.become("fine")
        samples, _ = await spoken(voice)
        assert samples > 0

    asyncio.run(with_voice(name, scenario))


@pytest.mark.parametrize(
    ("name", "failure"),
    [
        ("cartesia", ("unavailable", True)),  # its plugin takes the error for the end of the speech
        ("elevenlabs", ("rejected", False)),
        ("resemble", ("rejected", False)),
    ],
)
def test_an_unknown_voice_fails(name: str, failure: tuple[str, bool]) -> None:
    async def scenario(server: VoiceStandIn, voice: PluginTts) -> None:
        server.voices = ("somebody-else",)
        with pytest.raises(ProviderError) as caught:
            await spoken(voice)
        assert (caught.value.code, caught.value.retryable) == failure

    asyncio.run(with_voice(name, scenario))


@pytest.mark.parametrize("name", VOICES)
def test_other_rates_are_converted(name: str) -> None:
    async def scenario() -> tuple[int, int]:
        standin, make = VOICES[name]
        options = {"encoding": "pcm_24000"} if name == "elevenlabs" else {"sample_rate": 24_000}
        async with standin() as server, aiohttp.ClientSession() as http:
            voices = [make(http, server), make(http, server, options=options)]
            found = [(await spoken(voice))[0] for voice in voices]
            for voice in voices:
                await voice.aclose()
            return found[0], found[1]

    usual, converted = asyncio.run(scenario())
    assert converted == pytest.approx(usual, abs=400)


def test_nothing_of_a_text_is_logged_or_told(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(0)

    async def scenario(server: VoiceStandIn, voice: PluginTts) -> None:
        for health in ("malformed", "disconnects", "broken"):
            await server.become(health)
            with pytest.raises(ProviderError) as caught:
                await spoken(voice)
            assert "Saturday" not in "".join(traceback.format_exception(caught.value))

    for name in VOICES:
        asyncio.run(with_voice(name, scenario))
    assert "Saturday" not in caplog.text
    assert not [record for record in caplog.records if record.name.startswith("livekit.")]


@pytest.mark.parametrize("name", VOICES)
def test_a_voice_is_checked(name: str) -> None:
    async def scenario(server: VoiceStandIn, voice: PluginTts) -> None:
        await voice.check()
        async with aiohttp.ClientSession() as http:
            for changes, code in (({"key": "wrong"}, "bad_key"), ({"voice": "nobody"}, "rejected")):
                other = VOICES[name][1](http, server, **changes)
                with pytest.raises(ProviderError) as caught:
                    await other.check()
                assert caught.value.code == code
                await other.aclose()

    asyncio.run(with_voice(name, scenario))
