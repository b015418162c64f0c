"""Every provider × every way to fail × three moments of a call: what the caller hears, and whether the task is done.

`python -m benchmarks faults`: real engine, real adapters, real sockets, real time; the services are stand-ins. Behind
the one that fails stands another of its kind, as an installation would have it. `--docs FILE` writes the table.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Literal

import aiohttp

from aivoice.engine.cascade_llm import LlmCascade
from aivoice.engine.cascade_stt import SttCascade
from aivoice.engine.cascade_tts import TtsCascade
from aivoice.engine.cascade_vad import VadCascade
from aivoice.engine.session import CallSession, Providers
from aivoice.providers.ports import Warm
from aivoice.testing.fake_services import FakeClips
from aivoice.testing.fakes import Constant, FakeStt, FakeTts, FakeVad, Truth, TtsBehaviour
from aivoice.testing.line import Line
from aivoice.testing.owned import beside
from benchmarks.faults import booking
from benchmarks.faults.caller import BookingCaller, Heard
from benchmarks.faults.services import FAULTS, SERVICES, Fault, Names, Running, Service, Stage, World, preload

Phase = Literal["first turn", "mid-reply", "during a tool"]
PHASES: tuple[Phase, ...] = ("first turn", "mid-reply", "during a tool")
SILENCE_S, GAP_S = 1.5, 4.0
TICKS_S = 0.06
"""Three frames: what the caller's own clock may add to a silence."""
CALL_S = 90.0
APART_S = 0.17
USUAL: dict[Stage, str] = {"stt": "deepgram", "llm": "claude", "tts": "chatterbox"}
"""Who serves the stages that do not fail."""


@dataclass(frozen=True, slots=True)
class Case:
    """service "": nothing fails. alone: nobody of its kind stands behind the one that fails. local: no service at all,
    the same stages in this process."""

    service: str = ""
    fault: Fault | Literal[""] = ""
    phase: Phase = "first turn"
    alone: bool = False
    local: bool = False


@dataclass(slots=True)
class Outcome:
    case: Case
    heard: Heard
    booked: int = 0
    reason: str = ""
    switched: list[str] = field(default_factory=list[str])

    @property
    def spoken(self) -> bool:
        """The caller heard speech within the silence budget after everything they said, and no gap was too long."""
        silences = self.heard.silences
        return (
            not self.heard.gave_up
            and bool(silences)
            and all(each.first <= SILENCE_S + TICKS_S and each.gap <= GAP_S + TICKS_S for each in silences)
        )

    @property
    def done(self) -> bool:
        """Booked exactly once, and the caller was told."""
        return self.booked == 1 and "booked for" in " ".join(self.heard.texts).lower()


def truth_of(http: aiohttp.ClientSession, host: str) -> Truth:
    """Where a call's words are kept; `benchmarks.sockets` has its own."""
    return Truth()


def cases(services: Sequence[str]) -> list[Case]:
    every = [Case()]
    for name in services:
        without = SERVICES[name].without
        every += [Case(name, fault, phase) for fault in FAULTS if fault not in without for phase in PHASES]
    return every


async def run_case(case: Case, http: aiohttp.ClientSession, names: Names, number: int) -> Outcome:
    """One call from greeting to goodbye, at most `CALL_S`."""
    truth, line = truth_of(http, f"c{number}"), Line(frames=True, media_delay_s=0.1, stamped=True)
    caller, desk = BookingCaller(line, truth), booking.Desk()
    outcome = Outcome(case, caller.heard)
    running: list[Running] = []
    try:
        providers = await _providers(case, World(f"c{number}", truth, http), running)
        failing = next((each for each in running if each.name == case.service), None)
        if failing is not None and case.fault and case.phase == "first turn":
            await failing.fail(case.fault, names)
        session = CallSession(
            call_id=f"matrix-{number}",
            transport=line,
            providers=providers,
            config=booking.config(streams_text=providers.tts.streams_text),
            clips=FakeClips(booking.config(streams_text=False).clips, pcm=True),
            tools=desk,
            observers=(caller.observe,),
        )
        async with beside(_whole(caller, desk, failing, case, names, session)):
            async with asyncio.timeout(CALL_S):
                outcome.reason = (await session.run()).reason
    except TimeoutError:
        outcome.reason = "never ended"
    finally:
        for each in running:
            await each.aclose()
        names.gone -= {each.host for each in running}
    outcome.booked = desk.booked
    return outcome


async def _whole(
    caller: BookingCaller, desk: booking.Desk, failing: Running | None, case: Case, names: Names, session: CallSession
) -> None:
    async with asyncio.TaskGroup() as group:
        trigger = group.create_task(_fail_later(caller, desk, failing, case, names))
        await caller.run()
        trigger.cancel()
    session.hang_up("caller_hung_up")


async def _fail_later(
    caller: BookingCaller, desk: booking.Desk, failing: Running | None, case: Case, names: Names
) -> None:
    if failing is None or not case.fault or case.phase == "first turn":
        return
    if case.phase == "mid-reply":
        await caller.answering.wait()
    else:
        await desk.begun.wait()
    await failing.fail(case.fault, names)


async def _providers(case: Case, world: World, running: list[Running]) -> Providers:
    """For each stage its service over a socket, then one in this process, which is well."""
    failing = SERVICES.get(case.service)
    local = {
        "stt": FakeStt(world.truth, name="local-stt"),
        "llm": booking.mind("local-llm", Constant(350), Constant(10)),
        "tts": FakeTts(TtsBehaviour(pcm=True, streams_text=not case.local), name="local-tts"),
    }
    chains: dict[str, list[object]] = {}
    for stage, usual in USUAL.items():
        name = case.service if failing is not None and failing.stage == stage else usual
        service: Service | None = None if case.local else SERVICES.get(name)
        chains[stage] = []
        if service is not None:
            made: Running = await service.start(world, f"{name}-{world.host}")
            running.append(made)
            if isinstance(made.provider, Warm):
                await made.provider.warm()  # as `hosting.chains` keeps it
            chains[stage].append(made.provider)
        if not (case.alone and name == case.service):
            chains[stage].append(local[stage])
    return Providers(
        SttCascade(chains["stt"]),  # type: ignore[arg-type]
        LlmCascade(chains["llm"]),  # type: ignore[arg-type]
        TtsCascade(chains["tts"]),  # type: ignore[arg-type]
        VadCascade([FakeVad()]),
    )


async def run_all(every: Sequence[Case], *, at_once: int) -> list[Outcome]:
    """In order; progress on standard error."""
    names = Names()
    preload()
    limit = asyncio.Semaphore(at_once)
    done = 0

    async def one(number: int, case: Case) -> Outcome:
        nonlocal done
        await asyncio.sleep(number % at_once * APART_S)  # callers do not all speak at one moment
        async with limit:
            outcome = await run_case(case, http, names, number)
        done += 1
        print(f"\r{done} of {len(every)} calls", end="", file=sys.stderr, flush=True)
        return outcome

    connector = aiohttp.TCPConnector(limit=0, use_dns_cache=False)
    async with aiohttp.ClientSession(connector=connector) as http:
        outcomes = await asyncio.gather(*(one(number, case) for number, case in enumerate(every)))
    print(file=sys.stderr)
    return list(outcomes)


def table(outcomes: Sequence[Outcome]) -> list[str]:
    """Markdown: a row for each provider and fault, a column for each moment."""
    lines = ["| provider | fault | " + " | ".join(PHASES) + " |", "|---|---|" + "---|" * len(PHASES)]
    rows: dict[tuple[str, str], dict[str, Outcome]] = {}
    for outcome in outcomes:
        rows.setdefault((outcome.case.service, outcome.case.fault), {})[outcome.case.phase] = outcome
    for (service, fault), found in rows.items():
        cells = [_cell(found.get(phase)) for phase in PHASES]
        lines.append(f"| {service or 'none'} | {fault.replace('_', ' ') or 'none'} | " + " | ".join(cells) + " |")
    return lines


def _cell(outcome: Outcome | None) -> str:
    if outcome is None:
        return ""
    longest = max((each.first for each in outcome.heard.silences), default=0.0)
    task = "done" if outcome.done else "not done"
    return f"{'' if outcome.spoken else '**silent** '}{longest:.2f} s, {task}"


def verdict(outcomes: Sequence[Outcome]) -> tuple[int, int, int]:
    """(calls, of them with speech in time, with the task done)."""
    return len(outcomes), sum(each.spoken for each in outcomes), sum(each.done for each in outcomes)


def main(arguments: list[str]) -> int:
    """Status 1 where a caller was left in silence or fewer than 95 % of the tasks were done."""
    parser = argparse.ArgumentParser(prog="benchmarks faults", description=__doc__)
    parser.add_argument("services", nargs="*", help=f"of {', '.join(SERVICES)}; none: all")
    parser.add_argument("--at-once", type=int, default=12, help="calls at a time")
    parser.add_argument("--quick", action="store_true", help="every provider, four faults, one moment each")
    parser.add_argument("--json", type=Path, help="file for everything that was measured")
    parser.add_argument("--docs", type=Path, help="a file of docs/: the table in its providers.md is rewritten")
    asked = parser.parse_args(arguments)
    every = cases(asked.services or list(SERVICES))
    if asked.quick:
        every = quick(every)
    outcomes = asyncio.run(run_all(every, at_once=asked.at_once))
    print("\n".join(table(outcomes)))
    calls, spoken, done = verdict(outcomes)
    print(f"\n{calls} calls: speech in time in {spoken}, the task done in {done}")
    for outcome in outcomes:
        if not (outcome.spoken and outcome.done):
            print(f"- {outcome.case}: {outcome.reason}; booked {outcome.booked}; {outcome.heard}")
    if asked.docs:
        page = asked.docs.with_name("providers.md")
        page.write_text(rewritten(page.read_text(encoding="utf-8"), outcomes), encoding="utf-8")
    if asked.json:
        asked.json.write_text(json.dumps([asdict(outcome) for outcome in outcomes], indent=1), encoding="utf-8")
    return 0 if spoken == calls and done >= 0.95 * calls else 1


BEGIN, END = "<!-- fault matrix -->", "<!-- end of the fault matrix -->"


def rewritten(page: str, outcomes: Sequence[Outcome]) -> str:
    """The page with this run between its two marks; unchanged where it has none."""
    before, begin, rest = page.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not (begin and end):
        return page
    calls, spoken, done = verdict(outcomes)
    head = f"{calls} calls: speech in time in {spoken}, the task done in {done}."
    return "\n".join((f"{before}{BEGIN}", head, "", *table(outcomes), f"{END}{after}"))


def quick(every: Sequence[Case]) -> list[Case]:
    """A sample: each provider with each fault once, the moments in turn."""
    return [case for number, case in enumerate(every) if number == 0 or PHASES.index(case.phase) == (number // 3) % 3]
