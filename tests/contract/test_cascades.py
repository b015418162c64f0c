"""A chain is an implementation of its port: it passes the port's suite, and the suite of chains."""

from __future__ import annotations

import random
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from typing import Any

import pytest

from aivoice.audio.frames import FRAME_SAMPLES, SAMPLE_RATE, AudioChunk
from aivoice.core.prompt import GenerationRequest, Message, ToolSpec
from aivoice.engine.cascade_llm import LlmCascade, LlmLimits
from aivoice.engine.cascade_stt import SttCascade, SttLimits
from aivoice.engine.cascade_tts import TtsCascade, TtsLimits
from aivoice.engine.cascade_vad import VadCascade
from aivoice.providers.ports import SpeechAudio, TextDelta
from aivoice.testing.conformance import cascade, llm, name_of, senses, stt, tts
from aivoice.testing.fakes import Constant, FakeLlm, FakeStt, FakeTts, FakeVad, Reply, Truth, TtsBehaviour, lay_out
from aivoice.testing.faults import Fault, FaultKind, Injector
from aivoice.testing.faulty import FaultyLlm, FaultyStt, FaultyTts, FaultyVad
from aivoice.testing.virtual_time import run_virtual

TEXT = "I would like to book a cleaning on Tuesday please."
START = SAMPLE_RATE // 2
REQUEST = GenerationRequest("You are the receptionist.", (), (Message("user", "Are you open on Saturday?"),))
TOOL = ToolSpec("book", "Books.", {"type": "object", "properties": {}}, side_effects=True)
TOOL_REQUEST = GenerationRequest("You are the receptionist.", (TOOL,), (Message("user", "Book it."),))

BROKEN: dict[str, tuple[FaultKind, int]] = {
    "refuses": ("refuses", 0),
    "silent": ("opens_and_says_nothing", 0),
    "crashes": ("crash", 0),
    "breaks_midway": ("disconnect", 2),
    "ignores_cancellation": ("opens_and_says_nothing", 0),
}


def injector(stage: Any, health: str) -> Injector:
    """Faults of a provider of that health, in every stream."""
    if health == "fine":
        return Injector(stage, (), random.Random(0))
    kind, after = BROKEN[health]
    faults = [Fault(stage, kind, after=after)]
    if health == "ignores_cancellation":
        faults.append(Fault(stage, "ignores_cancellation", latency=Constant(400)))
    return Injector(stage, tuple(faults), random.Random(0))


def speech() -> tuple[list[AudioChunk], int]:
    words = lay_out(TEXT, START)
    end = words[-1].end - words[-1].end % FRAME_SAMPLES
    last = end + SAMPLE_RATE // 2
    return [AudioChunk(at, FRAME_SAMPLES, None, START <= at < end) for at in range(0, last, FRAME_SAMPLES)], end


def truth() -> Truth:
    """The utterance, said again where the suites repeat it."""
    frames, _ = speech()
    told = Truth()
    told.add(*lay_out(TEXT, START), *lay_out(TEXT, START + frames[-1].end + SAMPLE_RATE // 2))
    return told


# ---------------------------------------------------------------- building chains of fakes


def author(request: GenerationRequest) -> Reply:
    return Reply("One moment.", (("book", "{}"),)) if request.tools else Reply("Yes, from nine to noon.")


def llm_chain(healths: Sequence[str]) -> LlmCascade:
    models = [FaultyLlm(FakeLlm(author, name=f"llm-{i}"), injector("llm", h)) for i, h in enumerate(healths)]
    return LlmCascade(models, LlmLimits(first_s=0.6, gap_s=0.6))


def tts_chain(healths: Sequence[str], behaviour: TtsBehaviour = TtsBehaviour()) -> TtsCascade:
    voices = [FaultyTts(FakeTts(behaviour, name=f"tts-{i}"), injector("tts", h)) for i, h in enumerate(healths)]
    return TtsCascade(voices, TtsLimits(first_s=0.6, gap_s=0.6))


def stt_chain(healths: Sequence[str]) -> SttCascade:
    ears = [FaultyStt(FakeStt(truth(), name=f"stt-{i}"), injector("stt", h)) for i, h in enumerate(healths)]
    return SttCascade(ears, SttLimits(open_s=0.6, final_s=0.6, catch_up=0.0))


def vad_chain(healths: Sequence[str]) -> VadCascade:
    return VadCascade([FaultyVad(FakeVad(name=f"vad-{i}"), injector("vad", h)) for i, h in enumerate(healths)])


# ---------------------------------------------------------------- the ports' suites

CHAINS = [["fine"], ["refuses", "fine"], ["silent", "fine"], ["crashes", "fine"]]


def ids(healths: list[str]) -> str:
    return "+".join(healths)


@pytest.mark.parametrize("check", llm.CHECKS, ids=name_of)
@pytest.mark.parametrize("healths", CHAINS, ids=ids)
def test_llm(check: Callable[[llm.Subject], Awaitable[None]], healths: list[str]) -> None:
    run_virtual(check(llm.Subject(llm_chain(healths), REQUEST, TOOL_REQUEST)))


@pytest.mark.parametrize("check", tts.CHECKS, ids=name_of)
@pytest.mark.parametrize("healths", CHAINS, ids=ids)
@pytest.mark.parametrize("streams", [True, False], ids=["streams", "clauses"])
def test_tts(check: Callable[[tts.Subject], Awaitable[None]], healths: list[str], streams: bool) -> None:
    run_virtual(check(tts.Subject(tts_chain(healths, TtsBehaviour(streams_text=streams)))))


@pytest.mark.parametrize("check", stt.CHECKS, ids=name_of)
@pytest.mark.parametrize("healths", CHAINS, ids=ids)
def test_stt(check: Callable[[stt.Subject], Awaitable[None]], healths: list[str]) -> None:
    frames, end = speech()
    run_virtual(check(stt.Subject(stt_chain(healths), frames, START, end, TEXT)))


@pytest.mark.parametrize("check", senses.VAD_CHECKS, ids=name_of)
@pytest.mark.parametrize("healths", [["fine"], ["refuses", "fine"], ["crashes", "fine"], ["silent", "fine"]], ids=ids)
def test_vad(check: Callable[[senses.VadSubject], Awaitable[None]], healths: list[str]) -> None:
    frames, end = speech()
    run_virtual(check(senses.VadSubject(vad_chain(healths), frames, START, end)))


# ---------------------------------------------------------------- the chains' suite


async def ask_llm(chain: LlmCascade) -> str:
    replies: AsyncIterator[Any] = chain.generate(REQUEST)
    return "".join([delta.text async for delta in replies if isinstance(delta, TextDelta)])


async def ask_tts(chain: TtsCascade) -> int:
    stream = await chain.open()
    try:
        stream.push("We open at nine on Monday.")
        stream.finish()
        return sum([event.samples async for event in stream if isinstance(event, SpeechAudio)])
    finally:
        await stream.aclose()


async def ask_stt(chain: SttCascade) -> str:
    frames, end = speech()
    stream = await chain.open()
    try:
        for chunk in frames:  # all at once: what counts is how long after the speech its text is there
            stream.push(chunk)
            if chunk.position == START:
                stream.speech_started(START)
            if chunk.end == end:
                stream.speech_ended(end)
        async for transcript in stream:
            if transcript.kind == "final":
                return transcript.text
        return ""
    finally:
        await stream.aclose()


async def close(chain: Any) -> None:
    await chain.aclose()


SUBJECTS = {
    "llm": cascade.Subject(llm_chain, ask_llm, close, 0.6),
    "tts": cascade.Subject(tts_chain, ask_tts, close, 0.6),
    "stt": cascade.Subject(stt_chain, ask_stt, close, 0.6),
}


@pytest.mark.parametrize("check", cascade.CHECKS, ids=name_of)
@pytest.mark.parametrize("subject", SUBJECTS.values(), ids=SUBJECTS.keys())
def test_chain(check: Callable[[cascade.Subject], Awaitable[None]], subject: cascade.Subject) -> None:
    run_virtual(check(subject))


def test_a_chain_of_none_is_refused() -> None:
    with pytest.raises(ValueError, match="at least one provider"):
        LlmCascade([])
