"""How a call ends when its parts misbehave: whoever fails or hangs, the others are closed, and in bounded time."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

import pytest

from aivoice.audio.frames import FRAME_BYTES, SILENCE, AudioChunk
from aivoice.audio.pacer import Pacer
from aivoice.core import commands as c
from aivoice.core import events as e
from aivoice.core.config import CallConfig
from aivoice.core.prompt import ToolSpec
from aivoice.engine.cascade_vad import VadCascade
from aivoice.engine.clips import ClipBuffer
from aivoice.engine.playout import FramePlayout
from aivoice.engine.session import CallEnded, CallSession, Providers
from aivoice.providers.ports import VadEvent
from aivoice.testing import scenarios
from aivoice.testing.fake_senses import FakeVad
from aivoice.testing.fakes import FakeLlm, FakeStt, FakeTts, Truth
from aivoice.testing.virtual_time import run_virtual
from aivoice.transports.memory import MemoryTransport


class AwkwardVad(FakeVad):
    """Its streams do not close as they should."""

    def __init__(self, how: str) -> None:
        super().__init__()
        self.how = how

    def open(self, sink: Callable[[VadEvent], None]) -> Any:
        stream = super().open(sink)
        stream.aclose = self._aclose  # type: ignore[method-assign]
        return stream

    async def _aclose(self) -> None:
        if self.how == "raises":
            raise RuntimeError("what the caller said")
        await asyncio.sleep(10_000)


class AwkwardTransport(MemoryTransport):
    async def close(self, reason: str) -> None:
        await super().close(reason)
        raise OSError(28, "No space left on device")


@dataclass
class Held:
    """A call under way, and what its observer saw."""

    session: CallSession
    run: asyncio.Task[CallEnded]
    pacer: Pacer
    notes: list[c.Note] = field(default_factory=list)


class SlowTools:
    """A booking that takes a minute."""

    def __init__(self) -> None:
        self.begun = 0

    async def run(self, name: str, arguments: str, *, call_id: str, key: str) -> str:
        self.begun += 1
        await asyncio.sleep(60)
        return "{}"


def hold(
    *,
    vad: FakeVad | None = None,
    transport: type[MemoryTransport] = MemoryTransport,
    config: CallConfig = CallConfig(),
    tools: SlowTools | None = None,
    seen: list[e.ProviderAttempt] | None = None,
    ended: list[e.ToolEnded] | None = None,
) -> Held:
    rng, pacer = random.Random(1), Pacer(asyncio.get_running_loop())
    notes: list[c.Note] = []

    def look(_: int, item: e.Event | c.Command) -> None:
        if isinstance(item, c.Note):
            notes.append(item)
        elif isinstance(item, e.ProviderAttempt) and seen is not None:
            seen.append(item)
        elif isinstance(item, e.ToolEnded) and ended is not None:
            ended.append(item)

    session = CallSession(
        call_id="x",
        transport=transport(lambda: SILENCE, pacer=pacer),
        providers=Providers(
            FakeStt(Truth(), rng=rng), FakeLlm(scenarios.author, rng=rng), FakeTts(rng=rng), vad or FakeVad()
        ),
        config=config,
        tools=tools,
        observers=(look,),
        pacer=pacer,
    )
    return Held(session, asyncio.get_running_loop().create_task(session.run()), pacer, notes)


@pytest.mark.parametrize(
    ("parts", "within_s"),
    [
        ({"vad": AwkwardVad("raises")}, 0.1),
        ({"vad": AwkwardVad("hangs")}, 2.2),
        ({"transport": AwkwardTransport}, 0.1),
    ],
)
def test_a_part_that_does_not_close_holds_up_nothing_else(parts: dict[str, Any], within_s: float) -> None:
    async def scenario() -> None:
        call = hold(**parts)
        await asyncio.sleep(3)
        begun = asyncio.get_running_loop().time()
        call.session.hang_up()
        ended = await call.run
        assert ended.reason == "operator_hung_up"
        assert asyncio.get_running_loop().time() - begun <= within_s
        assert len(call.pacer) == 0
        assert "what the caller said" not in repr(call.notes)
        if within_s < 1:
            assert [note.kind for note in call.notes if note.kind == "task_failed"]
        call.pacer.close()

    run_virtual(scenario())


def test_a_process_that_must_stop_does_not_wait_for_a_booking() -> None:
    spec = ToolSpec("book", "Books.", {"type": "object"}, True, time_limit_ms=60_000)

    async def scenario(reason: str) -> float:
        tools = SlowTools()
        call = hold(config=CallConfig(tools=(spec,)), tools=tools)
        await asyncio.sleep(3)
        # As the core would command it; which words lead there is not the point here.
        call.session._operations.start(c.RunTool(1, 99, "id", "book", "{}", "k", True, 60_000))
        await asyncio.sleep(0.1)
        assert tools.begun == 1
        begun = asyncio.get_running_loop().time()
        call.session.hang_up(reason)
        await call.run
        call.pacer.close()
        return asyncio.get_running_loop().time() - begun

    assert run_virtual(scenario("shutdown")) <= 1.7
    assert run_virtual(scenario("operator_hung_up")) >= 50


@pytest.mark.parametrize("side_effects", [False, True])
def test_a_tool_that_swallows_its_cancellation_does_not_outlive_its_limit(side_effects: bool) -> None:
    spec = ToolSpec("book", "Books.", {"type": "object"}, side_effects, time_limit_ms=500)
    ended: list[e.ToolEnded] = []

    class Stubborn(SlowTools):
        async def run(self, name: str, arguments: Any, *, call_id: str, key: str) -> Any:
            until = asyncio.get_running_loop().time() + 30
            while (left := until - asyncio.get_running_loop().time()) > 0:
                with suppress(asyncio.CancelledError):
                    await asyncio.sleep(left)

    async def scenario() -> None:
        call = hold(config=CallConfig(tools=(spec,)), tools=Stubborn(), ended=ended)
        await asyncio.sleep(3)
        call.session._operations.start(c.RunTool(1, 99, "id", "book", "{}", "k", side_effects, 500))
        await asyncio.sleep(0.6)
        assert [each.outcome for each in ended] == ["unknown" if side_effects else "failed"]
        begun = asyncio.get_running_loop().time()
        call.session.hang_up()
        await call.run
        assert asyncio.get_running_loop().time() - begun <= 1.2
        call.pacer.close()
        await asyncio.sleep(60)  # it ends by itself, in nobody's way

    run_virtual(scenario())
    assert len(ended) == 1


def test_a_call_hung_up_before_it_began_ends_as_it_begins() -> None:
    async def scenario() -> None:
        call = hold()
        call.session.hang_up("shutdown")  # its task has not run yet
        ended = await asyncio.wait_for(call.run, 1.0)
        assert ended.reason == "shutdown"
        call.pacer.close()

    run_virtual(scenario())


@pytest.mark.parametrize("silence", ["stop", "hold"])
def test_what_is_silenced_as_it_begins_is_not_heard_at_all(silence: str) -> None:
    """A rule may be due at the very moment a clip begins: its first frame is not to slip out."""
    written: list[bytes] = []

    class Leg:
        carries_spans = False

        def write(self, frame: bytes) -> None:
            written.append(frame)

    def emit(event: e.Event) -> None:
        if isinstance(event, e.PlayoutStarted):
            held = playout.stop() if silence == "stop" else playout.hold()
            assert held.samples == 0

    playout = FramePlayout(Leg(), emit, None)  # type: ignore[arg-type]
    clip = ClipBuffer(1, 1)
    clip.add(3_200, b"\x10\x20" * 3_200)
    clip.complete = True
    playout.play(clip, first=False)
    for _ in range(4):
        playout.tick()
    assert written == [SILENCE] * 4
    assert len(SILENCE) == FRAME_BYTES


class DyingVad(FakeVad):
    """Its streams raise at their hundredth chunk."""

    def open(self, sink: Callable[[VadEvent], None]) -> Any:
        stream, chunks = super().open(sink), iter(range(100))
        push = stream.push

        def counted(chunk: AudioChunk) -> None:
            if next(chunks, None) is None:
                raise RuntimeError("what the caller said")
            push(chunk)

        stream.push = counted  # type: ignore[method-assign]
        return stream


def test_a_detector_that_is_replaced_is_on_record() -> None:
    seen: list[e.ProviderAttempt] = []

    async def scenario() -> None:
        call = hold(vad=VadCascade([DyingVad(name="first"), FakeVad(name="second")]), seen=seen)  # type: ignore[arg-type]
        await asyncio.sleep(6)
        call.session.hang_up()
        await call.run
        call.pacer.close()

    run_virtual(scenario())
    told = [(each.provider, each.state) for each in seen if each.stage == "vad"]
    assert told == [("first", "started"), ("first", "failed"), ("second", "switched"), ("second", "started")]


def test_a_second_cancellation_does_not_leave_the_closing_to_nobody() -> None:
    async def scenario() -> None:
        call = hold(vad=AwkwardVad("hangs"))
        await asyncio.sleep(3)
        call.run.cancel()
        await asyncio.sleep(0.1)
        call.run.cancel()
        await asyncio.wait([call.run])
        assert call.run.cancelled()
        assert len(call.pacer) == 0
        call.pacer.close()

    run_virtual(scenario())  # which also fails where a task is left
