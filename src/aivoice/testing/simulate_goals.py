"""What a simulation is asked to reach, and its section of the benchmarks' page."""

from __future__ import annotations

from aivoice.testing.goals import Goal, at_least, at_most, goals_table, table, taken
from aivoice.testing.simulate import RATES, Report, quantiles, run_one
from aivoice.testing.verify import WORDS_OFF

JUDGED_FROM = 1_000
"""With fewer calls a rate of one percent says nothing: figures only."""
REPEATED = 40


def repeats(report: Report) -> bool:
    """Hold the first calls again, in this process alone: is every journal the same, byte for byte?"""
    first = report.digests[:REPEATED]
    return [run_one(report.seed, index).digest for index in range(len(first))] == first


def figures_asked(report: Report) -> list[Goal]:
    """What the calls themselves are to be like: the same on every machine."""
    told = report.figures
    mean_s = told.simulated_us / 1e6 / max(report.calls, 1)
    return [
        at_most("calls that broke a contract", len(report.failing), 0, ""),
        at_most("turn ended inside a caller's pause", _percent(report, "pauses ended", "pauses"), 5, "%"),
        at_most("… while numbers and addresses are given", _spelled(report), 1, "%"),
        at_least("backchannel not an interruption", _kept(report, "backchannel"), 95, "%"),
        at_least("interruption yielded to", _percent(report, "interrupt yielded", "interrupt"), 99, "%"),
        at_most(
            "backchannel: from its end until speech, p95", _ms(report, "backchannel: end to speech", "p95"), 700, "ms",
            also=_whole(report, "backchannel"),
        ),
        at_most(
            "cough: from its end until speech, p95", _ms(report, "cough: end to speech", "p95"), 700, "ms",
            also=_whole(report, "cough"),
        ),
        at_most("first words to decision, p95", _ms(report, "first words to decision", "p95"), 400, "ms"),
        at_most("clips cut by their own echo", _echo(report), 1, "%"),
        at_most("history off by words at a stop, p95", _ms(report, WORDS_OFF, "p95"), 1, ""),
        at_least("mean length of a call", mean_s, 60, "s"),
    ]  # fmt: skip


def goals(report: Report, *, same: bool | None = None) -> list[Goal]:
    """All figures that are asked for. same: what `repeats` said."""
    told = report.figures
    speed = told.simulated_us / 1e6 / max(report.core_s, 1e-9)
    missing = ", ".join(report.missing) or "all occurred"
    asked = [
        *figures_asked(report),
        Goal("behaviours and kinds of faults", missing, "every one occurs", not report.missing),
        at_most("1,000 calls take", report.wall_s * 1_000 / max(report.calls, 1), 60, "s"),
        at_least("the core alone, times real time", speed, 1_000, ""),
    ]
    if same is not None:
        shown = "the same" if same else "different"
        asked.append(Goal(f"journals of the first {REPEATED} calls, held again", shown, "the same", same))
    return asked


def section(report: Report, reached: list[Goal], command: str) -> str:
    """For docs/benchmarks.md."""
    told = report.figures
    latencies = [
        (name, *(q[key] for key in ("p50", "p90", "p95", "p99")), int(q["n"]))
        for name, values in sorted(told.latencies.items())
        for q in [quantiles(values)]
    ]
    rates = [
        (name, f"{told.rate(part, whole):.2f}" if part == "generations" else f"{100 * told.rate(part, whole):.1f} %",
         told.counts.get(whole, 0))
        for name, part, whole in RATES
    ]  # fmt: skip
    acts = ", ".join(f"{name} {count}" for name, count in sorted(told.behaviours.items()))
    failing = f"; calls that broke a contract: {report.failing}" if report.failing else ""
    return "\n\n".join(
        (
            "## Simulated calls",
            f"{taken(command)} {report.calls:,} calls of seed {report.seed} through the engine in virtual time, with "
            f"callers and providers that misbehave: {told.simulated_us / 3.6e9:.1f} h of talk in {report.wall_s:.1f} s "
            f"on {report.processes} processes. Journals {report.digest}{failing}.",
            goals_table(reached),
            table(("share", "measured", "of"), rates),
            table(("latency", "p50 ms", "p90 ms", "p95 ms", "p99 ms", "times"), latencies),
            f"What callers did: {acts}. Faults that took effect: {sum(told.faults.values())}.",
        )
    )


def _percent(report: Report, part: str, whole: str) -> float | None:
    """None where it never occurred: such a figure is not reached."""
    return 100 * report.figures.rate(part, whole) if report.figures.counts.get(whole) else None


def _spelled(report: Report) -> float | None:
    return _percent(report, "spelled pauses ended", "spelled pauses")


def _echo(report: Report) -> float | None:
    return _percent(report, "self-interruptions", "clips over speakerphones")


def _kept(report: Report, kind: str) -> float | None:
    taken_for = _percent(report, f"{kind} yielded", kind)
    return None if taken_for is None else 100 - taken_for


def _ms(report: Report, name: str, quantile: str) -> float | None:
    values = report.figures.latencies.get(name)
    return quantiles(values)[quantile] if values else None


def _whole(report: Report, kind: str) -> str:
    q = quantiles(report.figures.latencies.get(f"{kind}: hole", []))
    return f" (the whole hole {q['p50']:.0f} p50, {q['p95']:.0f} p95)"
