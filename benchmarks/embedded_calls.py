"""`python -m benchmarks embedded`: whole calls with the embedded models, in real time. End of speech → first sound.

A real business is opened as `aivoice serve` does, with pacer, recorder and journal on. Three conditions: one call over
WebRTC (loopback), eight real-time callers whose 20 ms frames go straight to a leg, and eight over WebRTC. The callers
live in the call process, so its CPU includes their Opus, SRTP and jitter buffers.

    --quick: shorter, without the third condition. --docs FILE: rewrites its section there. --json FILE: all turns.

Exit status 1 when a figure misses its goal.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import os
import random
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

from aivoice import __version__
from aivoice.audio.pacer import LatenessStats
from aivoice.engine.clips import as_written
from aivoice.errors import ProviderError
from aivoice.hosting.caller import Ears, trimmed
from aivoice.hosting.caller_script import Answer, load_script
from aivoice.hosting.calls import Calls
from aivoice.hosting.clip_store import cache_folder, make_clips
from aivoice.hosting.house import House, open_house
from aivoice.transports.echo_cancelled import EchoCancelled
from aivoice.transports.webrtc_caller import WebRtcCaller
from benchmarks import report
from benchmarks.embedded_talk import MemoryPhone, Talker, Turn, Watch, explain
from benchmarks.figures import quantile

BUSINESS = Path(__file__).resolve().parent.parent / "examples" / "northside-dental"
VOICE = "low"
LINES = (
    "Hello, are you open on Friday afternoon?",
    "How much is a cleaning?",
    "What does a filling cost?",
    "Where are you?",
    "What time do you close today?",
    "Do you take new patients?",
    "Is there parking?",
    "Do you see children?",
    "Can I pay by card?",
    "How much would it be | to have my teeth whitened?",
    "I was wondering | whether you are open on Saturday.",
    "Are you open | the day after Thanksgiving?",
    "I would like to book a cleaning, please.",
    "I have a toothache and I need to see someone.",
    "My crown came off last night.",
    "I lost a filling | and it hurts when I drink something cold.",
    "I would like to come in for a check-up.",
    "Okay.",
    "What should I bring | to the first visit?",
    "Do you offer payment plans?",
)
GOODBYE = "Thank you very much. Goodbye."
LINES_A_CALL = 6
HANG_UP_S = 3.0
SETTLE_S = 1.0


@dataclass(frozen=True, slots=True)
class Condition:
    """calls at once for `seconds`. goal: (quantile, ms at most), None: reported only."""

    name: str
    leg: Literal["webrtc", "memory"]
    calls: int
    seconds: float
    goal: tuple[float, float] | None


@dataclass(slots=True)
class Measured:
    """turns of all calls, and what the machine did meanwhile. cpu: cores taken by the calls, by the inference process
    and by everything else."""

    condition: Condition
    turns: list[Turn]
    calls: int
    lateness_p99_ms: float
    load: float
    cpu: dict[str, float]


FULL = (
    Condition("one call over WebRTC", "webrtc", 1, 180.0, (0.5, 700.0)),
    Condition("eight real-time callers", "memory", 8, 120.0, (0.95, 1_200.0)),
    Condition("eight calls over WebRTC", "webrtc", 8, 60.0, None),
)
QUICK = (
    Condition("one call over WebRTC", "webrtc", 1, 30.0, (0.5, 700.0)),
    Condition("eight real-time callers", "memory", 8, 30.0, (0.95, 1_200.0)),
)


class Bench:
    """The house under test and what its callers know."""

    def __init__(self, house: House, calls: Calls, spoken: dict[str, bytes], answers: Sequence[Answer], folder: Path):
        self._house, self._calls, self._spoken, self._answers = house, calls, spoken, answers
        self._folder = folder
        self._business = house.infos()[0]
        self._held = 0

    async def measure(self, condition: Condition) -> Measured:
        """All callers at once, each call after call until the time is over."""
        self._calls.pacer.lateness = LatenessStats()
        turns: list[Turn] = []
        before, held = _cpu(self._house.models.inference.process_id), self._held
        until = asyncio.get_running_loop().time() + condition.seconds
        async with asyncio.TaskGroup() as group:
            for number in range(condition.calls):
                group.create_task(self._live(condition, number, until, turns))
        after = _cpu(self._house.models.inference.process_id)
        wall = after["wall"] - before["wall"]
        cpu = {name: round((after[name] - before[name]) / wall, 2) for name in after if name != "wall"}
        cpu["others"] = round(cpu.pop("machine") - cpu["calls"] - cpu["inference"], 2)
        late = self._calls.pacer.lateness.percentile_us(0.99) / 1e3
        return Measured(condition, turns, self._held - held, late, round(os.getloadavg()[0], 1), cpu)

    async def _live(self, condition: Condition, number: int, until: float, turns: list[Turn]) -> None:
        rng = random.Random(number + 1)
        await asyncio.sleep(rng.uniform(0, 4.0) if condition.calls > 1 else 0.0)
        loop = asyncio.get_running_loop()
        while loop.time() < until - 5.0:
            watch = Watch(self._business.clips or {})
            said = await self._call(condition, rng, watch, until)
            explain(said, watch)
            turns.extend(said)
            await asyncio.sleep(SETTLE_S)

    async def _call(self, condition: Condition, rng: random.Random, watch: Watch, until: float) -> list[Turn]:
        self._held += 1
        call_id = f"bench-{self._held}"
        directory = self._folder / call_id
        directory.mkdir()
        ears = Ears()
        lines = rng.sample(LINES, LINES_A_CALL)
        async with contextlib.AsyncExitStack() as stack:
            if condition.leg == "memory":
                phone = MemoryPhone(self._calls.pacer, ears, rng.randrange(1 << 30))
                call = self._calls.run(
                    EchoCancelled(phone),
                    call_id=call_id,
                    business_id=self._business.id,
                    directory=directory,
                    hub=watch,
                )
                stack.callback(phone.hang_up)
            else:
                phone = WebRtcCaller(pacer=self._calls.pacer, hears=ears, keep_s=60.0)
                stack.push_async_callback(phone.close)

                async def exchange(offer: str) -> str:
                    started = await self._calls.start(
                        offer, call_id=call_id, business=self._business, directory=directory, hub=watch
                    )
                    return started.answer_sdp

                await phone.dial(exchange)
                call = None
            talker = Talker(phone, ears, watch, lines, self._answers, GOODBYE, self._spoken, rng)
            await talker.talk(until)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(HANG_UP_S):
                    await phone.ended.wait()
        if call is not None:
            await call.wait_closed()
        return talker.turns


def _cpu(inference: int | None) -> dict[str, float]:
    """CPU seconds so far: of this process, of the inference process, of the whole machine (Linux)."""
    tick = os.sysconf("SC_CLK_TCK")

    def fields(path: str) -> list[str]:
        try:
            return Path(path).read_text(encoding="ascii").split("\n", 1)[0].rsplit(")", 1)[-1].split()
        except OSError:
            return []

    own = fields(f"/proc/{inference}/stat")
    machine = fields("/proc/stat")[1:]
    # user nice system idle iowait irq softirq steal (proc(5)); guest time is in user time already
    busy = sum(int(machine[at]) for at in (0, 1, 2, 5, 6) if at < len(machine))
    return {
        "calls": time.process_time(),
        "inference": (int(own[11]) + int(own[12])) / tick if own else 0.0,
        "machine": busy / tick,
        "wall": time.monotonic(),
    }


async def _speak(house: House, texts: Sequence[str]) -> dict[str, bytes]:
    parts = dict.fromkeys(part.strip() for text in texts for part in text.split("|"))
    made = await make_clips(
        house.models.tts, {part: part for part in parts}, as_written, voice=VOICE, release=__version__,
        cache=cache_folder(),
    )  # fmt: skip
    spoken = {text: trimmed(clip.pcm or b"") for text, clip in made.ready.items()}
    if made.missing or not all(spoken.values()):
        raise ProviderError("the caller's voice gave no audio", code="empty_audio", stage="tts")
    return spoken


async def run(conditions: Sequence[Condition]) -> list[Measured]:
    """Every condition, one after the other, in one house."""

    def told(line: str) -> None:
        print(f"embedded: {line}", file=sys.stderr)

    script = load_script(BUSINESS / "caller.yaml")
    answers = [answer.model_copy(update={"times": 10}) for answer in script.answers]
    texts = [*LINES, GOODBYE, *(answer.say for answer in answers)]
    with tempfile.TemporaryDirectory(prefix="aivoice-bench-") as folder:
        async with (
            open_house([BUSINESS / "business.yaml"], progress=told) as house,
            Calls(house.hosted) as calls,
        ):
            bench = Bench(house, calls, await _speak(house, texts), answers, Path(folder))
            measured: list[Measured] = []
            for condition in conditions:
                told(f"{condition.name}, {condition.seconds:.0f} s …")
                measured.append(await bench.measure(condition))
            return measured


# ---------------------------------------------------------------- figures


def first_ms(turn: Turn) -> float | None:
    """End of speech → first sound."""
    return None if turn.first is None else round((turn.first - turn.ended) * 1e3, 1)


def answer_ms(turn: Turn) -> float | None:
    """End of speech → the answer's first sound."""
    return None if turn.answer is None else round((turn.answer - turn.ended) * 1e3, 1)


def figures(measured: Measured) -> dict[str, Any]:
    """What one condition came to. Latencies: of turns that were not answered early."""
    clean = [turn for turn in measured.turns if not turn.early]
    first = [ms for turn in clean if (ms := first_ms(turn)) is not None]
    answer = [ms for turn in clean if (ms := answer_ms(turn)) is not None]
    total = len(measured.turns)
    goal = measured.condition.goal
    value = quantile(first, goal[0]) if goal is not None else None
    return {
        "condition": measured.condition.name,
        "calls": measured.calls,
        "turns": total,
        "first_ms": _spread(first),
        "answer_ms": _spread(answer),
        "early_percent": round(100 * sum(turn.early for turn in measured.turns) / total, 1) if total else None,
        "unanswered": sum(turn.first is None for turn in clean),
        "lateness_p99_ms": measured.lateness_p99_ms,
        "load": measured.load,
        "cpu": measured.cpu,
        "kinds": _kinds(clean),
        "met": goal is None or (value is not None and value <= goal[1]),
    }


def _spread(values: Sequence[float]) -> dict[str, float | None]:
    spread = {f"p{round(100 * q)}": quantile(values, q) for q in (0.5, 0.9, 0.95)}
    return spread | {"max": max(values, default=None)}


def _kinds(turns: Sequence[Turn]) -> list[dict[str, Any]]:
    """By the wait that endpointing chose: latency, how much of it came after that wait, and the stages' means."""
    rows: list[dict[str, Any]] = []
    for kind in sorted({turn.kind for turn in turns}):
        own = [turn for turn in turns if turn.kind == kind and turn.first is not None]
        if not own:
            continue
        beyond = [(first_ms(turn) or 0.0) - turn.wait_ms for turn in own]
        stages: dict[str, float] = {}
        for turn in own:
            for name, ms in turn.stages.items():
                stages[name] = stages.get(name, 0.0) + ms / len(own)
        rows.append(
            {
                "kind": kind,
                "turns": len(own),
                "first_ms": _spread([first_ms(turn) or 0.0 for turn in own]),
                "beyond_ms": _spread(beyond),
                "stages": {name: round(ms) for name, ms in stages.items()},
            }
        )
    return rows


def _of(spread: dict[str, float | None]) -> str:
    return " / ".join("–" if value is None else f"{value:.0f}" for value in spread.values())


def markdown(rows: Sequence[dict[str, Any]], conditions: Sequence[Condition], scale: str) -> str:
    """The section of docs/benchmarks.md."""
    goals: list[tuple[str, ...]] = []
    for row, condition in zip(rows, conditions, strict=True):
        if condition.goal is None:
            continue
        name = f"p{round(100 * condition.goal[0])}"
        value = row["first_ms"][name]
        got = "–" if value is None else f"{value:.0f} ms"
        goals.append((f"{condition.name}: end of speech → first sound, {name}", got, f"≤ {condition.goal[1]:.0f} ms",
                      "yes" if row["met"] else "NO"))  # fmt: skip
    lines = [
        (
            row["condition"], row["calls"], row["turns"], _of(row["first_ms"]), _of(row["answer_ms"]),
            row["early_percent"], row["unanswered"], row["lateness_p99_ms"], row["load"],
            " / ".join(f"{row['cpu'][name]:.2f}" for name in ("calls", "inference", "others")),
        )
        for row in rows
    ]  # fmt: skip
    header = (
        "condition", "calls", "turns", "first sound p50 / p90 / p95 / max ms", "answer p50 / p90 / p95 / max ms",
        "spoken into a pause %", "unanswered", "frame lateness p99 ms", "load average",
        "cores: call process / inference / all else",
    )  # fmt: skip
    names = list(dict.fromkeys(name for row in rows for kind in row["kinds"] for name in kind["stages"]))
    kinds = [
        (
            row["condition"], kind["kind"], kind["turns"], _of(kind["first_ms"]), _of(kind["beyond_ms"]),
            *(kind["stages"].get(name) for name in names),
        )
        for row in rows
        for kind in row["kinds"]
    ]  # fmt: skip
    kind_header = (
        "condition", "text sounded", "turns", "first sound p50 / p90 / p95 / max ms",
        "beyond the wait chosen p50 / p90 / p95 / max ms", *(f"{name} ms" for name in names),
    )  # fmt: skip
    return "\n\n".join(
        (
            "## Whole calls with the embedded models",
            f"Taken {time.strftime('%Y-%m-%dT%H:%M:%SZ', time.gmtime())} ({scale}) on {os.cpu_count()} cores. The "
            "callers speak with another of the embedded voices, pause in a third of their lines, and wait about a "
            "second after the agent. First sound: a filler counts; the answer is the reply itself. Turns in which the "
            "agent spoke before the line's end are left out of the latencies.",
            report.table(("what", "measured", "goal", "met"), goals),
            report.table(header, lines),
            "By how finished the text sounded to endpointing, which chooses the wait; the stages are means of the "
            "answer's waterfall (a wait for the caller is `endpointing`).",
            report.table(kind_header, kinds),
        )
    )


def main(arguments: list[str]) -> int:
    """Exit status 1 when a goal is missed."""
    parser = argparse.ArgumentParser(prog="benchmarks embedded", description="whole calls with the embedded models")
    parser.add_argument("--quick", action="store_true", help="shorter, without eight WebRTC calls")
    parser.add_argument("--only", type=int, help="one condition, from 0")
    parser.add_argument("--seconds", type=float, help="length of each condition")
    parser.add_argument("--json", type=Path, help="file for all turns")
    parser.add_argument("--docs", type=Path, help="Markdown file whose section is rewritten")
    options = parser.parse_args(arguments)
    conditions = QUICK if options.quick else FULL
    if options.only is not None:
        conditions = conditions[options.only : options.only + 1]
    if options.seconds:
        conditions = tuple(Condition(one.name, one.leg, one.calls, options.seconds, one.goal) for one in conditions)
    measured = asyncio.run(run(conditions))
    rows = [figures(one) for one in measured]
    text = markdown(rows, conditions, "quick" if options.quick else "full")
    print(text)
    if options.json is not None:
        turns = [[asdict(turn) for turn in one.turns] for one in measured]
        options.json.write_text(json.dumps({"rows": rows, "turns": turns}, indent=1) + "\n", encoding="utf-8")
    if options.docs is not None:
        report.write_section(options.docs, "embedded-calls", text)
    return 0 if all(row["met"] for row in rows) else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
