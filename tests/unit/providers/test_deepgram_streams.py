"""When a final is given, and of which words: both models' streams over a WebSocket that a test speaks for."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from types import SimpleNamespace
from typing import Any

import aiohttp
import pytest
from hypothesis import given
from hypothesis import strategies as st

from aivoice.audio.frames import FRAME_SAMPLES, SAMPLE_RATE, AudioChunk
from aivoice.errors import ProviderError
from aivoice.providers.deepgram.flux import FORCE_S, STALL_S, DeepgramFlux, FluxOptions, FluxStream, rest_of
from aivoice.providers.deepgram.nova import DeepgramNova, NovaOptions, NovaStream
from aivoice.providers.deepgram.wire import KEPT_MESSAGES, KEPT_SAMPLES, Socket
from aivoice.providers.ports import Transcript
from aivoice.testing.virtual_time import run_virtual

ORIGIN = 3 * SAMPLE_RATE
"""The call's position at which the stream begins."""


class Far:
    """The other end. `takes`: it takes what is sent."""

    def __init__(self) -> None:
        self.incoming: asyncio.Queue[Any] = asyncio.Queue()
        self.audio = 0
        self.told: list[str] = []
        self.takes = asyncio.Event()
        self.takes.set()
        self.closed = False
        self._response = SimpleNamespace(close=lambda: None)

    async def receive(self) -> Any:
        return await self.incoming.get()

    async def send_bytes(self, data: bytes) -> None:
        await self.takes.wait()
        self.audio += len(data) // 2

    async def send_str(self, data: str) -> None:
        self.told.append(json.loads(data)["type"])

    async def close(self) -> None:
        self.closed = True
        self.incoming.put_nowait(SimpleNamespace(type=aiohttp.WSMsgType.CLOSING, data=None))

    def say(self, **message: Any) -> None:
        self.incoming.put_nowait(SimpleNamespace(type=aiohttp.WSMsgType.TEXT, data=json.dumps(message)))

    def result(self, text: str, start: float, end: float, *, final: bool = False, answer: bool = False) -> None:
        self.say(
            type="Results",
            start=start,
            duration=end - start,
            is_final=final or answer,
            from_finalize=answer,
            channel={"alternatives": [{"transcript": text, "confidence": 0.9}]},
        )

    def turn(self, event: str, text: str, end: float, index: int = 0) -> None:
        self.say(
            type="TurnInfo",
            event=event,
            turn_index=index,
            transcript=text,
            audio_window_start=0.0,
            audio_window_end=end,
            end_of_turn_confidence=0.2,
        )


class Near:
    """A stream, what it told so far, and how it failed."""

    def __init__(self, stream: NovaStream | FluxStream, far: Far) -> None:
        self.stream, self.far = stream, far
        self.got: list[tuple[float, Transcript]] = []
        self.failed: ProviderError | None = None
        self._at = ORIGIN

    async def read(self) -> None:
        loop = asyncio.get_running_loop()
        try:
            async for transcript in self.stream:
                self.got.append((loop.time(), transcript))
        except ProviderError as error:
            self.failed = error

    async def hear(self, seconds: float) -> None:
        """So much audio, in real time."""
        for _ in range(round(seconds * SAMPLE_RATE) // FRAME_SAMPLES):
            self.push()
            await asyncio.sleep(0.02)

    def push(self) -> None:
        self.stream.push(AudioChunk(self._at, FRAME_SAMPLES, bytes(2 * FRAME_SAMPLES)))
        self._at += FRAME_SAMPLES

    def end(self, seconds: float) -> float:
        """Speech ended so long after the stream's begin; loop time at which that was told."""
        self.stream.speech_ended(ORIGIN + round(seconds * SAMPLE_RATE))
        return asyncio.get_running_loop().time()

    def start(self) -> None:
        self.stream.speech_started(self._at)

    @property
    def texts(self) -> list[str]:
        return [transcript.text for _, transcript in self.got if transcript.kind == "final"]

    @property
    def finals_at(self) -> list[float]:
        return [at for at, transcript in self.got if transcript.kind == "final"]


def nova(work: Callable[[Near, Far], Awaitable[None]]) -> None:
    options = NovaOptions()
    run_virtual(_with(lambda socket: NovaStream(socket, "nova", options.answer_ms / 1e3, options.quiet_ms / 1e3), work))


def flux(work: Callable[[Near, Far], Awaitable[None]], *, force: bool = True) -> None:
    run_virtual(_with(lambda socket: FluxStream(socket, "flux", 0.45, force=force), work))


async def _with(
    make: Callable[[Socket], NovaStream | FluxStream], work: Callable[[Near, Far], Awaitable[None]]
) -> None:
    far = Far()
    near = Near(make(Socket(far, "far", 640)), far)  # type: ignore[arg-type]
    reading = asyncio.ensure_future(near.read())
    try:
        await work(near, far)
    finally:
        far.takes.set()
        await near.stream.aclose()
        await reading


def close_to(at: float, wanted: float) -> bool:
    return abs(at - wanted) < 0.01


# ---------------------------------------------------------------- Nova


def test_nova_gives_all_results_since_the_last_final_as_one() -> None:
    async def work(near: Near, far: Far) -> None:
        await near.hear(2.0)
        far.result("We open", 0.0, 1.0, final=True)
        far.result("at nine", 1.0, 1.8)
        await near.hear(0.1)
        assert near.got[-1][1].text == "We open at nine"
        near.end(2.0)
        await near.hear(0.1)
        assert far.told == ["Finalize"]
        far.result("at nine.", 1.0, 2.1, answer=True)
        await near.hear(0.1)
        final = near.got[-1][1]
        assert (final.kind, final.text) == ("final", "We open at nine.")
        assert (final.start, final.end) == (ORIGIN, ORIGIN + 2 * SAMPLE_RATE)
        assert near.texts == ["We open at nine."]

    nova(work)


@pytest.mark.parametrize(
    ("result", "wait"),
    [
        (("yes", 0.0, 1.2, True), 0.0),  # it has said all there is
        (("yes", 0.0, 0.9, True), 0.3),  # all but a moment
        (("yes", 0.0, 1.1, False), 0.9),  # it may say it better
        (("yes", 0.0, 0.5, True), None),  # it may have died
    ],
)
def test_nova_without_an_answer_to_finalize(result: tuple[str, float, float, bool], wait: float | None) -> None:
    async def work(near: Near, far: Far) -> None:
        text, start, end, final = result
        far.result(text, start, end, final=final)
        await near.hear(1.2)
        told = near.end(1.0)
        await near.hear(3.0)
        if wait is None:
            assert near.texts == []
        else:
            assert near.texts == ["yes"]
            assert close_to(near.finals_at[0], told + wait)

    nova(work)


def test_nova_does_not_take_a_late_answer_for_that_to_a_later_end() -> None:
    async def work(near: Near, far: Far) -> None:
        far.result("yes", 0.0, 1.2, final=True)
        await near.hear(1.2)
        near.end(1.0)
        await near.hear(1.0)
        near.end(2.2)
        far.result("", 1.2, 1.3, answer=True)  # to the first
        await near.hear(0.1)
        assert near.texts == ["yes"]
        far.result("please", 1.3, 2.3, answer=True)
        await near.hear(0.1)
        assert near.texts == ["yes", "please"]

    nova(work)


def test_nova_never_says_a_word_twice_nor_loses_one_in_many_ends() -> None:
    async def work(near: Near, far: Far) -> None:
        for number in range(40):
            begin = number * 1.0
            await near.hear(1.0)
            if number % 3 == 0:
                far.result(f"w{number}a", begin, begin + 0.5, final=True)
            near.end(begin + 0.8)
            await near.hear(0.0)
            if number % 5:
                far.result(f"w{number}", begin + 0.5 if number % 3 == 0 else begin, begin + 1.0, answer=True)
            else:
                far.result(f"w{number}", begin, begin + 1.0, final=True)
        await near.hear(2.0)
        assert len(near.texts) == 40
        said = " ".join(near.texts).split()
        assert said == [w for n in range(40) for w in ([f"w{n}a"] if n % 3 == 0 else []) + [f"w{n}"]]

    nova(work)


@pytest.mark.parametrize("member", ["code", "err_code"])
def test_an_error_in_the_stream_is_told_by_its_code(member: str) -> None:
    async def work(near: Near, far: Far) -> None:
        far.say(type="Error", description="caller said something", **{member: "NET-0000"})
        await asyncio.sleep(0.1)
        assert near.failed is not None
        assert near.failed.code == "unavailable"
        assert "NET-0000" in str(near.failed)
        assert "caller" not in str(near.failed)

    nova(work)


def test_positions_after_a_loss_are_the_calls() -> None:
    """40 s wait at a connection that takes nothing: what is heard of the kept audio lies where it was said."""

    async def work(near: Near, far: Far) -> None:
        await near.hear(1.0)
        far.takes.clear()
        await asyncio.sleep(0.1)
        for _ in range(40 * 50):
            near.push()
        dropped = near.stream.dropped_samples
        assert dropped > 0
        far.takes.set()
        await asyncio.sleep(3)
        far.result("before", 0.0, 0.5)
        far.result("after", 2.0, 3.0)
        await asyncio.sleep(0.1)
        before, after = (transcript for _, transcript in near.got)
        assert before.end == ORIGIN + SAMPLE_RATE // 2
        assert after.end == ORIGIN + 3 * SAMPLE_RATE + dropped
        assert far.audio + dropped == 41 * SAMPLE_RATE

    nova(work)


def test_what_waits_is_bounded() -> None:
    async def work(near: Near, far: Far) -> None:
        far.takes.clear()
        for second in range(300):
            for _ in range(50):
                near.push()
            near.end(second)
        far.takes.set()
        await asyncio.sleep(3)
        assert far.told.count("Finalize") <= KEPT_MESSAGES + 1
        assert far.audio <= KEPT_SAMPLES + SAMPLE_RATE

    nova(work)


# ---------------------------------------------------------------- Flux


def test_flux_is_told_to_end_a_turn_that_it_holds_open() -> None:
    async def work(near: Near, far: Far) -> None:
        near.start()
        await near.hear(1.2)
        told = near.end(1.0)
        far.turn("Update", "I would like", 1.2)
        await near.hear(0.5)
        assert far.told == ["ForceEndTurn"]
        far.turn("EndOfTurn", "I would like to", 1.7)
        await near.hear(0.1)
        assert near.texts == ["I would like to"]
        assert near.finals_at[0] - told < 0.6
        far.turn("Update", "book a cleaning", 2.5, index=1)
        await near.hear(0.1)
        assert near.got[-1][1].text == "book a cleaning"

    flux(work)


@pytest.mark.parametrize("why", ["unanswered", "self-hosted", "speaking"])
def test_flux_settles_with_what_it_heard_where_a_turn_cannot_be_ended(why: str) -> None:
    async def work(near: Near, far: Far) -> None:
        near.start()
        await near.hear(1.2)
        told = near.end(1.0)
        if why == "speaking":
            near.start()
        far.turn("Update", "I would like", 1.2)
        await near.hear(1.0)
        assert far.told == (["ForceEndTurn"] if why == "unanswered" else [])
        assert near.texts == ["I would like"]
        wait = 0.25 + (FORCE_S if why == "unanswered" else 0.0)  # of 450 ms, 200 ms had passed
        assert close_to(near.finals_at[0], told + wait)
        far.turn("Update", "I would like to book", 2.2)
        await near.hear(0.1)
        assert near.got[-1][1].text == "to book"
        near.end(2.2)
        far.turn("EndOfTurn", "I would like to book it.", 2.4)
        await near.hear(0.1)
        assert near.texts == ["I would like", "to book it."]

    flux(work, force=why != "self-hosted")


def test_flux_that_ended_a_turn_early_waits_for_the_end_of_speech() -> None:
    async def work(near: Near, far: Far) -> None:
        await near.hear(1.0)
        far.turn("EndOfTurn", "Hello.", 1.0)
        await near.hear(0.2)
        assert [transcript.kind for _, transcript in near.got] == ["eager"]
        told = near.end(0.9)
        await near.hear(0.1)
        assert near.texts == ["Hello."]
        assert close_to(near.finals_at[0], told)
        assert far.told == []

    flux(work)


def test_flux_does_not_take_the_end_of_an_earlier_turn_for_the_one_awaited() -> None:
    async def work(near: Near, far: Far) -> None:
        await near.hear(3.0)
        near.end(3.0)
        far.turn("EndOfTurn", "Hello.", 1.0)
        await near.hear(0.1)
        assert near.texts == []
        far.turn("EndOfTurn", "Who is there?", 3.1, index=1)
        await near.hear(0.1)
        assert near.texts == ["Hello. Who is there?"]

    flux(work)


def test_flux_that_heard_nothing_gives_an_empty_final_and_is_not_told_to_end_anything() -> None:
    async def work(near: Near, far: Far) -> None:
        await near.hear(1.0)
        near.end(1.0)
        far.turn("Update", "", 1.0)
        await near.hear(1.0)
        assert near.texts == [""]
        assert far.told == []

    flux(work)


def test_flux_that_tells_nothing_of_much_audio_has_failed() -> None:
    async def work(near: Near, far: Far) -> None:
        far.say(type="Connected")
        await asyncio.sleep(STALL_S * 3)  # no audio: nothing to tell
        assert near.failed is None
        await near.hear(0.5)
        far.turn("Update", "", 0.5)
        await near.hear(STALL_S - 1)
        assert near.failed is None
        await near.hear(1.5)
        assert near.failed is not None
        assert near.failed.code == "timeout"

    flux(work)


WORDS = st.lists(st.sampled_from(["a", "b", "c", "d", "e", "f", "g", "h"]), max_size=12).map(tuple)


@given(given=WORDS, more=WORDS)
def test_what_was_given_of_a_turn_is_not_given_again(given: tuple[str, ...], more: tuple[str, ...]) -> None:
    assert rest_of((*given, *more), given) == more
    assert rest_of((*(word.upper() + "," for word in given), *more), given) == more


@given(before=WORDS, more=WORDS, new=st.sampled_from(["x", "y"]))
def test_a_word_that_changed_is_given_with_what_follows(
    before: tuple[str, ...], more: tuple[str, ...], new: str
) -> None:
    rest = rest_of((*before, new, *more), (*before, "z"))
    assert rest[max(0, len(rest) - len(more) - 1) :] == (new, *more)


@pytest.mark.parametrize(
    "wrong", [{"threshold": 0.3}, {"eager_threshold": 0.2}, {"eager_threshold": 0.8}, {"timeout_ms": 100}]
)
def test_thresholds_that_every_stream_would_be_refused_for(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=next(iter(wrong))):
        FluxOptions(**wrong)


def test_what_streams_are_asked_for() -> None:
    session: Any = None
    asked = dict(DeepgramFlux(session, key="k").query("en", ("Ana",)))
    assert (asked["numerals"], asked["keyterm"], asked["eot_threshold"]) == ("true", "Ana", "0.7")
    assert "language_hint" not in asked
    multi = dict(DeepgramFlux(session, key="k", model="flux-general-multi").query("es", ()))
    assert multi["language_hint"] == "es"
    older = DeepgramNova(session, key="k", model="nova-2").query("en", ("Ana", "two words"))
    assert [pair for pair in older if pair[0].startswith("key")] == [("keywords", "Ana")]
