"""Each fault does what its name says, once it is drawn, and nothing otherwise."""

from __future__ import annotations

import asyncio
import random

import pytest

from aivoice.audio.frames import AudioChunk
from aivoice.core.prompt import GenerationRequest, Message
from aivoice.errors import ProviderError
from aivoice.providers.ports import TextDelta, UsageDelta, VadEvent
from aivoice.testing.fakes import Constant, FakeLlm, FakeTts, FakeVad, Reply
from aivoice.testing.faults import FAULT_KINDS, Fault, FaultKind, InjectedCrash, Injector, Stage
from aivoice.testing.faulty import FaultyLlm, FaultyTts, FaultyVad
from aivoice.testing.virtual_time import run_virtual

REQUEST = GenerationRequest("", (), (Message("user", "hello"),))
PLAIN = ["one", " two", " three", " four"]


def _author(request: GenerationRequest) -> Reply:
    return Reply("one two three four")


def _llm(kind: FaultKind, **settings: object) -> tuple[FaultyLlm, Injector]:
    fault = Fault("llm", kind, latency=Constant(3_000), **settings)  # type: ignore[arg-type]
    injector = Injector("llm", (fault,), random.Random(1))
    return FaultyLlm(FakeLlm(_author), injector), injector


async def _texts(llm: FaultyLlm) -> list[str]:
    return [delta.text async for delta in llm.generate(REQUEST) if isinstance(delta, TextDelta)]


@pytest.mark.parametrize(
    ("kind", "settings", "expected"),
    [
        ("drop", {"after": 1}, ["one", " three", " four"]),
        ("drop", {"after": 1, "count": 2}, ["one", " four"]),
        ("duplicate", {"after": 1}, ["one", " two", " two", " three", " four"]),
        ("reorder", {"after": 1}, ["one", " three", " two", " four"]),
        ("malformed", {"after": 3}, ["one", " two", " three", "\x00\ufffd"]),
        ("drop", {"chance": 0.0}, PLAIN),
        ("drop", {"provider": 1}, PLAIN),
        ("drop", {"streams": (1,)}, PLAIN),
    ],
)
def test_what_comes_of_the_results(kind: FaultKind, settings: dict[str, object], expected: list[str]) -> None:
    llm, injector = _llm(kind, **settings)
    assert run_virtual(_texts(llm)) == expected
    assert bool(injector.happened) == (expected != PLAIN)


@pytest.mark.parametrize(
    ("kind", "error"), [("disconnect", ProviderError), ("crash", InjectedCrash), ("refuses", ProviderError)]
)
def test_errors_come_after_the_results_before_them(kind: FaultKind, error: type[Exception]) -> None:
    llm, _ = _llm(kind, after=2)

    async def main() -> list[str]:
        got: list[str] = []
        with pytest.raises(error):
            async for delta in llm.generate(REQUEST):
                got.append(delta.text if isinstance(delta, TextDelta) else "usage")
        return got

    assert run_virtual(main()) == ([] if kind == "refuses" else ["one", " two"])


def test_a_stall_waits_once_and_a_delay_each_time() -> None:
    async def main(kind: FaultKind) -> float:
        llm, _ = _llm(kind, after=1)
        await _texts(llm)
        return asyncio.get_running_loop().time()

    plain = 0.35 + 4 * 0.01
    assert run_virtual(main("stall")) == pytest.approx(plain + 3, abs=0.02)
    assert run_virtual(main("delay")) == pytest.approx(plain + 4 * 3, abs=0.05)


def test_a_silent_stream_says_nothing_until_it_is_cancelled() -> None:
    async def main() -> bool:
        llm, injector = _llm("opens_and_says_nothing")
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(_texts(llm), 100)
        return bool(injector.happened)

    assert run_virtual(main())


def test_ignoring_cancellation_is_bounded() -> None:
    async def main() -> float:
        llm, _ = _llm("ignores_cancellation")
        task = asyncio.ensure_future(_texts(llm))
        await asyncio.sleep(0.1)
        task.cancel()
        await asyncio.sleep(1)
        task.cancel()
        assert not task.done()
        await asyncio.wait([task])
        return asyncio.get_running_loop().time()

    assert run_virtual(main()) == pytest.approx(3.1, abs=0.01)


def test_a_dead_tts_and_a_silent_one() -> None:
    async def main(kind: FaultKind) -> int:
        injector = Injector("tts", (Fault("tts", kind),), random.Random(1))
        tts = FaultyTts(FakeTts(), injector)
        stream = await tts.open()
        stream.push("Hello there.")
        stream.finish()
        reader = asyncio.ensure_future(_count(stream))
        await asyncio.sleep(5)
        await stream.aclose()
        return await reader

    assert run_virtual(main("opens_and_says_nothing")) == 0
    with pytest.raises(ProviderError):
        run_virtual(main("refuses"))


async def _count(stream: object) -> int:
    return len([item async for item in stream])  # type: ignore[attr-defined]


def _vad_events(kind: FaultKind, **settings: object) -> list[VadEvent]:
    async def main() -> list[VadEvent]:
        events: list[VadEvent] = []
        fault = Fault("vad", kind, latency=Constant(100), **settings)  # type: ignore[arg-type]
        vad = FaultyVad(FakeVad(), Injector("vad", (fault,), random.Random(1)))
        stream = vad.open(events.append)
        for index in range(100):
            stream.push(AudioChunk(index * 320, 320, None, index % 50 < 25))
            await asyncio.sleep(0.02)
        await asyncio.sleep(1)
        await stream.aclose()
        return events

    return run_virtual(main())


def test_vad_faults() -> None:
    assert [e.kind for e in _vad_events("drop")] == ["end", "start", "end"]
    assert [e.kind for e in _vad_events("duplicate")] == ["start", "start", "end", "start", "end"]
    assert [e.kind for e in _vad_events("disconnect", after=2)] == ["start", "end", "failed"]
    assert _vad_events("opens_and_says_nothing") == []
    assert _vad_events("malformed")[0].position == -1
    assert [e.kind for e in _vad_events("reorder")] == ["end", "start", "start", "end"]
    with pytest.raises(InjectedCrash):
        _vad_events("crash")


def test_the_same_seed_draws_the_same_faults() -> None:
    faults = tuple(Fault("llm", kind, chance=0.5) for kind in FAULT_KINDS)

    def drawn(stage: Stage) -> list[tuple[Fault, ...]]:
        injector = Injector(stage, faults, random.Random(9))
        return [injector.draw() for _ in range(20)]

    assert drawn("llm") == drawn("llm")
    assert not any(drawn("tts"))


def test_usage_survives_the_wrapper() -> None:
    async def main() -> int:
        llm, _ = _llm("stall")
        return sum([isinstance(d, UsageDelta) async for d in llm.generate(REQUEST)])

    assert run_virtual(main()) == 1
