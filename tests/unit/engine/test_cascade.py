"""What the suites of ports and chains do not ask: what is said after a break, what is reported, what is bounded."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Sequence
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aivoice.audio.frames import FRAME_SAMPLES, SAMPLE_RATE, AudioChunk
from aivoice.core.events import ProviderAttempt
from aivoice.core.prompt import GenerationRequest, Message
from aivoice.engine.attempts import GRACE_S, QUEUE_ITEMS, report_attempts
from aivoice.engine.breaker import BreakerRules
from aivoice.engine.cascade import MOST_STUCK
from aivoice.engine.cascade_llm import LlmCascade, LlmLimits
from aivoice.engine.cascade_stt import KEPT_SAMPLES, QUIET_SAMPLES, SttCascade, SttLimits
from aivoice.engine.cascade_tts import TtsCascade, TtsLimits
from aivoice.errors import ProviderError
from aivoice.providers.ports import LlmDelta, SpeechAudio, SpeechMark, TextDelta, ToolCallDelta, Transcript
from aivoice.testing.fakes import Constant, FakeStt, FakeTts, Truth, TtsBehaviour, lay_out
from aivoice.testing.faults import Fault, FaultKind, Injector
from aivoice.testing.faulty import FaultyStt, FaultyTts
from aivoice.testing.virtual_time import run_virtual

REQUEST = GenerationRequest("You are the receptionist.", (), (Message("user", "Are you open?"),))


def faulty(stage: str, *faults: tuple[FaultKind, int]) -> Injector:
    return Injector(stage, tuple(Fault(stage, kind, after=after) for kind, after in faults), random.Random(0))  # type: ignore[arg-type]


# ---------------------------------------------------------------- language models


class Model:
    """Says what it is told, one delta at once, and then does `then`."""

    def __init__(self, name: str, *deltas: LlmDelta, then: str = "end") -> None:
        self.name = name
        self._deltas = deltas
        self._then = then
        self.calls = 0

    async def generate(self, request: GenerationRequest) -> AsyncIterator[LlmDelta]:
        self.calls += 1
        for delta in self._deltas:
            yield delta
        if self._then == "hang":
            await asyncio.sleep(3_600)
        elif self._then == "fail":
            raise ProviderError("down", code="llm_down")
        elif self._then == "crash":
            raise KeyError("what the caller said")
        elif self._then == "cancel itself":
            raise asyncio.CancelledError


async def say(chain: LlmCascade) -> list[LlmDelta]:
    return [delta async for delta in chain.generate(REQUEST)]


GOOD = TextDelta("Yes.")


@pytest.mark.parametrize("then", ["end", "hang", "fail", "crash", "cancel itself"])
@pytest.mark.parametrize(
    "useless",
    [(), (TextDelta(" "),), (TextDelta("\x00"),), (ToolCallDelta("1", "nobody_offered_this", "{}"),)],
    ids=["nothing", "space", "nonsense", "unknown tool"],
)
def test_what_is_not_useful_is_never_heard(then: str, useless: tuple[LlmDelta, ...]) -> None:
    chain = LlmCascade([Model("a", *useless, then=then), Model("b", GOOD)])
    assert run_virtual(say(chain)) == [GOOD]


@pytest.mark.parametrize("then", ["hang", "fail", "crash", "cancel itself"])
def test_a_reply_that_breaks_off_and_that_nobody_goes_on_with_ends_with_a_failure_after_its_words(then: str) -> None:
    async def scenario() -> list[LlmDelta]:
        chain = LlmCascade([Model("a", GOOD, then=then), Model("b", then="fail")])
        heard: list[LlmDelta] = []
        with pytest.raises(ProviderError) as caught:
            async for delta in chain.generate(REQUEST):
                heard.append(delta)
        assert caught.value.code == "failed_midway"
        assert "caller said" not in str(caught.value)
        return heard

    assert run_virtual(scenario()) == [GOOD]


def test_every_step_is_reported_with_its_operation() -> None:
    async def scenario() -> list[ProviderAttempt]:
        seen: list[ProviderAttempt] = []
        report_attempts(seen.append, turn=3, attempt=17)
        await say(LlmCascade([Model("a", then="fail"), Model("b", GOOD)]))
        return seen

    seen = run_virtual(scenario())
    assert [(report.provider, report.state, report.code) for report in seen] == [
        ("a", "started", ""),
        ("a", "failed", "llm_down"),
        ("b", "switched", ""),
        ("b", "started", ""),
        ("b", "useful", ""),
    ]
    assert {(report.stage, report.turn, report.attempt) for report in seen} == {("llm", 3, 17)}


def test_a_provider_that_keeps_failing_is_skipped_then_probed() -> None:
    async def scenario() -> tuple[int, int, int]:
        bad = Model("bad", then="fail")
        chain = LlmCascade([bad, Model("good", GOOD)], rules=BreakerRules(failures=3, cooldown_s=5))
        for _ in range(10):
            assert await say(chain) == [GOOD]
        tried = bad.calls
        await asyncio.sleep(6)
        for _ in range(10):
            assert await say(chain) == [GOOD]
        return tried, bad.calls, len(chain.chain.health())

    assert run_virtual(scenario()) == (3, 4, 2)


def test_when_all_are_paused_the_soonest_is_tried_all_the_same() -> None:
    async def scenario() -> None:
        model = Model("only", then="fail")
        chain = LlmCascade([model], rules=BreakerRules(failures=1, cooldown_s=60))
        for _ in range(3):
            with pytest.raises(ProviderError) as caught:
                await say(chain)
            assert caught.value.code == "all_providers_failed"
        assert model.calls == 3

    run_virtual(scenario())


class Stubborn:
    """Ignores cancellation for `lingers` seconds."""

    def __init__(self, lingers: float) -> None:
        self.name = "stubborn"
        self._lingers = lingers
        self.calls = 0

    async def generate(self, request: GenerationRequest) -> AsyncIterator[LlmDelta]:
        self.calls += 1
        loop = asyncio.get_running_loop()
        end = loop.time() + self._lingers
        while loop.time() < end:
            try:
                await asyncio.sleep(end - loop.time())
            except asyncio.CancelledError:
                continue
        yield GOOD


def test_one_that_ignores_cancellation_is_left_behind_and_after_enough_of_them_skipped() -> None:
    async def scenario() -> None:
        loop = asyncio.get_running_loop()
        stubborn = Stubborn(100.0)
        chain = LlmCascade([stubborn, Model("good", GOOD)], LlmLimits(first_s=0.5), BreakerRules(failures=10**6))
        for _ in range(MOST_STUCK + 5):
            started = loop.time()
            assert await say(chain) == [GOOD]
            assert loop.time() - started <= 0.6
            await asyncio.sleep(GRACE_S)
        assert stubborn.calls == MOST_STUCK
        await asyncio.sleep(100)
        assert chain.chain.reaper.stuck("stubborn") == 0

    run_virtual(scenario())


def test_hanging_up_on_one_that_ignores_cancellation_takes_at_most_the_grace() -> None:
    async def scenario() -> float:
        loop = asyncio.get_running_loop()
        chain = LlmCascade([Stubborn(3.0)], LlmLimits(first_s=10))
        task = asyncio.ensure_future(say(chain))
        await asyncio.sleep(0.1)
        started = loop.time()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        took = loop.time() - started
        await asyncio.sleep(3)
        return took

    assert run_virtual(scenario()) <= GRACE_S + 0.01


def test_a_reply_nobody_reads_waits_instead_of_filling_the_memory() -> None:
    class Flood:
        name = "flood"
        made = 0

        async def generate(self, request: GenerationRequest) -> AsyncIterator[LlmDelta]:
            for _ in range(10_000):
                self.made += 1
                yield TextDelta("word ")

    async def scenario() -> None:
        flood = Flood()
        reply = LlmCascade([flood]).generate(REQUEST)
        await anext(reply)
        await asyncio.sleep(2)
        assert flood.made <= QUEUE_ITEMS + 2
        assert sum([1 async for _ in reply]) == 9_999

    run_virtual(scenario())


# ---------------------------------------------------------------- voices

CLAUSE = "Our hygienist has time on Tuesday at nine or on Wednesday after lunch."


async def speak(chain: TtsCascade, text: str = CLAUSE) -> tuple[list[int], int]:
    """The words marked, in order, and the samples that sounded."""
    stream = await chain.open()
    for piece in text.split():
        stream.push(piece + " ")
        await asyncio.sleep(0.01)
    stream.finish()
    words: list[int] = []
    samples = 0
    try:
        async for event in stream:
            match event:
                case SpeechMark(word, sample):
                    words.append(word)
                    assert sample <= samples + 10 * SAMPLE_RATE
                case SpeechAudio(count):
                    samples += count
    finally:
        await stream.aclose()
    return words, samples


@settings(max_examples=40, deadline=None)
@given(after=st.integers(1, 150), streams=st.booleans(), marks=st.booleans())
def test_a_broken_clause_is_said_to_its_end_with_no_word_lost(after: int, streams: bool, marks: bool) -> None:
    """Real-time voices: the break falls anywhere. At most the word in progress is begun again (with marks)."""
    behaviour = TtsBehaviour(real_time=True, streams_text=streams, marks=marks)
    chain = TtsCascade(
        [FaultyTts(FakeTts(behaviour, name="a"), faulty("tts", ("disconnect", after))), FakeTts(behaviour, name="b")]
    )
    whole, length = run_virtual(speak(TtsCascade([FakeTts(behaviour)])))
    words, samples = run_virtual(speak(chain))
    if marks:
        assert sorted(set(words)) == whole, "a word was lost"
        assert all(b - a in (0, 1) for a, b in pairwise(words)), f"the order of words broke: {words}"
        assert len(words) <= len(whole) + 1, "more than one word was said twice"
        # The word in progress again, and what of the next one came before its mark.
        assert length <= samples <= length + 2 * SAMPLE_RATE
    else:
        assert abs(samples - length) <= 2 * SAMPLE_RATE, "the estimate of what was said is far off"


def test_a_voice_that_stalls_in_the_middle_is_replaced() -> None:
    stall = Fault("tts", "stall", after=40, latency=Constant(60_000))
    stalling = FaultyTts(FakeTts(TtsBehaviour(real_time=True)), Injector("tts", (stall,), random.Random(0)))
    chain = TtsCascade([stalling, FakeTts(TtsBehaviour(real_time=True))], TtsLimits(first_s=1.0, gap_s=0.5))
    whole, _ = run_virtual(speak(TtsCascade([FakeTts(TtsBehaviour(real_time=True))])))
    words, _ = run_virtual(speak(chain))
    assert sorted(set(words)) == whole


def test_malformed_audio_is_a_failure() -> None:
    good = FakeTts(TtsBehaviour(pcm=True))
    chain = TtsCascade([FaultyTts(FakeTts(TtsBehaviour(pcm=True)), faulty("tts", ("malformed", 0))), good])
    assert run_virtual(speak(chain))[1] == run_virtual(speak(TtsCascade([good])))[1]


def test_a_voice_that_raises_when_given_text_is_replaced() -> None:
    class Refusing(FakeTts):
        async def open(self, *, voice: str = "default"):  # type: ignore[no-untyped-def]
            stream = await super().open(voice=voice)

            def push(text: str) -> None:
                raise RuntimeError("a bug")

            stream.push = push  # type: ignore[method-assign]
            return stream

    good, refusing = FakeTts(name="good"), Refusing()
    assert run_virtual(speak(TtsCascade([refusing, good])))[1] == run_virtual(speak(TtsCascade([FakeTts()])))[1]
    assert refusing.open_streams == 0


# ---------------------------------------------------------------- recognisers

SENTENCE = "I would like to move my appointment from Tuesday to Wednesday morning please"
START = SAMPLE_RATE


async def hear(chain: SttCascade) -> list[str]:
    """A sentence in real time through the chain: the finals."""
    words = lay_out(SENTENCE, START)
    end = words[-1].end - words[-1].end % FRAME_SAMPLES
    stream = await chain.open()
    finals: list[str] = []

    async def read() -> None:
        async for transcript in stream:
            if transcript.kind == "final":
                finals.append(transcript.text)

    reader = asyncio.ensure_future(read())
    for at in range(0, end + SAMPLE_RATE, FRAME_SAMPLES):
        stream.push(AudioChunk(at, FRAME_SAMPLES, None, START <= at < end))
        if at == START:
            stream.speech_started(START)
        if at == end:
            stream.speech_ended(end)
        await asyncio.sleep(FRAME_SAMPLES / SAMPLE_RATE)
    await asyncio.sleep(5)
    await stream.aclose()
    await reader
    return finals


@settings(max_examples=30, deadline=None)
@given(kind=st.sampled_from(["disconnect", "crash", "malformed"]), after=st.integers(0, 25))
def test_no_word_is_lost_when_a_recogniser_dies_anywhere(kind: FaultKind, after: int) -> None:
    truth = Truth()
    truth.add(*lay_out(SENTENCE, START))
    dying = FaultyStt(FakeStt(truth, name="a"), faulty("stt", (kind, after)))
    assert run_virtual(hear(SttCascade([dying, FakeStt(truth, name="b")]))) == [SENTENCE]


def test_a_recogniser_that_goes_silent_is_replaced_within_its_limit() -> None:
    truth = Truth()
    truth.add(*lay_out(SENTENCE, START))
    silent = FaultyStt(FakeStt(truth), faulty("stt", ("opens_and_says_nothing", 0)))
    assert run_virtual(hear(SttCascade([silent, FakeStt(truth)], SttLimits(final_s=0.8)))) == [SENTENCE]


def test_what_is_kept_for_a_successor_is_bounded() -> None:
    class Deaf(FakeStt):
        heard = 0

        async def open(self, **_: object):  # type: ignore[no-untyped-def,override]
            stream = await super().open()
            push = stream.push

            def counting(chunk: AudioChunk) -> None:
                self.heard += chunk.samples
                push(chunk)

            stream.push = counting  # type: ignore[method-assign]
            return stream

    async def scenario(speaking: bool) -> int:
        first, second = FakeStt(Truth(), name="a"), Deaf(Truth(), name="b")
        streams: list[object] = []
        original = first.open

        async def opening(**_: object):  # type: ignore[no-untyped-def]
            stream = await original()
            streams.append(stream)
            return stream

        first.open = opening  # type: ignore[method-assign,assignment]
        chain = SttCascade([first, second], SttLimits(final_s=100))
        stream = await chain.open()
        await asyncio.sleep(0)
        reader = asyncio.ensure_future(anext(aiter(stream)))
        if speaking:
            stream.speech_started(0)
        for at in range(0, 90 * SAMPLE_RATE, FRAME_SAMPLES):
            stream.push(AudioChunk(at, FRAME_SAMPLES, None, speaking))
        await asyncio.sleep(0.1)
        streams[0].fail(ProviderError("down"))  # type: ignore[attr-defined]
        await asyncio.sleep(0.1)
        await stream.aclose()
        with pytest.raises((StopAsyncIteration, asyncio.CancelledError)):
            reader.cancel()
            await reader
        return second.heard

    assert run_virtual(scenario(speaking=False)) <= QUIET_SAMPLES + FRAME_SAMPLES
    assert KEPT_SAMPLES - SAMPLE_RATE <= run_virtual(scenario(speaking=True)) <= KEPT_SAMPLES + FRAME_SAMPLES


class Told:
    """A recogniser that does as it is told, and remembers what it was given."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.given: list[tuple[str, int]] = []
        self.says: asyncio.Queue[Transcript | ProviderError] = asyncio.Queue(9)
        self.dropped_samples = 0

    async def open(self, *, language: str = "en", key_terms: Sequence[str] = ()) -> Told:
        return self

    def push(self, chunk: AudioChunk) -> None:
        self.given.append(("audio", chunk.position))

    def speech_started(self, position: int) -> None:
        self.given.append(("start", position))

    def speech_ended(self, position: int) -> None:
        self.given.append(("end", position))

    async def __aiter__(self) -> AsyncIterator[Transcript]:
        while True:
            said = await self.says.get()
            if isinstance(said, ProviderError):
                raise said
            yield said

    async def aclose(self) -> None:
        return None


def test_words_finished_in_the_midst_of_speech_are_not_heard_again_by_a_successor() -> None:
    async def scenario() -> None:
        first, second = Told("a"), Told("b")
        stream = await SttCascade([first, second]).open()
        texts = list[str]()

        async def read() -> None:
            async for transcript in stream:
                texts.append(transcript.text)

        reader = asyncio.ensure_future(read())
        await asyncio.sleep(0.1)
        for at in range(0, 6 * SAMPLE_RATE, FRAME_SAMPLES):
            if at == SAMPLE_RATE:
                stream.speech_started(at)
            stream.push(AudioChunk(at, FRAME_SAMPLES, None, at >= SAMPLE_RATE))
            if at == 5 * SAMPLE_RATE:
                first.says.put_nowait(Transcript("final", "one", SAMPLE_RATE, 9 * SAMPLE_RATE // 2))
                await asyncio.sleep(0.1)
        first.says.put_nowait(ProviderError("died"))
        await asyncio.sleep(0.1)
        assert [given for given in second.given if given[0] != "audio"] == [("start", 9 * SAMPLE_RATE // 2)]
        assert second.given[0][0] == "start"
        assert second.given[1] == ("audio", 9 * SAMPLE_RATE // 2)
        stream.speech_ended(6 * SAMPLE_RATE)
        second.says.put_nowait(Transcript("final", "two", 9 * SAMPLE_RATE // 2, 6 * SAMPLE_RATE))
        await asyncio.sleep(0.1)
        assert texts == ["one", "two"]
        await stream.aclose()
        await reader

    run_virtual(scenario())
