"""One simulated call, run through the real engine in virtual time."""

from __future__ import annotations

import asyncio
import hashlib
from dataclasses import dataclass, field, replace
from datetime import date

from aivoice.core import commands as c
from aivoice.core import events as e
from aivoice.core.config import DEFAULT_CLIPS, CallConfig
from aivoice.engine.cascade_llm import LlmCascade
from aivoice.engine.cascade_stt import SttCascade
from aivoice.engine.cascade_tts import TtsCascade
from aivoice.engine.cascade_vad import VadCascade
from aivoice.engine.ports import Observer
from aivoice.engine.session import CallEnded, CallSession, Providers
from aivoice.providers.rule_notes import RuleNotes
from aivoice.testing import scenarios
from aivoice.testing.acts import CallPlan
from aivoice.testing.callers import Caller, Done
from aivoice.testing.fake_services import FakeClips, FakeRetriever, FakeToolRunner, FakeTransferDesk
from aivoice.testing.fakes import FakeLlm, FakeStt, FakeTts, FakeVad, Truth, derive
from aivoice.testing.faults import Injector, Stage
from aivoice.testing.faulty import FaultyLlm, FaultyStt, FaultyTts, FaultyVad
from aivoice.testing.line import Line
from aivoice.testing.owned import beside
from aivoice.testing.randomness import Constant, seconds
from aivoice.testing.virtual_time import run_virtual

Record = tuple[int, "e.Event | c.Command"]
_NOTES = RuleNotes(lambda: date(2026, 11, 27))
MOST_S = 15 * 60.0
"""Virtual seconds after which a call counts as one that never ends."""


@dataclass(slots=True)
class CallRecord:
    """What happened in one call: the journal's records and the caller's side."""

    plan: CallPlan
    records: list[Record]
    ended: CallEnded | None
    done: list[Done]
    echoes: list[tuple[int, int]]
    chatter: list[tuple[int, int]]
    faults: dict[tuple[str, str], int] = field(default_factory=dict[tuple[str, str], int])
    tool_runs: list[tuple[str, str]] = field(default_factory=list[tuple[str, str]])
    leftovers: list[str] = field(default_factory=list[str])
    crash: str = ""

    def digest(self) -> str:
        """Depends on every record and its time; equal for equal journals."""
        found = hashlib.blake2b(digest_size=12)
        for at, item in self.records:
            if isinstance(item, c.Generate):
                asked = item.request.messages
                told = f"{at} Generate {item.turn} {item.attempt} {item.speculative} {len(asked)} {asked[-1:]}"
            else:
                told = f"{at} {item!r}"
            found.update(told.encode())
        return found.hexdigest()


class _Stage:
    """The injectors of one call."""

    def __init__(self, plan: CallPlan) -> None:
        self._plan = plan
        self.all: list[Injector] = []

    def injector(self, stage: Stage, provider: int = 0) -> Injector:
        made = Injector(
            stage, self._plan.faults, derive(self._plan.seed, self._plan.index, stage, provider), provider=provider
        )
        self.all.append(made)
        return made


def run_call(plan: CallPlan) -> CallRecord:
    """Run the call to its end. Never raises on account of the engine: `crash` says what went wrong."""
    record = CallRecord(plan, [], None, [], [], [])
    try:
        run_virtual(_call(plan, record), limit_s=MOST_S)
    except Exception as error:  # noqa: BLE001 - any failure of the engine is a finding, not ours to raise
        record.crash = f"{type(error).__name__}: {error}"
    return record


async def _call(plan: CallPlan, record: CallRecord) -> None:
    stage = _Stage(plan)
    truth = Truth()
    line = Line(frames=plan.frames, media_delay_s=0.2)
    config = scenarios.config(plan)
    caller = Caller(plan, line, truth, config.clip_text)
    record.done, record.echoes, record.chatter = caller.done, caller.echoes, caller.chatter
    tools = FakeToolRunner(
        plan.tool or Constant(300), rng=derive(plan.seed, plan.index, "tools"), injector=stage.injector("tool")
    )
    record.tool_runs = tools.runs
    providers, chains, inner = _providers(plan, truth, stage)
    session = _session(plan, line, config, providers, tools, (_recorder(record), caller.observe))
    trouble = _line_trouble(line, stage.injector("transport"))
    try:
        async with beside(caller.run()) as acting:
            try:
                record.ended = await session.run()
            finally:
                for timer in trouble:
                    timer.cancel()
    finally:
        for chain in chains:
            await chain.aclose()
    if not acting.cancelled() and (error := acting.exception()) is not None:
        raise error
    await asyncio.sleep(30.0)  # whoever ignores cancellation does so for a while only
    record.leftovers = inner.leftovers(tools)
    for injector in stage.all:
        for key, count in injector.happened.items():
            record.faults[key] = record.faults.get(key, 0) + count


def _recorder(record: CallRecord):
    records = record.records

    def observe(at: int, item: e.Event | c.Command) -> None:
        records.append((at, item))

    return observe


@dataclass(slots=True)
class _Inner:
    """The fakes themselves, to see that every stream was closed."""

    stt: list[FakeStt] = field(default_factory=list[FakeStt])
    llm: list[FakeLlm] = field(default_factory=list[FakeLlm])
    tts: list[FakeTts] = field(default_factory=list[FakeTts])
    vad: list[FakeVad] = field(default_factory=list[FakeVad])

    def leftovers(self, tools: FakeToolRunner) -> list[str]:
        open_streams = [(f.name, f.open_streams) for f in (*self.stt, *self.tts, *self.vad)]
        open_streams += [(f.name, f.running) for f in self.llm]
        open_streams.append(("tools", tools.running))
        return [f"{name}: {count} left open" for name, count in open_streams if count]


def _providers(
    plan: CallPlan, truth: Truth, stage: _Stage
) -> tuple[Providers, list[LlmCascade | SttCascade | TtsCascade | VadCascade], _Inner]:
    """With chains: each port has a second provider of the same kind. Faults name the rank they hit."""
    inner = _Inner()
    count = 2 if plan.chains else 1
    for rank in range(count):
        rng = derive(plan.seed, plan.index, "fakes", rank)
        inner.stt.append(FakeStt(truth, plan.stt, rng=derive(plan.seed, plan.index, "stt", rank), name=f"stt-{rank}"))
        inner.llm.append(FakeLlm(scenarios.author, plan.llm, rng=rng, name=f"llm-{rank}"))
        voice = replace(plan.tts, pcm=plan.frames)
        inner.tts.append(FakeTts(voice, rng=derive(plan.seed, plan.index, "tts", rank), name=f"tts-{rank}"))
        inner.vad.append(FakeVad(name=f"vad-{rank}"))
    stt = [FaultyStt(f, stage.injector("stt", i)) for i, f in enumerate(inner.stt)]
    llm = [FaultyLlm(f, stage.injector("llm", i)) for i, f in enumerate(inner.llm)]
    tts = [FaultyTts(f, stage.injector("tts", i)) for i, f in enumerate(inner.tts)]
    vad = [FaultyVad(f, stage.injector("vad", i)) for i, f in enumerate(inner.vad)]
    if not plan.chains:
        return Providers(stt[0], llm[0], tts[0], vad[0], _NOTES), [], inner
    chains = (SttCascade(stt), LlmCascade(llm), TtsCascade(tts), VadCascade(vad))
    return Providers(*chains, _NOTES), list(chains), inner


def _session(
    plan: CallPlan,
    line: Line,
    config: CallConfig,
    providers: Providers,
    tools: FakeToolRunner,
    observers: tuple[Observer, ...],
) -> CallSession:
    texts = {**DEFAULT_CLIPS, **config.clips}
    return CallSession(
        call_id=f"sim-{plan.index}",
        transport=line,
        providers=providers,
        config=config,
        clips=FakeClips(texts, pcm=plan.frames),
        tools=tools,
        retriever=FakeRetriever(("We are open from nine to six.", "A cleaning costs 120 dollars.")),
        transfers=FakeTransferDesk(rng=derive(plan.seed, plan.index, "desk")),
        observers=observers,
    )


def _line_trouble(line: Line, injector: Injector) -> list[asyncio.TimerHandle]:
    """Faults of the network: the end, or stalls (a jitter buffer turns loss, delay and disorder into them)."""
    loop = asyncio.get_running_loop()
    timers: list[asyncio.TimerHandle] = []
    for fault in injector.draw():
        at = 4.0 + 6.0 * fault.after + injector.rng.uniform(0, 10)
        match fault.kind:
            case "disconnect" | "crash" | "refuses":
                timers.append(loop.call_later(10 + at, line.hang_up, "media_lost"))
            case "opens_and_says_nothing":
                timers.append(loop.call_later(at, line.stall, 16_000 * 60))
            case _:
                samples = int(min(2.0, seconds(fault.latency, injector.rng)) * 16_000)
                timers.append(loop.call_later(at, line.stall, samples))
        injector.note(fault)
    return timers
