"""One engine in one process: reads a job from stdin, holds its calls at once, writes the measurements to stdout.

A process an engine and job makes CPU and memory attributable. The job and the answer are one line of JSON each.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import json
import os
import sys
import time
from collections.abc import Awaitable, Callable
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

from benchmarks.caller import Call, Plan

Stop = Callable[[], Awaitable[None]]
Start = Callable[[Call, dict[str, Any]], Awaitable[Stop]]
"""Starts the engine on a call with the row's settings; gives back what stops it."""

SETTLE_S = 4.0
"""Load rows: time from the last call's start to the begin of the CPU measurement."""


@dataclass(frozen=True, slots=True)
class Job:
    """engine: module name. settings: for the adapter. load_s: measure CPU and memory for so long instead of turns."""

    engine: Literal["ours", "agentsession", "pipecat"]
    settings: dict[str, Any] = field(default_factory=dict[str, Any])
    plan: Plan = field(default_factory=Plan)
    calls: int = 1
    null: bool = False
    load_s: float = 0.0


async def start_null(call: Call, settings: dict[str, Any]) -> Stop:
    """The null run: a call with no engine. Stages and caller run, the reply goes straight from voice to ear."""
    from benchmarks.null import NullCall

    return NullCall(call).stop


def rss_bytes() -> int:
    """Resident memory of this process."""
    with open("/proc/self/statm", encoding="ascii") as statm:
        return int(statm.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")


async def _hold(call: Call, start: Start, settings: dict[str, Any], delay: float) -> None:
    await asyncio.sleep(delay)
    stop = await start(call, settings)
    try:
        await call.run()
    finally:
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(stop(), 10)


async def run_job(job: Job, start: Start) -> dict[str, Any]:
    """Hold the job's calls; the answer's figures are totals of this process."""
    start = start_null if job.null else start
    first = Call(0, Plan(turns=2, seed=job.plan.seed, whole_clauses=job.plan.whole_clauses))
    await _hold(first, start, job.settings, 0.0)
    gc.collect()
    base = rss_bytes()
    calls = [Call(number + 1, job.plan) for number in range(job.calls)]
    stagger = min(0.37, 6.0 / job.calls)
    began, cpu = time.monotonic(), time.process_time()
    tasks = [asyncio.create_task(_hold(call, start, job.settings, index * stagger)) for index, call in enumerate(calls)]
    measured = (0.0, 0.0, 0)
    if job.load_s:
        measured = await _measure(job, stagger)
        for task in tasks:
            task.cancel()
    outcomes = await asyncio.gather(*tasks, return_exceptions=True)
    errors = [repr(outcome) for outcome in outcomes if isinstance(outcome, Exception)]
    if not job.load_s:
        measured = (time.process_time() - cpu, time.monotonic() - began, rss_bytes())
    return {
        "calls": [asdict(call.result()) for call in calls],
        "cpu_s": measured[0],
        "wall_s": measured[1],
        "rss_base": base,
        "rss": measured[2],
        "errors": errors,
    }


async def _measure(job: Job, stagger: float) -> tuple[float, float, int]:
    await asyncio.sleep(stagger * job.calls + SETTLE_S)
    began, cpu = time.monotonic(), time.process_time()
    readings: list[int] = []
    while time.monotonic() - began < job.load_s:
        await asyncio.sleep(1.0)
        readings.append(rss_bytes())
    late = sorted(readings[len(readings) // 2 :])
    return time.process_time() - cpu, time.monotonic() - began, late[len(late) // 2]


def serve(start: Start) -> None:
    """Entry point of every engine's process."""
    raw = json.loads(sys.stdin.readline())
    raw["plan"]["pause_ms"] = tuple(raw["plan"]["pause_ms"])
    job = Job(**(raw | {"plan": Plan(**raw["plan"])}))
    answer = asyncio.run(run_job(job, start))
    sys.stdout.write(json.dumps(answer) + "\n")
    sys.stdout.flush()
    # Peers leave threads and tasks behind; the figures are out, so nothing is worth waiting for.
    os._exit(0)
