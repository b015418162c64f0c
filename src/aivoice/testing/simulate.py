"""`simulate(calls, seed, processes)`: whole calls through the real engine in virtual time, every contract checked.

Each call is a function of (seed, index) alone: how the calls are spread over processes changes nothing, and a failure
is repeated by its seed and index. A failing call is shrunken: acts, faults and surroundings are taken away as long as
the same contract stays broken.
"""

from __future__ import annotations

import hashlib
import multiprocessing
import os
import re
import signal
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field, replace
from multiprocessing.process import BaseProcess
from typing import Any

from aivoice.core import commands as c
from aivoice.core.call import Call
from aivoice.engine.journal import Encoder
from aivoice.testing import scenarios
from aivoice.testing.acts import BEHAVIOURS, CallPlan
from aivoice.testing.checks import Violation, is_command
from aivoice.testing.faults import FAULT_KINDS
from aivoice.testing.scenarios import plan_call
from aivoice.testing.simulated import CallRecord, run_call
from aivoice.testing.verify import WORDS_OFF, Figures, check, figures

BATCH = 20
"""Calls handed to a process at a time."""
MOST_SHRINKS = 10
"""Failing calls that are shrunken; the others are only counted."""
SHRINK_RUNS = 200
_SURROUNDINGS = ("talk", "echo", "television", "talker", "late finals")


@dataclass(slots=True)
class CallResult:
    """One call as it comes back from a process."""

    index: int
    digest: str
    violations: list[Violation]
    figures: Figures
    core_s: float


@dataclass(slots=True)
class Failure:
    """A broken contract with the smallest plan found that breaks it, and that call's journal (replayable lines)."""

    seed: int
    index: int
    violation: Violation
    plan: CallPlan
    journal: str
    runs: int

    def text(self) -> str:
        """For a terminal."""
        acts = ", ".join(f"{act.behaviour} ({act.moment} +{act.delay_ms} ms)" for act in self.plan.acts) or "none"
        faults = ", ".join(f"{fault.stage} {fault.kind}" for fault in self.plan.faults) or "none"
        return (
            f"seed {self.seed}, call {self.index}: {self.violation}\n"
            f"  shrunken in {self.runs} runs to: acts {acts}; faults {faults}; "
            f"echo {'yes' if self.plan.echo else 'no'}, chatter {'yes' if self.plan.chatter else 'no'}"
        )


@dataclass(slots=True)
class Report:
    """What came of a simulation. digests: of each call's journal, in order; digest: over all of them. core_s: time
    in the core alone."""

    calls: int
    seed: int
    processes: int
    wall_s: float
    figures: Figures
    digest: str
    failing: list[int]
    failures: list[Failure]
    core_s: float = 0.0
    missing: list[str] = field(default_factory=list[str])
    digests: list[str] = field(default_factory=list[str])

    @property
    def ok(self) -> bool:
        """No contract was broken."""
        return not self.failing

    def lines(self) -> list[str]:
        """The figures, for people."""
        return list(_lines(self))

    def as_json(self) -> dict[str, Any]:
        """The same for machines."""
        told = self.figures
        return {
            "calls": self.calls,
            "seed": self.seed,
            "processes": self.processes,
            "wall_s": round(self.wall_s, 2),
            "simulated_s": round(told.simulated_us / 1e6, 1),
            "mean_call_s": round(told.simulated_us / 1e6 / max(self.calls, 1), 1),
            "core_times_real_time": round(told.simulated_us / 1e6 / max(self.core_s, 1e-9)),
            "digest": self.digest,
            "failing_calls": self.failing,
            "violations": {str(k): v for k, v in sorted(told.violations.items())},
            "counts": dict(sorted(told.counts.items())),
            "rates": {name: round(told.rate(part, whole), 4) for name, part, whole in RATES},
            "latencies_ms": {name: quantiles(values) for name, values in sorted(told.latencies.items())},
            "behaviours": dict(sorted(told.behaviours.items())),
            "faults": dict(sorted(told.faults.items())),
            "ends": dict(sorted(told.reasons.items())),
            "missing": self.missing,
        }


RATES = (
    ("turn ended inside a pause", "pauses ended", "pauses"),
    ("agent spoke into a pause", "pauses spoken into", "pauses"),
    ("turn ended inside a spelled pause", "spelled pauses ended", "spelled pauses"),
    ("agent spoke into a spelled pause", "spelled pauses spoken into", "spelled pauses"),
    ("backchannel taken for an interruption", "backchannel yielded", "backchannel"),
    ("cough taken for an interruption", "cough yielded", "cough"),
    ("interruption yielded to", "interrupt yielded", "interrupt"),
    ("clips cut by their own echo", "self-interruptions", "clips over speakerphones"),
    ("caller's sentences lost", "sentences lost", "sentences"),
    ("generations a turn", "generations", "turns"),
    ("replies thrown away a turn", "discarded", "turns"),
    ("turns reopened", "reopened", "turns"),
)


def simulate(
    calls: int, seed: int, processes: int = 0, *, shrink: bool = True, progress: Callable[[int], None] | None = None
) -> Report:
    """Run calls 0 … `calls` - 1 of `seed`.

    processes: 0 means one a core; 1 runs in this process. progress: told how many calls are done, now and then.
    """
    processes = processes or os.cpu_count() or 1
    started = time.perf_counter()
    batches = [range(first, min(first + BATCH, calls)) for first in range(0, calls, BATCH)]
    results: list[CallResult] = []
    for batch in _run(batches, seed, min(processes, len(batches))):
        results.extend(batch)
        if progress is not None:
            progress(len(results))
    total, whole, core_s = Figures(), hashlib.blake2b(digest_size=16), 0.0
    for result in results:
        total.add(result.figures)
        whole.update(result.digest.encode())
        core_s += result.core_s
    wall_s = time.perf_counter() - started
    failing = [result for result in results if result.violations]
    failures = [shrunken(seed, each.index, each.violations[0]) for each in _one_of_each(failing)] if shrink else []
    report = Report(
        calls, seed, processes, wall_s, total, whole.hexdigest(), [r.index for r in failing], failures, core_s
    )
    report.missing = _missing(total)
    report.digests = [result.digest for result in results]
    return report


def _run(batches: list[range], seed: int, processes: int) -> Iterator[list[CallResult]]:
    if processes <= 1:
        for batch in batches:
            yield run_batch(seed, batch)
        return
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(processes, context, _begin_helper) as pool:
        # Helpers inherit the mask: one that is only just starting would print a traceback when it hears Ctrl-C.
        before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
        try:
            done = pool.map(run_batch, [seed] * len(batches), batches)
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)
        yield from done


def _begin_helper() -> None:
    """Ctrl-C is the parent's to handle (`_run` sees to it that no helper hears it). A parent that is gone is noticed:
    the pool's helpers hold both ends of the queue that they wait on, and would wait for ever."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        threading.Thread(target=_end_with, args=(parent,), name="parent watch", daemon=True).start()


def _end_with(parent: BaseProcess) -> None:
    parent.join()
    os._exit(1)


def run_batch(seed: int, indices: range) -> list[CallResult]:
    """The calls of `indices`, one after another."""
    return [run_one(seed, index) for index in indices]


def run_one(seed: int, index: int) -> CallResult:
    """One call, checked."""
    record = run_call(plan_call(seed, index))
    violations = check(record)
    core_s, difference = replayed(record)
    if difference is not None:
        violations.append(difference)
    return CallResult(index, record.digest(), violations, figures(record, violations), core_s)


def replayed(record: CallRecord) -> tuple[float, Violation | None]:
    """Feed the call's events to a fresh core: the same commands must come back. Also gives the core's own CPU time."""
    call = Call(scenarios.config(record.plan))
    started = time.perf_counter()
    waiting: list[c.Command] = []
    for at, item in record.records:
        if not is_command(item):
            if waiting:
                return 0.0, Violation(0, at, f"replay commands {type(waiting[0]).__name__}, the call did not")
            call.handle(item, at)  # type: ignore[arg-type]
            while (command := call.poll()) is not None:
                waiting.append(command)
        elif isinstance(item, c.Note) and item.kind == "task_failed":
            continue  # the engine's own note
        elif not waiting or waiting.pop(0) != item:
            return 0.0, Violation(0, at, f"replay does not give {type(item).__name__} here")
    return time.perf_counter() - started, None


def _one_of_each(failing: list[CallResult]) -> list[CallResult]:
    """The first failing call of each kind of violation, at most `MOST_SHRINKS`."""
    seen: dict[str, CallResult] = {}
    for result in failing:
        seen.setdefault(_kind(result.violations[0]), result)
    return list(seen.values())[:MOST_SHRINKS]


def _missing(told: Figures) -> list[str]:
    wanted = [*BEHAVIOURS, *_SURROUNDINGS]
    missing = [name for name in wanted if not told.behaviours.get(name)]
    kinds = {name.split(" ", 1)[1] for name in told.faults}
    return missing + [f"fault: {kind}" for kind in FAULT_KINDS if kind not in kinds]


# ---------------------------------------------------------------- shrinking


def _kind(violation: Violation) -> str:
    return f"{violation.contract} {re.sub(r'[0-9.]+', '#', violation.what.splitlines()[0])[:120]}"


def shrunken(seed: int, index: int, violation: Violation) -> Failure:
    """The smallest plan found that breaks the same contract in the same way."""
    kind, runs = _kind(violation), 0
    best = plan_call(seed, index)
    found = violation

    def breaks(plan: CallPlan) -> Violation | None:
        nonlocal runs
        runs += 1
        record = run_call(plan)
        every = check(record)
        _, difference = replayed(record)
        return next((v for v in (*every, *([difference] if difference else [])) if _kind(v) == kind), None)

    progress = True
    while progress and runs < SHRINK_RUNS:
        progress = False
        for smaller in _smaller(best):
            if runs >= SHRINK_RUNS:
                break
            again = breaks(smaller)
            if again is not None:
                best, found, progress = smaller, again, True
                break
    return Failure(seed, index, found, best, journal_of(run_call(best)), runs)


def _smaller(plan: CallPlan) -> Iterator[CallPlan]:
    """Plans with something taken away, the largest pieces first (delta debugging)."""
    size = len(plan.acts) // 2
    while size >= 1:
        for first in range(0, len(plan.acts), size):
            yield replace(plan, acts=plan.acts[:first] + plan.acts[first + size :])
        size //= 2
    for place in range(len(plan.faults)):
        yield replace(plan, faults=plan.faults[:place] + plan.faults[place + 1 :])
    simple = CallPlan(plan.index, plan.seed, plan.acts)
    for name in (
        "echo",
        "chatter",
        "stalls_ms",
        "frames",
        "chains",
        "retrieval",
        "stt",
        "llm",
        "rate",
        "speculation",
        "tts",
    ):
        wanted = False if name == "chains" else getattr(simple, name)
        if getattr(plan, name) != wanted:
            yield replace(plan, **{name: wanted})
    for place, act in enumerate(plan.acts):
        if act.pauses:
            acts = (*plan.acts[:place], replace(act, pauses=act.pauses[:-1]), *plan.acts[place + 1 :])
            yield replace(plan, acts=acts)


def journal_of(record: CallRecord) -> str:
    """The call as journal text."""
    encoder = Encoder()
    lines = [encoder.header(f"sim-{record.plan.seed}-{record.plan.index}", scenarios.config(record.plan))]
    for at, item in record.records:
        lines.extend(encoder.lines((at, "c" if is_command(item) else "e", item)))
    return "".join(lines)


# ---------------------------------------------------------------- telling


def quantiles(values: list[int]) -> dict[str, float]:
    """p50, p90, p95, p99 of µs, in ms, and how many there were; 0 where there was none."""
    ordered = sorted(values)
    told: dict[str, float] = {"n": len(ordered)}
    for name, share in (("p50", 0.5), ("p90", 0.9), ("p95", 0.95), ("p99", 0.99)):
        told[name] = round(ordered[min(len(ordered) - 1, int(len(ordered) * share))] / 1000, 1) if ordered else 0.0
    return told


def _lines(report: Report) -> Iterator[str]:
    told = report.figures
    simulated = told.simulated_us / 1e6
    yield (
        f"{report.calls} calls of seed {report.seed} in {report.wall_s:.1f} s on {report.processes} process(es): "
        f"{simulated / 3600:.1f} h of talk, {simulated / max(report.calls, 1):.0f} s a call, "
        f"{simulated / max(report.wall_s, 1e-9):.0f}x real time "
        f"(the core alone {simulated / max(report.core_s, 1e-9):.0f}x)"
    )
    yield f"journals {report.digest}"
    for name, part, whole in RATES:
        count = told.counts.get(whole, 0)
        value = told.rate(part, whole)
        shown = f"{value:.2f}" if part == "generations" else f"{100 * value:.1f} %"
        yield f"  {name}: {shown} of {count}"
    for name, values in sorted(told.latencies.items()):
        q = quantiles(values)
        unit = "" if name == WORDS_OFF else " ms"
        yield f"  {name}: p50 {q['p50']:g}, p95 {q['p95']:g}, p99 {q['p99']:g}{unit} (n {q['n']:g})"
    yield "  ends: " + ", ".join(f"{name} {count}" for name, count in sorted(told.reasons.items()))
    yield "  behaviours: " + ", ".join(f"{name} {count}" for name, count in sorted(told.behaviours.items()))
    yield f"  faults that took effect: {sum(told.faults.values())} of {len(told.faults)} kinds"
    if report.missing:
        yield "  never occurred: " + ", ".join(report.missing)
    for contract, count in sorted(told.violations.items()):
        yield f"contract {contract} was broken {count} time(s)"
    for failure in report.failures:
        yield from failure.text().splitlines()
