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
from dataclasses import asdict, replace
from pathlib import Path

from aivoice import __version__
from aivoice.audio.pacer import LatenessStats
from aivoice.engine.clips import as_written
from aivoice.errors import ProviderError, VoiceError
from aivoice.hosting.caller import Ears, trimmed
from aivoice.hosting.caller_script import Answer, load_script
from aivoice.hosting.calls import Calls
from aivoice.hosting.clip_store import cache_folder, make_clips
from aivoice.hosting.house import House, open_house
from aivoice.testing.goals import all_met, write_section
from aivoice.transports.echo_cancelled import EchoCancelled
from aivoice.transports.webrtc_caller import WebRtcCaller
from benchmarks.embedded_figures import Condition, Measured, figures, goals, markdown
from benchmarks.embedded_talk import MemoryPhone, Talker, Turn, Watch, explain

BUSINESS = Path(__file__).resolve().parent.parent / "examples" / "northside-dental"
VOICES = ("low", "high")
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
VARIANTS = {
    "My name is Anna Miller.": ("My name is Anna Miller.", "It's Sarah Green.", "Tom Baker."),
    "Next Tuesday, please.": ("Next Tuesday, please.", "On Thursday | if you can.", "Wednesday next week."),
    "At ten in the morning.": ("At ten in the morning.", "Around three | in the afternoon."),
    "Five five five, oh one two, three four five six.": (
        "Five five five, | oh one two, | three four five six.",
        "It's five five five, zero one zero, nine eight two three.",
        "Sure, it's five five five, three four nine, eight one one six.",
        "You can reach me at five five five, six one two, nine zero four five.",
    ),
}
"""Not every caller says what the example's script says."""
GOODBYE = "Thank you very much. Goodbye."
LINES_A_CALL = 6
HANG_UP_S = 3.0
SETTLE_S = 1.0


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

    def __init__(
        self,
        house: House,
        calls: Calls,
        spoken: Sequence[dict[str, bytes]],
        answers: Sequence[Answer],
        folder: Path,
    ) -> None:
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
        answers = [
            answer.model_copy(update={"say": rng.choice(VARIANTS.get(answer.say, (answer.say,)))})
            for answer in self._answers
        ]
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
            talker = Talker(phone, ears, watch, lines, answers, GOODBYE, rng.choice(self._spoken), rng)
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


async def _speak(house: House, texts: Sequence[str], voice: str) -> dict[str, bytes]:
    parts = dict.fromkeys(part.strip() for text in texts for part in text.split("|"))
    made = await make_clips(
        house.models.tts, {part: part for part in parts}, as_written, voice=voice, release=__version__,
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
    texts = [*LINES, GOODBYE, *(text for answer in answers for text in VARIANTS.get(answer.say, (answer.say,)))]
    with tempfile.TemporaryDirectory(prefix="aivoice-bench-") as folder:
        async with (
            open_house([BUSINESS / "business.yaml"], progress=told) as house,
            Calls(house.hosted) as calls,
        ):
            spoken = [await _speak(house, texts, voice) for voice in VOICES]
            bench = Bench(house, calls, spoken, answers, Path(folder))
            measured: list[Measured] = []
            for condition in conditions:
                told(f"{condition.name}, {condition.seconds:.0f} s …")
                measured.append(await bench.measure(condition))
            return measured


def _command(options: argparse.Namespace) -> str:
    """As given, but for the files that it writes."""
    given = ["aivoice bench embedded"]
    given += ["--quick"] if options.quick else []
    given += [] if options.only is None else [f"--only {options.only}"]
    given += [f"--seconds {options.seconds:g}"] if options.seconds else []
    return " ".join(given)


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
        conditions = tuple(replace(one, seconds=options.seconds) for one in conditions)
    try:
        measured = asyncio.run(run(conditions))
    except VoiceError as error:
        print(f"embedded: {error}", file=sys.stderr)
        return 1
    rows = [figures(one) for one in measured]
    asked = goals(rows, conditions)
    text = markdown(rows, asked, _command(options))
    print(text)
    if options.json is not None:
        turns = [[asdict(turn) for turn in one.turns] for one in measured]
        options.json.write_text(json.dumps({"rows": rows, "turns": turns}, indent=1) + "\n", encoding="utf-8")
    if options.docs is not None:
        write_section(options.docs, "embedded-calls", text, asked)
    return 0 if all_met(asked) else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
